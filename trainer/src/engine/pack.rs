//! Packed operands: weights, and rows for the gradients of weights.

use super::kernel::product::Segment;
use super::kernel::{LANES, Path, Strides, Work, vectorised};
use std::marker::PhantomData;

/// A matrix as the second operand of a product: panels of `LANES` outputs, each with all steps of the contraction.
#[derive(Debug, Clone)]
pub(super) struct Panels<C> {
    cells: Vec<C>,
    /// The cells of one panel.
    panel: usize,
}

impl<C> Default for Panels<C> {
    fn default() -> Self {
        Self { cells: Vec::new(), panel: 0 }
    }
}

impl<C: Copy + Default> Panels<C> {
    /// Takes room for this number of outputs and this length of the contraction.
    fn resize<P: Path<Cell = C>>(&mut self, outputs: usize, length: usize) {
        self.panel = length.div_ceil(P::GROUP) * P::GROUP * LANES;
        self.cells.resize(outputs.div_ceil(LANES) * self.panel, C::default());
    }

    /// Packs a matrix `[length, outputs]`, given as a function of (row, first output) that returns `LANES` numbers, of
    /// which those beyond the matrix are zero.
    #[inline(always)]
    fn fill<P: Path<Cell = C>>(
        &mut self,
        path: P,
        (outputs, length): (usize, usize),
        at: impl Fn(usize, usize) -> [C; LANES],
    ) {
        self.resize::<P>(outputs, length);
        path.run::<Fill<P, _>, _>((&mut self.cells[..], self.panel, length, at));
    }

    /// Packs `rows` rows of cells with `columns` columns each, where the columns are the outputs and the rows are
    /// contracted. Row `i` begins at `x[i * stride]`.
    pub(super) fn rows<P: Path<Cell = C>>(
        &mut self,
        path: P,
        x: &[C],
        (rows, columns, stride): (usize, usize, usize),
    ) {
        self.fill(path, (columns, rows), |row, column| {
            let from = &x[row * stride + column..][..LANES.min(columns - column)];
            lanes(from.len(), |lane| from[lane])
        });
    }

    /// Packs numbers `[outputs, length]`, as [`Self::rows`] packs their transpose.
    pub(super) fn transposed<P: Path<Cell = C>>(
        &mut self,
        path: P,
        x: &[f32],
        (outputs, length): (usize, usize),
    ) {
        self.fill(path, (outputs, length), |row, output| {
            lanes(outputs - output, |lane| P::cell(x[(output + lane) * length + row]))
        });
    }

    /// The panels as the first operand: one position for each output of panel `index`, which has `LANES` of them.
    pub(super) fn positions<P: Path<Cell = C>>(&self, index: usize) -> (&[C], Strides) {
        let cells = &self.cells[index * self.panel..][..self.panel];
        (cells, Strides { position: P::GROUP, step: LANES * P::GROUP })
    }

    /// A segment of a product with these panels as the second operand, from this step on.
    pub(super) fn times<'a>(&'a self, a: &'a [C], strides: Strides, steps: usize) -> Segment<'a, C> {
        Segment { a, strides, b: &self.cells, panel: self.panel, steps }
    }

    /// Like [`Self::times`], but the contraction begins at step `first`.
    pub(super) fn times_from<'a, P: Path<Cell = C>>(
        &'a self,
        first: usize,
        a: &'a [C],
        strides: Strides,
        steps: usize,
    ) -> Segment<'a, C> {
        let b = &self.cells[first * LANES * P::GROUP..];
        Segment { a, strides, b, panel: self.panel, steps }
    }
}

/// Fills panels of this length; see [`Panels::fill`].
struct Fill<P, F>(PhantomData<(P, F)>);

