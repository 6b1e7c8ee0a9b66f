//! The options and the result of an encode.

use crate::limits::Limits;
use crate::measure;
use crate::mode::{Coding, Mode};
use crate::quality::Quality;
use crate::target::Target;

/// Whether the encoder decodes its own stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Check {
    /// Decodes the stream, measures its PSNR and records the hash of its pixels. This takes about half of the time of an
    /// encode.
    #[default]
    Exact,
    /// Skips this decode, for live pictures that nobody verifies. [`Encoded::psnr`] is then `None` and the stream
    /// records no hash, so a decoder reports `hash_matches: None`. [`Target::Psnr`] measures nevertheless.
    None,
}

/// Whether a stream can be mended after damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protection {
    /// Damage of the header or the table costs the whole picture, and damage of hyper-latents costs their group.
    #[default]
    None,
    /// A second copy of header, table and hyper-latents is at the end of the stream. Together with groups of 256 pixels
    /// (`group_log2` of 8), no hole of 1000 bytes costs more than a few groups; the Kodak pictures at quality 50 are then
    /// 4.8 % longer.
    Backup,
}

/// Options of the encoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// What to aim at. The default is quality 50.
    pub target: Target,
    /// Binary logarithm of a group's side in pixels, 6 to 14. Smaller groups decode more in parallel and
    /// lose less if a stream is damaged, but each group costs about 40 bytes and some context. The default is 10.
    /// Exact streams of photographs have groups of half this side, so that threads can share them.
    pub group_log2: u8,
    /// Number of threads; 0 means one for each core. The default is 1. Fewer threads work if this many would need more memory
    /// than [`Limits::bytes`].
    pub threads: usize,
    /// Whether to decode the result once for its PSNR and hash. The default is [`Check::Exact`].
    pub check: Check,
    /// Whether the stream can be mended after damage. The default is [`Protection::None`].
    pub protection: Protection,
    /// Whether to use the model. The default is [`Mode::Learned`].
    pub mode: Mode,
    /// Limits on the picture and on memory.
    pub limits: Limits,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            target: Target::Quality(Quality::default()),
            group_log2: 10,
            threads: 1,
            check: Check::Exact,
            protection: Protection::None,
            mode: Mode::Learned,
            limits: Limits::default(),
        }
    }
}

/// An encoded picture.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The `.aec` stream.
    pub bytes: Vec<u8>,
    /// Whether the model was used.
    pub coding: Coding,
    /// The quality that was chosen; the highest one for an exact stream.
    pub quality: Quality,
    /// PSNR of the decoded colour samples in dB, as every decoder will get them. It is `None` if they are exact, and if it
    /// was not measured ([`Check::None`]).
    pub psnr: Option<f64>,
    /// False if the target is out of reach; this is then the nearest result. A rate is an upper bound: any file below it
    /// reaches it.
    pub reached: bool,
    /// Share of the picture, 0 to 1, in which the decoded pixels are far worse than the quality promises: worse than if each
    /// block of 16 x 16 pixels had one colour. It is 0 for photographs and noise at any quality; colours that the
    /// model was not trained on may be broken. It is also 0 if it was not measured ([`Check::None`]).
    pub broken: f64,
    /// Number of bits that all substreams need according to the model's probabilities. Compare it with the size of the
    /// stream to judge the entropy coder.
    pub model_bits: f64,
}

impl Encoded {
    /// Whether so much of the picture is [broken](Self::broken) that the user should be told.
    pub fn is_broken(&self) -> bool {
        self.broken > measure::UNSEEN
    }
}
