//! Muon (Jordan 2024): updates a matrix in the direction of the orthogonal matrix that is nearest to its momentum.
//!
//! Updates are scaled by `0.2 * sqrt(longer side)`, so that one learning rate suits Adam's parameters as well (Liu et
//! al. 2025, "Muon is scalable for LLM training", section 2.2).

use crate::Result;
use candle_core::{Tensor, Var};

pub(crate) const MOMENTUM: f64 = 0.95;
/// The number of Newton-Schulz steps, and the factors of X, of A A X and of A X in each, for A = X X^T.
pub(crate) const NEWTON_SCHULZ_STEPS: usize = 5;
pub(crate) const NEWTON_SCHULZ: [f64; 3] = [3.4445, 2.0315, -4.775];

/// The factor of the learning rate for a matrix with these sides.
pub(crate) fn muon_scale((rows, columns): (usize, usize)) -> f64 {
    0.2 * (rows.max(columns) as f64).sqrt()
}

#[derive(Debug)]
pub(super) struct Momentum {
    pub value: Tensor,
}

impl Momentum {
    pub(super) fn new(var: &Var) -> Result<Self> {
        Ok(Self { value: var.zeros_like()? })
    }

    pub(super) fn step(&mut self, var: &Var, gradient: &Tensor, rate: f64) -> Result<()> {
        let towards = |from: &Tensor, to: &Tensor, share: f64| -> candle_core::Result<Tensor> {
            (from * (1.0 - share))? + (to * share)?
        };
        self.value = towards(&self.value, gradient, 1.0 - MOMENTUM)?;
        let ahead = towards(gradient, &self.value, MOMENTUM)?;
        let change = (orthogonalise(&ahead)? * (rate * muon_scale(var.dims2()?)))?;
        Ok(var.set(&(var.as_detached_tensor() - change)?)?)
    }
}

/// Approximates the orthogonal matrix that is nearest to a matrix, by Newton-Schulz steps that bring the singular
/// values close to 1.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if `matrix` is not a matrix.
pub fn orthogonalise(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let tall = rows > columns;
    let mut x = if tall { matrix.t()?.contiguous()? } else { matrix.clone() };
    let norm = f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt();
    x = (x / (norm + 1e-7))?;
    let [of_x, of_square, of_a] = NEWTON_SCHULZ;
    for _ in 0..NEWTON_SCHULZ_STEPS {
        let a = x.matmul(&x.t()?)?;
        let b = ((a.matmul(&a)? * of_square)? + (a * of_a)?)?;
        x = ((b.matmul(&x)?) + (x * of_x)?)?;
    }
    Ok(if tall { x.t()?.contiguous()? } else { x })
}