impl<P: Path, F: Fn(usize, usize) -> [P::Cell; LANES]> Work<(&mut [P::Cell], usize, usize, F)>
    for Fill<P, F>
{
    type Output = ();

    #[inline(always)]
    fn perform((cells, panel, length, at): (&mut [P::Cell], usize, usize, F)) {
        for (p, cells) in cells.chunks_exact_mut(panel).enumerate() {
            for (step, cells) in cells.chunks_exact_mut(LANES * P::GROUP).enumerate() {
                let row = step * P::GROUP;
                let first = at(row, p * LANES);
                if P::GROUP == 1 {
                    cells.copy_from_slice(&first);
                    continue;
                }
                let second =
                    if row + 1 < length { at(row + 1, p * LANES) } else { [P::Cell::default(); LANES] };
                for ((pair, first), second) in cells.chunks_exact_mut(2).zip(first).zip(second) {
                    pair[0] = first;
                    pair[1] = second;
                }
            }
        }
    }
}

/// Up to `LANES` cells, followed by zeros.
#[inline(always)]
fn lanes<C: Copy + Default>(count: usize, at: impl Fn(usize) -> C) -> [C; LANES] {
    let mut found = [C::default(); LANES];
    if count >= LANES {
        for (lane, cell) in found.iter_mut().enumerate() {
            *cell = at(lane);
        }
    } else {
        for (lane, cell) in found[..count].iter_mut().enumerate() {
            *cell = at(lane);
        }
    }
    found
}

/// The weights of a layer, packed for all of its products.
#[derive(Debug, Clone, Default)]
pub(super) struct PackedWeights<C> {
    /// For the layer itself: the inputs are contracted.
    pub forward: Panels<C>,
    /// What the cells of `forward` leave of the weights, for the layers that need it.
    pub rest: Option<Panels<C>>,
    /// For the gradient of its input: the outputs are contracted.
    pub backward: Panels<C>,
}

impl<C: Copy + Default> PackedWeights<C> {
    /// Packs weights `[outputs, inputs]`, given as a function of (output, input).
    pub(super) fn pack<P: Path<Cell = C>>(
        &mut self,
        path: P,
        (outputs, inputs): (usize, usize),
        split: bool,
        at: impl Fn(usize, usize) -> f32,
    ) {
        self.pack_forward(path, (outputs, inputs), split, &at);
        self.backward.fill(path, (inputs, outputs), |output, input| {
            lanes(inputs - input, |lane| P::cell(at(output, input + lane)))
        });
    }

    /// Packs filters `[outputs, 9, inputs]`: the contraction is over taps and inputs in the layer itself, and over taps
    /// and outputs for the gradient of its input.
    pub(super) fn pack_filters<P: Path<Cell = C>>(
        &mut self,
        path: P,
        (outputs, inputs): (usize, usize),
        filters: &[f32],
    ) {
        self.pack_forward(path, (outputs, 9 * inputs), true, |n, k| filters[n * 9 * inputs + k]);
        self.backward.fill(path, (inputs, 9 * outputs), |row, input| {
            let (tap, n) = (row / outputs, row % outputs);
            let from = (n * 9 + tap) * inputs + input;
            let from = &filters[from..][..LANES.min(inputs - input)];
            lanes(from.len(), |lane| P::cell(from[lane]))
        });
    }

    fn pack_forward<P: Path<Cell = C>>(
        &mut self,
        path: P,
        (outputs, inputs): (usize, usize),
        split: bool,
        at: impl Fn(usize, usize) -> f32,
    ) {
        self.forward.fill(path, (outputs, inputs), |input, output| {
            lanes(outputs - output, |lane| P::cell(at(output + lane, input)))
        });
        self.rest = (split && !P::PRECISE).then(|| {
            let mut rest = self.rest.take().unwrap_or_default();
            rest.fill(path, (outputs, inputs), |input, output| {
                lanes(outputs - output, |lane| {
                    let w = at(output + lane, input);
                    P::cell(w - P::value(P::cell(w)))
                })
            });
            rest
        });
    }
}

/// Rounds numbers to cells.
pub(super) fn to_cells<P: Path>(path: P, numbers: &[f32], cells: &mut [P::Cell]) {
    vectorised!(path, P, [numbers: &[f32], cells: &mut [P::Cell]] {
        numbers.iter().zip(cells).for_each(|(number, cell)| *cell = P::cell(*number));
    });
}
