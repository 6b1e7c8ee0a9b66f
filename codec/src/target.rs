//! What an encode aims at.

use crate::quality::Quality;

/// What the encoder aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// A point of the quality scale: one encode.
    Quality(Quality),
    /// At most this many bits per pixel, including the header: about six encodes. The highest quality reaches any rate above
    /// its own.
    BitsPerPixel(f64),
    /// A file of at most this many bytes: about six encodes.
    Bytes(u64),
    /// A PSNR of the colour samples in dB, at or just below this value: about eight encodes.
    Psnr(f64),
}
