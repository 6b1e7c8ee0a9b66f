//! The pixels that every codec is measured on: upright, 8-bit RGB, without alpha.

use aecodec::{Color, Picture, files};

/// A picture of 8-bit RGB samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`, sRGB from 0 to 255.
    pub samples: Vec<u8>,
}

impl Rgb {
    /// A picture from its samples, or `None` where their number does not fit the size.
    pub fn new(width: usize, height: usize, samples: Vec<u8>) -> Option<Self> {
        let expected = width.checked_mul(height)?.checked_mul(3)?;
        (expected > 0 && samples.len() == expected).then_some(Self { width, height, samples })
    }

    /// Number of pixels.
    pub fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The part of `width` x `height` pixels whose upper left corner is at (`x`, `y`); all of it lies within the picture.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let rows = self.samples.chunks_exact(self.width * 3).skip(y).take(height);
        let samples = rows.flat_map(|row| &row[x * 3..(x + width) * 3]).copied().collect();
        Self { width, height, samples }
    }

    /// The picture as aecodec's library takes it.
    pub fn to_picture(&self) -> aecodec::Result<Picture> {
        Picture::new(self.width as u32, self.height as u32, Color::Rgb, self.samples.clone())
    }
}

impl From<Picture> for Rgb {
    /// Turns the picture upright, spreads gray over three channels and drops alpha: what is compared are colours.
    fn from(picture: Picture) -> Self {
        let picture = files::upright(&picture).into_owned();
        let samples = match picture.color {
            Color::Rgb => picture.samples,
            Color::Gray => picture.samples.iter().flat_map(|&gray| [gray; 3]).collect(),
        };
        Self { width: picture.width as usize, height: picture.height as usize, samples }
    }
}
