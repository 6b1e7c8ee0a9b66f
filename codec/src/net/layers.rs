//! Layers on whole planes: a product at every position, and the residual block.

use super::Plane;
use crate::kernel::{self, Depthwise, Epilogue, Packed, PackedTaps, Path, Segment, Target};

/// Positions that go through a block's second half together: their activations stay in the cache.
const CHUNK: usize = 48;

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

/// Buffers that blocks use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Input of a 3x3 layer with a border of zeros, `[height + 2, width + 2, channels]`.
    bordered: Vec<i16>,
    shape: (usize, usize, usize),
    depthwise: Vec<i16>,
    gated: Vec<i16>,
    hidden: Vec<i16>,
}

impl Scratch {
    /// Makes the bordered plane fit; its border is zero afterwards. Nobody writes to the border, so
    /// it stays so while the shape stays.
    fn border(&mut self, height: usize, width: usize, channels: usize) {
        if self.shape != (height, width, channels) {
            self.bordered.clear();
            self.bordered.resize((height + 2) * (width + 2) * channels, 0);
            self.shape = (height, width, channels);
        }
    }

    /// Offset of position (y, x) in the bordered plane; (-1, -1) of the plane is (0, 0) here.
    fn bordered_at(&self, y: usize, x: usize) -> usize {
        let (_, width, channels) = self.shape;
        (y * (width + 2) + x) * channels
    }
}

/// `product` at every position of a plane.
pub(crate) fn plain(path: Path, layer: &Packed, x: &Plane) -> Plane {
    let mut out = Plane::new(x.height, x.width, layer.outputs());
    let positions = x.height * x.width;
    let segment = Segment { data: &x.data, start: 0, stride: x.channels, k: 0, len: x.channels };
    let stride = out.channels;
    let target = Target { data: &mut out.data, start: 0, stride };
    kernel::product(path, layer, layer.panels(), &[segment], positions, Epilogue::Plain, target);
    out
}

impl Block {
    /// Runs the block in place.
    pub fn run(&self, path: Path, x: &mut Plane, scratch: &mut Scratch) {
        let (height, width, c) = (x.height, x.width, x.channels);
        scratch.border(height, width, c);
        for y in 0..height {
            let segment = Segment { data: &x.data, start: x.at(y, 0), stride: c, k: 0, len: c };
            let start = scratch.bordered_at(y + 1, 1);
            let target = Target { data: &mut scratch.bordered, start, stride: c };
            kernel::product(path, &self.p1, self.p1.panels(), &[segment], width, Epilogue::Leaky, target);
        }
        let hidden = self.f2.inputs();
        scratch.depthwise.resize(CHUNK * c, 0);
        scratch.gated.resize(CHUNK * 2 * hidden, 0);
        scratch.hidden.resize(CHUNK * hidden, 0);
        for y in 0..height {
            for from in (0..width).step_by(CHUNK) {
                self.rest(path, x, y, from, CHUNK.min(width - from), scratch);
            }
        }
    }

    /// Everything after `p1`, for `count` positions of row `y`.
    fn rest(&self, path: Path, x: &mut Plane, y: usize, from: usize, count: usize, scratch: &mut Scratch) {
        let (c, hidden) = (x.channels, self.f2.inputs());
        let rows = [0, 1, 2].map(|dy| scratch.bordered_at(y + dy, from));
        let depthwise = &mut scratch.depthwise[..count * c];
        kernel::depthwise(
            path,
            &self.dw,
            Depthwise { input: &scratch.bordered, rows, count, out: depthwise },
        );

        let whole = |data, len| Segment { data, start: 0, stride: len, k: 0, len };
        let start = x.at(y, from);
        let target = Target { data: &mut x.data, start, stride: c };
        let segment = whole(&*depthwise, c);
        kernel::product(path, &self.p2, self.p2.panels(), &[segment], count, Epilogue::Residual, target);

        let segment = Segment { data: &x.data, start, stride: c, k: 0, len: c };
        let target = Target { data: &mut scratch.gated, start: 0, stride: 2 * hidden };
        kernel::product(path, &self.f1, self.f1.panels(), &[segment], count, Epilogue::Plain, target);

        let gated = &scratch.gated[..count * 2 * hidden];
        let out = &mut scratch.hidden[..count * hidden];
        kernel::gate(path, gated, hidden, self.gate_shift, out);

        let target = Target { data: &mut x.data, start, stride: c };
        let segment = whole(&*out, hidden);
        kernel::product(path, &self.f2, self.f2.panels(), &[segment], count, Epilogue::Residual, target);
    }
}
