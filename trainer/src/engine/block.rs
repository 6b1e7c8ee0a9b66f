//! The residual block: a depthwise 3x3 convolution between two products, followed by a gated (ReGLU) unit.

use super::depthwise;
use super::kernel::{Path, vectorised};
use super::layers::{Context, Packing};
use super::layout::Block;
use super::math::{greatest, least};
use super::pack::to_cells;
use crate::net::{GATE_MAX, LEAKY_SLOPE};

/// What the backward pass needs of a block's forward pass. Rows have `channels` cells unless stated otherwise.
pub(super) struct BlockMemory<C> {
    pub input: Vec<C>,
    /// After the leaky unit.
    a: Vec<C>,
    /// After the depthwise convolution.
    d: Vec<C>,
    /// Between the halves of the block.
    middle: Vec<C>,
    /// The input of the gate, `2 hidden` cells a row.
    uv: Vec<C>,
    /// The output of the gate, `hidden` cells a row.
    gated: Vec<C>,
}

impl<C: Copy + Default> BlockMemory<C> {
    pub(super) fn new(block: &Block, positions: usize) -> Self {
        let room = |width: usize| vec![C::default(); positions * width];
        Self {
            input: room(block.channels),
            a: room(block.channels),
            d: room(block.channels),
            middle: room(block.channels),
            uv: room(2 * block.hidden),
            gated: room(block.hidden),
        }
    }
}

/// Room for the gradients within a block.
pub(super) struct BlockScratch<C> {
    of_stream: Vec<C>,
    of_inner: Vec<C>,
    pub packing: Packing<C>,
}

impl<C> Default for BlockScratch<C> {
    fn default() -> Self {
        Self { of_stream: Vec::new(), of_inner: Vec::new(), packing: Packing::default() }
    }
}

/// Applies a block to `x` `[h, w, channels]` in place.
pub(super) fn forward<P: Path>(
    net: Context<P>,
    block: &Block,
    (h, w): (usize, usize),
    x: &mut [f32],
    memory: &mut BlockMemory<P::Cell>,
) {
    let Block { channels: c, hidden, .. } = *block;
    let (positions, path) = (h * w, net.path);
    let BlockMemory { input, a, d, middle, uv, gated } = memory;
    to_cells(path, x, input);
    net.forward(&block.p1, positions, &[net.segment(&block.p1, input)], |at, sums| {
        for (a, sum) in a[at..][..sums.len()].iter_mut().zip(sums) {
            *a = P::cell(greatest(*sum, sum * LEAKY_SLOPE));
        }
    });
    let taps = (net.parameters(block.taps, 9 * c), Some(net.parameters(block.tap_bias, c)));
    depthwise::convolve(path, (h, w, c), a, taps, false, d);
    net.forward(&block.p2, positions, &[net.segment(&block.p2, d)], |at, sums| {
        let (x, middle) = (&mut x[at..][..sums.len()], &mut middle[at..][..sums.len()]);
        for ((x, middle), sum) in x.iter_mut().zip(middle).zip(sums) {
            *x += sum;
            *middle = P::cell(*x);
        }
    });
    net.forward(&block.f1, positions, &[net.segment(&block.f1, middle)], |at, sums| {
        uv[at..][..sums.len()].iter_mut().zip(sums).for_each(|(uv, sum)| *uv = P::cell(*sum));
    });
    vectorised!(path, P, [gated: &mut [P::Cell], uv: &[P::Cell] = uv, hidden: usize] {
        for (gated, uv) in gated.chunks_exact_mut(hidden).zip(uv.chunks_exact(2 * hidden)) {
            let (u, v) = uv.split_at(hidden);
            for ((gated, u), v) in gated.iter_mut().zip(u).zip(v) {
                let product = greatest(P::value(*u), 0.0) * P::value(*v);
                *gated = P::cell(least(greatest(product, -GATE_MAX), GATE_MAX));
            }
        }
    });
    net.forward(&block.f2, positions, &[net.segment(&block.f2, gated)], |at, sums| {
        x[at..][..sums.len()].iter_mut().zip(sums).for_each(|(x, sum)| *x += sum);
    });
}

