//! Random pictures from the probability distribution that a model has learned.

use crate::data::RgbPicture;
use crate::net::Network;
use crate::objective::normal;
use crate::{Error, Result};
use candle_core::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest magnitude of a hyper-latent.
const REACH: usize = 127;

/// Draws a picture at the knot q. Its sides must be multiples of 64.
///
/// The hyper-latents are drawn from their learned density, and the latents in four passes from the normal distributions
/// that the context model predicts. The synthesis then makes a picture of them.
///
/// # Errors
/// Returns [`Error::Invalid`] if a side is not a multiple of 64, and [`Error::Tensor`] if the device fails.
pub fn sample(net: &Network, (height, width): (usize, usize), q: f32, seed: u64) -> Result<RgbPicture> {
    if height == 0 || width == 0 || !height.is_multiple_of(64) || !width.is_multiple_of(64) {
        let detail = format!("{width} x {height} pixels; both sides must be multiples of 64");
        return Err(Error::Invalid { what: "sample", detail });
    }
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let (device, shapes) = (net.device(), net.shapes());
    let z = hyper_latents(net, (height / 64) * (width / 64), rng)?;
    let z = Tensor::from_vec(z, (1, height / 64, width / 64, shapes.z), device)?;
    let nothing = Tensor::zeros((1, height / 16, width / 16, shapes.m), z.dtype(), device)?;
    let (y_hat, _) = net.code(&nothing, &net.prior(&z)?, &[q], |pass| {
        let noise = normal(rng, pass.log_sigma.dims(), device)?;
        let drawn = (noise * pass.log_sigma.clamp(-2.3, 7.0)?.exp()?)?.round()?;
        Ok((drawn.clone(), drawn))
    })?;
    let shown = net.synthesise(&y_hat, &[q])?.flatten_all()?.to_vec1::<f32>()?;
    let samples = shown.into_iter().map(|v| (v * 255.0 + 127.5).round().clamp(0.0, 255.0) as u8).collect();
    Ok(RgbPicture { height, width, samples })
}

/// Draws the values at this number of positions from the cumulative density of each channel.
fn hyper_latents(net: &Network, positions: usize, rng: &mut ChaCha8Rng) -> Result<Vec<f32>> {
    let width = net.shapes().z;
    let value = |i: usize| i as f32 - REACH as f32;
    let edges: Vec<f32> = (0..2 * REACH).flat_map(|i| vec![value(i) + 0.5; width]).collect();
    let below =
        net.hyper_cdf(&Tensor::from_vec(edges, (2 * REACH, width), net.device())?)?.to_vec2::<f32>()?;
    let mut drawn = Vec::with_capacity(positions * width);
    for _ in 0..positions {
        for channel in 0..width {
            let u: f32 = rng.random();
            drawn.push(value(below.partition_point(|row| row[channel] < u)));
        }
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Shapes, Weights};
    use candle_core::Device;

    #[test]
    fn samples_follow_from_the_seed_and_hyper_latents_from_their_density() {
        let shapes = Shapes { c: 16, m: 32, z: 8, p: 16, ne: 1, nd: 1, expansion: 1.5, knots: 3 };
        let weights = Weights::random(shapes, 1, &Device::Cpu).expect("weights");
        let net = Network::frozen(&weights).expect("a network");
        let draw = |seed| sample(&net, (64, 128), 1.0, seed).expect("a picture").samples;
        assert_eq!(draw(1).len(), 64 * 128 * 3);
        assert!(draw(1) == draw(1) && draw(1) != draw(2));
        assert!(sample(&net, (60, 64), 1.0, 0).is_err());

        // The density of random weights is logistic with a deviation of pi / sqrt(3). Rounding adds a variance of 1/12.
        let drawn = hyper_latents(&net, 4000, &mut ChaCha8Rng::seed_from_u64(1)).expect("values");
        let square = drawn.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / drawn.len() as f64;
        let expected = std::f64::consts::PI.powi(2) / 3.0 + 1.0 / 12.0;
        assert!((square / expected - 1.0).abs() < 0.1, "{square}, expected {expected}");
    }
}
