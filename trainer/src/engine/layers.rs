//! Products with biases, their gradients, and changes of resolution.

use super::depthwise::Plane;
use super::kernel::product::{Segment, product};
use super::kernel::{LANES, Path, Strides, Sums, vectorised};
use super::layout::{Layout, Linear};
use super::pack::{PackedWeights, Panels};

/// What all layers of a step share.
pub(super) struct Context<'a, P: Path> {
    pub path: P,
    pub layout: &'a Layout,
    /// The parameters.
    pub numbers: &'a [f32],
    pub packed: &'a [PackedWeights<P::Cell>],
}

impl<P: Path> Clone for Context<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Path> Copy for Context<'_, P> {}

/// The distances in rows of this number of cells.
pub(super) fn in_rows<P: Path>(width: usize) -> Strides {
    Strides { position: width, step: P::GROUP }
}

impl<'a, P: Path> Context<'a, P> {
    /// The `count` parameters at a place.
    pub(super) fn parameters(&self, place: usize, count: usize) -> &'a [f32] {
        &self.numbers[place..][..count]
    }

    /// The segment of a layer for inputs in rows.
    pub(super) fn segment<'s>(&'s self, layer: &Linear, x: &'s [P::Cell]) -> Segment<'s, P::Cell> {
        let steps = layer.inputs / P::GROUP;
        self.packed[layer.packed].forward.times(x, in_rows::<P>(layer.inputs), steps)
    }

    /// The segment of what cells leave of a layer's weights, or `None` if they leave nothing.
    pub(super) fn rest<'s>(&'s self, layer: &Linear, x: &'s [P::Cell]) -> Option<Segment<'s, P::Cell>> {
        let rest = self.packed[layer.packed].rest.as_ref()?;
        Some(rest.times(x, in_rows::<P>(layer.inputs), layer.inputs / P::GROUP))
    }

    /// Adds the biases of a layer to the sums of its segments and passes each panel to `put`: the place of its first
    /// number in rows of the layer's outputs, and up to `LANES` numbers.
    #[inline(always)]
    pub(super) fn forward(
        &self,
        layer: &Linear,
        positions: usize,
        segments: &[Segment<P::Cell>],
        mut put: impl FnMut(usize, &[f32]),
    ) {
        let outputs = layer.outputs;
        let bias = self.parameters(layer.bias, outputs);
        product(self.path, (positions, outputs), segments, |position, first, sums| {
            let at = position * outputs + first;
            let bias = &bias[first..];
            if let Some(bias) = bias.first_chunk::<LANES>() {
                let mut sums = *sums;
                sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
                put(at, &sums);
            } else {
                let mut sums = *sums;
                sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
                put(at, &sums[..bias.len()]);
            }
        });
    }

    /// Applies a layer to inputs in rows.
    pub(super) fn linear(&self, layer: &Linear, positions: usize, x: &[P::Cell], out: &mut [f32]) {
        self.forward(layer, positions, &[self.segment(layer, x)], |at, sums| {
            out[at..][..sums.len()].copy_from_slice(sums);
        });
    }

    /// The gradient of a layer's input, given that of its output in rows. Each panel goes to `put`, as in
    /// [`Self::forward`], in rows of the layer's inputs.
    #[inline(always)]
    pub(super) fn backward(
        &self,
        layer: &Linear,
        positions: usize,
        of_output: &[P::Cell],
        mut put: impl FnMut(usize, &[f32]),
    ) {
        let Linear { outputs, inputs, packed, .. } = *layer;
        let panels = &self.packed[packed].backward;
        let segment = panels.times(of_output, in_rows::<P>(outputs), outputs / P::GROUP);
        product(self.path, (positions, inputs), &[segment], |position, first, sums| {
            put(position * inputs + first, whole(sums, inputs - first));
        });
    }
}

/// The numbers of a panel within the matrix.
#[inline(always)]
pub(super) fn whole(sums: &Sums, left: usize) -> &[f32] {
    if left >= LANES { sums } else { &sums[..left] }
}

/// Adds a panel to numbers.
#[inline(always)]
pub(super) fn add(to: &mut [f32], sums: &[f32]) {
    to[..sums.len()].iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
}

