//! The contexts of samples: their neighbours, the errors of earlier predictions, and the planes before theirs.

use super::bits::Coder;
use super::residual::{Contexts, NARROW, Residuals};
use super::rows::{FRACTION, PlaneRows, Predictor, gather};

/// The local errors at which the next class of the expected magnitude begins.
const ENERGY: [i32; 23] =
    [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 28, 34, 42, 52, 64, 80, 104, 140, 200, 300];
/// Sizes of the contexts.
const SIZES: [usize; 7] = [24 * 16, PAIRS, PAIRS, PAIRS, PAIRS, 64 * 8, PAIRS];
/// Pairs of classes of differences, in four classes of energy.
const PAIRS: usize = 13 * 13 * 4;
/// Contexts of the biases.
const TEXTURES: usize = 256 * 4;

/// The values of samples.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The largest value; 255 for samples of 8 bits.
    pub maximum: i32,
    /// How much coarser contexts see differences, as a power of two; 0 for samples of 8 bits.
    pub scale: u32,
}

impl Range {
    /// That of samples of 8 bits.
    pub const BYTE: Self = Self { maximum: 255, scale: 0 };
}

/// Codes the samples of a group. `NODES` is [`NARROW`] for [`Range::BYTE`], and otherwise [`super::residual::WIDE`].
pub struct Samples<const NODES: usize> {
    pub planes: Vec<PlaneRows>,
    states: Vec<State<NODES>>,
    range: Range,
}

/// What is learned of one plane.
struct State<const NODES: usize> {
    predictor: Predictor,
    residuals: Residuals<NODES>,
    /// Mean errors of the prediction, with 12 fraction bits: by texture, and by earlier errors.
    biases: [Vec<i32>; 2],
}

impl<const NODES: usize> Samples<NODES> {
    pub fn new(width: usize, channels: usize, range: Range) -> Self {
        let state = |k| State {
            predictor: Predictor::new(k),
            residuals: Residuals::new(SIZES),
            biases: [vec![0; TEXTURES], vec![0; PAIRS]],
        };
        Self {
            planes: (0..channels).map(|_| PlaneRows::new(width, (range.maximum + 1) / 2)).collect(),
            states: (0..channels).map(state).collect(),
            range,
        }
    }

    /// Begins the next row.
    pub fn next_row(&mut self) {
        self.planes.iter_mut().for_each(PlaneRows::next);
    }

    /// Codes the sample of plane `k` in column `x`, which counts the pad, in steps of `step`, and returns it as a decoder gets it.
    #[inline(always)]
    pub fn code<C: Coder>(&mut self, coder: &mut C, (k, x): (usize, usize), step: i32, sample: i32) -> i32 {
        let (reference, taps) = gather(&self.planes, k, x);
        let state = &mut self.states[k];
        // Samples of 8 bits are the usual case, so the compiler should know their range.
        let wide = NODES != NARROW;
        let Range { maximum, scale } = if wide { self.range } else { Range::BYTE };
        let most = maximum << FRACTION;
        let p = if wide {
            state.predictor.predict_wide(reference, &taps)
        } else {
            state.predictor.predict(reference, &taps)
        };
        let p = p.clamp(0, most);
        let near = Near::new(&self.planes, k, x);
        let energy = near.energy(scale);
        let coarse = (energy / 5).min(3);

        let places =
            [near.texture(p >> FRACTION) * 4 + coarse, pair(near.other, near.errors[0], coarse, scale)];
        let bias = (state.biases[0][places[0]] + state.biases[1][places[1]]) >> 9;
        let biased = (p + bias).clamp(0, most);
        let predicted = (biased + 8) >> FRACTION;
        let contexts = near.contexts(predicted, biased, energy, Range { maximum, scale });

        let e = sample - predicted;
        let d = if step == 1 { e } else { e.signum() * ((e.abs() + step / 2) / step) };
        let range = ((predicted + step / 2) / step, (maximum - predicted + step / 2) / step);
        let d = state.residuals.code(coder, &contexts, range, d);
        let sample = (predicted + d * step).clamp(0, maximum);

        let error = (sample << FRACTION) - p;
        for (bias, place) in state.biases.iter_mut().zip(places) {
            bias[place] += ((error << 8) - bias[place]) >> 6;
        }
        if wide {
            state.predictor.learn_wide(&taps, error, scale);
        } else {
            state.predictor.learn(&taps, error);
        }
        self.planes[k].errors[0][x] = sample - predicted;
        sample
    }
}

