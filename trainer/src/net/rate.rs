//! How latents are quantised: by rounding, or with noise for the count of bits.

use super::Shapes;
use crate::Result;
use candle_core::{Device, Tensor};
use rand::Rng;

/// How latents are quantised: which values are decoded, and of which values the bits are counted.
#[derive(Debug, Clone, Copy)]
pub enum Rate<'a> {
    /// For training: rounded latents are decoded, with a gradient as if they were not rounded. The bits are counted of
    /// latents with noise, which is a smooth approximation.
    Noisy(&'a Noise),
    /// As in the codec: rounded latents are decoded and counted.
    Rounded,
}

impl Rate<'_> {
    /// Quantises the latents of a pass.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the noise was drawn for another batch size.
    pub fn quantise(&self, pass: &Pass) -> Result<Quantised> {
        let decoded = round_through(pass.residual)?;
        let counted = match self {
            Self::Noisy(noise) => (pass.residual + &noise.y[pass.index])?,
            Self::Rounded => decoded.clone(),
        };
        Ok((decoded, counted))
    }
}

/// Uniform noise of up to half a step for every latent and hyper-latent.
#[derive(Debug, Clone)]
pub struct Noise {
    /// The noise of the hyper-latents, `[N, H/64, W/64, Z]`.
    pub z: Tensor,
    /// The noise of the latents for each pass, by phase: `[4, N * H/32 * W/32, M/4]`.
    pub y: [Tensor; 4],
}

impl Noise {
    /// Draws noise for a batch of pictures of these sides.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
    pub fn draw(
        rng: &mut impl Rng,
        shapes: Shapes,
        (count, height, width): (usize, usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let mut uniform = |dims: &[usize]| {
            let values = (0..dims.iter().product()).map(|_| rng.random::<f32>() - 0.5).collect::<Vec<_>>();
            Tensor::from_vec(values, dims, device)
        };
        let z = uniform(&[count, height / 64, width / 64, shapes.z])?;
        let mut pass = || uniform(&[4, count * (height / 32) * (width / 32), shapes.m / 4]);
        Ok(Self { z, y: [pass()?, pass()?, pass()?, pass()?] })
    }
}

/// The latents of one pass before rounding. Tensors are `[4, R, M/4]`, by phase and position.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The index of the pass, 0 to 3.
    pub index: usize,
    /// The latents minus their predicted means, in quantisation steps.
    pub residual: &'a Tensor,
    /// The natural logarithm of the predicted standard deviation in steps, before it is clamped.
    pub log_sigma: &'a Tensor,
}

/// The quantised latents of a pass: the decoded values and the values to count bits of, in steps, `[4, R, M/4]`.
pub type Quantised = (Tensor, Tensor);

/// Rounds a tensor. The gradient passes as if it were not rounded.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
pub fn round_through(x: &Tensor) -> Result<Tensor> {
    let change = (x.detach().round()? - x.detach())?;
    Ok((x + change)?)
}
