//! The moving average of the weights, which becomes the model.

use crate::net::Weights;
use crate::{Error, Result};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// The exponential moving average of all weights.
#[derive(Debug)]
pub struct Ema {
    values: BTreeMap<String, Tensor>,
}

impl Ema {
    /// Creates an average that starts at the weights.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn new(weights: &Weights) -> Result<Self> {
        let copy = weights.vars().map(|(name, var)| Ok((name.to_owned(), var.as_detached_tensor().copy()?)));
        Ok(Self { values: copy.collect::<Result<_>>()? })
    }

    /// Moves the average towards the weights. With a `decay` closer to 1 it extends over more steps; 0.999 is about a
    /// thousand.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn update(&mut self, weights: &Weights, decay: f64) -> Result<()> {
        for (name, var) in weights.vars() {
            if let Some(value) = self.values.get_mut(name) {
                *value = ((&*value * decay)? + (var.as_detached_tensor() * (1.0 - decay))?)?;
            }
        }
        Ok(())
    }

    /// The averages as weights.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn weights(&self) -> Result<Weights> {
        Weights::from_tensors(self.values.clone())
    }

    /// The averages by name.
    pub fn values(&self) -> &BTreeMap<String, Tensor> {
        &self.values
    }

    /// Restores averages that [`Self::values`] returned.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if an average is missing or has another shape.
    pub fn restore(&mut self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, value) in &mut self.values {
            let found =
                values.get(name).ok_or_else(|| Error::weights(name, "is missing from the averages"))?;
            if found.dims() != value.dims() {
                return Err(Error::weights(
                    name,
                    format!("has an average with shape {:?}; expected {:?}", found.dims(), value.dims()),
                ));
            }
            *value = found.to_device(value.device())?;
        }
        Ok(())
    }
}
