//! The layers of the network, for other networks that are trained on its latents.

use super::layers::{Named, unshuffle};
use super::ops;
use crate::Result;
use candle_core::Tensor;
use rand::Rng;
use std::collections::BTreeMap;

/// Layers with parameters by name, on tensors `[N, H, W, C]`. Each layer `a` has `a.weight` and `a.bias`.
#[derive(Debug)]
pub struct Parts<'a>(pub &'a BTreeMap<String, Tensor>);

impl Parts<'_> {
    /// The product of the channels with a weight `[O, C]`.
    ///
    /// # Errors
    /// Returns [`Error::Weights`](crate::Error::Weights) if a parameter is missing, and
    /// [`Error::Tensor`](crate::Error::Tensor) if a shape does not fit.
    pub fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.named().linear(name)?.forward(x)
    }

    /// A 3x3 convolution with a weight `[O, C, 3, 3]`. Outside of the planes x is zero.
    ///
    /// # Errors
    /// See [`Self::linear`].
    pub fn conv3x3(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let [weight, bias] = ["weight", "bias"].map(|part| self.named().tensor(&format!("{name}.{part}")));
        Ok(ops::conv3x3(x, &weight?, &bias?)?)
    }

    /// A residual block of the network, with the layers that [`block_shapes`] lists.
    ///
    /// # Errors
    /// See [`Self::linear`].
    pub fn block(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.named().block(name)?.forward(x)
    }

    fn named(&self) -> Named<'_> {
        Named { tensors: self.0, observer: None }
    }
}

/// `[N, H, W, C]` to `[N, H/r, W/r, r r C]`, with channels in the order (row, column, channel).
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if a side is no multiple of `r`.
pub fn folded(x: &Tensor, r: usize) -> Result<Tensor> {
    unshuffle(x, r)
}

/// Names and shapes of the parameters of a residual block of `channels` with a gate of `hidden`.
pub fn block_shapes(name: &str, channels: usize, hidden: usize) -> Vec<(String, Vec<usize>)> {
    let (c, h) = (channels, hidden);
    let layers = [
        ("p1", vec![c, c]),
        ("dw", vec![c, 1, 3, 3]),
        ("p2", vec![c, c]),
        ("f1", vec![2 * h, c]),
        ("f2", vec![c, h]),
    ];
    let both = |(layer, weight): (&str, Vec<usize>)| {
        let bias = vec![weight[0]];
        [(format!("{name}.{layer}.weight"), weight), (format!("{name}.{layer}.bias"), bias)]
    };
    layers.into_iter().flat_map(both).collect()
}

/// Values of a parameter to train from scratch: uniform, up to one divided by the square root of the number of inputs, and half as
/// large at the end of a block; biases are zero.
pub fn random(name: &str, dims: &[usize], rng: &mut impl Rng) -> Vec<f32> {
    let count = dims.iter().product();
    if !name.ends_with(".weight") {
        return vec![0.0; count];
    }
    let halved = name.ends_with("p2.weight") || name.ends_with("f2.weight");
    let inputs = dims[1..].iter().product::<usize>() as f32;
    let reach = if halved { 0.5 } else { 1.0 } / inputs.sqrt();
    (0..count).map(|_| rng.random_range(-reach..=reach)).collect()
}