/// Replaces the gradient of a block's output by that of its input, and adds those of its parameters if there is room
/// for them.
pub(super) fn backward<P: Path>(
    net: Context<P>,
    block: &Block,
    (h, w): (usize, usize),
    dx: &mut [f32],
    memory: &BlockMemory<P::Cell>,
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut BlockScratch<P::Cell>,
) {
    let Block { channels: c, hidden, .. } = *block;
    let (positions, path) = (h * w, net.path);
    let BlockScratch { of_stream, of_inner, packing } = scratch;
    of_stream.resize(positions * c, P::Cell::default());
    of_inner.resize(positions * c.max(2 * hidden), P::Cell::default());

    to_cells(path, dx, of_stream);
    if let Some(gradients) = gradients {
        packing.gradients(path, &block.f2, positions, of_stream, &memory.gated, gradients);
    }
    let (uv, of_uv) = (&memory.uv, &mut of_inner[..positions * 2 * hidden]);
    net.backward(&block.f2, positions, of_stream, |at, sums| {
        let at = at / hidden * 2 * hidden + at % hidden;
        let (u, v) = (&uv[at..][..sums.len()], &uv[at + hidden..][..sums.len()]);
        let (du, dv) = of_uv[at..][..hidden + sums.len()].split_at_mut(hidden);
        for ((((u, v), du), dv), sum) in u.iter().zip(v).zip(du).zip(dv).zip(sums) {
            let (u, v) = (P::value(*u), P::value(*v));
            let open = if (u > 0.0) & ((u * v).abs() <= GATE_MAX) { *sum } else { 0.0 };
            (*du, *dv) = (P::cell(open * v), P::cell(open * u));
        }
    });
    if let Some(gradients) = gradients {
        packing.gradients(path, &block.f1, positions, of_uv, &memory.middle, gradients);
    }
    net.backward(&block.f1, positions, of_uv, |at, sums| {
        let (dx, of_stream) = (&mut dx[at..][..sums.len()], &mut of_stream[at..][..sums.len()]);
        for ((dx, cell), sum) in dx.iter_mut().zip(of_stream).zip(sums) {
            *dx += sum;
            *cell = P::cell(*dx);
        }
    });
    if let Some(gradients) = gradients {
        packing.gradients(path, &block.p2, positions, of_stream, &memory.d, gradients);
    }
    let of_d = &mut of_inner[..positions * c];
    net.backward(&block.p2, positions, of_stream, |at, sums| {
        of_d[at..][..sums.len()].iter_mut().zip(sums).for_each(|(d, sum)| *d = P::cell(*sum));
    });
    if let Some(gradients) = gradients {
        // The taps and their biases are apart, but in this order.
        let (of_taps, of_bias) = two(gradients, (block.taps, 9 * c), (block.tap_bias, c));
        depthwise::gradients(path, (h, w, c), &memory.a, of_d, of_taps, of_bias);
    }
    let taps = (net.parameters(block.taps, 9 * c), None);
    depthwise::convolve(path, (h, w, c), of_d, taps, true, of_stream);
    vectorised!(path, P, [of_stream: &mut [P::Cell], a: &[P::Cell] = &memory.a] {
        for (d, a) in of_stream.iter_mut().zip(a) {
            // At zero the slope is the mean of both, as in the reference.
            let a = P::value(*a);
            let slope = if a > 0.0 { 1.0 } else { LEAKY_SLOPE };
            let slope = if a == 0.0 { (1.0 + LEAKY_SLOPE) / 2.0 } else { slope };
            *d = P::cell(P::value(*d) * slope);
        }
    });
    if let Some(gradients) = gradients {
        packing.gradients(path, &block.p1, positions, of_stream, &memory.input, gradients);
    }
    net.backward(&block.p1, positions, of_stream, |at, sums| super::layers::add(&mut dx[at..], sums));
}

/// Two separate parts of the gradients, each given by its place and its length.
fn two(gradients: &mut [f32], a: (usize, usize), b: (usize, usize)) -> (&mut [f32], &mut [f32]) {
    if a.0 < b.0 {
        let (low, high) = gradients.split_at_mut(b.0);
        (&mut low[a.0..][..a.1], &mut high[..b.1])
    } else {
        let (low, high) = gradients.split_at_mut(a.0);
        (&mut high[..a.1], &mut low[b.0..][..b.1])
    }
}
