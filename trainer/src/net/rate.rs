//! How latents become what is decoded and what is counted: rounding, noise, or a rule of one's own.

use super::Shapes;
use crate::Result;
use candle_core::{Device, Tensor};
use rand::Rng;

/// How latents become numbers that are decoded and numbers whose bits are counted.
#[derive(Debug, Clone, Copy)]
pub enum Rate<'a> {
    /// Decoded are rounded latents, whose gradient passes as if they were not; counted are latents with noise, a
    /// smooth proxy: for training.
    Noisy(&'a Noise),
    /// Decoded and counted are rounded latents: what the codec does.
    Rounded,
}

impl Rate<'_> {
    /// What the latents of a pass become.
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

/// Uniform noise within half a step, for every latent and hyper-latent.
#[derive(Debug, Clone)]
pub struct Noise {
    /// `[N, H/64, W/64, Z]`.
    pub z: Tensor,
    /// For each pass, of each phase: `[4, N * H/32 * W/32, M/4]`.
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

/// What one pass codes, before it is rounded; tensors are `[4, R, M/4]`, by phase and position.
#[derive(Debug)]
pub struct Pass<'a> {
    /// Which of the four.
    pub index: usize,
    /// Latents less their predicted means, in quantisation steps.
    pub residual: &'a Tensor,
    /// Natural logarithm of the predicted standard deviation, in steps; not yet kept within bounds.
    pub log_sigma: &'a Tensor,
}

/// What a pass's latents become: first what is decoded, then what is counted, in steps, `[4, R, M/4]`.
pub type Quantised = (Tensor, Tensor);

/// Rounds; the gradient passes as if it had not.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
pub fn round_through(x: &Tensor) -> Result<Tensor> {
    let change = (x.detach().round()? - x.detach())?;
    Ok((x + change)?)
}
