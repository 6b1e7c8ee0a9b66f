//! Optimisers (Muon with Adam, or Adam alone), gradient clipping, averaging and the schedule of the learning rate.

mod adam;
mod ema;
mod muon;
mod schedule;

pub(crate) use adam::{AdamMoments, BETA_FIRST, BETA_SECOND, EPSILON};
pub use ema::Ema;
pub use muon::orthogonalise;
pub(crate) use muon::{MOMENTUM, NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS, muon_scale};
pub use schedule::Schedule;

use crate::net::Weights;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The longest gradient that training uses; longer ones are scaled down.
pub(crate) const LONGEST: f64 = 1.0;

/// The kind of an optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Muon for the inner matrices and Adam for the other parameters. It gives a lower loss for slightly slower steps.
    #[default]
    Muon,
    /// Adam for all parameters.
    Adam,
}

impl FromStr for OptimizerKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "muon" => Ok(Self::Muon),
            "adam" => Ok(Self::Adam),
            _ => Err(Error::Invalid {
                what: "optimiser",
                detail: format!("`{name}` is neither muon nor adam"),
            }),
        }
    }
}

/// Gradients by the names of their parameters.
pub type Gradients = BTreeMap<String, Tensor>;

/// Takes the gradients of all parameters from the result of `backward`. Missing gradients are zero.
///
/// # Errors
/// Returns [`Error::Tensor`] if the device fails.
pub fn gradients(weights: &Weights, store: &GradStore) -> Result<Gradients> {
    gradients_of(weights.vars(), store)
}

/// Like [`gradients`], for any variables.
///
/// # Errors
/// Returns [`Error::Tensor`] if the device fails.
pub fn gradients_of<'a>(
    vars: impl IntoIterator<Item = (&'a str, &'a Var)>,
    store: &GradStore,
) -> Result<Gradients> {
    let found = vars.into_iter().map(|(name, var)| {
        let gradient = match store.get(var) {
            Some(gradient) => gradient.contiguous()?,
            None => var.zeros_like()?,
        };
        Ok((name.to_owned(), gradient))
    });
    found.collect()
}

/// Scales the gradients down if their total length exceeds `limit`. Returns the length before.
///
/// If the length is not finite, the gradients do not change, and the step should not be taken.
///
/// # Errors
/// Returns [`Error::Tensor`] if the device fails.
pub fn clip(gradients: &mut Gradients, limit: f64) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients.values() {
        sum += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    let norm = sum.sqrt();
    if norm.is_finite() && norm > limit {
        for gradient in gradients.values_mut() {
            *gradient = (&*gradient * (limit / (norm + 1e-6)))?;
        }
    }
    Ok(norm)
}

/// An optimiser, which updates parameters by their gradients.
#[derive(Debug)]
pub struct Optimizer {
    parameters: Vec<Parameter>,
    steps: usize,
}

#[derive(Debug)]
struct Parameter {
    name: String,
    var: Var,
    moments: Moments,
}

#[derive(Debug)]
enum Moments {
    Muon(muon::Momentum),
    Adam(AdamMoments),
}

impl Optimizer {
    /// Creates an optimiser for all parameters of these weights.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn new(weights: &Weights, kind: OptimizerKind) -> Result<Self> {
        Self::of(weights.vars(), kind)
    }

    /// Like [`Self::new`], for any variables.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn of<'a>(vars: impl IntoIterator<Item = (&'a str, &'a Var)>, kind: OptimizerKind) -> Result<Self> {
        let parameter = |(name, var): (&str, &Var)| {
            let moments = if kind == OptimizerKind::Muon && is_inner_matrix(name, var.rank()) {
                Moments::Muon(muon::Momentum::new(var)?)
            } else {
                Moments::Adam(AdamMoments::new(var)?)
            };
            Ok(Parameter { name: name.to_owned(), var: var.clone(), moments })
        };
        Ok(Self { parameters: vars.into_iter().map(parameter).collect::<Result<_>>()?, steps: 0 })
    }

    /// Takes a step with this learning rate.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if a parameter has no gradient.
    pub fn step(&mut self, gradients: &Gradients, rate: f64) -> Result<()> {
        self.steps += 1;
        for Parameter { name, var, moments } in &mut self.parameters {
            let gradient = gradients.get(name).ok_or_else(|| Error::weights(name, "has no gradient"))?;
            match moments {
                Moments::Muon(momentum) => momentum.step(var, gradient, rate)?,
                Moments::Adam(moments) => moments.step(var, gradient, rate, self.steps)?,
            }
        }
        Ok(())
    }

    /// The number of steps so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The moments by parameter and kind, which are all that a step depends on besides the weights.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for Parameter { name, moments, .. } in &self.parameters {
            match moments {
                Moments::Muon(m) => drop(state.insert(format!("{name}.momentum"), m.value.clone())),
                Moments::Adam(m) => {
                    state.insert(format!("{name}.first"), m.first.clone());
                    state.insert(format!("{name}.second"), m.second.clone());
                }
            }
        }
        state
    }

    /// Restores a state that [`Self::state`] returned after this number of steps.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if a moment is missing or has another shape, for example because it is from an
    /// optimiser of the other kind.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, steps: usize) -> Result<()> {
        let take = |name: &str, part: &str, like: &Var| {
            let name = format!("{name}.{part}");
            let found = state
                .get(&name)
                .ok_or_else(|| Error::weights(&name, "is missing from the optimiser's state"))?;
            if found.dims() != like.dims() {
                return Err(Error::weights(
                    &name,
                    format!("has shape {:?}; expected {:?}", found.dims(), like.dims()),
                ));
            }
            Ok(found.to_device(like.device())?)
        };
        for Parameter { name, var, moments } in &mut self.parameters {
            match moments {
                Moments::Muon(m) => m.value = take(name, "momentum", var)?,
                Moments::Adam(m) => {
                    (m.first, m.second) = (take(name, "first", var)?, take(name, "second", var)?)
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Whether a parameter is a matrix between hidden layers, to which Muon applies.
pub(crate) fn is_inner_matrix(name: &str, rank: usize) -> bool {
    let layer = name.split('.').next().unwrap_or(name);
    rank == 2 && !["enc_gain", "dec_gain", "y_gain", "z_prior", "e_in"].contains(&layer)
}
