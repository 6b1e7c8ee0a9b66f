//! Layers on whole planes: a product at every position, and the residual block.

use super::Plane;
use crate::kernel::{self, Depthwise, Epilogue, PANEL, Packed, PackedTaps, Path, Segment, Target};

/// Positions that go through a block's second half together: their activations stay in the cache.
pub(super) const CHUNK: usize = 48;

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
    ring: Ring,
    chain: Chain,
}

/// Activations between the layers of a block's second half, for at most [`CHUNK`] positions.
#[derive(Debug, Default)]
pub(super) struct Chain {
    depthwise: Vec<i16>,
    hidden: Vec<i16>,
}

/// The three rows that a 3x3 layer reads, each with a position of zeros at either end:
/// `[3, width + 2, channels]`.
#[derive(Debug, Default)]
struct Ring {
    data: Vec<i16>,
    /// Activations of a row with its border.
    row: usize,
    channels: usize,
}

impl Ring {
    /// Makes room for rows of this size, all zero, so that row -1 is a border too.
    fn reset(&mut self, width: usize, channels: usize) {
        (self.row, self.channels) = ((width + 2) * channels, channels);
        self.data.clear();
        self.data.resize(3 * self.row, 0);
    }

    /// Row `y` of the plane without its border, to write; it replaces row `y - 3`.
    fn row(&mut self, y: usize) -> &mut [i16] {
        let at = (y + 1) % 3 * self.row + self.channels;
        &mut self.data[at..][..self.row - 2 * self.channels]
    }

    /// Offsets of the three rows around row `y`, from position `x - 1` on.
    fn around(&self, y: usize, x: usize) -> [usize; 3] {
        [0, 1, 2].map(|dy| (y + dy) % 3 * self.row + x * self.channels)
    }
}

/// Applies a product at every position of a plane.
pub(crate) fn plain(path: Path, layer: &Packed, x: &Plane) -> Plane {
    let mut out = Plane::new(x.height, x.width, layer.outputs());
    let positions = x.height * x.width;
    let segment = Segment { data: &x.data, start: 0, stride: x.channels, k: 0, len: x.channels };
    let stride = out.channels;
    let target = Target { data: &mut out.data, start: 0, stride };
    kernel::product(path, layer, layer.panels(), &[segment], positions, Epilogue::Plain, target);
    out
}

/// Applies a product, then shuffle 2, without a copy: two neighbours of the larger plane are half of the outputs.
pub(crate) fn plain_shuffle2(path: Path, layer: &Packed, x: &Plane) -> Plane {
    let half = layer.outputs() / 2;
    let mut out = Plane::new(2 * x.height, 2 * x.width, half / 2);
    let panels = half / PANEL;
    for y in 0..out.height {
        let segment =
            Segment { data: &x.data, start: x.at(y / 2, 0), stride: x.channels, k: 0, len: x.channels };
        let start = out.at(y, 0);
        let target = Target { data: &mut out.data, start, stride: half };
        let panels = y % 2 * panels..(y % 2 + 1) * panels;
        kernel::product(path, layer, panels, &[segment], x.width, Epilogue::Plain, target);
    }
    out
}

/// Applies unshuffle 2, then a product, without a copy. The sides are even.
pub(crate) fn unshuffle2_plain(path: Path, layer: &Packed, x: &Plane) -> Plane {
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
        let target = Target { data: &mut out.data, start, stride };
        kernel::product(path, layer, layer.panels(), &segments, out.width, Epilogue::Plain, target);
    }
    out
}

impl Block {
    /// Runs the block in place, row by row, so that each layer reads the last one's output from the cache.
    pub fn run(&self, path: Path, x: &mut Plane, scratch: &mut Scratch) {
        let (width, c) = (x.width, x.channels);
        let Scratch { ring, chain } = scratch;
        ring.reset(width, c);
        // Row y is read before row y - 1 of the result is computed, because that overwrites row y - 1.
        for y in 0..=x.height {
            let row = ring.row(y);
            if y < x.height {
                let segment = Segment { data: &x.data, start: x.at(y, 0), stride: c, k: 0, len: c };
                let target = Target { data: row, start: 0, stride: c };
                kernel::product(path, &self.p1, self.p1.panels(), &[segment], width, Epilogue::Leaky, target);
            } else {
                row.fill(0);
            }
            let Some(y) = y.checked_sub(1) else { continue };
            for from in (0..width).step_by(CHUNK) {
                let start = x.at(y, from);
                let target = Target { data: &mut x.data, start, stride: c };
                let rows = ring.around(y, from);
                self.rest(path, &ring.data, rows, target, CHUNK.min(width - from), chain);
            }
        }
    }

    /// Everything after `p1`, in place, for the first `count` positions of `x`, at most [`CHUNK`]. `rows` are the offsets
    /// in `lines`, outputs of `p1`, of the top left tap of the first position and of those below it.
    pub(super) fn rest(
        &self,
        path: Path,
        lines: &[i16],
        rows: [usize; 3],
        x: Target,
        count: usize,
        chain: &mut Chain,
    ) {
        let Target { data: x, start, stride } = x;
        let (c, hidden) = (self.dw.channels(), self.f2.inputs());
        chain.depthwise.resize(CHUNK * c, 0);
        chain.hidden.resize(CHUNK * hidden, 0);
        let out = &mut chain.depthwise[..count * c];
        kernel::depthwise(path, &self.dw, Depthwise { input: lines, rows, count, out });

        let segment = Segment { data: &chain.depthwise, start: 0, stride: c, k: 0, len: c };
        let target = Target { data: &mut *x, start, stride };
        kernel::product(path, &self.p2, self.p2.panels(), &[segment], count, Epilogue::Residual, target);

        let segment = Segment { data: &*x, start, stride, k: 0, len: c };
        let target = Target { data: &mut chain.hidden, start: 0, stride: hidden };
        let gate = Epilogue::Gate(self.gate_shift);
        kernel::product(path, &self.f1, 0..hidden / PANEL, &[segment], count, gate, target);

        let segment = Segment { data: &chain.hidden, start: 0, stride: hidden, k: 0, len: hidden };
        let target = Target { data: x, start, stride };
        kernel::product(path, &self.f2, self.f2.panels(), &[segment], count, Epilogue::Residual, target);
    }
}
