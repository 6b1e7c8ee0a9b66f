//! Makes pictures smaller, row by row: each pixel of the result is the mean of the area that it covers. Only integers are
//! used, so the result is the same on every machine.

/// Fraction bits of the means of rows.
const FRACTION: u32 = 12;

/// How one side of a picture is divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    /// Samples before and after.
    from: usize,
    to: usize,
    /// Sample j covers `j * each..(j + 1) * each`, and sample i of the result `i * step..(i + 1) * step`, up to `end`.
    each: u64,
    step: u64,
    end: u64,
}

impl Axis {
    /// Divides `length` pixels into boxes of `factor`; the last one may be smaller.
    pub fn by(length: u32, factor: u32) -> Self {
        let to = length.div_ceil(factor) as usize;
        Self { from: length as usize, to, each: 1, step: factor.into(), end: length.into() }
    }

    /// Divides `length` pixels into `to` parts of the same length. The samples are the means of `patch` pixels each; the last
    /// one may cover fewer pixels of the picture.
    pub fn into(length: u32, to: u32, patch: u32) -> Self {
        let (wide, parts) = (u64::from(length), u64::from(to));
        let from = length.div_ceil(patch) as usize;
        Self { from, to: to as usize, each: u64::from(patch) * parts, step: wide, end: wide * parts }
    }

    /// Samples of the result.
    pub fn to(&self) -> usize {
        self.to
    }

    /// What sample i of the result covers.
    fn cover(&self, i: usize) -> (u64, u64) {
        let start = i as u64 * self.step;
        (start, (start + self.step).min(self.end))
    }

    /// The mean of the samples that sample i of the result covers, one channel of several, with [`FRACTION`] bits.
    fn mean(&self, i: usize, row: &[u8], channel: usize, channels: usize) -> u64 {
        let (start, end) = self.cover(i);
        let (first, last) = ((start / self.each) as usize, (end.div_ceil(self.each) as usize).min(self.from));
        let mut sum = 0;
        for j in first..last {
            let at = j as u64 * self.each;
            let shared = (at + self.each).min(end) - at.max(start);
            sum += shared * u64::from(row[j * channels + channel]);
        }
        let whole = end - start;
        ((sum << FRACTION) + whole / 2) / whole
    }
}

/// Takes rows of samples, and gives fewer rows of fewer samples.
#[derive(Debug)]
pub(crate) struct Reducer {
    x: Axis,
    y: Axis,
    channels: usize,
    /// The row that comes next, and the row of the result that is being summed.
    row: usize,
    current: usize,
    sums: Vec<u64>,
    out: Vec<u8>,
}

impl Reducer {
    pub fn new(x: Axis, y: Axis, channels: usize) -> Self {
        let sums = vec![0; x.to * channels];
        Self { x, y, channels, row: 0, current: 0, sums, out: Vec::with_capacity(x.to * y.to * channels) }
    }

    /// Takes whole rows `[.., columns, channels]`.
    pub fn push(&mut self, rows: &[u8]) {
        for row in rows.chunks_exact(self.x.from * self.channels) {
            self.take(row);
        }
    }

    fn take(&mut self, row: &[u8]) {
        let means: Vec<u64> = (0..self.x.to * self.channels)
            .map(|at| self.x.mean(at / self.channels, row, at % self.channels, self.channels))
            .collect();
        let at = self.row as u64 * self.y.each;
        self.row += 1;
        while self.current < self.y.to {
            let (start, end) = self.y.cover(self.current);
            let shared = (at + self.y.each).min(end).saturating_sub(at.max(start));
            for (sum, mean) in self.sums.iter_mut().zip(&means) {
                *sum += shared * mean;
            }
            if at + self.y.each < end {
                return;
            }
            let whole = (end - start) << FRACTION;
            self.out.extend(self.sums.iter().map(|&sum| ((sum + whole / 2) / whole) as u8));
            self.sums.fill(0);
            self.current += 1;
        }
    }

    /// The samples `[rows, columns, channels]` of the result.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced(x: Axis, y: Axis, channels: usize, samples: &[u8]) -> Vec<u8> {
        let mut reducer = Reducer::new(x, y, channels);
        reducer.push(samples);
        reducer.finish()
    }

    #[test]
    fn boxes_are_averaged_and_the_last_may_be_smaller() {
        let samples = [10, 20, 30, 30, 40, 50, 100, 101, 7];
        let found = reduced(Axis::by(3, 2), Axis::by(3, 2), 1, &samples);
        assert_eq!(found, [25, 40, 101, 7]);
        assert_eq!(reduced(Axis::by(3, 8), Axis::by(3, 8), 1, &samples), [43]);
        assert_eq!(reduced(Axis::by(3, 1), Axis::by(3, 1), 1, &samples), samples);
    }

    #[test]
    fn a_part_of_a_pixel_counts_as_a_part() {
        // Three samples in two: the middle one is shared.
        assert_eq!(reduced(Axis::into(3, 2, 1), Axis::into(1, 1, 1), 1, &[30, 60, 90]), [40, 80]);
        // The second patch covers one pixel of nine, in a result of three times three.
        assert_eq!(reduced(Axis::into(9, 3, 8), Axis::into(1, 1, 1), 1, &[30, 90]), [30, 30, 50]);
    }

    #[test]
    fn flat_pictures_stay_flat_at_every_size() {
        for (width, height, to) in [(37, 21, (5, 3)), (1000, 3, (999, 1)), (64, 64, (1, 1)), (9, 9, (9, 9))] {
            for sample in [0, 77, 255] {
                let samples = vec![sample; (width * height * 3) as usize];
                let (x, y) = (Axis::into(width, to.0, 1), Axis::into(height, to.1, 1));
                let found = reduced(x, y, 3, &samples);
                assert_eq!(found, vec![sample; (to.0 * to.1 * 3) as usize], "{width}x{height}");
            }
        }
    }
}
