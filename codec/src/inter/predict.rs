//! The network of the temporal prior on a group: turns the latents of the reference into predictions.

use super::activity::CLASSES;
use super::prior::{Heads, Net, SIDE};
use crate::kernel::{self, Destination, Epilogue, Isa, PANEL, Packed, Segment, rnd, sat};
use crate::net::context::{QUARTER, phase};
use crate::net::{Plane, Scratch};
use crate::quality::Quality;

/// What stands for 1 in the inputs and in the gates: 12 fraction bits.
const ONE: i32 = 4096;
const ONE_SHIFT: u32 = 12;
/// Knots on the quality scale.
const KNOTS: i32 = 8;

/// A group of a frame while it is coded.
#[derive(Debug)]
pub(super) struct Group {
    /// The latents of the reference, `[h, w, M]`.
    pub reference: Plane,
    /// The difference of the decoded latents to those of the reference, as far as they are known, `[h, w, M]`.
    pub change: Plane,
    /// The latents of the frame: those of the reference, until a pass has decoded them.
    pub y_hat: Plane,
    /// The activity of each position.
    pub classes: Vec<u8>,
    /// The features of the prior, `[h, w, P]`.
    prior: Plane,
}

/// The predictions of a pass: scales and means of the quarter that it codes, `[h, w, M/4]`.
#[derive(Debug)]
pub(super) struct Predicted {
    pub scale: Plane,
    pub mean: Plane,
}

impl Group {
    pub fn new(
        net: &Net,
        isa: Isa,
        reference: Plane,
        classes: Vec<u8>,
        quality: Quality,
        scratch: &mut Scratch,
    ) -> Self {
        let prior = prior(net, isa, &reference, &classes, quality, scratch);
        let change = Plane::new(reference.height, reference.width, reference.channels);
        Self { y_hat: reference.clone(), reference, change, classes, prior }
    }

    /// Predicts the latents of a pass.
    pub fn predict(&self, net: &Net, isa: Isa, pass: usize, scratch: &mut Scratch) -> Predicted {
        let feature = (pass > 0).then(|| {
            let mut f = self.enter(&net.ctx_in[pass - 1], isa, pass);
            net.ctx.run(isa, &mut f, scratch);
            f
        });
        let (f, heads) = feature.as_ref().map_or((&self.prior, &net.first), |f| (f, &net.later));
        let Heads { scale, mean, gate } = heads;
        let [scale, mut mean, gate] = [scale, mean, gate].map(|head| quarters(isa, head, pass, f));
        let quarter = mean.channels;
        for y in 0..mean.height {
            for x in 0..mean.width {
                let first = self.reference.at(y, x) + QUARTER[pass][phase(y, x)] * quarter;
                let reference = &self.reference.data[first..first + quarter];
                let at = mean.at(y, x);
                let gates = &gate.data[at..at + quarter];
                for ((mean, &gate), &reference) in
                    mean.data[at..at + quarter].iter_mut().zip(gates).zip(reference)
                {
                    let kept = rnd(i32::from(gate).clamp(0, ONE) * i32::from(reference), ONE_SHIFT);
                    *mean = sat(i32::from(*mean) + kept);
                }
            }
        }
        Predicted { scale, mean }
    }

    /// `ctx_in` of the known changes and the prior. Changes that are not known yet count as zero.
    fn enter(&self, layer: &Packed, isa: Isa, pass: usize) -> Plane {
        let (change, prior) = (&self.change, &self.prior);
        let (m, quarter) = (change.channels, change.channels / 4);
        let mut out = Plane::new(prior.height, prior.width, layer.outputs());
        for y in 0..prior.height {
            for x in 0..prior.width.min(2) {
                let known = |earlier: usize| {
                    let k = QUARTER[earlier][phase(y, x)] * quarter;
                    Segment { data: &change.data, start: change.at(y, x) + k, stride: 2 * m, k, len: quarter }
                };
                let mut segments: Vec<Segment> = (0..pass).map(known).collect();
                let (start, stride) = (prior.at(y, x), 2 * prior.channels);
                segments.push(Segment { data: &prior.data, start, stride, k: m, len: prior.channels });
                let (start, stride) = (out.at(y, x), 2 * out.channels);
                let destination = Destination { data: &mut out.data, start, stride };
                let positions = (prior.width - x).div_ceil(2);
                kernel::product(
                    isa,
                    layer,
                    layer.panels(),
                    &segments,
                    positions,
                    Epilogue::Plain,
                    destination,
                );
            }
        }
        out
    }
}

/// A head's outputs for the quarter that a pass codes at each position.
fn quarters(isa: Isa, layer: &Packed, pass: usize, f: &Plane) -> Plane {
    let (quarter, panels) = (layer.outputs() / 4, layer.outputs() / 4 / PANEL);
    let mut out = Plane::new(f.height, f.width, quarter);
    for y in 0..f.height {
        for x in 0..f.width.min(2) {
            let part = QUARTER[pass][phase(y, x)];
            let segment =
                Segment { data: &f.data, start: f.at(y, x), stride: 2 * f.channels, k: 0, len: f.channels };
            let (start, stride) = (out.at(y, x), 2 * quarter);
            let destination = Destination { data: &mut out.data, start, stride };
            let positions = (f.width - x).div_ceil(2);
            let panels = part * panels..(part + 1) * panels;
            kernel::product(isa, layer, panels, &[segment], positions, Epilogue::Plain, destination);
        }
    }
    out
}

/// The features of the prior: layers on the latents of the reference, the activities and the quality.
fn prior(
    net: &Net,
    isa: Isa,
    reference: &Plane,
    classes: &[u8],
    quality: Quality,
    scratch: &mut Scratch,
) -> Plane {
    let side = side(classes, quality);
    let (layer, m) = (&net.t_in, reference.channels);
    let mut out = Plane::new(reference.height, reference.width, layer.outputs());
    let segments = [
        Segment { data: &reference.data, start: 0, stride: m, k: 0, len: m },
        Segment { data: &side, start: 0, stride: SIDE, k: m, len: SIDE },
    ];
    let stride = out.channels;
    let destination = Destination { data: &mut out.data, start: 0, stride };
    kernel::product(isa, layer, layer.panels(), &segments, classes.len(), Epilogue::Plain, destination);
    for block in &net.t {
        block.run(isa, &mut out, scratch);
    }
    out
}

/// For each position, one of eight for its activity, then the nearness of the quality to each of eight knots.
fn side(classes: &[u8], quality: Quality) -> Vec<i16> {
    let place = (i32::from(quality.raw()) * (KNOTS - 1) * ONE + 3200) / 6400;
    let mut side = vec![0; classes.len() * SIDE];
    for (side, &class) in side.chunks_exact_mut(SIDE).zip(classes) {
        side[usize::from(class)] = ONE as i16;
        for (knot, near) in (0..KNOTS).zip(&mut side[usize::from(CLASSES)..]) {
            *near = (ONE - (place - knot * ONE).abs()).max(0) as i16;
        }
    }
    side
}
