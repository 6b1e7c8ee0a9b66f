//! The loss of averaged weights on pictures that are not used in training. It always uses the same pixels.

use crate::Result;
use crate::data::{self, RgbPicture};
use crate::loss::{self, LossMeans};
use crate::net::{Network, Rate, Weights};
use crate::objective::Objective;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The largest number of pictures. More would take longer and hardly change the result.
const PICTURES: usize = 8;
/// The longest side of the middle that is coded.
const SIDE: usize = 384;
/// The qualities at which the loss is measured.
const QUALITIES: [f64; 3] = [15.0, 50.0, 85.0];

/// The pictures for validation.
#[derive(Debug)]
pub(super) struct Validation {
    images: Vec<RgbPicture>,
    middles: Vec<RgbPicture>,
}

impl Validation {
    pub(super) fn new(images: Vec<RgbPicture>) -> Self {
        let middles = images.iter().take(PICTURES).map(|image| {
            let side = |length: usize| (length / 64 * 64).clamp(1, SIDE);
            image.crop_middle(side(image.height), side(image.width))
        });
        Self { middles: middles.collect(), images }
    }

    pub(super) fn count(&self) -> usize {
        self.images.len()
    }

    /// The first pictures, not cropped.
    pub(super) fn images(&self) -> &[RgbPicture] {
        &self.images[..self.images.len().min(PICTURES)]
    }

    /// The means over pictures and qualities, with real rounding. The input is corrupted as in training.
    pub(super) fn figures(&self, weights: &Weights, objective: &Objective) -> Result<LossMeans> {
        let net = Network::frozen(weights)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut all = Vec::new();
        for image in &self.middles {
            let x = data::padded(&image.samples, (image.height, image.width), 64, net.device())?;
            let seen = objective.corrupted(&x, &mut rng)?;
            for quality in QUALITIES {
                let q = [net.knot(quality)];
                let coded = net.forward(&seen, &q, Rate::Rounded)?;
                all.push(loss::of(&coded, &x, &q, net.shapes().knots, objective.distortion)?.figures);
            }
        }
        Ok(LossMeans::mean(&all))
    }
}
