//! Codes the samples of a group.

use super::mix::{Apm, FRESH, Mixer, stretch_table, update};
use super::predict::{FRACTION, MOST_TAPS, PAD, Predictor, Rows, activity, gather};
use super::range::Coder;

const N: usize = 8;
const NODES: usize = 64;

/// Bounds of the classes of local error.
const ENERGY: [i32; 23] = [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 28, 34, 42, 52, 64, 80, 104, 140, 200, 300];

fn energy_class(sum: i32) -> usize {
    ENERGY.partition_point(|&bound| bound <= sum)
}

/// Logarithmic class of a signed difference: -6..=6 as 0..=12.
#[inline(always)]
fn signed_class(d: i32) -> usize {
    let m = d.unsigned_abs();
    let c = match m {
        0 => 0,
        1 => 1,
        2..=3 => 2,
        4..=6 => 3,
        7..=12 => 4,
        13..=24 => 5,
        _ => 6,
    };
    if d < 0 { (6 - c) as usize } else { (6 + c) as usize }
}

#[inline(always)]
fn unsigned_class(m: i32) -> usize {
    match m {
        0 => 0,
        1 => 1,
        2 => 2,
        3..=4 => 3,
        5..=7 => 4,
        8..=12 => 5,
        13..=24 => 6,
        _ => 7,
    }
}

/// Sizes of the contexts.
const DIRECT: [usize; N - 1] = [13 * 169, 256, 4096, 4096, 4096, 4096, 4096];
const SIZES: [usize; N - 1] = [24 * 16, 169 * 4, 169 * 4, 169 * 4, 169 * 4, 64 * 8, 169 * 4];

const UNARY: [usize; 16] = [2, 3, 4, 5, 6, 7, 8, 9, 49, 50, 51, 52, 53, 54, 55, 56];
const TREE: [usize; 16] = [0, 10, 11, 14, 21, 28, 35, 42, 57, 64, 71, 78, 85, 92, 99, 106];

struct PlaneState {
    tables: Vec<Vec<u16>>,
    mixer: Mixer<N>,
    apm: Apm,
    bias: Vec<i32>,
    bias2: Vec<i32>,
    raw: Vec<u16>,
}

impl PlaneState {
    fn new(sizes: &[usize; N - 1]) -> Self {
        Self {
            tables: sizes.iter().map(|&size| vec![FRESH; size * NODES]).collect(),
            mixer: Mixer::new(NODES * 8, 6),
            apm: Apm::new(NODES * 24),
            bias: vec![0; 1024 * 8],
            bias2: vec![0; 1024 * 8],
            raw: vec![FRESH; 16 * 16],
        }
    }
}

/// State of the coder of a group.
pub struct Samples {
    pub planes: Vec<Rows>,
    predictors: Vec<Predictor>,
    states: Vec<PlaneState>,
    max: i32,
}

impl Samples {
    pub fn new(width: usize, channels: usize, bits: u32, direct: bool) -> Self {
        let sizes = if direct { &DIRECT } else { &SIZES };
        Self {
            planes: (0..channels).map(|_| Rows::new(width, 1 << (bits - 1))).collect(),
            states: (0..channels).map(|_| PlaneState::new(sizes)).collect(),
            predictors: (0..channels).map(Predictor::new).collect(),
            max: (1 << bits) - 1,
        }
    }

    /// Codes an index of a palette.
    pub fn index<C: Coder>(&mut self, coder: &mut C, x: usize, index: i32) -> i32 {
        let own = &self.planes[0].rows;
        let [w, n, nw, ne, ww, nn] =
            [own[0][x - 1], own[1][x], own[1][x - 1], own[1][x + 1], own[0][x - 2], own[2][x]].map(|v| v as u32 as usize);
        let mix = |a: usize, b: usize, c: usize| {
            let h = ((a * 256 + b) * 256 + c) as u32;
            (h.wrapping_mul(0x9E37_79B1) >> 20) as usize
        };
        let d = |a: usize, b: usize| signed_class(a as i32 - b as i32);
        let contexts = [(d(n, w) * 13 + d(nw, w)) * 13 + d(ne, w), w, mix(0, w, n), mix(w, n, nw), mix(w, n, ne), mix(w, ww, n), mix(n, nn, w)];
        let _ = nn;
        let px = w as i32;
        let state = &mut self.states[0];
        px + code_residual(coder, state, &contexts, 0, px, self.max, index - px)
    }

