//! Picture to stream: analysis, the walk over every group, the container, and the search for a target.

use crate::container::{self, Header, NO_PIXEL_HASH, alpha, metadata, recorded_hash};
use crate::entropy;
use crate::kernel::Path;
use crate::limits::Limits;
use crate::memory;
use crate::model::Model;
use crate::net::context::PASSES;
use crate::net::synthesis::{self, Cut};
use crate::net::{Plane, Scratch, analysis, hyper};
use crate::picture::{Color, Picture};
use crate::quality::{Gains, Quality};
use crate::rate;
use crate::threads;
use crate::walk::{self, Coded, Symbols};
use crate::window::Window;
use crate::{Error, Result};
use std::sync::Mutex;

/// Largest magnitude of a symbol.
const SYMBOL_MAX: i64 = 16383;

/// What the encoder aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// A point of the quality scale: one encode.
    Quality(Quality),
    /// At most this many bits a pixel, header included: about six encodes.
    BitsPerPixel(f64),
    /// A file of at most this many bytes: about six encodes.
    Bytes(u64),
    /// A PSNR in dB over the colour samples, just below or at this: about eight encodes.
    Psnr(f64),
}

/// Whether the encoder decodes what it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Check {
    /// Decodes it, tells its PSNR and records the hash of the pixels: about half of the time of an encode.
    #[default]
    Exact,
    /// Leaves that out, for live pictures that nobody verifies. [`Encoded::psnr`] is then NaN and the stream
    /// records no hash, so a decoder reports `hash_matches: None`. [`Target::Psnr`] measures all the same.
    None,
}

/// Choices of the encoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodeOptions {
    /// What to aim at; quality 50 unless told.
    pub target: Target,
    /// Binary logarithm of a group's side in pixels, 6 to 14. Smaller groups decode more in parallel and
    /// lose less where a stream is damaged; each costs about 40 bytes and some context. 10 unless told.
    pub group_log2: u8,
    /// Threads; 0 is one for each core. 1 unless told.
    pub threads: usize,
    /// Whether to decode the result once for its PSNR and hash; exact unless told.
    pub check: Check,
    /// Bounds on what is accepted.
    pub limits: Limits,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            target: Target::Quality(Quality::default()),
            group_log2: 10,
            threads: 1,
            check: Check::Exact,
            limits: Limits::default(),
        }
    }
}

/// An encoded picture.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The `.aec` stream.
    pub bytes: Vec<u8>,
    /// Quality that was chosen.
    pub quality: Quality,
    /// PSNR of the decoded colour samples in dB, as every decoder will get them; infinite where they are exact;
    /// NaN where [`Check::None`] left it unmeasured.
    pub psnr: f64,
    /// False where the target is out of reach and this is the nearest to it.
    pub reached: bool,
    /// Bits of all substreams by the model's own probabilities, for judging the coder.
    pub model_bits: f64,
}

/// Encodes a picture.
///
/// # Errors
/// [`Error::Limit`] for a picture above the limits, [`Error::Invalid`] for options out of range or a picture whose
/// buffers do not fit its size.
pub fn encode(picture: &Picture, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    picture.check()?;
    options.limits.check_pixels(picture.width, picture.height)?;
    options.limits.check_metadata(&picture.metadata)?;
    if !(6..=14).contains(&options.group_log2) {
        return Err(Error::Invalid {
            what: "group size",
            detail: format!("2^{}, expected 2^6 to 2^14", options.group_log2),
        });
    }
    let latents = (picture.height.div_ceil(16) as usize, picture.width.div_ceil(16) as usize);
    let side = (1 << options.group_log2) / 16;
    let cut = Cut::new(threads::count(options.threads));
    options.limits.check_bytes(memory::of_encode(&model.net.shapes, latents, side, picture.color, cut))?;
    let encoder = Encoder {
        picture,
        model,
        path: Path::chosen(),
        threads: threads::count(options.threads),
        group_log2: options.group_log2,
        check: options.check,
        metadata: (!picture.metadata.is_empty()).then(|| metadata::pack(&picture.metadata)),
        alpha: picture.alpha.as_ref().map(|a| alpha::pack(a, picture.width, picture.height)),
    };
    let (attempt, reached) =
        rate::search(options.target, picture.pixels(), |quality| encoder.attempt(quality))?;
    Ok(encoder.finish(attempt, reached))
}

