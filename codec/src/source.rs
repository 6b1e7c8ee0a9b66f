//! Where an encode takes its rows from, one after the other, so that the picture need not be in memory.

use crate::Result;
use crate::net::analysis::Pixels;
use crate::picture::{Head, Picture};

/// A picture that is read row by row.
pub trait Source {
    /// All of the picture but its samples; the same at each call.
    fn head(&self) -> &Head;

    /// Fills `rows` with the next rows of samples `[.., width, channels]`: a whole number of rows, and never more than are
    /// left.
    ///
    /// # Errors
    /// Any error ends the encode with it.
    fn read(&mut self, rows: &mut [u8]) -> Result<()>;

    /// Begins anew with the first row. Targets other than a quality ask for it, once for each attempt.
    ///
    /// # Errors
    /// Any error ends the encode with it.
    fn rewind(&mut self) -> Result<()>;
}

/// The rows of a picture in memory.
pub(crate) struct InMemory<'a> {
    head: Head,
    samples: &'a [u8],
    /// Samples that were read.
    read: usize,
}

impl<'a> InMemory<'a> {
    pub fn new(picture: &'a Picture) -> Self {
        Self { head: picture.head(), samples: &picture.samples, read: 0 }
    }
}

impl Source for InMemory<'_> {
    fn head(&self) -> &Head {
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
    pub pixels: Pixels,
}

impl<'a> Feed<'a> {
    /// From the first row on, of a picture with this head; it will hold no more than `most` rows.
    pub fn new(source: &'a mut dyn Source, head: &Head, most: usize) -> Self {
        let (width, height, color) = (head.width as usize, head.height as usize, head.color);
        let samples = Vec::with_capacity(most.min(height) * head.stride());
        Self { source, pixels: Pixels { width, height, color, rows: 0..0, samples } }
    }

    /// Reads on up to row `end`.
    pub fn read(&mut self, end: usize) -> Result<()> {
        let Pixels { width, height, color, rows, samples } = &mut self.pixels;
        let end = end.min(*height);
        if end > rows.end {
            let held = samples.len();
            samples.resize(held + (end - rows.end) * *width * color.channels(), 0);
            self.source.read(&mut samples[held..])?;
            rows.end = end;
        }
        Ok(())
    }

    /// Forgets the rows above `start`; the last one of the picture stays, for its padding.
    pub fn forget(&mut self, start: usize) {
        let Pixels { width, height, color, rows, samples } = &mut self.pixels;
        let start = start.min(*height - 1).min(rows.end);
        if start > rows.start {
            samples.drain(..(start - rows.start) * *width * color.channels());
            rows.start = start;
        }
    }
}
