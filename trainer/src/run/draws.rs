//! The random draws of one step.

use super::options::RunOptions;
use crate::data::Pictures;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random draws of one step. They follow from the seed and the number of the step.
pub(super) struct StepDraws {
    /// Crops, `[batch, side, side, 3]`.
    pub samples: Vec<u8>,
    /// Places on the quality axis, one in each of `batch` equal parts of it.
    pub q: Vec<f32>,
    /// For everything else.
    pub rng: ChaCha8Rng,
}

impl StepDraws {
    /// The draws of the step with this number, for a quality axis with this number of knots.
    pub(super) fn new(pictures: &Pictures, options: &RunOptions, knots: usize, step: usize) -> Self {
        let RunOptions { batch, side, drawn, vivid, seed, .. } = *options;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step as u64);
        let samples = pictures.samples(rng.random(), (batch, side), [drawn, vivid]);
        let mut parts: Vec<usize> = (0..batch).collect();
        parts.shuffle(&mut rng);
        let last = (knots - 1) as f32;
        let place = |part: usize| (part as f32 + rng.random::<f32>()) / batch as f32 * last;
        let q = parts.into_iter().map(place).map(|q| q.min(last)).collect();
        Self { samples, q, rng }
    }
}
