//! Pictures of more than 8 bits per sample.

use crate::picture::{Color, Metadata, Picture, PictureInfo};
use crate::{Error, Result};

/// A picture of 9 to 16 bits per sample, rows from top to bottom as stored in its file.
///
/// `orientation` is EXIF's (1 to 8) and says how to turn the rows for display; it is not applied to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeepPicture {
    /// Width of a stored row in pixels, at least 1.
    pub width: u32,
    /// Number of stored rows, at least 1.
    pub height: u32,
    /// Gray or RGB.
    pub color: Color,
    /// The value of a full sample, 256 to 65535: 4095 for samples of 12 bits.
    pub maximum: u16,
    /// `[height, width, channels]`, each at most `maximum`.
    pub samples: Vec<u16>,
    /// `[height, width]`, `maximum` is opaque.
    pub alpha: Option<Vec<u16>>,
    /// EXIF orientation, 1 (upright) to 8.
    pub orientation: u8,
    /// ICC, EXIF, XMP and code points of colour.
    pub metadata: Metadata,
}

impl DeepPicture {
    /// A picture without alpha or metadata.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a side is 0, if the number of samples does not fit, if `maximum` is below 256, or if a
    /// sample is above it.
    pub fn new(width: u32, height: u32, color: Color, maximum: u16, samples: Vec<u16>) -> Result<Self> {
        let metadata = Metadata::default();
        let picture = Self { width, height, color, maximum, samples, alpha: None, orientation: 1, metadata };
        picture.check()?;
        Ok(picture)
    }

    /// Bits per sample: the fewest that hold `maximum`.
    pub fn bits(&self) -> u8 {
        bits(self.maximum)
    }

    /// Describes the picture, without its samples and alpha.
    pub fn head(&self) -> PictureInfo {
        PictureInfo {
            orientation: self.orientation,
            metadata: self.metadata.clone(),
            source_bits: 16,
            ..PictureInfo::new(self.width, self.height, self.color)
        }
    }

    /// The picture with its samples rounded to 8 bits.
    pub fn rounded(&self) -> Picture {
        let rounded = |samples: &[u16]| samples.iter().map(|&v| rounded(v, self.maximum)).collect();
        Picture {
            width: self.width,
            height: self.height,
            color: self.color,
            samples: rounded(&self.samples),
            alpha: self.alpha.as_deref().map(rounded),
            orientation: self.orientation,
            metadata: self.metadata.clone(),
            source_bits: 16,
        }
    }

    /// The picture with samples that fill the 16 bits, as [`decode_deep`](crate::decode_deep) returns learned streams.
    #[must_use]
    pub fn filled(mut self) -> Self {
        let most = u32::from(self.maximum);
        for sample in self.samples.iter_mut().chain(self.alpha.iter_mut().flatten()) {
            *sample = ((u32::from(*sample) * 65535 + most / 2) / most) as u16;
        }
        self.maximum = u16::MAX;
        self
    }

    /// Whether alpha has values that 8 bits do not hold.
    pub fn has_fine_alpha(&self) -> bool {
        let most = u32::from(self.maximum);
        let coarse = |v: u16| (u32::from(rounded(v, self.maximum)) * most + 127) / 255 == u32::from(v);
        self.alpha.as_ref().is_some_and(|alpha| !alpha.iter().all(|&v| coarse(v)))
    }

    /// Alpha rounded to 8 bits.
    pub(crate) fn rounded_alpha(&self) -> Option<Vec<u8>> {
        let alpha = self.alpha.as_ref()?;
        Some(alpha.iter().map(|&v| rounded(v, self.maximum)).collect())
    }

    /// Checks that every buffer fits the size and the largest value; the fields are public, so they may hold anything.
    pub(crate) fn check(&self) -> Result<()> {
        let pixels = (self.width as usize).saturating_mul(self.height as usize);
        let fits = |samples: &[u16], count: usize| {
            samples.len() == count && samples.iter().all(|&sample| sample <= self.maximum)
        };
        if pixels == 0
            || self.maximum < 256
            || !fits(&self.samples, pixels.saturating_mul(self.color.channels()))
            || !self.alpha.as_ref().is_none_or(|alpha| fits(alpha, pixels))
            || !(1..=8).contains(&self.orientation)
        {
            let detail = format!(
                "{}x{} with {} samples of up to {}, {:?} of alpha, orientation {}",
                self.width,
                self.height,
                self.samples.len(),
                self.maximum,
                self.alpha.as_ref().map(Vec::len),
                self.orientation
            );
            return Err(Error::Invalid { what: "picture", detail });
        }
        Ok(())
    }
}

/// The fewest bits that hold a value.
pub(crate) fn bits(maximum: u16) -> u8 {
    (u16::BITS - maximum.leading_zeros()) as u8
}

/// A sample of up to `maximum`, rounded to 8 bits.
pub(crate) fn rounded(sample: u16, maximum: u16) -> u8 {
    let most = u32::from(maximum);
    ((u32::from(sample.min(maximum)) * 255 + most / 2) / most) as u8
}
