//! A tensor of activations: `[height, width, channels]`, channels fastest.

/// A tensor of activations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plane {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub data: Vec<i16>,
}

impl Plane {
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, data: vec![0; height * width * channels] }
    }

    /// Offset of the first channel at a position.
    pub fn at(&self, y: usize, x: usize) -> usize {
        (y * self.width + x) * self.channels
    }

    /// Activations of a run of positions of one row.
    pub fn run(&self, y: usize, x: usize, count: usize) -> &[i16] {
        &self.data[self.at(y, x)..][..count * self.channels]
    }

    /// Like [`Self::run`], to write.
    pub fn run_mut(&mut self, y: usize, x: usize, count: usize) -> &mut [i16] {
        let at = self.at(y, x);
        &mut self.data[at..][..count * self.channels]
    }

    /// Copies the rectangle `width` x `height` at (x, y); positions beyond the edge repeat it.
    pub fn crop_or_repeat(&self, y: usize, x: usize, height: usize, width: usize) -> Self {
        let mut out = Self::new(height, width, self.channels);
        let inside = width.min(self.width.saturating_sub(x));
        for row in 0..height {
            let from = (y + row).min(self.height - 1);
            out.run_mut(row, 0, inside).copy_from_slice(self.run(from, x, inside));
            for column in inside..width {
                out.run_mut(row, column, 1).copy_from_slice(self.run(from, self.width - 1, 1));
            }
        }
        out
    }
}
