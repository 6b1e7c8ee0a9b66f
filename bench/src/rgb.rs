//! The pictures that codecs are measured on: upright 8-bit RGB without alpha.

use aecodec::{Color, Picture, files};

/// A picture of 8-bit RGB samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// `[height, width, 3]`, sRGB from 0 to 255.
    pub samples: Vec<u8>,
}

impl Rgb {
    /// Creates a picture from its samples, or returns `None` if their number does not match the size.
    pub fn new(width: usize, height: usize, samples: Vec<u8>) -> Option<Self> {
        let expected = width.checked_mul(height)?.checked_mul(3)?;
        (expected > 0 && samples.len() == expected).then_some(Self { width, height, samples })
    }

    /// The number of pixels.
    pub fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The part of `width` x `height` pixels whose upper left corner is at (`x`, `y`). It must be within the picture.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let rows = self.samples.chunks_exact(self.width * 3).skip(y).take(height);
        let samples = rows.flat_map(|row| &row[x * 3..(x + width) * 3]).copied().collect();
        Self { width, height, samples }
    }

    /// The picture as a [`Picture`] of aecodec.
    pub fn to_picture(&self) -> aecodec::Result<Picture> {
        Picture::new(self.width as u32, self.height as u32, Color::Rgb, self.samples.clone())
    }
}

impl From<Picture> for Rgb {
    /// Turns the picture upright, copies gray to three channels and drops alpha.
    fn from(picture: Picture) -> Self {
        let picture = files::upright(&picture).into_owned();
        let samples = match picture.color {
            Color::Rgb => picture.samples,
            Color::Gray => picture.samples.iter().flat_map(|&gray| [gray; 3]).collect(),
        };
        Self { width: picture.width as usize, height: picture.height as usize, samples }
    }
}
