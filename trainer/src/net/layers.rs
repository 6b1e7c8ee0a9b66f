//! Layers with their parameters: products, blocks and stacks of blocks, and the changes of resolution.

use super::ops::{self, BlockParameters};
use crate::{Error, Result};
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A function that observes the tensors inside the network.
#[derive(Clone)]
pub(crate) struct Observer(pub Arc<See>);

/// It is called with the name and the values of each tensor.
pub(crate) type See = dyn Fn(&str, &[f32]) + Send + Sync;

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Looks up parameters by name.
pub(super) struct Named<'a> {
    pub tensors: &'a BTreeMap<String, Tensor>,
    pub observer: Option<&'a Observer>,
}

impl Named<'_> {
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        self.tensors.get(name).cloned().ok_or_else(|| Error::weights(name, "is missing"))
    }

    fn pair(&self, name: &str) -> Result<[Tensor; 2]> {
        Ok([self.tensor(&format!("{name}.weight"))?, self.tensor(&format!("{name}.bias"))?])
    }

    pub(super) fn linear(&self, name: &str) -> Result<Linear> {
        let [weight, bias] = self.pair(name)?;
        Ok(Linear { weight, bias })
    }

    pub(super) fn block(&self, name: &str) -> Result<ResidualBlock> {
        let pair = |layer: &str| self.pair(&format!("{name}.{layer}"));
        let parameters = BlockParameters {
            p1: pair("p1")?,
            dw: pair("dw")?,
            p2: pair("p2")?,
            f1: pair("f1")?,
            f2: pair("f2")?,
        };
        // Constant parameters can be packed in advance.
        let constant = !parameters.p1[0].track_op();
        let packed = if constant { Some(parameters.packed()?) } else { None };
        let observer = self.observer.map(|observer| (name.to_owned(), observer.clone()));
        Ok(ResidualBlock { parameters, packed, observer })
    }

    pub(super) fn stack(&self, name: &str, depth: usize) -> Result<Vec<ResidualBlock>> {
        (0..depth).map(|i| self.block(&format!("{name}.{i}"))).collect()
    }
}

/// A product over the channels with a bias.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    /// [N, K].
    pub weight: Tensor,
    /// [N].
    pub bias: Tensor,
}

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::linear(x, &self.weight, &self.bias)?)
    }

    /// The product with the concatenation of `a` and `b`, without building it.
    pub(super) fn forward_both(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (first, second) = (a.dim(a.rank() - 1)?, b.dim(b.rank() - 1)?);
        let of_a = ops::linear(a, &self.weight.narrow(1, 0, first)?, &self.bias)?;
        let none = self.bias.zeros_like()?;
        let of_b = ops::linear(b, &self.weight.narrow(1, first, second)?, &none)?;
        Ok((of_a + of_b)?)
    }
}

/// A residual block: a depthwise 3x3 convolution between two products, followed by a gated (ReGLU) unit.
#[derive(Debug, Clone)]
pub(super) struct ResidualBlock {
    parameters: BlockParameters,
    packed: Option<Tensor>,
    observer: Option<(String, Observer)>,
}

impl ResidualBlock {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Some((name, Observer(see))) = &self.observer else {
            return Ok(ops::block(x, &self.parameters, self.packed.as_ref())?);
        };
        Ok(ops::block_observed(x, &self.parameters, &|part, values| see(&format!("{name}.{part}"), values))?)
    }
}

/// Applies blocks one after the other.
pub(super) fn run(blocks: &[ResidualBlock], x: Tensor) -> Result<Tensor> {
    blocks.iter().try_fold(x, |x, block| block.forward(&x))
}

/// [N, H, W, C] to [N, H/r, W/r, r r C], with channels in the order (row, column, channel).
pub(super) fn unshuffle(x: &Tensor, r: usize) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    let x = ops::permute(x, &[n, h / r, r, w / r, r * c], &[0, 1, 3, 2, 4])?;
    Ok(x.reshape((n, h / r, w / r, r * r * c))?)
}

/// The inverse of [`unshuffle`].
pub(super) fn shuffle(x: &Tensor, r: usize) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    let x = ops::permute(x, &[n, h, w, r, c / r], &[0, 1, 3, 2, 4])?;
    Ok(x.reshape((n, h * r, w * r, c / (r * r)))?)
}

/// [N, H, W, C] to [4, N H/2 W/2, C]: one matrix for each phase of a 2x2 cell.
pub(super) fn to_phases(x: &Tensor) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    let x = ops::permute(x, &[n, h / 2, 2, w / 2, 2, c], &[2, 4, 0, 1, 3, 5])?;
    Ok(x.reshape((4, n * h * w / 4, c))?)
}

/// The inverse of [`to_phases`] for planes [N, H, W].
pub(super) fn from_phases(x: &Tensor, (n, h, w): (usize, usize, usize)) -> Result<Tensor> {
    let c = x.dim(2)?;
    let x = ops::permute(x, &[2, 2, n, h / 2, w / 2, c], &[2, 3, 0, 4, 1, 5])?;
    Ok(x.reshape((n, h, w, c))?)
}
