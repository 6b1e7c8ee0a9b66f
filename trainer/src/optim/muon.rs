//! Muon (Jordan 2024): updates a matrix in the direction of the orthogonal matrix that is nearest to its momentum.
//!
//! Updates are scaled by `0.2 * sqrt(longer side)`, so that one learning rate suits Adam's parameters as well (Liu et
//! al. 2025, "Muon is scalable for LLM training", section 2.2).

use crate::Result;
use candle_core::{Tensor, Var};

const MOMENTUM: f64 = 0.95;
const STEPS: usize = 5;

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
        let longer = var.dims().iter().copied().max().unwrap_or(1) as f64;
        let change = (orthogonalise(&ahead)? * (rate * 0.2 * longer.sqrt()))?;
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
    for _ in 0..STEPS {
        let a = x.matmul(&x.t()?)?;
        let b = ((a.matmul(&a)? * 2.0315)? - (a * 4.775)?)?;
        x = ((b.matmul(&x)?) + (x * 3.4445)?)?;
    }
    Ok(if tall { x.t()?.contiguous()? } else { x })
}
