//! The interface of all codecs: they return real files and decode real pixels from them.

use super::QualityScale;
use crate::{Result, Rgb};

/// A codec with fixed settings, of which only the quality varies.
pub trait Codec: Send + Sync {
    /// A short name for the command line, for files and for the cache, such as `avif`.
    fn id(&self) -> &str;

    /// A display name, such as `AVIF`.
    fn name(&self) -> &str;

    /// The settings in words, such as `speed 6, 4:4:4`. They are part of the cache's key.
    fn settings(&self) -> &str;

    /// The implementation with its version, such as `libaom 3.6.0 (avifenc 0.11.1)`. It is part of the cache's key.
    fn version(&self) -> &str;

    /// The quality scale.
    fn scale(&self) -> QualityScale;

    /// Whether it runs as a separate program. If so, times include its start and the reading and writing of files.
    fn external(&self) -> bool {
        false
    }

    /// The command lines of an external codec, empty for others. They are part of the cache's key.
    fn commands(&self) -> &str {
        ""
    }

    /// The media type of the coded files, if browsers can show them.
    fn media_type(&self) -> Option<&str> {
        None
    }

    /// Encodes a picture.
    ///
    /// # Errors
    /// Returns [`Error::Codec`](crate::Error::Codec) with the encoder's message if the encoder fails.
    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile>;

    /// Decodes a file that [`Codec::encode`] returned. The picture has the size of the original.
    ///
    /// # Errors
    /// Returns [`Error::Codec`](crate::Error::Codec) with the decoder's message if the decoder fails.
    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture>;
}

/// A coded file and its cost.
#[derive(Debug, Clone)]
pub struct CodedFile {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The encoder's time on one thread, in seconds. For an external encoder it is the time of the whole process.
    pub seconds: f64,
    /// The peak resident memory of an external encoder, in bytes.
    pub peak_memory: Option<u64>,
}

/// A decoded picture and its cost.
#[derive(Debug, Clone)]
pub struct DecodedPicture {
    /// The pixels.
    pub picture: Rgb,
    /// The decoder's time on one thread, in seconds. For an external decoder it is the time of the whole process.
    pub seconds: f64,
    /// The peak resident memory of an external decoder, in bytes.
    pub peak_memory: Option<u64>,
}
