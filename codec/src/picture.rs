//! The picture: 8-bit samples, alpha, orientation and metadata.

use crate::{Error, Result};

/// The colour samples of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One sample per pixel.
    Gray,
    /// Three samples per pixel: red, green, blue.
    Rgb,
}

impl Color {
    /// Samples per pixel: 1 or 3.
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// Metadata blocks, kept unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// ICC colour profile.
    pub icc: Option<Vec<u8>>,
    /// EXIF, starting at its TIFF header.
    pub exif: Option<Vec<u8>>,
    /// XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// Code points of colour (ITU-T H.273) as in `cICP` of PNG: primaries, transfer function, matrix, and 1 for the full range.
    /// `[9, 16, 0, 1]` is PQ with the primaries of BT.2020, `[9, 18, 0, 1]` HLG. Without them and without an ICC profile,
    /// colours are sRGB.
    pub cicp: Option<[u8; 4]>,
}

impl Metadata {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.icc.is_none() && self.exif.is_none() && self.xmp.is_none() && self.cicp.is_none()
    }
}

/// Describes a picture without its samples, for pictures that are never in memory as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureInfo {
    /// Width of a stored row in pixels, at least 1.
    pub width: u32,
    /// Number of stored rows, at least 1.
    pub height: u32,
    /// Gray or RGB.
    pub color: Color,
    /// EXIF orientation, 1 (upright) to 8.
    pub orientation: u8,
    /// ICC, EXIF, XMP and code points of colour.
    pub metadata: Metadata,
    /// Bits per sample in the source file, 8 or 16.
    pub source_bits: u8,
}

impl PictureInfo {
    /// An upright picture of 8-bit samples without metadata.
    pub fn new(width: u32, height: u32, color: Color) -> Self {
        Self { width, height, color, orientation: 1, metadata: Metadata::default(), source_bits: 8 }
    }

    /// Number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Number of samples in a row.
    pub fn stride(&self) -> usize {
        (self.width as usize).saturating_mul(self.color.channels())
    }

    /// Number of samples in the picture.
    pub(crate) fn samples(&self) -> u64 {
        self.pixels().saturating_mul(self.color.channels() as u64)
    }

    /// Checks the fields; they are public, so they may hold anything.
    pub(crate) fn check(&self) -> Result<()> {
        if self.pixels() == 0 || !(1..=8).contains(&self.orientation) {
            let detail = format!("{}x{}, orientation {}", self.width, self.height, self.orientation);
            return Err(Error::Invalid { what: "picture", detail });
        }
        Ok(())
    }
}

/// A picture of 8-bit samples, rows from top to bottom as stored in its file.
///
/// `orientation` is EXIF's (1 to 8) and says how to turn the rows for display; it is not applied to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width of a stored row in pixels, at least 1.
    pub width: u32,
    /// Number of stored rows, at least 1.
    pub height: u32,
    /// Gray or RGB.
    pub color: Color,
    /// `[height, width, channels]`.
    pub samples: Vec<u8>,
    /// `[height, width]`, 255 is opaque.
    pub alpha: Option<Vec<u8>>,
    /// EXIF orientation, 1 (upright) to 8.
    pub orientation: u8,
    /// ICC, EXIF, XMP and code points of colour.
    pub metadata: Metadata,
    /// Bits per sample in the source file, 8 or 16; 16 are reduced to 8 on reading.
    pub source_bits: u8,
}

impl Picture {
    /// A picture without alpha or metadata.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a side is 0 or the number of samples does not fit.
    pub fn new(width: u32, height: u32, color: Color, samples: Vec<u8>) -> Result<Self> {
        let expected = (width as usize).saturating_mul(height as usize).saturating_mul(color.channels());
        if expected == 0 || samples.len() != expected {
            return Err(Error::Invalid {
                what: "picture",
                detail: format!("{} samples for {width}x{height}, expected {expected}", samples.len()),
            });
        }
        Ok(Self {
            width,
            height,
            color,
            samples,
            alpha: None,
            orientation: 1,
            metadata: Metadata::default(),
            source_bits: 8,
        })
    }

    /// Checks that every buffer fits the size; the fields are public, so they may hold anything.
    pub(crate) fn check(&self) -> Result<()> {
        let pixels = (self.width as usize).saturating_mul(self.height as usize);
        let alpha = self.alpha.as_ref().is_none_or(|a| a.len() == pixels);
        if pixels == 0
            || self.samples.len() != pixels.saturating_mul(self.color.channels())
            || !alpha
            || !(1..=8).contains(&self.orientation)
        {
            let detail = format!(
                "{}x{} with {} samples, {:?} of alpha, orientation {}",
                self.width,
                self.height,
                self.samples.len(),
                self.alpha.as_ref().map(Vec::len),
                self.orientation
            );
            return Err(Error::Invalid { what: "picture", detail });
        }
        Ok(())
    }

    /// Number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Describes the picture, without its samples and alpha.
    pub fn head(&self) -> PictureInfo {
        PictureInfo {
            width: self.width,
            height: self.height,
            color: self.color,
            orientation: self.orientation,
            metadata: self.metadata.clone(),
            source_bits: self.source_bits,
        }
    }
}
