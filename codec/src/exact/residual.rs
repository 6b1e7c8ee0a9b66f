//! Codes a difference as decisions: whether it is zero, its sign, and its magnitude in classes of powers of two.

use super::bits::Coder;
use super::mix::{CONTEXTS, FRESH, Mixer, Slot, code_with, update};

/// Slots of a context, one for each decision that the contexts predict: for samples of 8 bits, and of more.
pub const NARROW: usize = 64;
pub const WIDE: usize = 128;
/// The decision whether the difference is zero, and the one whether it is negative.
const ZERO: usize = 0;
const NEGATIVE: usize = 1;
/// The first of the decisions whether the magnitude has more bits.
const LONGER: usize = 2;
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

/// The model of the differences of one plane; `NODES` is [`NARROW`] or [`WIDE`].
pub struct Residuals<const NODES: usize> {
    tables: [Vec<[Slot; NODES]>; CONTEXTS],
    mixer: Mixer,
    /// For the bits that no context predicts, by the number of bits and by their place.
    low: [[Slot; 16]; 16],
}

impl<const NODES: usize> Residuals<NODES> {
    /// A model whose contexts have these sizes.
    pub fn new(sizes: [usize; CONTEXTS]) -> Self {
        Self {
            tables: sizes.map(|size| vec![[FRESH; NODES]; size]),
            mixer: Mixer::new(NODES * 8, NODES * ENERGIES, RATE),
            low: [[FRESH; 16]; 16],
        }
    }

    /// The first decision on the bits after the highest one, if there are so many.
    const fn first(bits: u32) -> usize {
        let first = if NODES == NARROW { 10 } else { 17 };
        match bits {
            0 | 1 => first,
            2 => first + 1,
            _ => first + 4 + 7 * (bits as usize - 3),
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
                self.decide(coder, contexts, Self::first(bits) + value as usize - 1, bit)
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