    /// Codes one sample of plane `k` at column `x` (which counts the pad).
    #[inline(always)]
    pub fn sample<C: Coder>(&mut self, coder: &mut C, k: usize, x: usize, sample: i32) -> i32 {
        let mut t = [0; MOST_TAPS];
        let reference = gather(&self.planes, k, x, &mut t);
        let act = activity(&self.planes, k, x);
        let p = self.predictors[k].predict(reference, &t);
        let p = p.clamp(0, self.max << FRACTION);

        let errors = &self.planes[k].errors;
        let (ew, eww, en, enw, ene) =
            (errors[0][x - 1], errors[0][x - 2], errors[1][x], errors[1][x - 1], errors[1][x + 1]);
        let (aw, aww, an, anw, ane) = (ew.abs(), eww.abs(), en.abs(), enw.abs(), ene.abs());
        let other = |j: usize| if k > j { self.planes[k - 1 - j].errors[0][x] } else { 0 };
        let (o0, o1) = (other(0), other(1));
        let mut sum = 2 * (aw + an) + aww + anw + ane + act / 8;
        if k > 0 {
            sum = (sum * 2 + 5 * o0.abs() + 2 * o1.abs()) / 3;
        }
        let energy = energy_class(sum);

        // Texture.
        let own = &self.planes[k].rows;
        let whole = p >> FRACTION;
        let (w, n, nw, ne, ww, nn) = (own[0][x - 1], own[1][x], own[1][x - 1], own[1][x + 1], own[0][x - 2], own[2][x]);
        let mut texture = 0;
        for v in [w, n, nw, ne, ww, nn, 2 * w - ww, 2 * n - nn] {
            texture = texture << 1 | usize::from(v > whole);
        }
        let coarse = (energy / 5).min(3);
        let state = &mut self.states[k];
        let b1 = texture * 8 + coarse;
        let b2 = (signed_class(o0) * 13 + signed_class(ew)) * 4 + coarse;
        let bias = (state.bias[b1] + state.bias2[b2]) >> 9;
        let biased = (p + bias).clamp(0, self.max << FRACTION);
        let px = (biased + 8) >> FRACTION;
        let frac = (biased & 15) as usize;

        let alt = if k == 0 {
            (2 * w - ww, 2 * n - nn)
        } else {
            let o = &self.planes[k - 1].rows;
            (w + o[0][x] - o[0][x - 1], n + o[0][x] - o[1][x])
        };

        let alt2 = if k == 0 { (w + n - nw, (w + ne) >> 1) } else { let o = &self.planes[0].rows; ((w + n + 2 * o[0][x] - o[0][x - 1] - o[1][x]) >> 1, w + n - nw + o[0][x] - o[0][x - 1] - o[1][x] + o[1][x - 1]) };
        let contexts = [
            energy * 16 + frac,
            (signed_class(alt.0 - px) * 13 + signed_class(alt.1 - px)) * 4 + coarse,
            (signed_class(w - px) * 13 + signed_class(n - px)) * 4 + coarse,
            (signed_class(alt2.0 - px) * 13 + signed_class(alt2.1 - px)) * 4 + coarse,
            (signed_class(ew) * 13 + signed_class(en)) * 4 + coarse,
            (px * 64 / (self.max + 1)) as usize * 8 + energy / 3,
            (signed_class(ne - px) * 13 + signed_class(w + n - nw - px)) * 4 + coarse,
        ];

        let e = code_residual(coder, state, &contexts, energy, px, self.max, sample - px);
        let value = px + e;
        let rest = (value << FRACTION) - p;
        self.predictors[k].adapt(&t, rest, *MU);
        let step = |bias: &mut i32| *bias += ((rest << 8) - *bias) >> 6;
        step(&mut state.bias[b1]);
        step(&mut state.bias2[b2]);
        self.planes[k].errors[0][x] = e;
        value
    }

    pub fn next_row(&mut self) {
        for plane in &mut self.planes {
            plane.next_row();
        }
    }
}