/// Room to pack the operands of a weight's gradient.
pub(super) struct Packing<C> {
    of_output: Panels<C>,
    input: Panels<C>,
}

impl<C> Default for Packing<C> {
    fn default() -> Self {
        Self { of_output: Panels::default(), input: Panels::default() }
    }
}

impl<C: Copy + Default> Packing<C> {
    /// Passes the panels of a weight's gradient to `put`: the output, the first input, and the sums. Operands have
    /// `outputs` and `inputs` cells in each row.
    pub(super) fn product<P: Path<Cell = C>>(
        &mut self,
        path: P,
        positions: usize,
        (of_output, outputs): (&[C], usize),
        (input, inputs): (&[C], usize),
        mut put: impl FnMut(usize, usize, &Sums),
    ) {
        self.of_output.rows(path, of_output, (positions, outputs, outputs));
        self.input.rows(path, input, (positions, inputs, inputs));
        let steps = positions.div_ceil(P::GROUP);
        for (index, first) in (0..outputs).step_by(LANES).enumerate() {
            let (a, strides) = self.of_output.positions::<P>(index);
            let rows = LANES.min(outputs - first);
            let segment = self.input.times(a, strides, steps);
            product(path, (rows, inputs), &[segment], |row, input, sums| put(first + row, input, sums));
        }
    }

    /// Adds the gradients of a layer's weights and biases, given that of its output.
    pub(super) fn gradients<P: Path<Cell = C>>(
        &mut self,
        path: P,
        layer: &Linear,
        positions: usize,
        of_output: &[C],
        input: &[C],
        gradients: &mut [f32],
    ) {
        let Linear { outputs, inputs, weight, bias, .. } = *layer;
        self.product(path, positions, (of_output, outputs), (input, inputs), |output, first, sums| {
            let at = weight + output * inputs + first;
            add(&mut gradients[at..], whole(sums, inputs - first));
        });
        column_sums(path, of_output, &mut gradients[bias..][..outputs]);
    }
}

/// Adds the sum of each column of rows.
pub(super) fn column_sums<P: Path>(path: P, rows: &[P::Cell], sums: &mut [f32]) {
    let width = sums.len();
    vectorised!(path, P, [rows: &[P::Cell], sums: &mut [f32], width: usize] {
        for row in rows.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, cell)| *sum += P::value(*cell));
        }
    });
}

/// Rounds numbers to cells, `[h, w, c]` to `[h/2, w/2, 4c]`, with channels in the order (row, column, channel).
pub(super) fn unshuffle_cells<P: Path>(path: P, shape: Plane, from: &[f32], to: &mut [P::Cell]) {
    vectorised!(path, P, [shape: Plane, from: &[f32], to: &mut [P::Cell]] {
        for (fine, coarse) in pixels(shape) {
            let (from, to) = (&from[fine..][..shape.2], &mut to[coarse..][..shape.2]);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = P::cell(*from));
        }
    });
}

/// Like [`unshuffle_cells`], with what the cells leave of the numbers.
pub(super) fn unshuffle_rest<P: Path>(path: P, shape: Plane, from: &[f32], to: &mut [P::Cell]) {
    vectorised!(path, P, [shape: Plane, from: &[f32], to: &mut [P::Cell]] {
        for (fine, coarse) in pixels(shape) {
            let (from, to) = (&from[fine..][..shape.2], &mut to[coarse..][..shape.2]);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = P::cell(from - P::value(P::cell(*from))));
        }
    });
}

/// `[h/2, w/2, 4c]` to `[h, w, c]`, the inverse of [`unshuffle_cells`].
pub(super) fn shuffle(shape: Plane, from: &[f32], to: &mut [f32]) {
    for (fine, coarse) in pixels(shape) {
        to[fine..][..shape.2].copy_from_slice(&from[coarse..][..shape.2]);
    }
}

/// The places of each pixel in `[h, w, c]` and in `[h/2, w/2, 4c]`.
#[inline(always)]
fn pixels((h, w, c): Plane) -> impl Iterator<Item = (usize, usize)> {
    (0..h * w).map(move |i| {
        let (y, x) = (i / w, i % w);
        (i * c, ((y / 2 * (w / 2) + x / 2) * 4 + y % 2 * 2 + x % 2) * c)
    })
}
