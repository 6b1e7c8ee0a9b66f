//! A linear autoencoder of the colours of patches: principal components, which are the best of all linear bottlenecks
//! (Baldi and Hornik, *Neural networks and principal component analysis*, 1989). For a fixed camera, its input is the whole
//! picture; otherwise it is a tile of 4x4 patches.

use serde::{Deserialize, Serialize};

use super::places::Map;
use super::projection::dot;
use crate::linear;

/// The bottleneck for whole pictures: light, weather and shake have few degrees of freedom.
const WHOLE: usize = 8;
/// The bottleneck for tiles of 48 values.
const TILE: usize = 12;
/// Patches of a side of a tile.
const SIDE: usize = 4;
/// The most tiles that are learned from.
const TILES: usize = 20_000;
/// How often the code is found again, with less weight on patches that it does not explain.
const ROUNDS: usize = 3;

/// A linear autoencoder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Autoencoder {
    /// Rows and columns of patches of its input.
    pub shape: (u32, u32),
    /// `[rows, columns, 3]`.
    pub mean: Vec<f32>,
    /// `[bottleneck, rows, columns, 3]`, orthonormal.
    pub components: Vec<f32>,
}

/// The colours of the patches of a picture, `[rows, columns, 3]`.
#[derive(Debug, Clone)]
pub struct Colors {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Autoencoder {
    pub fn fit(pictures: &[&Colors], fixed: bool) -> Self {
        let first = pictures[0];
        let shape = if fixed { (first.rows, first.columns) } else { (SIDE, SIDE) };
        let every = (pictures.iter().map(|p| origins(p, shape).len()).sum::<usize>() / TILES).max(1);
        let tiles = pictures.iter().flat_map(|p| origins(p, shape).into_iter().map(|at| tile(p, at, shape)));
        let inputs: Vec<Vec<f32>> = tiles.step_by(every).collect();
        let mut mean = vec![0.0; shape.0 * shape.1 * 3];
        for input in &inputs {
            mean.iter_mut().zip(input).for_each(|(sum, v)| *sum += v / inputs.len() as f32);
        }
        let bottleneck = if fixed { WHOLE.min(pictures.len() / 4) } else { TILE };
        let components = components(&inputs, &mean, bottleneck);
        Self { shape: (shape.0 as u32, shape.1 as u32), mean, components }
    }

    /// The squared error of each patch, mean of its channels, and the number of the place whose usual error it is compared
    /// with.
    pub fn errors(&self, picture: &Colors) -> (Map, Vec<u32>) {
        let shape = (self.shape.0 as usize, self.shape.1 as usize);
        let mut values = vec![0.0; picture.rows * picture.columns];
        let mut places = vec![0; values.len()];
        for at in origins(picture, shape) {
            let input = tile(picture, at, shape);
            let errors = self.tile_errors(&input);
            for (i, error) in errors.into_iter().enumerate() {
                let (y, x) = (at.0 + i / shape.1, at.1 + i % shape.1);
                if y < picture.rows && x < picture.columns {
                    values[y * picture.columns + x] = error;
                    places[y * picture.columns + x] = i as u32;
                }
            }
        }
        (Map { rows: picture.rows, columns: picture.columns, values }, places)
    }

