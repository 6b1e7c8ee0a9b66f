//! The analysis of a crop and the hyper network, forward and backward.

use super::block::{self, BlockMemory, BlockScratch};
use super::kernel::{Path, vectorised};
use super::layers::{Context, add, column_sums, shuffle, unshuffle_cells, unshuffle_rest};
use super::layout::{INPUT_SCALE, Layout, PATCH};
use super::pack::to_cells;

/// The activations of the analysis and of the hyper network that their backward pass needs.
pub(super) struct AnalysisMemory<C> {
    /// The sides of the crop divided by 8.
    sides: (usize, usize),
    /// The samples as `2 * sample - 255`, in patches.
    patches: Vec<C>,
    stream: Vec<f32>,
    blocks: Vec<BlockMemory<C>>,
    /// The end of the stream at 1/16 of the size, in cells, and what they leave of it.
    deep: Vec<C>,
    rest: Vec<C>,
    /// The inputs of `he_in`, `he_mid` and `he_out`.
    hyper_inputs: [Vec<C>; 3],
    /// The inputs of `hd_in`, `hd_mid` and `hd_out`.
    prior_inputs: [Vec<C>; 3],
    /// Those of he1, he2, hd1, hd2 and hd3.
    hyper_blocks: [BlockMemory<C>; 5],
    /// Room for a layer's output.
    out: Vec<f32>,
    of_hyper: Vec<f32>,
}

impl<C: Copy + Default> AnalysisMemory<C> {
    /// Takes room for crops of this side.
    pub(super) fn new(layout: &Layout, side: usize) -> Self {
        let (s8, s16, s32, s64) = (side / 8, side / 16, side / 32, side / 64);
        let crate::net::Shapes { c, m, z, p, .. } = layout.shapes;
        let cells = |count: usize| vec![C::default(); count];
        let widest = (s16 * s16 * (4 * c).max(m).max(4 * z).max(p)).max(s8 * s8 * c);
        Self {
            sides: (s8, s8),
            patches: cells(s8 * s8 * PATCH),
            stream: vec![0.0; s8 * s8 * c],
            blocks: layout.e.iter().map(|block| BlockMemory::new(block, s8 * s8)).collect(),
            deep: cells(s16 * s16 * 4 * c),
            rest: cells(s16 * s16 * 4 * c),
            hyper_inputs: [cells(s16 * s16 * m), cells(s32 * s32 * 4 * z), cells(s64 * s64 * 4 * z)],
            prior_inputs: [cells(s64 * s64 * z), cells(s32 * s32 * z), cells(s16 * s16 * z)],
            hyper_blocks: [
                BlockMemory::new(&layout.he1, s16 * s16),
                BlockMemory::new(&layout.he2, s32 * s32),
                BlockMemory::new(&layout.hd1, s32 * s32),
                BlockMemory::new(&layout.hd2, s16 * s16),
                BlockMemory::new(&layout.hd3, s16 * s16),
            ],
            out: vec![0.0; widest],
            of_hyper: vec![0.0; widest],
        }
    }
}

/// Computes the latents `y` `[s16, s16, m]` of a crop. `patches` are its samples, `[s8, s8, 8, 8, 3]`, and `gain` is
/// that of the analysis, `[c]`.
pub(super) fn analyse<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    patches: &[u8],
    gain: &[f32],
    y: &mut [f32],
) {
    let (path, layout) = (net.path, net.layout);
    let (h, w) = memory.sides;
    let c = layout.shapes.c;
    vectorised!(path, P, [cells: &mut [P::Cell] = &mut memory.patches, patches: &[u8]] {
        let cells = cells.iter_mut().zip(patches);
        cells.for_each(|(cell, sample)| *cell = P::cell(2.0 * f32::from(*sample) - 255.0));
    });
    let stream = &mut memory.stream;
    let segments: Vec<_> = [net.segment(&layout.e_in, &memory.patches)]
        .into_iter()
        .chain(net.rest(&layout.e_in, &memory.patches))
        .collect();
    net.forward(&layout.e_in, h * w, &segments, |at, sums| {
        let gain = &gain[at % c..][..sums.len()];
        let stream = &mut stream[at..][..sums.len()];
        stream.iter_mut().zip(gain).zip(sums).for_each(|((x, gain), sum)| *x = sum * gain);
    });
    for (block, memory) in layout.e.iter().zip(&mut memory.blocks) {
        block::forward(net, block, (h, w), stream, memory);
    }
    let (deep, rest) = (&mut memory.deep, &mut memory.rest);
    unshuffle_cells(path, (h, w, c), stream, deep);
    if !P::PRECISE {
        unshuffle_rest(path, (h, w, c), stream, rest);
    }
    let mut segments = vec![net.segment(&layout.e_out, deep)];
    if let Some(of_weights) = net.rest(&layout.e_out, deep) {
        segments.extend([of_weights, net.segment(&layout.e_out, rest)]);
    }
    net.forward(&layout.e_out, h * w / 4, &segments, |at, sums| {
        y[at..][..sums.len()].copy_from_slice(sums);
    });
}

