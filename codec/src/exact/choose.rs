//! Tells graphics from photographs by the share of pixels that equal a neighbour.

/// Pixels of a picture that is so small that every mode is tried.
const SMALL: u64 = 1 << 14;

/// Counts of pixels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shares {
    pixels: u64,
    /// Pixels that equal the one before in their row or the one above.
    equal: u64,
}

impl Shares {
    /// The shares of samples `[.., width, channels]`.
    pub fn of(samples: &[u8], width: usize, channels: usize) -> Self {
        let stride = width * channels;
        let mut shares = Self::default();
        let mut above: &[u8] = &[];
        for row in samples.chunks_exact(stride) {
            shares.add(row, above, channels);
            above = row;
        }
        shares
    }

    fn add(&mut self, row: &[u8], above: &[u8], channels: usize) {
        let mut left: &[u8] = &[];
        for (x, pixel) in row.chunks_exact(channels).enumerate() {
            let up = above.get(x * channels..(x + 1) * channels);
            self.equal += u64::from(pixel == left || up == Some(pixel));
            left = pixel;
        }
        self.pixels += (row.len() / channels) as u64;
    }

    /// Whether the modes for graphics may be the best.
    pub fn may_be_graphics(&self) -> bool {
        self.pixels < SMALL || self.equal * 7 >= self.pixels
    }

    /// Whether the mode for photographs may be the best.
    pub fn may_be_photograph(&self) -> bool {
        self.pixels < SMALL || self.equal * 5 < self.pixels * 3
    }
}

/// Counts the pixels of a picture as its rows come by.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    shares: Shares,
    above: Vec<u8>,
}

impl Survey {
    /// Counts the next rows, of `stride` samples each.
    pub fn take(&mut self, rows: &[u8], stride: usize, channels: usize) {
        for row in rows.chunks_exact(stride) {
            self.shares.add(row, &self.above, channels);
            self.above.clear();
            self.above.extend_from_slice(row);
        }
    }

    /// Share of the pixels that equal a neighbour, 0 to 1.
    pub fn equal(&self) -> f64 {
        self.shares.equal as f64 / self.shares.pixels.max(1) as f64
    }
}
