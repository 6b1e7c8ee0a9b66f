//! Gaussians of the latents: one for each place of a fixed camera, or one for all places.

use serde::{Deserialize, Serialize};

use super::places::Map;
use super::projection::dot;
use crate::linear;

/// The share of the mean variance that is added to each variance (PaDiM adds 0.01 to each).
const SHRINK: f64 = 0.01;

/// Gaussians `N(mean, covariance)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gaussians {
    /// Rows and columns of places; `(1, 1)` stands for any place.
    pub shape: (u32, u32),
    /// `[places, channels]`.
    pub means: Vec<f32>,
    /// For each place, the lower triangle of the inverse of the covariance's Cholesky factor, row by row: the squared distance
    /// from the mean is the squared length of its product with the difference.
    pub whitening: Vec<f32>,
}

/// The latents of a picture, `[rows, columns, channels]`.
#[derive(Debug, Clone)]
pub struct Reduced {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Gaussians {
    /// Fits one Gaussian for each place of pictures of the same size, or one for all places.
    pub fn fit(pictures: &[&Reduced], channels: usize, fixed: bool) -> Self {
        let first = pictures[0];
        let shape = if fixed { (first.rows, first.columns) } else { (1, 1) };
        let moments: Vec<Moments> = (0..shape.0 * shape.1)
            .map(|place| {
                let of_place = pictures.iter().map(|p| &p.values[place * channels..][..channels]);
                let all = pictures.iter().flat_map(|p| p.values.chunks_exact(channels));
                if fixed { Moments::of(of_place, channels) } else { Moments::of(all, channels) }
            })
            .collect();
        let mut usual = vec![0.0; channels * channels];
        for moments in &moments {
            let count = (shape.0 * shape.1) as f64;
            usual.iter_mut().zip(&moments.covariance).for_each(|(sum, v)| *sum += v / count);
        }
        let means = moments.iter().flat_map(|m| m.mean.iter().map(|&v| v as f32)).collect();
        let whitening = moments.iter().flat_map(|moments| moments.whitening(&usual)).collect();
        Self { shape: (shape.0 as u32, shape.1 as u32), means, whitening }
    }

    /// The squared Mahalanobis distance of each place, divided by the number of channels.
    pub fn distances(&self, picture: &Reduced) -> Map {
        let channels = picture.values.len() / (picture.rows * picture.columns);
        let triangle = channels * (channels + 1) / 2;
        let one = self.means.len() == channels;
        let values = picture.values.chunks_exact(channels).enumerate().map(|(place, values)| {
            let place = if one { 0 } else { place };
            let mean = &self.means[place * channels..][..channels];
            let difference: Vec<f32> = values.iter().zip(mean).map(|(v, mean)| v - mean).collect();
            let mut rows = &self.whitening[place * triangle..][..triangle];
            let mut sum = 0.0;
            for i in 1..=channels {
                let row = rows.split_off(..i).unwrap_or_default();
                let white = dot(row, &difference[..i]);
                sum += white * white;
            }
            sum / channels as f32
        });
        Map { rows: picture.rows, columns: picture.columns, values: values.collect() }
    }
}

/// Mean and covariance of some vectors.
struct Moments {
    count: f64,
    mean: Vec<f64>,
    /// `[channels, channels]`.
    covariance: Vec<f64>,
}

impl Moments {
    fn of<'a>(vectors: impl Iterator<Item = &'a [f32]> + Clone, channels: usize) -> Self {
        let mut mean = vec![0.0; channels];
        let mut count = 0.0;
        for vector in vectors.clone() {
            mean.iter_mut().zip(vector).for_each(|(sum, &v)| *sum += f64::from(v));
            count += 1.0;
        }
        mean.iter_mut().for_each(|v| *v /= count);
        let mut covariance = vec![0.0; channels * channels];
        for vector in vectors {
            let centred: Vec<f64> = vector.iter().zip(&mean).map(|(&v, mean)| f64::from(v) - mean).collect();
            for (row, &a) in covariance.chunks_exact_mut(channels).zip(&centred) {
                row.iter_mut().zip(&centred).for_each(|(sum, b)| *sum += a * b);
            }
        }
        covariance.iter_mut().for_each(|v| *v /= (count - 1.0).max(1.0));
        Self { count, mean, covariance }
    }

    /// The lower triangle of the whitening of the shrunk covariance. It is drawn towards the `usual` one, as if that had been seen
    /// in as many pictures as there are channels (the posterior mean with an inverse Wishart prior), and the diagonal is raised.
    fn whitening(&self, usual: &[f64]) -> Vec<f32> {
        let n = self.mean.len();
        let trace: f64 = (0..n).map(|i| usual[i * n + i]).sum();
        let weight = n as f64 / (n as f64 + self.count);
        let mut shrunk: Vec<f64> = self
            .covariance
            .iter()
            .zip(usual)
            .map(|(own, usual)| own * (1.0 - weight) + usual * weight)
            .collect();
        // A latent has steps of 1.
        (0..n).for_each(|i| shrunk[i * n + i] += SHRINK * trace / n as f64 + 1.0);
        let lower = linear::factor(&shrunk, n).unwrap_or_else(|| identity(n));
        let inverse = linear::inverse(&lower, n);
        (0..n)
            .flat_map(|i| inverse[i * n..=i * n + i].iter().map(|&v| v as f32).collect::<Vec<_>>())
            .collect()
    }
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect()
}
