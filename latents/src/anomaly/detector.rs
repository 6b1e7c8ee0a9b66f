//! What was learned from normal pictures, and how far a picture is from it.

use serde::{Deserialize, Serialize};

use super::autoencoder::{Autoencoder, Colors};
use super::calibration::{Calibration, Thresholds};
use super::gaussian::{Gaussians, Reduced};
use super::heat::Heat;
use super::places::Map;
use super::projection::Projection;
use crate::{Code, Error, Result};

/// Variance of the rounding of a colour to 8 bits.
const ROUNDING: f32 = 1.0 / 12.0;
/// The share of the mean error that is added to the usual error of each place. Without it, a place that was always still
/// would be unusual at the slightest change.
const FLOOR: f32 = 0.25;

/// What the pictures of a camera usually look like. [`Learner`](super::Learner) makes one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detector {
    /// The identity of the model of the latents.
    pub(super) model: [u8; 32],
    /// Width and height of the pictures of a fixed camera.
    pub(super) size: Option<(u32, u32)>,
    pub(super) projection: Projection,
    pub(super) gaussians: Gaussians,
    pub(super) autoencoder: Autoencoder,
    /// The mean error of each patch of the autoencoder's input on held-out pictures.
    pub(super) usual: Vec<f32>,
    pub(super) calibration: Calibration,
}

/// How far a picture is from the usual ones.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Score {
    /// The largest reconstruction error of a place, as a multiple of what is usual there.
    pub error: f32,
    /// The largest squared Mahalanobis distance of the latents of a place, divided by their number.
    pub distance: f32,
    errors: Map,
    distances: Map,
}

/// A picture with fewer channels.
pub(super) struct Sample {
    pub latents: Reduced,
    pub colors: Colors,
}

impl Sample {
    pub fn of(code: &Code, projection: &Projection) -> Self {
        let (rows, columns) = (code.latents.height, code.latents.width);
        let latents = Reduced { rows, columns, values: projection.apply(&code.latents.y) };
        let [width, height] = [code.head.width, code.head.height].map(|side| side.div_ceil(8) as usize);
        Self { latents, colors: Colors { rows: height, columns: width, values: code.colors.clone() } }
    }
}

impl Detector {
    /// Width and height of the pictures of a fixed camera; `None` if the detector takes pictures of any view.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// Number of normal pictures that were learned.
    pub fn learned(&self) -> usize {
        self.calibration.scores.len()
    }

    /// The thresholds that at most this share of usual pictures exceeds, from scores of pictures that were held out.
    ///
    /// # Errors
    /// Returns [`Error::Rate`] if the rate is not above 0 and below 1, and [`Error::TooFew`] if fewer than `1 / rate - 1` pictures
    /// were learned.
    pub fn thresholds(&self, rate: f32) -> Result<Thresholds> {
        self.calibration.thresholds(rate)
    }

    /// How far a picture is from the usual ones.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if the camera is fixed and the picture has another size, and [`Error::Model`] if the code has
    /// another number of channels.
    pub fn score(&self, code: &Code) -> Result<Score> {
        let found = (code.head.width, code.head.height);
        if let Some(expected) = self.size.filter(|&expected| expected != found) {
            return Err(Error::Size { expected, found });
        }
        if code.channels() != self.projection.from as usize {
            return Err(Error::Model);
        }
        Ok(Score::of(&Sample::of(code, &self.projection), &self.gaussians, &self.autoencoder, &self.usual))
    }
}

/// The floor under the usual errors of places.
pub(super) fn floor(usual: &[f32]) -> f32 {
    FLOOR * usual.iter().sum::<f32>() / usual.len() as f32 + ROUNDING
}

impl Score {
    pub(super) fn of(
        sample: &Sample,
        gaussians: &Gaussians,
        autoencoder: &Autoencoder,
        usual: &[f32],
    ) -> Self {
        let (mut errors, places) = autoencoder.errors(&sample.colors);
        let floor = floor(usual);
        errors
            .values
            .iter_mut()
            .zip(places)
            .for_each(|(error, place)| *error /= usual[place as usize] + floor);
        let shape = (errors.rows, errors.columns);
        let errors = errors.smoothed();
        let distances = gaussians.distances(&sample.latents).stretched(shape, 2.0).smoothed();
        Self { error: errors.largest(), distance: distances.largest(), errors, distances }
    }

    /// The larger of the two scores, each divided by its threshold: the picture is unusual if it is above 1.
    pub fn against(&self, limits: Thresholds) -> f32 {
        (self.error / limits.error).max(self.distance / limits.distance)
    }

    /// The same for each place of the picture.
    pub fn heat(&self, limits: Thresholds) -> Heat {
        let values = self.errors.values.iter().zip(&self.distances.values);
        let values = values.map(|(error, distance)| (error / limits.error).max(distance / limits.distance));
        Heat(Map { values: values.collect(), ..self.errors })
    }
}
