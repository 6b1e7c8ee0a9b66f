//! The learned projection from pooled latents to features, and from features to the bits of a hash.

use crate::SemanticHash;
use crate::features::Features;

/// The weights: `search/weights/README.md` describes how they were made.
static WEIGHTS: &[u8] = include_bytes!("../weights/fast.bin");

/// Number of pooled values.
pub(crate) const POOLED: usize = 896;

/// Affine maps with weights in 8 bits: one row for each output, with a scale of its own.
#[derive(Debug)]
pub(crate) struct Projection {
    /// `[POOLED]`, subtracted from the pooled values.
    mean: Vec<f32>,
    features: Matrix,
    hash: Matrix,
}

#[derive(Debug)]
struct Matrix {
    /// `[rows]`.
    scales: Vec<f32>,
    /// `[rows, columns]`.
    weights: Vec<i8>,
    columns: usize,
}

impl Projection {
    /// The projection of this build.
    pub fn built_in() -> Self {
        let mut rest = WEIGHTS;
        let mean = floats(&mut rest, POOLED);
        let features = Matrix::read(&mut rest, Features::LENGTH, POOLED);
        let hash = Matrix::read(&mut rest, crate::hash::BITS as usize, Features::LENGTH);
        assert!(rest.is_empty(), "the weights have another shape than this code");
        Self { mean, features, hash }
    }

    /// Features of pooled values `[POOLED]`.
    pub fn features(&self, pooled: &[f32]) -> Features {
        let centred: Vec<f32> = pooled.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        Features::normalised(self.features.times(&centred))
    }

    pub fn hash(&self, features: &Features) -> SemanticHash {
        SemanticHash::of_signs(&self.hash.times(features.values()))
    }
}

impl Matrix {
    fn read(rest: &mut &[u8], rows: usize, columns: usize) -> Self {
        let scales = floats(rest, rows);
        let (weights, after) = rest.split_at(rows * columns);
        *rest = after;
        Self { scales, weights: weights.iter().map(|&byte| byte as i8).collect(), columns }
    }

    fn times(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.columns).zip(&self.scales);
        rows.map(|(row, scale)| scale * row.iter().zip(vector).map(|(&w, v)| f32::from(w) * v).sum::<f32>())
            .collect()
    }
}

/// Takes `count` numbers in little-endian order from the front of `rest`.
fn floats(rest: &mut &[u8], count: usize) -> Vec<f32> {
    let (taken, after) = rest.split_at(4 * count);
    *rest = after;
    taken.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
