//! Fused: the bits of integer bins under normal distributions, together with both derivatives.

use super::node::{floats, node, tensor};
use crate::net::bounds::{LOG_SIGMA_MAX, LOG_SIGMA_MIN};
use candle_core::{Result, Tensor};
use rayon::prelude::*;
use std::f32::consts::{FRAC_1_SQRT_2, LN_2};

/// The smallest probability; lower ones are raised to it.
pub(super) const LEAST: f32 = 1e-9;

/// The summed bits of the integer bins around r [B, ..] under zero-mean normal distributions with these log-sigmas:
/// [B].
pub(super) fn gaussian_bits(r: &Tensor, log_sigma: &Tensor) -> Result<Tensor> {
    let samples = r.dim(0)?;
    let each = r.elem_count() / samples;
    let (values, sigmas) = (r.detach().contiguous()?, log_sigma.detach().contiguous()?);
    let (values, sigmas) = (floats(&values)?, floats(&sigmas)?);
    let mut slopes = vec![(0.0, 0.0); values.len()];
    let totals: Vec<f32> = slopes
        .par_chunks_mut(each)
        .zip(values.par_chunks(each))
        .zip(sigmas.par_chunks(each))
        .map(|((slopes, r), s)| {
            let mut total = 0.0;
            for ((slope, &r), &s) in slopes.iter_mut().zip(r).zip(s) {
                let (bits, of_r, of_s) = bin(r, s);
                total += f64::from(bits);
                *slope = (of_r, of_s);
            }
            total as f32
        })
        .collect();
    let shape = r.shape().clone();
    node([r, log_sigma], totals, samples, move |gradient| {
        let gradient = floats(gradient)?;
        let (mut dr, mut ds) = (Vec::with_capacity(slopes.len()), Vec::with_capacity(slopes.len()));
        for (part, g) in slopes.chunks_exact(each).zip(gradient.iter()) {
            dr.extend(part.iter().map(|slope| slope.0 * g));
            ds.extend(part.iter().map(|slope| slope.1 * g));
        }
        Ok([Some(tensor(dr, shape.clone())?), Some(tensor(ds, shape.clone())?)])
    })
}

/// The bits of the bin around r, and their derivatives with respect to r and log-sigma.
pub(crate) fn bin(r: f32, log_sigma: f32) -> (f32, f32, f32) {
    let k = FRAC_1_SQRT_2 * (-log_sigma.clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX)).exp();
    let (near, far) = (r.abs() - 0.5, r.abs() + 0.5);
    let p = 0.5 * (libm::erfcf(near * k) - libm::erfcf(far * k));
    if p < LEAST {
        return (-LEAST.log2(), 0.0, 0.0);
    }
    let (a, b) = ((-(near * k).powi(2)).exp(), (-(far * k).powi(2)).exp());
    let slope = std::f32::consts::FRAC_2_SQRT_PI / 2.0 / (p * LN_2);
    let of_sigma = if (LOG_SIGMA_MIN..=LOG_SIGMA_MAX).contains(&log_sigma) {
        -slope * k * (a * near - b * far)
    } else {
        0.0
    };
    let sign = if r == 0.0 { 0.0 } else { r.signum() };
    (-p.log2(), slope * k * (a - b) * sign, of_sigma)
}
