//! What a file may ask for before it is refused.

use crate::{Error, Metadata, Result};

/// Bounds that are checked before anything is allocated on the word of a file.
///
/// Raise them for pictures that you know to be large; lower them where many files of strangers are opened at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels of a picture. Default 2^30.
    pub pixels: u64,
    /// Bytes of memory at any one time. Default 8 GiB.
    pub bytes: u64,
    /// Bytes of ICC, EXIF and XMP together. Default 64 MiB.
    pub metadata: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 1 << 30, bytes: 8 << 30, metadata: 64 << 20 }
    }
}

impl Limits {
    /// Whether a picture of these sides may be opened.
    ///
    /// # Errors
    /// [`Error::Limit`] where it has too many pixels.
    pub fn check_pixels(&self, width: u32, height: u32) -> Result<()> {
        check("pixels", u64::from(width) * u64::from(height), self.pixels)
    }

    /// Whether this much ICC, EXIF and XMP may be kept.
    ///
    /// # Errors
    /// [`Error::Limit`] where it is too much.
    pub fn check_metadata(&self, metadata: &Metadata) -> Result<()> {
        let blocks = [&metadata.icc, &metadata.exif, &metadata.xmp];
        let bytes = blocks.into_iter().flatten().map(|b| b.len() as u64).sum();
        check("bytes of metadata", bytes, self.metadata)
    }

    /// Whether this many bytes may be allocated.
    ///
    /// # Errors
    /// [`Error::Limit`] where it is too much.
    pub fn check_bytes(&self, bytes: u64) -> Result<()> {
        check("bytes of memory", bytes, self.bytes)
    }
}

fn check(what: &'static str, needed: u64, limit: u64) -> Result<()> {
    if needed > limit { Err(Error::Limit { what, needed, limit }) } else { Ok(()) }
}
