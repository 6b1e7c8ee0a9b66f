//! The walk over the latents of a group, which encoder and decoder share (docs/format.md, section 5).
//!
//! The walk predicts the latents, decides which are coded and at which level, and reconstructs them. The symbols come from
//! an implementation of [`Symbols`]: the encoder computes and writes them, the decoder reads them. Everything else is the
//! same code, so the two cannot disagree.

pub(crate) mod read;
pub(crate) mod write;

use crate::kernel::{Isa, rnd, sat};
use crate::model::Model;
use crate::net::context::{self, PASSES, QUARTER, phase};
use crate::net::{Plane, Scratch, hyper};
use crate::quality::Gains;

/// Highest level (docs/format.md, section 6).
pub(crate) const LEVEL_MAX: i32 = 107;
/// Level of a standard deviation of 1.
const LEVEL_ONE: i32 = 26;

/// The latents that a pass codes, in order.
#[derive(Debug, Default)]
pub(crate) struct Coded {
    /// Level of each symbol, the context of its code.
    pub levels: Vec<u8>,
    /// Offset of each latent in the group's plane.
    pub sites: Vec<u32>,
}

/// The source of the symbols of a walk.
pub(crate) trait Symbols {
    /// Rounded hyper-latents `[h, w, Z]`.
    fn hyper(&mut self, height: usize, width: usize) -> Plane;

    /// Is called with the latents that a pass predicts next, before their predicted means replace them.
    fn before(&mut self, pass: usize, latents: &Plane) {
        let _ = (pass, latents);
    }

    /// Returns the symbols of a pass, one for each coded latent. `y_hat` holds the predicted means at their sites.
    fn pass(&mut self, pass: usize, coded: &Coded, y_hat: &Plane) -> Vec<i16>;
}

/// Walks a group and returns its decoded latents, in the memory of `latents`. Latents that no pass has reached yet are those
/// that the encoder put there; no prediction reads them.
pub(crate) fn group(
    model: &Model,
    isa: Isa,
    gains: &Gains,
    latents: Plane,
    symbols: &mut impl Symbols,
    scratch: &mut Scratch,
) -> Plane {
    let net = &model.net;
    let (height, width) = (latents.height, latents.width);
    let (hz, wz) = hyper::hyper_shape(height, width);
    let z = symbols.hyper(hz, wz);
    let prior = hyper::prior(net, isa, &z, height, width, scratch);
    let mut y_hat = latents;
    let mut coded = Coded::default();
    for pass in 0..PASSES {
        symbols.before(pass, &y_hat);
        let scales = context::predict(net, isa, pass, &prior, &mut y_hat, scratch);
        select(model, gains, pass, &scales, &mut coded);
        let values = symbols.pass(pass, &coded, &y_hat);
        for (&site, &r) in coded.sites.iter().zip(&values) {
            if r != 0 {
                let step = gains.step[site as usize % net.shapes.m];
                let y = &mut y_hat.data[site as usize];
                *y =
                    sat(i32::from(*y)
                        .wrapping_add(rnd(i32::from(r).wrapping_mul(step.into()), gains.step_shift)));
            }
        }
    }
    y_hat
}

/// The level of a latent.
pub(crate) fn level(scale: i16, log_gain: i16) -> u8 {
    (rnd(i32::from(scale) + i32::from(log_gain), 4) + LEVEL_ONE).clamp(0, LEVEL_MAX) as u8
}

/// Lists the latents of a pass whose level is not below the model's threshold.
fn select(model: &Model, gains: &Gains, pass: usize, scales: &Plane, coded: &mut Coded) {
    let (m, quarter) = (model.net.shapes.m, scales.channels);
    coded.levels.clear();
    coded.sites.clear();
    for y in 0..scales.height {
        for x in 0..scales.width {
            let first = QUARTER[pass][phase(y, x)] * quarter;
            let log_gain = &gains.log_gain[first..first + quarter];
            let site = ((y * scales.width + x) * m + first) as u32;
            for ((i, &scale), &gain) in (site..).zip(scales.run(y, x, 1)).zip(log_gain) {
                let level = level(scale, gain);
                if level >= model.skip_below {
                    coded.levels.push(level);
                    coded.sites.push(i);
                }
            }
        }
    }
}