/// Computes the hyper-latents `z` `[s64, s64, z]` of latents.
pub(super) fn hyper_analyse<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    y: &[f32],
    z: &mut [f32],
) {
    let layout = net.layout;
    let (h, w) = (memory.sides.0 / 2, memory.sides.1 / 2);
    let width = layout.shapes.z;
    let AnalysisMemory { hyper_inputs: [of_in, of_mid, of_out], hyper_blocks, out, .. } = memory;
    to_cells(net.path, y, of_in);
    let first = &mut out[..h * w * width];
    net.linear(&layout.he_in, h * w, of_in, first);
    block::forward(net, &layout.he1, (h, w), first, &mut hyper_blocks[0]);
    unshuffle_cells(net.path, (h, w, width), first, of_mid);
    let second = &mut out[..h * w / 4 * width];
    net.linear(&layout.he_mid, h * w / 4, of_mid, second);
    block::forward(net, &layout.he2, (h / 2, w / 2), second, &mut hyper_blocks[1]);
    unshuffle_cells(net.path, (h / 2, w / 2, width), second, of_out);
    net.linear(&layout.he_out, h * w / 16, of_out, z);
}

/// Computes the features of the prior `[s16, s16, p]` of rounded hyper-latents.
pub(super) fn predict<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    z: &[f32],
    prior: &mut [f32],
) {
    let layout = net.layout;
    let (h, w) = (memory.sides.0 / 2, memory.sides.1 / 2);
    let width = layout.shapes.z;
    let AnalysisMemory { prior_inputs: [of_in, of_mid, of_out], hyper_blocks, out, of_hyper, .. } = memory;
    to_cells(net.path, z, of_in);
    let (narrow, wide) = (&mut out[..], &mut of_hyper[..]);
    net.linear(&layout.hd_in, h * w / 16, of_in, &mut narrow[..h * w / 4 * width]);
    let stream = &mut wide[..h * w / 4 * width];
    shuffle((h / 2, w / 2, width), narrow, stream);
    block::forward(net, &layout.hd1, (h / 2, w / 2), stream, &mut hyper_blocks[2]);
    to_cells(net.path, stream, of_mid);
    net.linear(&layout.hd_mid, h * w / 4, of_mid, &mut narrow[..h * w * width]);
    let stream = &mut wide[..h * w * width];
    shuffle((h, w, width), narrow, stream);
    block::forward(net, &layout.hd2, (h, w), stream, &mut hyper_blocks[3]);
    to_cells(net.path, stream, of_out);
    net.linear(&layout.hd_out, h * w, of_out, prior);
    block::forward(net, &layout.hd3, (h, w), prior, &mut hyper_blocks[4]);
}

/// The gradient of the hyper-latents, given that of the prior, which is replaced.
pub(super) fn predict_backward<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    of_prior: &mut [f32],
    of_z: &mut [f32],
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut (Vec<P::Cell>, BlockScratch<P::Cell>),
) {
    let layout = net.layout;
    let (h, w) = (memory.sides.0 / 2, memory.sides.1 / 2);
    let width = layout.shapes.z;
    let AnalysisMemory { prior_inputs: [of_in, of_mid, of_out], hyper_blocks, of_hyper, .. } = memory;
    let (cells, scratch) = scratch;
    cells.resize(h * w * layout.shapes.p.max(width), P::Cell::default());
    block::backward(net, &layout.hd3, (h, w), of_prior, &hyper_blocks[4], gradients, scratch);
    let d = &mut cells[..of_prior.len()];
    to_cells(net.path, of_prior, d);
    let stream = &mut of_hyper[..h * w * width];
    through(net, &layout.hd_out, h * w, d, of_out, stream, gradients, scratch);
    block::backward(net, &layout.hd2, (h, w), stream, &hyper_blocks[3], gradients, scratch);
    let d = &mut cells[..stream.len()];
    unshuffle_cells(net.path, (h, w, width), stream, d);
    let stream = &mut of_hyper[..h * w / 4 * width];
    through(net, &layout.hd_mid, h * w / 4, d, of_mid, stream, gradients, scratch);
    block::backward(net, &layout.hd1, (h / 2, w / 2), stream, &hyper_blocks[2], gradients, scratch);
    let d = &mut cells[..stream.len()];
    unshuffle_cells(net.path, (h / 2, w / 2, width), stream, d);
    through(net, &layout.hd_in, h * w / 16, d, of_in, of_z, gradients, scratch);
}

