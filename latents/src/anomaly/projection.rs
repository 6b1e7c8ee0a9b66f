//! Fewer channels: the principal components of the latents over all places.

use serde::{Deserialize, Serialize};

use crate::linear;

/// Channels after the projection. PaDiM chooses 100 to 550 of its channels at random; the covariances of all places are most of the
/// file, and grow with the square of this number.
pub const CHANNELS: usize = 24;

/// An orthonormal projection of the channels of a place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Projection {
    /// Channels before.
    pub from: u32,
    /// `[from]`.
    pub mean: Vec<f32>,
    /// `[to, from]`.
    pub rows: Vec<f32>,
}

impl Projection {
    /// Fits the projection to latents `[places, from]`.
    pub fn fit(latents: &[i16], from: usize) -> Self {
        let places = (latents.len() / from) as f64;
        let mut mean = vec![0.0; from];
        for place in latents.chunks_exact(from) {
            mean.iter_mut().zip(place).for_each(|(sum, &v)| *sum += f64::from(v) / places);
        }
        let mut covariance = vec![0.0; from * from];
        for place in latents.chunks_exact(from) {
            let centred: Vec<f64> = place.iter().zip(&mean).map(|(&v, mean)| f64::from(v) - mean).collect();
            for (row, &a) in covariance.chunks_exact_mut(from).zip(&centred) {
                row.iter_mut().zip(&centred).for_each(|(sum, b)| *sum += a * b / places);
            }
        }
        let rows = linear::leading(&covariance, from, CHANNELS);
        Self {
            from: from as u32,
            mean: mean.iter().map(|&v| v as f32).collect(),
            rows: rows.concat().iter().map(|&v| v as f32).collect(),
        }
    }

    /// Channels after.
    pub fn to(&self) -> usize {
        self.rows.len() / self.from as usize
    }

    /// Projects latents `[places, from]` to `[places, to]`.
    pub fn apply(&self, latents: &[i16]) -> Vec<f32> {
        let from = self.from as usize;
        let mut out = Vec::with_capacity(latents.len() / from * self.to());
        let mut centred = vec![0.0; from];
        for place in latents.chunks_exact(from) {
            centred
                .iter_mut()
                .zip(place.iter().zip(&self.mean))
                .for_each(|(c, (&v, m))| *c = f32::from(v) - m);
            out.extend(self.rows.chunks_exact(from).map(|row| dot(row, &centred)));
        }
        out
    }
}

/// In eight sums, so that it is vectorised.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (whole_a, rest_a) = a.as_chunks::<8>();
    let (whole_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        (0..8).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}
