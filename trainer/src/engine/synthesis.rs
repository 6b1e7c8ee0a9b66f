//! The synthesis of decoded latents, forward and backward.

use super::block::{self, BlockMemory, BlockScratch};
use super::kernel::product::{Segment, product};
use super::kernel::{LANES, Path, vectorised};
use super::layers::{Context, add, column_sums, in_rows, shuffle, unshuffle_cells, whole};
use super::layout::{Layout, PATCH};
use super::pack::{Panels, to_cells};

/// The activations that the backward pass needs.
pub(super) struct SynthesisMemory<C> {
    /// The sides of the latents.
    sides: (usize, usize),
    /// The latents in cells, and what they leave of them.
    latents: Vec<C>,
    rest: Vec<C>,
    stream: Vec<f32>,
    blocks: Vec<BlockMemory<C>>,
    /// The input of the output layer with a border of zeros, `[h + 2, w + 2, c]` for the sides of the stream.
    bordered: Vec<C>,
    deep: Vec<f32>,
    /// The gradient of the output with a border, `[h + 2, w + 2, 192]`.
    of_output: Vec<C>,
    packed: [Panels<C>; 2],
    of_packed: Panels<C>,
}

impl<C: Copy + Default> SynthesisMemory<C> {
    /// Takes room for latents with these sides.
    pub(super) fn new(layout: &Layout, sides: (usize, usize)) -> Self {
        let (h, w) = (2 * sides.0, 2 * sides.1);
        let crate::net::Shapes { c, m, .. } = layout.shapes;
        let cells = |count: usize| vec![C::default(); count];
        Self {
            sides,
            latents: cells(h * w / 4 * m),
            rest: cells(h * w / 4 * m),
            stream: vec![0.0; h * w * c],
            blocks: layout.d.iter().map(|block| BlockMemory::new(block, h * w)).collect(),
            bordered: cells((h + 2) * (w + 2) * c),
            deep: vec![0.0; h * w * c],
            of_output: cells((h + 2) * (w + 2) * PATCH),
            packed: Default::default(),
            of_packed: Panels::default(),
        }
    }
}

/// Computes the decoded samples minus a half, `[h, w, 8, 8, 3]` in patches, of decoded latents. `gain` is that of the
/// synthesis, `[c]`.
pub(super) fn synthesise<P: Path>(
    net: Context<P>,
    memory: &mut SynthesisMemory<P::Cell>,
    y_hat: &[f32],
    gain: &[f32],
    decoded: &mut [f32],
) {
    let (path, layout) = (net.path, net.layout);
    let (h, w) = (2 * memory.sides.0, 2 * memory.sides.1);
    let c = layout.shapes.c;
    let SynthesisMemory { latents, rest, stream, blocks, bordered, deep, .. } = memory;
    vectorised!(path, P, [latents: &mut [P::Cell] = &mut *latents, rest: &mut [P::Cell] = &mut *rest, y_hat: &[f32]] {
        for ((cell, rest), y) in latents.iter_mut().zip(rest).zip(y_hat) {
            *cell = P::cell(*y);
            *rest = P::cell(y - P::value(*cell));
        }
    });
    let mut segments = vec![net.segment(&layout.d_in, latents)];
    if let Some(of_weights) = net.rest(&layout.d_in, latents) {
        segments.extend([of_weights, net.segment(&layout.d_in, rest)]);
    }
    net.forward(&layout.d_in, h * w / 4, &segments, |at, sums| {
        deep[at..][..sums.len()].copy_from_slice(sums);
    });
    shuffle((h, w, c), deep, stream);
    for (block, memory) in layout.d.iter().zip(blocks) {
        block::forward(net, block, (h, w), stream, memory);
    }
    for (y, rows) in stream.chunks_exact(w * c).enumerate() {
        let to = &mut bordered[((y + 1) * (w + 2) + 1) * c..][..w * c];
        vectorised!(path, P, [to: &mut [P::Cell], rows: &[f32], gain: &[f32]] {
            for (to, from) in to.chunks_exact_mut(gain.len()).zip(rows.chunks_exact(gain.len())) {
                to.iter_mut().zip(from).zip(gain).for_each(|((to, x), gain)| *to = P::cell(x * gain));
            }
        });
    }
    let packed = &net.packed[layout.d_out.packed];
    let bias = net.parameters(layout.d_out.bias, PATCH);
    for y in 0..h {
        let mut segments: Vec<Segment<P::Cell>> = Vec::with_capacity(18);
        for tap in 0..9 {
            let a = &bordered[((y + tap / 3) * (w + 2) + tap % 3) * c..];
            for panels in [Some(&packed.forward), packed.rest.as_ref()].into_iter().flatten() {
                let first = tap * c / P::GROUP;
                segments.push(panels.times_from::<P>(first, a, in_rows::<P>(c), c / P::GROUP));
            }
        }
        let row = &mut decoded[y * w * PATCH..][..w * PATCH];
        product(path, (w, PATCH), &segments, |x, first, sums| {
            let to = &mut row[x * PATCH + first..][..sums.len()];
            to.iter_mut().zip(sums).zip(&bias[first..]).for_each(|((to, sum), bias)| *to = sum + bias);
        });
    }
}