/// Adds the gradient of the latents to `of_y`, given that of the hyper-latents.
pub(super) fn hyper_backward<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    of_z: &[f32],
    of_y: &mut [f32],
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut (Vec<P::Cell>, BlockScratch<P::Cell>),
) {
    let layout = net.layout;
    let (h, w) = (memory.sides.0 / 2, memory.sides.1 / 2);
    let width = layout.shapes.z;
    let AnalysisMemory { hyper_inputs: [of_in, of_mid, of_out], hyper_blocks, out, of_hyper, .. } = memory;
    let (cells, scratch) = scratch;
    cells.resize(h * w * width, P::Cell::default());

    let d = &mut cells[..of_z.len()];
    to_cells(net.path, of_z, d);
    let deep = &mut out[..of_out.len()];
    through(net, &layout.he_out, h * w / 16, d, of_out, deep, gradients, scratch);
    let stream = &mut of_hyper[..deep.len()];
    shuffle((h / 2, w / 2, width), deep, stream);
    block::backward(net, &layout.he2, (h / 2, w / 2), stream, &hyper_blocks[1], gradients, scratch);
    let d = &mut cells[..stream.len()];
    to_cells(net.path, stream, d);
    let deep = &mut out[..of_mid.len()];
    through(net, &layout.he_mid, h * w / 4, d, of_mid, deep, gradients, scratch);
    let stream = &mut of_hyper[..deep.len()];
    shuffle((h, w, width), deep, stream);
    block::backward(net, &layout.he1, (h, w), stream, &hyper_blocks[0], gradients, scratch);
    let d = &mut cells[..stream.len()];
    to_cells(net.path, stream, d);
    if let Some(gradients) = gradients {
        scratch.packing.gradients(net.path, &layout.he_in, h * w, d, of_in, gradients);
    }
    net.backward(&layout.he_in, h * w, d, |at, sums| add(&mut of_y[at..], sums));
}

/// Adds the gradients of the analysis, given that of the latents. `of_gain` becomes the gradient of the logarithm of
/// the gain.
pub(super) fn analyse_backward<P: Path>(
    net: Context<P>,
    memory: &mut AnalysisMemory<P::Cell>,
    of_y: &[f32],
    (gain, of_gain): (&[f32], &mut [f32]),
    gradients: &mut [f32],
    scratch: &mut (Vec<P::Cell>, BlockScratch<P::Cell>),
) {
    let (path, layout) = (net.path, net.layout);
    let (h, w) = memory.sides;
    let c = layout.shapes.c;
    let AnalysisMemory { patches, stream, blocks, deep, out, .. } = memory;
    let (cells, scratch) = scratch;
    cells.resize((h * w * c).max(of_y.len()), P::Cell::default());

    let d = &mut cells[..of_y.len()];
    to_cells(path, of_y, d);
    let of_deep = &mut out[..deep.len()];
    through(net, &layout.e_out, h * w / 4, d, deep, of_deep, &mut Some(&mut *gradients), scratch);
    // The end of the stream is needed no more, if there are blocks.
    let mut first = vec![P::Cell::default(); if blocks.is_empty() { stream.len() } else { 0 }];
    to_cells(path, &stream[..first.len()], &mut first);
    shuffle((h, w, c), of_deep, stream);
    for (block, memory) in layout.e.iter().zip(blocks.iter()).rev() {
        block::backward(net, block, (h, w), stream, memory, &mut Some(&mut *gradients), scratch);
    }
    let d = &mut cells[..h * w * c];
    of_gain.fill(0.0);
    let input = blocks.first().map_or(&first[..], |block| &block.input);
    vectorised!(
        path,
        P, [of_gain: &mut [f32], stream: &[f32], input: &[P::Cell], gain: &[f32], d: &mut [P::Cell] = &mut *d] {
            let c = gain.len();
            let rows = stream.chunks_exact(c).zip(input.chunks_exact(c)).zip(d.chunks_exact_mut(c));
            for ((of_stream, x), d) in rows {
                for ((g, d), x) in of_gain.iter_mut().zip(of_stream).zip(x) {
                    *g += d * P::value(*x);
                }
                for ((d, of_stream), gain) in d.iter_mut().zip(of_stream).zip(gain) {
                    *d = P::cell(of_stream * gain);
                }
            }
        }
    );
    let e_in = &layout.e_in;
    scratch.packing.product(path, h * w, (d, c), (patches, PATCH), |output, first, sums| {
        let to = &mut gradients[e_in.weight + output * PATCH + first..];
        to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum * INPUT_SCALE);
    });
    column_sums(path, d, &mut gradients[e_in.bias..][..c]);
}

/// The gradient of a layer's input, `of_input`, given that of its output, `d`; adds those of its parameters.
#[expect(clippy::too_many_arguments, reason = "a layer's whole backward pass")]
fn through<P: Path>(
    net: Context<P>,
    layer: &super::layout::Linear,
    positions: usize,
    d: &[P::Cell],
    input: &[P::Cell],
    of_input: &mut [f32],
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut BlockScratch<P::Cell>,
) {
    if let Some(gradients) = gradients {
        scratch.packing.gradients(net.path, layer, positions, d, input, gradients);
    }
    net.backward(layer, positions, d, |at, sums| of_input[at..][..sums.len()].copy_from_slice(sums));
}
