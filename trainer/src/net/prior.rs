//! The learned density of each hyper-latent channel (Ballé et al. 2018, "Variational image compression with a scale
//! hyperprior", section 6.1).

use super::layers::Named;
use crate::Result;
use candle_core::Tensor;

/// The smallest probability of a bin.
const LEAST: f64 = 1e-6;
const FARTHEST: f64 = 40.0;

#[derive(Debug, Clone)]
pub(super) struct Factorized {
    h: Tensor,
    b: Tensor,
    a: Tensor,
}

impl Factorized {
    pub(super) fn new(named: &Named) -> Result<Self> {
        Ok(Self {
            h: named.tensor("z_prior.h")?,
            b: named.tensor("z_prior.b")?,
            a: named.tensor("z_prior.a")?,
        })
    }

    /// The cumulative density at x [.., Z], in the precision of x.
    pub(super) fn cdf(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for i in 0..4 {
            let slope = (self.h.get(i)?.exp()? + 1.0)?.log()?.to_dtype(x.dtype())?;
            x = x.broadcast_mul(&slope)?.broadcast_add(&self.b.get(i)?.to_dtype(x.dtype())?)?;
            if i < 3 {
                let bend = self.a.get(i)?.tanh()?.to_dtype(x.dtype())?;
                x = (&x + x.tanh()?.broadcast_mul(&bend)?)?;
            }
        }
        // Beyond this, the squared exponential overflows in the gradient, and the density is 0 or 1 to the last bit.
        Ok((x.clamp(-FARTHEST, FARTHEST)?.neg()?.exp()? + 1.0)?.recip()?)
    }

    /// The summed bits of the integer bins around z [N, H, W, Z]: [N].
    ///
    /// Probabilities below the smallest one are raised to it, but their gradient passes, so that they can grow.
    pub(super) fn bits(&self, z: &Tensor) -> Result<Tensor> {
        let p = (self.cdf(&(z + 0.5)?)? - self.cdf(&(z - 0.5)?)?)?;
        let lifted = (p.maximum(LEAST)? - &p)?.detach();
        let bits = ((p + lifted)?.log()? * -std::f64::consts::LOG2_E)?;
        Ok(bits.flatten_from(1)?.sum(1)?)
    }
}