/// Replaces `of_latents` by the gradient of the decoded latents, given that of the decoded samples in patches. Adds the
/// gradients of the parameters if there is room for them; `of_gain` becomes the gradient of the logarithm of the gain.
pub(super) fn backward<P: Path>(
    net: Context<P>,
    memory: &mut SynthesisMemory<P::Cell>,
    of_decoded: &[f32],
    (gain, of_gain): (&[f32], &mut [f32]),
    of_latents: &mut [f32],
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut (Vec<P::Cell>, BlockScratch<P::Cell>),
) {
    let (path, layout) = (net.path, net.layout);
    let (h, w) = (2 * memory.sides.0, 2 * memory.sides.1);
    let c = layout.shapes.c;
    let (cells, scratch) = scratch;
    let border = w + 2;
    for (y, rows) in of_decoded.chunks_exact(w * PATCH).enumerate() {
        to_cells(path, rows, &mut memory.of_output[((y + 1) * border + 1) * PATCH..][..w * PATCH]);
    }
    if let Some(gradients) = gradients {
        filter_gradients(net, memory, gradients);
    }
    let SynthesisMemory { latents, stream, blocks, of_output, .. } = memory;
    let packed = &net.packed[layout.d_out.packed].backward;
    of_gain.fill(0.0);
    for y in 0..h {
        let segments = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|tap| {
            let a = &of_output[((y + 2 - tap / 3) * border + 2 - tap % 3) * PATCH..];
            packed.times_from::<P>(tap * PATCH / P::GROUP, a, in_rows::<P>(PATCH), PATCH / P::GROUP)
        });
        let row = &mut stream[y * w * c..][..w * c];
        product(path, (w, c), &segments, |x, first, sums| {
            let sums = whole(sums, c - first);
            let row = &mut row[x * c + first..][..sums.len()];
            let (gain, of_gain) = (&gain[first..][..sums.len()], &mut of_gain[first..][..sums.len()]);
            for (((x, sum), gain), of_gain) in row.iter_mut().zip(sums).zip(gain).zip(of_gain) {
                let d = sum * gain;
                *of_gain += d * *x;
                *x = d;
            }
        });
    }
    for (block, memory) in layout.d.iter().zip(blocks.iter()).rev() {
        block::backward(net, block, (h, w), stream, memory, gradients, scratch);
    }
    cells.resize(h * w * c, P::Cell::default());
    let d = &mut cells[..h * w * c];
    unshuffle_cells(path, (h, w, c), stream, d);
    if let Some(gradients) = gradients {
        scratch.packing.gradients(path, &layout.d_in, h * w / 4, d, latents, gradients);
    }
    net.backward(&layout.d_in, h * w / 4, d, |at, sums| {
        of_latents[at..][..sums.len()].copy_from_slice(sums);
    });
}

/// Adds the gradients of the output layer's filters and biases.
///
/// Positions are contracted over the rows with their borders: a border of the output's gradient is zero, and a tap is
/// then a shift of all positions. Groups of two positions need their inputs packed at even and at odd shifts.
fn filter_gradients<P: Path>(net: Context<P>, memory: &mut SynthesisMemory<P::Cell>, gradients: &mut [f32]) {
    let (path, layout) = (net.path, net.layout);
    let (h, w) = (2 * memory.sides.0, 2 * memory.sides.1);
    let (c, border) = (layout.shapes.c, w + 2);
    let SynthesisMemory { bordered, of_output, packed, of_packed, .. } = memory;
    // From the first position inside of the border to the last.
    let count = (h - 1) * border + w;
    let of_inside = &of_output[(border + 1) * PATCH..];
    of_packed.rows(path, of_inside, (count, PATCH, PATCH));
    let shifts = P::GROUP;
    for (shift, packed) in packed[..shifts].iter_mut().enumerate() {
        packed.rows(path, &bordered[shift * c..], ((h + 2) * border - shift, c, c));
    }
    let layer = &layout.d_out;
    let steps = count.div_ceil(P::GROUP);
    for (index, first) in (0..PATCH).step_by(LANES).enumerate() {
        let (a, strides) = of_packed.positions::<P>(index);
        for tap in 0..9 {
            let shift = tap / 3 * border + tap % 3;
            let segment = packed[shift % shifts].times_from::<P>(shift / shifts, a, strides, steps);
            product(path, (LANES, c), &[segment], |row, input, sums| {
                let at = layer.weight + ((first + row) * 9 + tap) * c + input;
                add(&mut gradients[at..], whole(sums, c - input));
            });
        }
    }
    column_sums(path, of_output, &mut gradients[layer.bias..][..PATCH]);
}
