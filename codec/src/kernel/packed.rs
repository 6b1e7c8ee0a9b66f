//! Weights in the order in which the kernels read them, laid out once when a model is loaded.

/// Output channels of a panel: those that a product computes together in registers.
pub const PANEL: usize = 32;
/// Pairs of inputs that are packed together: a cache line of each output's weights.
const TILE: usize = 16;

/// Weights of a product: panels of 32 outputs, each a list of pairs of inputs; for each pair, two neighbouring weights for
/// each of the 32 outputs (the layout of 16-bit pair products).
#[derive(Debug, Clone)]
pub struct Packed {
    pub(super) weights: Vec<i16>,
    pub(super) bias: Vec<i32>,
    inputs: usize,
    outputs: usize,
    pub(super) shift: u32,
    /// Fraction bits of the outputs that the layer of the file does not have.
    fraction_bits: u32,
}

impl Packed {
    /// Packs `weights` `[outputs, inputs]`. Outputs are padded to whole panels with zeros.
    ///
    /// # Panics
    /// Panics if `inputs` is odd or the lengths disagree. The reader of models checks both.
    pub fn new(inputs: usize, shift: u32, bias: &[i32], weights: &[i16]) -> Self {
        Self::pack(inputs, shift, bias, weights, |weight| weight)
    }

    /// Like [`Self::new`], for weights as they are in a file: little-endian.
    ///
    /// # Panics
    /// Panics if [`Self::new`] does.
    pub fn from_file(inputs: usize, shift: u32, bias: &[i32], weights: &[[u8; 2]]) -> Self {
        Self::pack(inputs, shift, bias, weights, i16::from_le_bytes)
    }

    fn pack<T: Copy>(
        inputs: usize,
        shift: u32,
        bias: &[i32],
        weights: &[T],
        number: impl Fn(T) -> i16,
    ) -> Self {
        let outputs = bias.len();
        assert!(inputs.is_multiple_of(2) && shift < 31);
        assert!(
            inputs.checked_mul(outputs.next_multiple_of(PANEL)).is_some()
                && weights.len() == inputs * outputs
        );
        let panels = outputs.div_ceil(PANEL);
        let mut packed = vec![0; panels * PANEL * inputs];
        // Rows are read and panels are written tile by tile, so that both stay in the first-level cache.
        for (rows, panel) in weights.chunks(PANEL * inputs).zip(packed.chunks_exact_mut(PANEL * inputs)) {
            for (start, tile) in (0..).step_by(2 * TILE).zip(panel.chunks_mut(2 * TILE * PANEL)) {
                let width = tile.len() / PANEL;
                let pairs = tile.as_chunks_mut::<2>().0;
                for (n, row) in rows.chunks_exact(inputs).enumerate() {
                    let row = row[start..start + width].as_chunks::<2>().0;
                    for (&pair, packed) in row.iter().zip(pairs[n..].iter_mut().step_by(PANEL)) {
                        *packed = pair.map(&number);
                    }
                }
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(panels * PANEL, 0);
        Self { weights: packed, bias: padded, inputs, outputs, shift, fraction_bits: 0 }
    }

    /// The same layer for inputs with this many more fraction bits, none of which is above `largest << bits`. Returns `None` if
    /// its accumulators could overflow then.
    pub(crate) fn for_finer_inputs(&self, bits: u32, largest: u32) -> Option<Self> {
        let mut sums = vec![0u64; self.bias.len()];
        for (panel, sums) in self.weights.chunks_exact(PANEL * self.inputs).zip(sums.chunks_exact_mut(PANEL))
        {
            for pairs in panel.chunks_exact(2 * PANEL) {
                for (sum, pair) in sums.iter_mut().zip(pairs.chunks_exact(2)) {
                    *sum += pair.iter().map(|weight| u64::from(weight.unsigned_abs())).sum::<u64>();
                }
            }
        }
        let shift = self.shift + bits;
        let half = 1u64 << shift.saturating_sub(1);
        let fits = |(&bias, &sum): (&i32, &u64)| {
            ((u64::from(bias.unsigned_abs()) + sum * u64::from(largest)) << bits) + half <= i32::MAX as u64
        };
        (shift < 31 && self.bias.iter().zip(&sums).all(fits)).then(|| Self {
            bias: self.bias.iter().map(|bias| bias << bits).collect(),
            shift,
            ..self.clone()
        })
    }

    /// The same layer with outputs that have up to `bits` more [fraction bits](Self::fraction_bits). Without these bits, an
    /// output is what it was: the half that rounds is added before the fraction bits, and not after them.
    pub(crate) fn with_finer_outputs(&self, bits: u32) -> Self {
        let bits = bits.min(self.shift);
        let half = |shift: u32| if shift == 0 { 0 } else { 1i32 << (shift - 1) };
        let shift = self.shift - bits;
        let more = half(self.shift) - half(shift);
        let bias = self.bias.iter().map(|bias| bias.wrapping_add(more)).collect();
        Self { bias, shift, fraction_bits: bits, ..self.clone() }
    }

    /// Fraction bits of the outputs that the layer of the file does not have.
    pub(crate) fn fraction_bits(&self) -> u32 {
        self.fraction_bits
    }

    /// The bias of the first output and the shift.
    #[cfg(test)]
    pub(crate) fn rounding(&self) -> (i32, u32) {
        (self.bias[0], self.shift)
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights of output `n` and those after it in its panel, from the first pair of inputs on; the next
    /// pair is `2 * PANEL` further.
    pub(super) fn vector(&self, n: usize) -> *const i16 {
        self.weights[n / PANEL * PANEL * self.inputs + 2 * (n % PANEL)..].as_ptr()
    }

    /// All panels.
    pub fn panels(&self) -> std::ops::Range<usize> {
        0..self.outputs.div_ceil(PANEL)
    }
}

/// The pairs of taps of a depthwise 3x3, as (row, column): three across the upper two rows, whose inputs the next two
/// positions use again, and two along the lower row.
pub(super) const COUPLES: [[Option<(usize, usize)>; 2]; 5] = [
    [Some((0, 0)), Some((1, 0))],
    [Some((0, 1)), Some((1, 1))],
    [Some((0, 2)), Some((1, 2))],
    [Some((2, 0)), Some((2, 1))],
    [None, Some((2, 2))],
];

/// Weights of a depthwise 3x3: `[5, C, 2]`, taps in pairs (`COUPLES`), zero if there is none.
#[derive(Debug, Clone)]
pub struct PackedTaps {
    pub(super) pairs: Vec<i16>,
    pub(super) bias: Vec<i32>,
    pub(super) shift: u32,
}

impl PackedTaps {
    /// Packs `weights` `[9, C]`, taps in order (dy, dx).
    ///
    /// # Panics
    /// Panics if the lengths disagree. The reader of models checks them.
    pub fn new(shift: u32, bias: &[i32], weights: &[i16]) -> Self {
        let channels = bias.len();
        assert!(weights.len() == 9 * channels && shift < 31);
        let mut pairs = vec![0; 10 * channels];
        for (pair, (y, x)) in
            COUPLES.as_flattened().iter().enumerate().filter_map(|(i, tap)| Some((i, (*tap)?)))
        {
            for (c, &w) in weights[(3 * y + x) * channels..][..channels].iter().enumerate() {
                pairs[(pair / 2 * channels + c) * 2 + pair % 2] = w;
            }
        }
        Self { pairs, bias: bias.to_vec(), shift }
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }
}
