//! The context model: four passes, each predicting one quarter of the channels at each position.

use super::{Net, Plane, Scratch};
use crate::kernel::{self, Destination, Epilogue, Isa, PANEL, Packed, Segment};

/// Number of passes.
pub(crate) const PASSES: usize = 4;

/// The quarter that a pass codes at each phase of a 2x2 cell: `QUARTER[pass][phase]`.
pub(crate) const QUARTER: [[usize; 4]; PASSES] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [1, 0, 3, 2]];

/// Phase of a position in its 2x2 cell.
pub(crate) fn phase(y: usize, x: usize) -> usize {
    2 * (y & 1) + (x & 1)
}

/// Predicts pass `pass` of a group: writes the means into `y_hat`, at the quarter that the pass
/// codes, and returns the scales `[h, w, M/4]` of the same latents, 128 per octave.
pub(crate) fn predict(
    net: &Net,
    isa: Isa,
    pass: usize,
    prior: &Plane,
    y_hat: &mut Plane,
    scratch: &mut Scratch,
) -> Plane {
    let feature = (pass > 0).then(|| {
        let mut f = enter(net, isa, pass, prior, y_hat);
        net.ctx.run(isa, &mut f, scratch);
        f
    });
    let (f, scale, mean) = match &feature {
        None => (prior, &net.scale0, &net.mean0),
        Some(f) => (f, &net.scale, &net.mean),
    };
    let quarter = net.shapes.m / 4;
    let mut scales = Plane::new(f.height, f.width, quarter);
    for y in 0..f.height {
        for x in 0..f.width.min(2) {
            let coded = QUARTER[pass][phase(y, x)];
            let (start, stride) = (scales.at(y, x), 2 * quarter);
            head(isa, scale, coded, f, y, x, Destination { data: &mut scales.data, start, stride });
            let (start, stride) = (y_hat.at(y, x) + coded * quarter, 2 * y_hat.channels);
            head(isa, mean, coded, f, y, x, Destination { data: &mut y_hat.data, start, stride });
        }
    }
    scales
}

/// Computes one quarter of a head's outputs at every second position of row `y`, from `x` on.
fn head(isa: Isa, layer: &Packed, quarter: usize, f: &Plane, y: usize, x: usize, destination: Destination) {
    let panels = layer.outputs() / 4 / PANEL;
    let segment = Segment { data: &f.data, start: f.at(y, x), stride: 2 * f.channels, k: 0, len: f.channels };
    let positions = (f.width - x).div_ceil(2);
    kernel::product(
        isa,
        layer,
        quarter * panels..(quarter + 1) * panels,
        &[segment],
        positions,
        Epilogue::Plain,
        destination,
    );
}

/// Computes `ctx_in` of the decoded latents and the prior. Latents that are not known yet count as zero, so only the quarters
/// of earlier passes enter the product.
fn enter(net: &Net, isa: Isa, pass: usize, prior: &Plane, y_hat: &Plane) -> Plane {
    let layer = &net.ctx_in[pass - 1];
    let (m, quarter) = (net.shapes.m, net.shapes.m / 4);
    let mut out = Plane::new(prior.height, prior.width, layer.outputs());
    for y in 0..prior.height {
        for x in 0..prior.width.min(2) {
            let mut segments: Vec<Segment> = (0..pass)
                .map(|earlier| QUARTER[earlier][phase(y, x)] * quarter)
                .map(|k| Segment {
                    data: &y_hat.data,
                    start: y_hat.at(y, x) + k,
                    stride: 2 * m,
                    k,
                    len: quarter,
                })
                .collect();
            let (start, stride) = (prior.at(y, x), 2 * prior.channels);
            segments.push(Segment { data: &prior.data, start, stride, k: m, len: prior.channels });
            let (start, stride) = (out.at(y, x), 2 * out.channels);
            let destination = Destination { data: &mut out.data, start, stride };
            let positions = (prior.width - x).div_ceil(2);
            kernel::product(isa, layer, layer.panels(), &segments, positions, Epilogue::Plain, destination);
        }
    }
    out
}
