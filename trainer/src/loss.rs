//! The loss of training, and measurements with real rounding, by which models are compared.

use crate::Result;
use crate::net::{Coded, Network, Noise, Rate};
use crate::objective::Distortion;
use candle_core::Tensor;

/// The trade-off lambda at the ends of the quality axis. The loss is `lambda * MSE + bits per pixel`, with the MSE in
/// 8-bit units.
pub const LAMBDA_RANGE: (f64, f64) = (3.28e-4, 0.384);

/// The cap on a picture's loss, which is 0.5 to 4 for photographs. The loss of an untrained network on noise has no
/// bound, and without the cap one such crop would dominate the gradient of the whole batch.
pub(crate) const CAP: f32 = 6.0;

/// The loss of a batch, and means for the log.
#[derive(Debug)]
pub struct Loss {
    /// The loss to minimise.
    pub total: Tensor,
    /// The means over the batch.
    pub figures: LossMeans,
}

/// Means over pictures. In training, noise takes the place of rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LossMeans {
    /// The loss before the cap.
    pub loss: f64,
    /// The loss after the cap.
    pub capped: f64,
    /// The PSNR of RGB in dB.
    pub psnr: f64,
    /// Bits per pixel.
    pub bpp: f64,
}

impl LossMeans {
    /// The mean of several means, or zeros if there are none.
    pub fn mean(all: &[Self]) -> Self {
        let count = all.len().max(1) as f64;
        let mean = |part: fn(&Self) -> f64| all.iter().map(part).sum::<f64>() / count;
        Self {
            loss: mean(|f| f.loss),
            capped: mean(|f| f.capped),
            psnr: mean(|f| f.psnr),
            bpp: mean(|f| f.bpp),
        }
    }
}

/// Lambda at the knot q of `knots`. Its logarithm is linear.
pub fn lambda(q: f32, knots: usize) -> f64 {
    let (low, high) = (LAMBDA_RANGE.0.ln(), LAMBDA_RANGE.1.ln());
    (low + (high - low) * f64::from(q) / (knots - 1) as f64).exp()
}

/// The loss of pictures `[N, H, W, 3]` in -0.5..=0.5 at the knots q, one for each picture.
///
/// Each picture's loss is divided by the square root of its lambda, so that no rate dominates the gradient.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
pub fn training(net: &Network, x: &Tensor, q: &[f32], noise: &Noise) -> Result<Loss> {
    of(&net.forward(x, q, Rate::Noisy(noise))?, x, q, net.shapes().knots, Distortion::Mse)
}

/// The loss of coded pictures, with a given measure of distortion.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if the shapes do not match.
pub fn of(coded: &Coded, x: &Tensor, q: &[f32], knots: usize, distortion: Distortion) -> Result<Loss> {
    let mse = Distortion::Mse.of(&coded.x_hat, x)?;
    let error = if distortion == Distortion::Mse { mse.clone() } else { distortion.of(&coded.x_hat, x)? };
    let bpp = (&coded.y_bpp + &coded.z_bpp)?;

    let lambdas: Vec<f64> = q.iter().map(|&q| lambda(q, knots)).collect();
    let factor = |f: fn(f64) -> f64| {
        let values: Vec<f32> = lambdas.iter().map(|&l| f(l) as f32).collect();
        Tensor::from_vec(values, lambdas.len(), x.device())
    };
    let each = ((error * factor(|l| 0.1 * l.sqrt())?)? + (&bpp * factor(|l| 0.1 / l.sqrt())?)?)?;
    let losses: Vec<f32> = each.to_vec1()?;
    let shares: Vec<f32> = losses.iter().map(|l| if *l > CAP { CAP / l } else { 1.0 }).collect();
    let total = (&each * Tensor::from_vec(shares, losses.len(), x.device())?)?.mean_all()?;

    let mean =
        |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
    let psnr: Vec<f32> = mse.to_vec1::<f32>()?.into_iter().map(|mse| psnr(f64::from(mse)) as f32).collect();
    let figures = LossMeans {
        loss: mean(&losses),
        capped: f64::from(total.to_scalar::<f32>()?),
        psnr: mean(&psnr),
        bpp: mean(&bpp.to_vec1()?),
    };
    Ok(Loss { total, figures })
}

/// The bits per pixel and the PSNR of one picture with rounded latents and 8-bit samples, as in the codec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateAndPsnr {
    /// The bits per pixel of the picture without padding.
    pub bpp: f64,
    /// The PSNR of RGB in dB.
    pub psnr: f64,
}

/// Codes a picture, `[height, width, 3]` samples, with real rounding at the knot q.
///
/// Its sides are padded to multiples of 64 by repeating its edge. The bits of the padding count, but not its error.
///
/// # Errors
/// Returns [`Error::Tensor`](crate::Error::Tensor) if the device fails.
pub fn measure(
    net: &Network,
    samples: &[u8],
    (height, width): (usize, usize),
    q: f32,
) -> Result<RateAndPsnr> {
    let x = crate::data::padded(samples, (height, width), 64, net.device())?;
    let coded = net.forward(&x, &[q], Rate::Rounded)?;
    let bpp = (coded.y_bpp + coded.z_bpp)?.to_vec1::<f32>()?;
    let bits = f64::from(bpp.first().copied().unwrap_or_default()) * (x.elem_count() / 3) as f64;
    let shown = coded.x_hat.narrow(1, 0, height)?.narrow(2, 0, width)?.flatten_all()?.to_vec1::<f32>()?;
    let squares = shown.iter().zip(samples).map(|(v, &s)| {
        let decoded = (v * 255.0 + 127.5).round().clamp(0.0, 255.0);
        f64::from(decoded - f32::from(s)).powi(2)
    });
    let mse = squares.sum::<f64>() / samples.len().max(1) as f64;
    Ok(RateAndPsnr { bpp: bits / (height * width) as f64, psnr: psnr(mse.max(1e-9)) })
}

pub(crate) fn psnr(mse: f64) -> f64 {
    10.0 * (255.0 * 255.0 / mse).log10()
}
