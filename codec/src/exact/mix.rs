//! Adaptive probabilities, and the mixer that combines them.

use super::bits::Coder;
use std::sync::LazyLock;

/// Largest magnitude in the logistic domain: nearly 12, with 8 fraction bits.
const MOST: i32 = 12 * 256 - 1;
/// Largest magnitude of a weight: 8, with 16 fraction bits.
const WEIGHT_MOST: i32 = 8 << 16;
/// Inputs of a mixer: those of the contexts, and a constant.
pub const INPUTS: usize = 8;
/// Contexts of a decision.
pub const CONTEXTS: usize = INPUTS - 1;

/// `65536 / (1 + exp(-x))` for x from -12 to 12 in steps of a half.
const POINTS: [i32; 49] = [
    1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625,
    24743, 32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438,
    65476, 65500, 65514, 65523, 65528, 65531, 65533, 65534, 65535, 65535, 65535,
];

/// The probability, in 1..=65535, of a number in the logistic domain.
#[inline(always)]
fn squash(x: i32) -> i32 {
    let x = (x + 12 * 256) as usize;
    let (i, w) = (x >> 7, (x & 127) as i32);
    (POINTS[i] * (128 - w) + POINTS[i + 1] * w + 64) >> 7
}

/// The inverse of [`squash`], for probabilities of 12 bits.
static STRETCH: LazyLock<[i16; 4096]> = LazyLock::new(|| {
    let mut table = [MOST as i16; 4096];
    let mut next = 0;
    for x in -MOST..=MOST {
        let p = (squash(x) >> 4) as usize;
        while next <= p {
            table[next] = x as i16;
            next += 1;
        }
    }
    table
});

/// An adaptive probability: 13 bits of it, then a count of 3 bits.
pub type Slot = u16;
/// A slot that knows nothing.
pub const FRESH: Slot = 1 << 15;
/// How far a probability moves, in 256ths of the way, by its count.
const RATES: [i32; 8] = [128, 85, 64, 43, 28, 18, 12, 8];

/// Moves a probability towards what was decided.
#[inline(always)]
pub fn update(slot: &mut Slot, decision: bool) {
    let n = *slot & 7;
    let p = i32::from(*slot >> 3);
    let goal = if decision { 8191 } else { 0 };
    let p = p + (((goal - p) * RATES[usize::from(n)] + 128) >> 8);
    *slot = (p as u16) << 3 | (n + 1).min(7);
}

/// Codes a decision with the probability of a single slot.
#[inline(always)]
pub fn code_with<C: Coder>(coder: &mut C, slot: &mut Slot, decision: bool) -> bool {
    let decision = coder.code(u32::from(*slot).clamp(64, 65536 - 64), decision);
    update(slot, decision);
    decision
}

/// Mixes the predictions of the contexts, and refines the result.
pub struct Mixer {
    weights: Vec<[i32; INPUTS]>,
    refined: Vec<[u16; 25]>,
    inputs: [i32; INPUTS],
    rate: i32,
    stretch: &'static [i16; 4096],
}

impl Mixer {
    /// A mixer with `sets` of weights that learn at this rate, and with `refinements` contexts of refinement.
    pub fn new(sets: usize, refinements: usize, rate: i32) -> Self {
        let row = std::array::from_fn(|i| squash((i as i32 - 12).clamp(-11, 11) * 256) as u16);
        Self {
            weights: vec![[27306; INPUTS]; sets],
            refined: vec![row; refinements],
            inputs: [256; INPUTS],
            rate,
            stretch: &STRETCH,
        }
    }

    /// Sets the input of a context to the prediction of its slot.
    #[inline(always)]
    pub fn set(&mut self, context: usize, slot: Slot) {
        self.inputs[context] = i32::from(self.stretch[usize::from(slot >> 4)]);
    }

    /// Codes a decision from the inputs, with a set of weights and a context of refinement.
    #[inline(always)]
    pub fn code<C: Coder>(&mut self, coder: &mut C, set: usize, refinement: usize, decision: bool) -> bool {
        let weights = &mut self.weights[set];
        let sum: i32 = weights.iter().zip(&self.inputs).map(|(&w, &x)| (w * x) >> 8).sum();
        let x = (sum >> 8).clamp(-MOST, MOST);
        let p = squash(x);
        let place = (x + 12 * 256) as usize;
        let (i, w) = (place >> 8, (place & 255) as i32);
        let row = &mut self.refined[refinement];
        let refined = (i32::from(row[i]) * (256 - w) + i32::from(row[i + 1]) * w) >> 8;
        let decision = coder.code((((p + refined) >> 1).clamp(1, 65535)) as u32, decision);

        let near = &mut row[i + usize::from(w >= 128)];
        *near = if decision { *near + ((65535 - *near) >> 6) } else { *near - (*near >> 6) };
        let error = ((if decision { 65535 } else { 0 } - p) * self.rate) >> 4;
        for (w, &x) in weights.iter_mut().zip(&self.inputs) {
            *w = (*w + ((x * error + (1 << 13)) >> 14)).clamp(-WEIGHT_MOST, WEIGHT_MOST);
        }
        decision
    }
}