/// What stays the same from one attempt to the next.
struct Encoder<'a> {
    picture: &'a Picture,
    model: &'a Model,
    path: Path,
    threads: usize,
    group_log2: u8,
    check: Check,
    metadata: Option<Vec<u8>>,
    alpha: Option<Vec<u8>>,
}

/// One encode at one quality.
pub(crate) struct Attempt<'a> {
    pub quality: Quality,
    encoder: &'a Encoder<'a>,
    gains: Gains,
    y_hat: Plane,
    substreams: Vec<Vec<u8>>,
    model_bits: f64,
    decoded: Option<(Vec<u8>, f64)>,
}

impl Encoder<'_> {
    fn header(&self, quality: Quality, pixel_hash: [u8; 4]) -> Header {
        Header {
            gray: self.picture.color == Color::Gray,
            alpha: self.alpha.is_some(),
            metadata: self.metadata.is_some(),
            source_16bit: self.picture.source_bits == 16,
            orientation: self.picture.orientation,
            profile: self.model.profile().raw(),
            width: self.picture.width,
            height: self.picture.height,
            quality: quality.raw(),
            group_log2: self.group_log2,
            model: self.model.short_id(),
            pixel_hash,
        }
    }

    fn attempt(&self, quality: Quality) -> Attempt<'_> {
        let gains = self.model.gains(quality);
        let y = analysis::analyse(&self.model.net, self.path, self.picture, &gains, self.threads);
        let side = (1 << self.group_log2) / 16;
        let windows = Window::new(0, 0, y.height, y.width).cut((side, side));
        let groups: Vec<usize> = (0..windows.len()).collect();
        let shared = Mutex::new((
            Plane::new(y.height, y.width, y.channels),
            vec![Vec::new(); groups.len() * (PASSES + 1)],
            vec![0.0; groups.len()],
        ));
        threads::for_each(self.threads, &groups, Scratch::default, |scratch, &g| {
            let window = &windows[g];
            let part = y.window(window.rows.start, window.columns.start, window.height(), window.width());
            let z = hyper::analyse(&self.model.net, self.path, &part, scratch);
            let mut writer =
                Writer { model: self.model, quality, gains: &gains, y: &part, z, out: Vec::new(), bits: 0.0 };
            let shape = (part.height, part.width);
            let y_hat = walk::group(self.model, self.path, &gains, shape, &mut writer, scratch);
            let mut shared = shared.lock().expect("no holder panics");
            shared.0.paste(window.rows.start, window.columns.start, &y_hat);
            shared.2[g] = writer.bits;
            for (part, bytes) in writer.out.into_iter().enumerate() {
                shared.1[part * groups.len() + g] = bytes;
            }
        });
        let (y_hat, substreams, model_bits) = shared.into_inner().expect("no holder panics");
        let model_bits: f64 = model_bits.iter().sum();
        Attempt { quality, encoder: self, gains, y_hat, substreams, model_bits, decoded: None }
    }

    fn finish(&self, mut attempt: Attempt, reached: bool) -> Encoded {
        if self.check == Check::Exact {
            attempt.psnr();
        }
        let (pixel_hash, psnr) = match &attempt.decoded {
            Some((samples, psnr)) => (recorded_hash(&blake3::hash(samples)), *psnr),
            None => (NO_PIXEL_HASH, f64::NAN),
        };
        let header = self.header(attempt.quality, pixel_hash);
        let bytes =
            container::write(&header, self.metadata.as_deref(), self.alpha.as_deref(), &attempt.substreams);
        Encoded { bytes, quality: attempt.quality, psnr, reached, model_bits: attempt.model_bits }
    }
}

