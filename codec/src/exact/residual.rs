//! Codes a difference as decisions: whether it is zero, its sign, and its magnitude in classes of powers of two.

use super::bits::Coder;
use super::mix::{CONTEXTS, FRESH, Mixer, Slot, code_with, update};

/// Slots of a context: one for each decision that the contexts predict.
const NODES: usize = 64;
/// The decision whether the difference is zero, and the one whether it is negative.
const ZERO: usize = 0;
const NEGATIVE: usize = 1;
/// The first of the decisions whether the magnitude has more bits.
const LONGER: usize = 2;
/// For each number of bits after the highest one, the first decision on them.
const BITS: [usize; 8] = [0, 10, 11, 14, 21, 28, 35, 42];
/// Bits after the highest one that the contexts predict.
const MODELLED: u32 = 3;
/// Classes of the expected magnitude.
pub const ENERGIES: usize = 24;
/// The rate at which weights learn.
const RATE: i32 = 6;

/// The contexts of a difference.
pub struct Contexts {
    pub indices: [usize; CONTEXTS],
    /// Class of the expected magnitude, below [`ENERGIES`].
    pub energy: usize,
}

/// The model of the differences of one plane.
pub struct Residuals {
    tables: [Vec<[Slot; NODES]>; CONTEXTS],
    mixer: Mixer,
    /// For the bits that no context predicts, by the number of bits and by their place.
    low: [[Slot; 8]; 8],
}

impl Residuals {
    /// A model whose contexts have these sizes.
    pub fn new(sizes: [usize; CONTEXTS]) -> Self {
        Self {
            tables: sizes.map(|size| vec![[FRESH; NODES]; size]),
            mixer: Mixer::new(NODES * 8, NODES * ENERGIES, RATE),
            low: [[FRESH; 8]; 8],
        }
    }

    /// Codes a difference in `-below..=above`.
    #[inline(always)]
    pub fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        contexts: &Contexts,
        (below, above): (i32, i32),
        d: i32,
    ) -> i32 {
        if below + above == 0 || self.decide(coder, contexts, ZERO, d == 0) {
            return 0;
        }
        let negative =
            if below == 0 || above == 0 { above == 0 } else { self.decide(coder, contexts, NEGATIVE, d < 0) };
        let most = if negative { below } else { above };
        let magnitude = d.unsigned_abs();
        let mut bits = 0;
        while bits < most.ilog2()
            && self.decide(coder, contexts, LONGER + bits as usize, magnitude >> (bits + 1) != 0)
        {
            bits += 1;
        }
        let mut value = 1;
        for place in (0..bits).rev() {
            let bit = magnitude >> place & 1 != 0;
            let bit = if bits - 1 - place < MODELLED {
                self.decide(coder, contexts, BITS[bits as usize] + value as usize - 1, bit)
            } else {
                code_with(coder, &mut self.low[bits as usize][place as usize], bit)
            };
            value = value << 1 | i32::from(bit);
        }
        // Only a damaged substream holds more.
        let value = value.min(most);
        if negative { -value } else { value }
    }

    #[inline(always)]
    fn decide<C: Coder>(&mut self, coder: &mut C, contexts: &Contexts, node: usize, decision: bool) -> bool {
        for (i, (table, &context)) in self.tables.iter().zip(&contexts.indices).enumerate() {
            self.mixer.set(i, table[context][node]);
        }
        let energy = contexts.energy;
        let decision = self.mixer.code(coder, node * 8 + energy / 3, node * ENERGIES + energy, decision);
        for (table, &context) in self.tables.iter_mut().zip(&contexts.indices) {
            update(&mut table[context][node], decision);
        }
        decision
    }
}
