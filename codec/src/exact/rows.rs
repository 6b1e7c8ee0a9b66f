//! The last rows of a group, the neighbours of a sample in them, and its linear prediction.

/// Columns on either side of a row that stand in for neighbours outside of the group.
pub const PAD: usize = 4;
/// Fraction bits of a prediction.
pub const FRACTION: u32 = 4;
/// Taps in the plane of the sample, and in each of up to two planes before it.
const OWN: usize = 13;
const OTHER: usize = 7;
const TAPS: usize = OWN + 2 * OTHER;
/// How fast the weights adapt.
const STEP: i32 = 1000;
/// Largest magnitude of a weight: 8, with 20 fraction bits.
const WEIGHT_MOST: i32 = 8 << 20;

/// The current row of values, the one above it, and the one above that.
#[derive(Debug, Clone)]
pub struct Rows<T> {
    pub rows: [Vec<T>; 3],
}

impl<T: Copy> Rows<T> {
    pub fn new(width: usize, first: T) -> Self {
        Self { rows: std::array::from_fn(|_| vec![first; width + 2 * PAD]) }
    }

    /// Begins the next row. Its left pad repeats the pixel above its first; its right pad, that of the row above its last.
    pub fn next(&mut self) {
        let [current, above, far] = &mut self.rows;
        let end = current.len() - PAD;
        let last = current[end - 1];
        current[end..].fill(last);
        std::mem::swap(above, far);
        std::mem::swap(current, above);
        let first = above[PAD];
        current[..PAD].fill(first);
    }

    /// Puts a value in its column, which counts the pad. In the first row it also stands in for those above it.
    #[inline(always)]
    pub fn put(&mut self, x: usize, value: T, y: usize) {
        self.rows[0][x] = value;
        if y == 0 {
            self.rows[1][x..=x + PAD].fill(value);
            self.rows[2][x..=x + PAD].fill(value);
        }
    }
}

/// The rows of one plane of samples, and what remained of them after the prediction.
#[derive(Debug, Clone)]
pub struct PlaneRows {
    pub samples: Rows<i32>,
    /// Errors of the prediction in the current row and in the one above it.
    pub errors: [Vec<i32>; 2],
}

impl PlaneRows {
    /// `middle` stands in for the neighbours of the first sample.
    pub fn new(width: usize, middle: i32) -> Self {
        let errors = std::array::from_fn(|_| vec![0; width + 2 * PAD]);
        Self { samples: Rows::new(width, middle), errors }
    }

    pub fn next(&mut self) {
        self.samples.next();
        self.errors.swap(0, 1);
    }
}

/// The differences of neighbours from a reference.
pub type Taps = [i32; TAPS];

/// Gathers the taps of a sample of plane `k`, and returns them with their reference.
#[inline(always)]
pub fn gather(planes: &[PlaneRows], k: usize, x: usize) -> (i32, Taps) {
    let mut taps = [0; TAPS];
    let [c, n, nn] = &planes[k].samples.rows;
    let (c, n, nn) = (&c[x - 3..x], &n[x - 2..x + 4], &nn[x - 2..x + 3]);
    let reference = (c[2] + n[2] + 1) >> 1;
    let own = [c[2], c[1], n[1], n[3], nn[2], n[0], n[4], nn[1], nn[3], c[0], nn[4], nn[0], n[5]];
    for (tap, value) in taps.iter_mut().zip(own) {
        *tap = value - reference;
    }
    for (taps, other) in taps[OWN..].chunks_exact_mut(OTHER).zip(planes[..k].iter().rev()) {
        let [c, n, nn] = &other.samples.rows;
        let (c, n) = (&c[x - 2..x + 1], &n[x - 1..x + 3]);
        let middle = (c[1] + n[1] + 1) >> 1;
        for (tap, value) in taps.iter_mut().zip([c[2], c[1], n[0], n[2], c[0], nn[x], n[3]]) {
            *tap = value - middle;
        }
    }
    (reference, taps)
}

/// A linear predictor that learns from its errors, by normalised least mean squares.
#[derive(Debug, Clone)]
pub struct Predictor {
    /// 20 fraction bits.
    weights: Taps,
}

impl Predictor {
    /// Starts with a gradient, or in a later plane with the change of the plane before it.
    pub fn new(k: usize) -> Self {
        let mut weights = [0; TAPS];
        if k == 0 {
            (weights[2], weights[3]) = (-(3 << 18), 1 << 18);
        } else {
            (weights[2], weights[OWN], weights[OWN + 2]) = (-(1 << 19), 27 << 15, 27 << 14);
        }
        Self { weights }
    }

    /// The prediction, with [`FRACTION`] bits.
    #[inline(always)]
    pub fn predict(&self, reference: i32, taps: &Taps) -> i32 {
        let sum: i32 = self.weights.iter().zip(taps).map(|(&w, &t)| (w >> 8) * t).sum();
        (reference << FRACTION) + (sum >> 8)
    }

    /// The same for samples of more than 8 bits.
    #[inline(always)]
    pub fn predict_wide(&self, reference: i32, taps: &Taps) -> i32 {
        let terms = self.weights.iter().zip(taps).map(|(&w, &t)| i64::from(w >> 8) * i64::from(t));
        (reference << FRACTION) + (terms.sum::<i64>() >> 8) as i32
    }

    /// Learns from the error of a prediction, which has [`FRACTION`] bits.
    #[inline(always)]
    pub fn learn(&mut self, taps: &Taps, error: i32) {
        let norm = taps.iter().map(|&t| t * t).sum::<i32>() + 32;
        let step = error * (STEP << 8) / norm;
        for (w, &t) in self.weights.iter_mut().zip(taps) {
            *w = (*w + ((step * t + 128) >> 8)).clamp(-WEIGHT_MOST, WEIGHT_MOST);
        }
    }
    /// The same for samples of more than 8 bits, whose differences are about `2^scale` times as large.
    #[inline(always)]
    pub fn learn_wide(&mut self, taps: &Taps, error: i32, scale: u32) {
        let norm = taps.iter().map(|&t| i64::from(t).pow(2)).sum::<i64>() + (32 << (2 * scale));
        let step = i64::from(error) * i64::from(STEP << 8) / norm;
        let most = i64::from(WEIGHT_MOST);
        for (w, &t) in self.weights.iter_mut().zip(taps) {
            *w = (i64::from(*w) + ((step * i64::from(t) + 128) >> 8)).clamp(-most, most) as i32;
        }
    }
}