/// The neighbourhood of a sample.
struct Near {
    w: i32,
    n: i32,
    nw: i32,
    ne: i32,
    ww: i32,
    nn: i32,
    /// Errors of the prediction at W, N, NW, NE and WW.
    errors: [i32; 5],
    /// Error of the prediction in the plane before, and in the one before that.
    other: i32,
    first: i32,
    /// How much neighbours differ from each other.
    activity: i32,
    /// Four predictions that follow an edge.
    edges: [i32; 4],
    later: bool,
}

impl Near {
    #[inline(always)]
    fn new(planes: &[PlaneRows], k: usize, x: usize) -> Self {
        let [c, n, nn] = &planes[k].samples.rows;
        let (c, n, nn) = (&c[x - 2..x], &n[x - 1..x + 2], &nn[x..x + 2]);
        let (w, ww, north, nw, ne) = (c[1], c[0], n[1], n[0], n[2]);
        let mut activity = (w - ww).abs()
            + (w - nw).abs()
            + (north - nw).abs()
            + (north - ne).abs()
            + (north - nn[0]).abs()
            + (ne - nn[1]).abs();
        let edges = if k == 0 {
            [2 * w - ww, 2 * north - nn[0], w + north - nw, (w + ne) >> 1]
        } else {
            let [c, n, _] = &planes[k - 1].samples.rows;
            let (here, left, above) = (c[x], c[x - 1], n[x]);
            activity += 2 * ((here - left).abs() + (here - above).abs());
            let [c, n, _] = &planes[0].samples.rows;
            let (first, one, two, three) = (c[x], c[x - 1], n[x], n[x - 1]);
            [
                w + here - left,
                north + here - above,
                (w + north + 2 * first - one - two) >> 1,
                w + north - nw + first - one - two + three,
            ]
        };
        let [now, before] = &planes[k].errors;
        let other = |j: usize| if k >= j { planes[k - j].errors[0][x] } else { 0 };
        Self {
            w,
            n: north,
            nw,
            ne,
            ww,
            nn: nn[0],
            errors: [now[x - 1], before[x], before[x - 1], before[x + 1], now[x - 2]],
            other: other(1),
            first: other(2),
            activity,
            edges,
            later: k > 0,
        }
    }

    /// The class of the expected magnitude.
    #[inline(always)]
    fn energy(&self, scale: u32) -> usize {
        let [w, n, nw, ne, ww] = self.errors.map(i32::abs);
        let mut sum = 2 * (w + n) + nw + ne + ww + self.activity / 8;
        if self.later {
            sum = (2 * sum + 5 * self.other.abs() + 2 * self.first.abs()) / 3;
        }
        ENERGY.partition_point(|&bound| bound <= sum >> scale)
    }

    /// Which neighbours are above a prediction.
    #[inline(always)]
    fn texture(&self, p: i32) -> usize {
        let Self { w, n, nw, ne, ww, nn, .. } = *self;
        [w, n, nw, ne, ww, nn, 2 * w - ww, 2 * n - nn].iter().fold(0, |t, &v| t << 1 | usize::from(v > p))
    }

    #[inline(always)]
    fn contexts(&self, p: i32, biased: i32, energy: usize, range: Range) -> Contexts {
        let coarse = (energy / 5).min(3);
        let pair = |a, b| pair(a, b, coarse, range.scale);
        let [a, b, c, d] = self.edges.map(|edge| edge - p);
        let indices = [
            energy * 16 + (biased >> range.scale & 15) as usize,
            pair(a, b),
            pair(self.w - p, self.n - p),
            pair(c, d),
            pair(self.errors[0], self.errors[1]),
            (64 * p / (range.maximum + 1)) as usize * 8 + energy / 3,
            pair(self.ne - p, self.w + self.n - self.nw - p),
        ];
        Contexts { indices, energy }
    }
}

/// The context of two differences.
#[inline(always)]
fn pair(a: i32, b: i32, coarse: usize, scale: u32) -> usize {
    let unit = 1 << scale;
    (class(a / unit) * 13 + class(b / unit)) * 4 + coarse
}

/// The logarithmic class of a difference, 0 to 12; that of 0 is 6.
#[inline(always)]
pub fn class(d: i32) -> usize {
    let class = match d.unsigned_abs() {
        m @ 0..=1 => m,
        2..=3 => 2,
        4..=6 => 3,
        7..=12 => 4,
        13..=24 => 5,
        _ => 6,
    } as usize;
    if d < 0 { 6 - class } else { 6 + class }
}

/// Bytes of the model of one plane.
pub const BYTES: u64 = 128 * (24 * 16 + 5 * PAIRS as u64 + 64 * 8) + (256 << 10);
/// The same for samples of more than 8 bits.
pub const WIDE_BYTES: u64 = 2 * BYTES;
