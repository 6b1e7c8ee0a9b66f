//! Tells graphics from photographs by the share of pixels that equal a neighbour.

/// Pixels of a picture that is so small that every mode is tried.
const SMALL: u64 = 1 << 14;

/// Stripes of rows on which modes are compared.
const STRIPES: usize = 4;

/// Pixels of the runs that a survey compares, and the size of its table as a power of two.
const RUN: usize = 4;
const RUNS_LOG2: u32 = 17;

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

    /// Whether some rows tell which mode is the best: in a small picture, and in one with areas of one colour, they may not.
    pub fn are_alike_everywhere(&self) -> bool {
        self.pixels >= SMALL && self.equal * 3 < self.pixels
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

/// Rows from all parts of a group, enough to compare modes: `STRIPES` stripes of consecutive rows of `stride` samples.
pub(super) fn stripes(samples: &[u8], stride: usize) -> Vec<u8> {
    let height = samples.len() / stride;
    let rows = (height / (8 * STRIPES)).max(8);
    let tops = (0..STRIPES).map(|i| (2 * i + 1) * height / (2 * STRIPES));
    let stripe = |top: usize| &samples[top * stride..(top + rows).min(height) * stride];
    tops.flat_map(stripe).copied().collect()
}

/// Counts the pixels of a picture as its rows come by.
#[derive(Debug)]
pub(crate) struct Survey {
    shares: Shares,
    above: Vec<u8>,
    /// Hashes of runs of pixels that are not of one colour, by place.
    runs: Vec<u32>,
    /// Number of these runs, and of those that were seen before.
    found: u64,
    repeated: u64,
}

impl Default for Survey {
    fn default() -> Self {
        let runs = vec![0; 1 << RUNS_LOG2];
        Self { shares: Shares::default(), above: Vec::new(), runs, found: 0, repeated: 0 }
    }
}

impl Survey {
    /// Counts the next rows, of `stride` samples each.
    pub fn take(&mut self, rows: &[u8], stride: usize, channels: usize) {
        for row in rows.chunks_exact(stride) {
            self.shares.add(row, &self.above, channels);
            self.add_runs(row, channels);
            self.above.clear();
            self.above.extend_from_slice(row);
        }
    }

    fn add_runs(&mut self, row: &[u8], channels: usize) {
        for run in row.windows(RUN * channels).step_by(channels) {
            let (first, rest) = run.split_at(channels);
            if rest.chunks_exact(channels).all(|pixel| pixel == first) {
                continue;
            }
            let hash =
                run.iter().fold(1_u32, |h, &v| (h ^ u32::from(v)).wrapping_mul(0x9E37_79B1).rotate_left(15));
            let place = &mut self.runs[(hash >> (32 - RUNS_LOG2)) as usize];
            self.found += 1;
            self.repeated += u64::from(*place == hash);
            *place = hash;
        }
    }

    /// Share of the short runs of pixels, without those of one colour, that repeat an earlier one, 0 to 1: much in graphics,
    /// little in photographs.
    pub fn repeated(&self) -> f64 {
        self.repeated as f64 / self.found.max(1) as f64
    }

    /// Share of the pixels that equal a neighbour, 0 to 1.
    pub fn equal(&self) -> f64 {
        self.shares.equal as f64 / self.shares.pixels.max(1) as f64
    }
}
