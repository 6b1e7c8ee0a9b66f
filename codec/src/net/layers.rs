//! Layers on whole planes: a product at every position, and the residual block.

use super::Plane;
use super::row_buffer::{LayerColumns, RowBuffer};
use crate::kernel::{self, Depthwise, Destination, Epilogue, Isa, PANEL, Packed, PackedTaps, Segment};

/// Positions that go through a block's second half together: their activations stay in the cache.
pub(super) const POSITIONS_AT_ONCE: usize = 48;

/// The residual unit of the network.
#[derive(Debug)]
pub(crate) struct Block {
    pub p1: Packed,
    pub dw: PackedTaps,
    pub p2: Packed,
    pub f1: Packed,
    pub gate_shift: u32,
    pub f2: Packed,
}

/// Buffers that layers reuse: a few rows, so that they stay in the second-level cache.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    buffer: RowBuffer,
    buffers: BlockBuffers,
}

/// Activations between the layers of a block's second half, for at most [`POSITIONS_AT_ONCE`] positions.
#[derive(Debug, Default)]
pub(super) struct BlockBuffers {
    depthwise: Vec<i16>,
    hidden: Vec<i16>,
}

/// Applies a product at every position of a plane.
pub(crate) fn plain(isa: Isa, layer: &Packed, x: &Plane) -> Plane {
    let mut out = Plane::new(x.height, x.width, layer.outputs());
    let positions = x.height * x.width;
    let segment = Segment { data: &x.data, start: 0, stride: x.channels, k: 0, len: x.channels };
    let stride = out.channels;
    let destination = Destination { data: &mut out.data, start: 0, stride };
    kernel::product(isa, layer, layer.panels(), &[segment], positions, Epilogue::Plain, destination);
    out
}

/// Applies a product, then shuffle 2, without a copy: two neighbours of the larger plane are half of the outputs.
pub(crate) fn plain_shuffle2(isa: Isa, layer: &Packed, x: &Plane) -> Plane {
    let half = layer.outputs() / 2;
    let mut out = Plane::new(2 * x.height, 2 * x.width, half / 2);
    let panels = half / PANEL;
    for y in 0..out.height {
        let segment =
            Segment { data: &x.data, start: x.at(y / 2, 0), stride: x.channels, k: 0, len: x.channels };
        let start = out.at(y, 0);
        let destination = Destination { data: &mut out.data, start, stride: half };
        let panels = y % 2 * panels..(y % 2 + 1) * panels;
        kernel::product(isa, layer, panels, &[segment], x.width, Epilogue::Plain, destination);
    }
    out
}

/// Applies unshuffle 2, then a product, without a copy. The sides are even.
pub(crate) fn unshuffle2_plain(isa: Isa, layer: &Packed, x: &Plane) -> Plane {
    let mut out = Plane::new(x.height / 2, x.width / 2, layer.outputs());
    let pair = 2 * x.channels;
    for y in 0..out.height {
        let segments = [0, 1].map(|dy| Segment {
            data: &x.data,
            start: x.at(2 * y + dy, 0),
            stride: pair,
            k: dy * pair,
            len: pair,
        });
        let (start, stride) = (out.at(y, 0), out.channels);
        let destination = Destination { data: &mut out.data, start, stride };
        kernel::product(isa, layer, layer.panels(), &segments, out.width, Epilogue::Plain, destination);
    }
    out
}

impl Block {
    /// Runs the block in place, row by row, so that each layer reads the last one's output from the cache.
    pub fn run(&self, isa: Isa, x: &mut Plane, scratch: &mut Scratch) {
        let (width, c) = (x.width, x.channels);
        let Scratch { buffer, buffers } = scratch;
        buffer.reset(LayerColumns::all((x.height, width)), c, 1);
        for y in 0..x.height {
            let segment = Segment { data: &x.data, start: x.at(y, 0), stride: c, k: 0, len: c };
            let start = buffer.at(y);
            let destination = Destination { data: &mut buffer.data, start, stride: c };
            let panels = self.p1.panels();
            kernel::product(isa, &self.p1, panels, &[segment], width, Epilogue::Leaky, destination);
            // A row is ready, and overwritten, only after the row below it has been read.
            for y in buffer.advance(y..y + 1) {
                for from in (0..width).step_by(POSITIONS_AT_ONCE) {
                    let (start, count) = (x.at(y, from), POSITIONS_AT_ONCE.min(width - from));
                    let destination = Destination { data: &mut x.data, start, stride: c };
                    self.rest(isa, &buffer.data, buffer.around(y, from), destination, count, buffers);
                }
            }
        }
    }

    /// Everything after `p1`, in place, for the first `count` positions of `x`, at most [`POSITIONS_AT_ONCE`]. `rows` are the offsets
    /// in `input`, outputs of `p1`, of the top left tap of the first position and of those below it.
    pub(super) fn rest(
        &self,
        isa: Isa,
        input: &[i16],
        rows: [usize; 3],
        x: Destination,
        count: usize,
        buffers: &mut BlockBuffers,
    ) {
        let Destination { data: x, start, stride } = x;
        let (c, hidden) = (self.dw.channels(), self.f2.inputs());
        buffers.depthwise.resize(POSITIONS_AT_ONCE * c, 0);
        buffers.hidden.resize(POSITIONS_AT_ONCE * hidden, 0);
        let out = &mut buffers.depthwise[..count * c];
        kernel::depthwise(isa, &self.dw, Depthwise { input, rows, count, out });

        let segment = Segment { data: &buffers.depthwise, start: 0, stride: c, k: 0, len: c };
        let destination = Destination { data: &mut *x, start, stride };
        kernel::product(isa, &self.p2, self.p2.panels(), &[segment], count, Epilogue::Residual, destination);

        let segment = Segment { data: &*x, start, stride, k: 0, len: c };
        let destination = Destination { data: &mut buffers.hidden, start: 0, stride: hidden };
        let gate = Epilogue::Gate(self.gate_shift);
        kernel::product(isa, &self.f1, 0..hidden / PANEL, &[segment], count, gate, destination);

        let segment = Segment { data: &buffers.hidden, start: 0, stride: hidden, k: 0, len: hidden };
        let destination = Destination { data: x, start, stride };
        kernel::product(isa, &self.f2, self.f2.panels(), &[segment], count, Epilogue::Residual, destination);
    }
}
