//! What every codec offers: real bytes out, real pixels back.

use super::QualityScale;
use crate::{Result, Rgb};

/// A codec at fixed settings; only its quality varies.
pub trait Codec: Send + Sync {
    /// Short name for the command line, files and the cache, such as `avif`.
    fn id(&self) -> &str;

    /// Name for people, such as `AVIF`.
    fn name(&self) -> &str;

    /// Settings in words, such as `speed 6, 4:4:4`; part of the cache's key.
    fn settings(&self) -> &str;

    /// The implementation with its version, such as `libaom 3.6.0 (avifenc 0.11.1)`; part of the cache's key.
    fn version(&self) -> &str;

    /// The quality scale.
    fn scale(&self) -> QualityScale;

    /// Whether it runs as a program of its own, so that times hold its start and its files.
    fn external(&self) -> bool {
        false
    }

    /// The command lines of an external one, empty for others; part of the cache's key.
    fn commands(&self) -> &str {
        ""
    }

    /// The media type, where browsers show the coded bytes as they are.
    fn media_type(&self) -> Option<&str> {
        None
    }

    /// Codes a picture.
    ///
    /// # Errors
    /// [`Error::Codec`](crate::Error::Codec) with what the encoder said.
    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile>;

    /// Decodes what [`Codec::encode`] made; the picture has the size of the one that was coded.
    ///
    /// # Errors
    /// [`Error::Codec`](crate::Error::Codec) with what the decoder said.
    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture>;
}

/// A coded picture and what it cost.
#[derive(Debug, Clone)]
pub struct CodedFile {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Time of the encoder on one thread; of an external one, its whole process.
    pub seconds: f64,
    /// Largest resident memory of an external encoder, in bytes.
    pub peak_memory: Option<u64>,
}

/// A decoded picture and what it cost.
#[derive(Debug, Clone)]
pub struct DecodedPicture {
    /// The pixels.
    pub picture: Rgb,
    /// Time of the decoder on one thread; of an external one, its whole process.
    pub seconds: f64,
    /// Largest resident memory of an external decoder, in bytes.
    pub peak_memory: Option<u64>,
}
