//! The parameters by name: from and to `.safetensors` files, random, or as constants.

use super::parts;
use super::shapes::Shapes;
use crate::{Error, Result, checkpoint};
use candle_core::{DType, Device, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The parameters of a network as variables, sorted by name.
#[derive(Debug, Clone)]
pub struct Weights {
    shapes: Shapes,
    vars: BTreeMap<String, Var>,
}

/// Sets the unused taps in the output layer of a linear network to zero.
fn own_taps(mut tensors: BTreeMap<String, Tensor>, shapes: Shapes) -> Result<BTreeMap<String, Tensor>> {
    if let Some(own) = shapes.own_tap(&Device::Cpu)?
        && let Some(weight) = tensors.get_mut("d_out.weight")
    {
        *weight = weight.broadcast_mul(&own.to_device(weight.device())?.to_dtype(weight.dtype())?)?;
    }
    Ok(tensors)
}

impl Weights {
    /// Reads the float weights of a model, such as `models/fast.safetensors`.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read, and [`Error::Weights`] if it holds another network.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        Self::parse(&bytes, device)
    }

    /// Reads weights from the bytes of a `.safetensors` file.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if it is not such a file, and [`Error::Weights`] if it holds another network.
    pub fn parse(bytes: &[u8], device: &Device) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, device)?;
        Self::from_tensors(tensors.into_iter().collect())
    }

    /// Creates variables with these initial values.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if they are not the tensors of a network.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>) -> Result<Self> {
        let shapes = Shapes::infer(&tensors)?;
        let tensors = own_taps(tensors, shapes)?;
        let var = |(name, tensor): (String, Tensor)| {
            let copy = tensor.to_dtype(DType::F32)?.copy()?.contiguous()?;
            Ok((name, Var::from_tensor(&copy)?))
        };
        Ok(Self { shapes, vars: tensors.into_iter().map(var).collect::<Result<_>>()? })
    }

    /// Creates random weights to train from scratch. They are uniform, up to one divided by the square root of the
    /// number of a layer's inputs, and half as large in the matrices at the end of a block. Biases are zero, and the
    /// steps of the latents are spread over the quality axis.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn random(shapes: Shapes, seed: u64, device: &Device) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut tensors = BTreeMap::new();
        for (name, dims) in shapes.parameters() {
            let count = dims.iter().product();
            let values: Vec<f32> = if name.ends_with(".weight") {
                parts::random(&name, &dims, &mut rng)
            } else if name == "y_gain" {
                let (low, high) = (3.2f32.ln(), 70f32.ln());
                let at = |i: usize| (i / shapes.m) as f32 / (shapes.knots - 1) as f32;
                (0..count).map(|i| low + (high - low) * at(i)).collect()
            } else {
                vec![if name == "z_prior.h" { 0.54 } else { 0.0 }; count]
            };
            tensors.insert(name, Tensor::from_vec(values, dims, device)?);
        }
        Self::from_tensors(tensors)
    }

    /// Writes a `.safetensors` file.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors: HashMap<_, _> =
            self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        Ok(candle_core::safetensors::save(&tensors, path)?)
    }

    /// The bytes of a `.safetensors` file.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let tensors = self.vars.iter().map(|(name, var)| (name.as_str(), var.as_tensor()));
        let bytes = safetensors::serialize(tensors, None);
        Ok(bytes.map_err(candle_core::Error::from)?)
    }

    /// Writes a `.safetensors` file, which is replaced atomically.
    pub(crate) fn save_whole(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        checkpoint::replace(path, |unfinished| std::fs::write(unfinished, bytes).map_err(Error::file(path)))
    }

    /// The widths and depths.
    pub fn shapes(&self) -> Shapes {
        self.shapes
    }

    /// The names and variables, sorted by name.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The variable with this name.
    pub fn var(&self, name: &str) -> Option<&Var> {
        self.vars.get(name)
    }

    /// The number of values in all parameters.
    pub fn count(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }

    /// The tensors of the variables, which gradients reach.
    pub(super) fn trained(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect()
    }

    /// The current values as constants, which have no gradient.
    pub(super) fn frozen(&self) -> Result<BTreeMap<String, Tensor>> {
        self.vars.iter().map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?))).collect()
    }
}