impl Attempt<'_> {
    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        let e = self.encoder;
        let header = e.header(self.quality, NO_PIXEL_HASH);
        container::write(&header, e.metadata.as_deref(), e.alpha.as_deref(), &self.substreams).len() as u64
    }

    /// PSNR in dB; decodes on the first call.
    pub fn psnr(&mut self) -> f64 {
        let e = self.encoder;
        let decoded = self.decoded.get_or_insert_with(|| {
            let area = Window::new(0, 0, e.picture.height as usize, e.picture.width as usize);
            let cut = Cut::new(e.threads);
            let samples = synthesis::synthesise(
                &e.model.net,
                e.path,
                &self.y_hat,
                &self.gains,
                area,
                e.picture.color,
                cut,
            );
            let psnr = psnr(&e.picture.samples, &samples);
            (samples, psnr)
        });
        decoded.1
    }
}

/// Peak signal-to-noise ratio in dB of 8-bit samples, over all of them; infinite where they are equal.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / sum as f64).log10()
}

/// The encoder's side of the walk.
struct Writer<'a> {
    model: &'a Model,
    quality: Quality,
    gains: &'a Gains,
    y: &'a Plane,
    z: Plane,
    /// z, then the passes.
    out: Vec<Vec<u8>>,
    bits: f64,
}

impl Writer<'_> {
    fn put(&mut self, book: &entropy::Book, contexts: &[u8], values: &[i16]) {
        self.bits += contexts.iter().zip(values).map(|(&c, &v)| f64::from(book.bits(c, v))).sum::<f64>();
        self.out.push(entropy::encode(book, contexts, values));
    }
}

impl Symbols for Writer<'_> {
    fn hyper(&mut self, _: usize, _: usize) -> Plane {
        let z = self.z.clone();
        self.put(self.model.hyper_book(self.quality), &hyper::contexts(&z), &z.data);
        z
    }

    fn pass(&mut self, _: usize, coded: &Coded, y_hat: &Plane) -> Vec<i16> {
        let symbol = |&site: &u32| {
            let site = site as usize;
            let residual = i64::from(self.y.data[site]) - i64::from(y_hat.data[site]);
            let scaled = residual.saturating_mul(self.gains.inverse[site % self.y.channels]);
            let r = scaled.saturating_add(1 << 23) >> 24;
            r.clamp(-SYMBOL_MAX, SYMBOL_MAX) as i16
        };
        let values: Vec<i16> = coded.sites.iter().map(symbol).collect();
        self.put(&self.model.latents, &coded.levels, &values);
        values
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::{DecodeOptions, Profile, decode};

    #[test]
    fn an_unchecked_encode_differs_in_the_hash_alone() {
        let samples = (0..70 * 50 * 3).map(|i| (i * i / 977) as u8).collect();
        let picture = Picture::new(70, 50, Color::Rgb, samples).expect("a picture");
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        let checked = encode(&picture, &model, &EncodeOptions::default()).expect("an encode");
        let options = EncodeOptions { check: Check::None, ..EncodeOptions::default() };
        let unchecked = encode(&picture, &model, &options).expect("an encode");
        assert!(unchecked.psnr.is_nan() && checked.psnr.is_finite());

        let [a, b] = [&checked, &unchecked]
            .map(|e| decode(&e.bytes, &model, &DecodeOptions::default()).expect("a sound stream"));
        assert_eq!((a.hash_matches, b.hash_matches), (Some(true), None));
        assert!(a.picture == b.picture && b.missing.is_empty());
        assert_eq!(checked.bytes.len(), unchecked.bytes.len());
    }

    #[test]
    fn a_psnr_target_measures_even_unchecked() {
        let picture = Picture::new(32, 32, Color::Gray, (0..1024).map(|i| (i / 5) as u8).collect());
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        let options =
            EncodeOptions { check: Check::None, target: Target::Psnr(36.0), ..EncodeOptions::default() };
        let encoded = encode(&picture.expect("a picture"), &model, &options).expect("an encode");
        assert!(encoded.psnr <= 36.0);
    }
}
