//! Adam (Kingma and Ba 2015) for one parameter.

use crate::Result;
use candle_core::{Tensor, Var};

pub(crate) const BETA_FIRST: f64 = 0.9;
pub(crate) const BETA_SECOND: f64 = 0.98;
pub(crate) const EPSILON: f64 = 1e-8;

#[derive(Debug)]
pub(crate) struct AdamMoments {
    pub first: Tensor,
    pub second: Tensor,
}

impl AdamMoments {
    pub(crate) fn new(var: &Var) -> Result<Self> {
        Ok(Self { first: var.zeros_like()?, second: var.zeros_like()? })
    }

    /// Takes a step. `step` counts from 1.
    pub(crate) fn step(&mut self, var: &Var, gradient: &Tensor, rate: f64, step: usize) -> Result<()> {
        self.first = ((&self.first * BETA_FIRST)? + (gradient * (1.0 - BETA_FIRST))?)?;
        self.second = ((&self.second * BETA_SECOND)? + (gradient.sqr()? * (1.0 - BETA_SECOND))?)?;
        let unbiased = |beta: f64| 1.0 - beta.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let root = ((self.second.sqrt()? / unbiased(BETA_SECOND).sqrt())? + EPSILON)?;
        let change = ((&self.first / root)? * (rate / unbiased(BETA_FIRST)))?;
        Ok(var.set(&(var.as_detached_tensor() - change)?)?)
    }
}
