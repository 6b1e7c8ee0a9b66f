//! The source of an encode: it hands out the rows of a picture one after the other, so that the picture need not be in memory.

use crate::Result;
use crate::deep::DeepPicture;
use crate::net::analysis::PixelRows;
use crate::picture::{Picture, PictureInfo};
use crate::sample::Sample;

/// A picture that is read row by row.
pub trait Source {
    /// Describes the picture, without its samples. Every call returns the same.
    fn head(&self) -> &PictureInfo;

    /// Fills `rows` with the next samples `[.., width, channels]`: a whole number of rows, and never more than are left.
    ///
    /// # Errors
    /// Returns an error if this fails. The encode then ends with that error.
    fn read(&mut self, rows: &mut [u8]) -> Result<()>;

    /// Starts again at the first row. An encode with a target other than a quality calls this once for each attempt.
    ///
    /// # Errors
    /// Returns an error if this fails. The encode then ends with that error.
    fn rewind(&mut self) -> Result<()>;
}

/// What the encoder reads: a [`Source`], or a picture of more bits.
pub(crate) trait Samples<S> {
    /// See [`Source::head`].
    fn head(&self) -> &PictureInfo;
    /// See [`Source::read`].
    fn read(&mut self, rows: &mut [S]) -> Result<()>;
    /// See [`Source::rewind`].
    fn rewind(&mut self) -> Result<()>;
}

/// The rows of a [`Source`].
pub(crate) struct ByteRows<'a, 'b>(pub &'a mut (dyn Source + 'b));

impl Samples<u8> for ByteRows<'_, '_> {
    fn head(&self) -> &PictureInfo {
        self.0.head()
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        self.0.read(rows)
    }

    fn rewind(&mut self) -> Result<()> {
        self.0.rewind()
    }
}

/// The rows of a picture in memory.
pub(crate) struct InMemory<'a, S> {
    head: PictureInfo,
    samples: &'a [S],
    /// The number of samples that were read, and the value of a full one.
    read: usize,
    maximum: u16,
}

impl<'a> InMemory<'a, u8> {
    pub fn new(picture: &'a Picture) -> Self {
        Self { head: picture.head(), samples: &picture.samples, read: 0, maximum: 255 }
    }
}

impl<'a> InMemory<'a, u16> {
    pub fn deep(picture: &'a DeepPicture) -> Self {
        Self { head: picture.head(), samples: &picture.samples, read: 0, maximum: picture.maximum }
    }
}

impl Source for InMemory<'_, u8> {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        rows.copy_from_slice(&self.samples[self.read..][..rows.len()]);
        self.read += rows.len();
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.read = 0;
        Ok(())
    }
}

/// Samples that fill the 16 bits.
impl Samples<u16> for InMemory<'_, u16> {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u16]) -> Result<()> {
        let most = u32::from(self.maximum);
        for (to, &sample) in rows.iter_mut().zip(&self.samples[self.read..]) {
            *to = ((u32::from(sample) * 65535 + most / 2) / most) as u16;
        }
        self.read += rows.len();
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.read = 0;
        Ok(())
    }
}

/// The rows of a source that are still needed.
pub(crate) struct Feed<'a, S> {
    source: &'a mut dyn Samples<S>,
    pub pixels: PixelRows<S>,
}

impl<'a, S: Sample> Feed<'a, S> {
    /// Reads a picture with this head, from its first row on. It will hold no more than `most` rows.
    pub fn new(source: &'a mut dyn Samples<S>, head: &PictureInfo, most: usize) -> Self {
        let (width, height, color) = (head.width as usize, head.height as usize, head.color);
        let samples = Vec::with_capacity(most.min(height) * head.stride());
        Self { source, pixels: PixelRows { width, height, color, rows: 0..0, samples } }
    }

    /// Reads up to row `end`.
    pub fn read(&mut self, end: usize) -> Result<()> {
        let PixelRows { width, height, color, rows, samples } = &mut self.pixels;
        let end = end.min(*height);
        if end > rows.end {
            let held = samples.len();
            samples.resize(held + (end - rows.end) * *width * color.channels(), S::default());
            self.source.read(&mut samples[held..])?;
            rows.end = end;
        }
        Ok(())
    }

    /// Drops the rows above `start`. The last row of the picture stays, because padding repeats it.
    pub fn forget(&mut self, start: usize) {
        let PixelRows { width, height, color, rows, samples } = &mut self.pixels;
        let start = start.min(*height - 1).min(rows.end);
        if start > rows.start {
            samples.drain(..(start - rows.start) * *width * color.channels());
            rows.start = start;
        }
    }
}