#[inline(always)]
fn decide<C: Coder>(
    coder: &mut C,
    state: &mut PlaneState,
    contexts: &[usize; N - 1],
    energy: usize,
    node: usize,
    bit: bool,
) -> bool {
    let stretch = stretch_table();
    for i in 0..N - 1 {
        let slot = state.tables[i][contexts[i] * NODES + node];
        state.mixer.inputs[i] = i32::from(stretch[(slot >> 4) as usize]);
    }
    state.mixer.inputs[N - 1] = 256;
    let sets = [node * 8 + energy / 3, NODES * 8 + node * 16 + (contexts[0] & 15)];
    let bit = state.mixer.code(coder, sets, &mut state.apm, node * 24 + energy, bit);
    for i in 0..N - 1 {
        update(&mut state.tables[i][contexts[i] * NODES + node], bit);
    }
    bit
}

/// Codes the difference from the prediction: whether it is zero, its sign, and its magnitude in classes of powers of two.
#[inline(always)]
fn code_residual<C: Coder>(
    coder: &mut C,
    state: &mut PlaneState,
    contexts: &[usize; N - 1],
    energy: usize,
    px: i32,
    max: i32,
    e: i32,
) -> i32 {
    if decide(coder, state, contexts, energy, 0, e == 0) {
        return 0;
    }
    let (below, above) = (px, max - px);
    let negative = if below == 0 {
        false
    } else if above == 0 {
        true
    } else {
        decide(coder, state, contexts, energy, 1, e < 0)
    };
    let most = if negative { below } else { above };
    let m = e.unsigned_abs() as i32;
    // m is in 1..=most; its class is the number of its bits.
    let classes = (most as u32).ilog2();
    let mut c = 0;
    while c < classes && decide(coder, state, contexts, energy, UNARY[c as usize], m >> (c + 1) != 0) {
        c += 1;
    }
    let mut value = 1;
    let base = TREE[c as usize];
    for i in (0..c).rev() {
        let bit = m >> i & 1 != 0;
        let depth = c - 1 - i;
        let bit = if depth < 3 {
            decide(coder, state, contexts, energy, base + (value as usize) - 1, bit)
        } else {
            let slot = &mut state.raw[(c * 16 + i) as usize];
            let p = u32::from(*slot).clamp(32, 65535 - 32);
            let bit = coder.code(p, bit);
            update(slot, bit);
            bit
        };
        value = value << 1 | i32::from(bit);
    }
    if negative { -value } else { value }
}

pub fn code_group<C: Coder>(coder: &mut C, samples: &mut [i32], width: usize, channels: usize, bits: u32, graphics: bool, direct: bool) {
    let mut state = Samples::new(width, channels, bits, direct);
    let mut colors = graphics.then(|| super::pixel::Pixels::new(width, samples.len() / channels));
    for (y, row) in samples.chunks_exact_mut(width * channels).enumerate() {
        state.next_row();
        if let Some(colors) = &mut colors {
            colors.next_row();
        }
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let x = x + PAD;
            let Some(colors) = &mut colors else {
                for k in 0..channels {
                    pixel[k] = state.sample(coder, k, x, pixel[k]);
                    state.planes[k].put(x, pixel[k], y == 0);
                }
                continue;
            };
            let packed = pixel.iter().fold(0, |p, &s| p << 8 | s as u32);
            let found = colors.candidate(coder, x, packed);
            let packed = match found {
                Some(found) => found,
                None => {
                    pixel[0] = if direct { state.index(coder, x, pixel[0]) } else { state.sample(coder, 0, x, pixel[0]) };
                    state.planes[0].put(x, pixel[0], y == 0);
                    let rest = if channels > 1 || direct { if direct { Some(pixel[0] as u32) } else { colors.rest(coder, pixel[0] as u32, packed) } } else { None };
                    rest.unwrap_or_else(|| {
                        for k in 1..channels {
                            pixel[k] = state.sample(coder, k, x, pixel[k]);
                            state.planes[k].put(x, pixel[k], y == 0);
                        }
                        pixel.iter().fold(0, |p, &s| p << 8 | s as u32)
                    })
                }
            };
            for k in 0..channels {
                pixel[k] = (packed >> (8 * (channels - 1 - k)) & 255) as i32;
                state.planes[k].put(x, pixel[k], y == 0);
                if found.is_some() { state.planes[k].errors[0][x] = 0; }
            }
            colors.learn(x, packed, pixel[0] as u32, y == 0);
        }
    }
}

static MU: std::sync::LazyLock<i32> = std::sync::LazyLock::new(|| std::env::var("MU").map_or(1000, |v| v.parse().unwrap()));