    /// The errors of the patches of one input. An object in it pulls the code to itself, so that the rest is explained badly;
    /// therefore the code is found again with weights (iteratively reweighted least squares with Cauchy's weights).
    fn tile_errors(&self, input: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = input.iter().zip(&self.mean).map(|(v, mean)| v - mean).collect();
        let rows: Vec<&[f32]> = self.components.chunks_exact(centred.len()).collect();
        let mut code: Vec<f64> = rows.iter().map(|row| dot(row, &centred).into()).collect();
        let mut errors = errors(&centred, &rows, &code);
        for _ in 0..ROUNDS {
            let mut sorted = errors.clone();
            sorted.sort_by(f32::total_cmp);
            let scale = 9.0 * sorted[sorted.len() / 2] + 1.0;
            let weighted: Vec<f32> = centred
                .chunks_exact(3)
                .zip(&errors)
                .flat_map(|(v, e)| [0, 1, 2].map(|c| v[c] / (1.0 + e / scale)))
                .collect();
            let target: Vec<f64> = rows.iter().map(|row| dot(row, &weighted).into()).collect();
            let Some(found) = linear::solve(&gram(&rows, &errors, scale), &target) else { break };
            code = found;
            errors = self::errors(&centred, &rows, &code);
        }
        errors
    }
}

fn errors(centred: &[f32], rows: &[&[f32]], code: &[f64]) -> Vec<f32> {
    let mut rest = centred.to_vec();
    for (row, &weight) in rows.iter().zip(code) {
        rest.iter_mut().zip(*row).for_each(|(v, component)| *v -= weight as f32 * component);
    }
    rest.chunks_exact(3).map(|v| (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) / 3.0).collect()
}

/// The weighted products of the components with each other.
fn gram(rows: &[&[f32]], errors: &[f32], scale: f32) -> Vec<f64> {
    let n = rows.len();
    let mut gram = vec![0.0; n * n];
    for i in 0..n {
        let weighted: Vec<f32> = rows[i]
            .chunks_exact(3)
            .zip(errors)
            .flat_map(|(v, e)| [0, 1, 2].map(|c| v[c] / (1.0 + e / scale)))
            .collect();
        for j in 0..=i {
            let product = dot(&weighted, rows[j]).into();
            (gram[i * n + j], gram[j * n + i]) = (product, product);
        }
        gram[i * n + i] += 1e-6;
    }
    gram
}

/// Principal components of the inputs, `[count, length]`, from the smaller of the two matrices of products.
fn components(inputs: &[Vec<f32>], mean: &[f32], count: usize) -> Vec<f32> {
    let centred: Vec<Vec<f32>> =
        inputs.iter().map(|input| input.iter().zip(mean).map(|(v, mean)| v - mean).collect()).collect();
    let (n, length) = (centred.len(), mean.len());
    if length <= n {
        let mut covariance = vec![0.0; length * length];
        for input in &centred {
            for (row, &a) in covariance.chunks_exact_mut(length).zip(input) {
                row.iter_mut().zip(input).for_each(|(sum, &b)| *sum += f64::from(a) * f64::from(b));
            }
        }
        return linear::leading(&covariance, length, count).concat().iter().map(|&v| v as f32).collect();
    }
    let mut products = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let product = dot(&centred[i], &centred[j]).into();
            (products[i * n + j], products[j * n + i]) = (product, product);
        }
    }
    let mut components = Vec::with_capacity(count * length);
    for weights in linear::leading(&products, n, count) {
        let mut row = vec![0.0_f32; length];
        for (input, &weight) in centred.iter().zip(&weights) {
            row.iter_mut().zip(input).for_each(|(sum, v)| *sum += weight as f32 * v);
        }
        let size = dot(&row, &row).sqrt();
        components.extend(row.iter().map(|v| v / size.max(f32::MIN_POSITIVE)));
    }
    components
}

/// The upper left patches of the tiles that cover a picture. The last ones overlap their neighbours.
fn origins(picture: &Colors, shape: (usize, usize)) -> Vec<(usize, usize)> {
    let along = |count: usize, side: usize| {
        (0..count.div_ceil(side)).map(move |i| (i * side).min(count.saturating_sub(side)))
    };
    along(picture.rows, shape.0).flat_map(|y| along(picture.columns, shape.1).map(move |x| (y, x))).collect()
}

/// A tile of colours. Beyond the edge of a small picture, the last patch is repeated.
fn tile(picture: &Colors, at: (usize, usize), shape: (usize, usize)) -> Vec<f32> {
    let mut values = Vec::with_capacity(shape.0 * shape.1 * 3);
    for y in at.0..at.0 + shape.0 {
        for x in at.1..at.1 + shape.1 {
            let patch = y.min(picture.rows - 1) * picture.columns + x.min(picture.columns - 1);
            values.extend_from_slice(&picture.values[3 * patch..][..3]);
        }
    }
    values
}
