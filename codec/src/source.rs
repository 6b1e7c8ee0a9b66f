//! The source of an encode: it hands out the rows of a picture one after the other, so that the picture need not be in memory.

use crate::Result;
use crate::net::analysis::PixelRows;
use crate::picture::{Picture, PictureInfo};

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

/// The rows of a picture in memory.
pub(crate) struct InMemory<'a> {
    head: PictureInfo,
    samples: &'a [u8],
    /// Number of samples that were read.
    read: usize,
}

impl<'a> InMemory<'a> {
    pub fn new(picture: &'a Picture) -> Self {
        Self { head: picture.head(), samples: &picture.samples, read: 0 }
    }
}

impl Source for InMemory<'_> {
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

/// The rows of a source that are still needed.
pub(crate) struct Feed<'a> {
    source: &'a mut dyn Source,
    pub pixels: PixelRows,
}

impl<'a> Feed<'a> {
    /// Reads a picture with this head, from its first row on. It will hold no more than `most` rows.
    pub fn new(source: &'a mut dyn Source, head: &PictureInfo, most: usize) -> Self {
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
            samples.resize(held + (end - rows.end) * *width * color.channels(), 0);
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
