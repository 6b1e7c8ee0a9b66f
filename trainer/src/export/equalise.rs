//! Equalises the ranges of the latent channels without changing what the network computes.
//!
//! All latents share one fraction. A few channels (the mean colours) have ten times the range of the others, which
//! leaves the others few bits. Factors that are powers of two move between the layers that write a latent and those
//! that read it.

use crate::net::Weights;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::f32::consts::LN_2;

/// The factor by which the other channels stay below the largest range, as drawings and text have larger latents than
/// photographs.
const ROOM: f32 = 2.0;
const MAX_BITS: f32 = 3.0;

/// The same network with other units for its latents. `latents` holds the largest magnitude of each, `[M]`.
pub(super) fn equalise(weights: &Weights, latents: &[f32]) -> Result<Weights> {
    let m = weights.shapes().m;
    if latents.len() != m {
        return Err(Error::weights(
            "e_out.weight",
            format!("has {m} latents, but ranges are known for {}", latents.len()),
        ));
    }
    let farthest = latents.iter().copied().fold(0.0, f32::max);
    let bits: Vec<f32> = latents
        .iter()
        .map(|l| (farthest / (ROOM * l.max(1e-9))).log2().floor().clamp(0.0, MAX_BITS))
        .collect();

    let mut out = std::collections::BTreeMap::new();
    for (name, var) in weights.vars() {
        let dims = var.dims().to_vec();
        let mut values: Vec<f32> = var.flatten_all()?.to_vec1()?;
        let rows = values.len() / dims.last().copied().unwrap_or(1).max(1);
        let width = values.len() / rows.max(1);
        let log = |j: usize| bits[j] * LN_2;
        match name {
            // These write latents as their last M outputs.
            "e_out.weight" | "head0.weight" | "head.weight" => {
                for (bits, row) in bits.iter().zip(values.chunks_exact_mut(width).skip(rows - m)) {
                    row.iter_mut().for_each(|v| *v *= bits.exp2());
                }
            }
            "e_out.bias" => values.iter_mut().zip(&bits).for_each(|(v, bits)| *v *= bits.exp2()),
            "head0.bias" | "head.bias" => {
                for (j, v) in values.iter_mut().enumerate() {
                    if j < m { *v += log(j) } else { *v *= bits[j - m].exp2() }
                }
            }
            "y_gain" => {
                for row in values.chunks_exact_mut(m) {
                    row.iter_mut().enumerate().for_each(|(j, v)| *v -= log(j));
                }
            }
            // These read latents as their first M inputs.
            "he_in.weight" | "d_in.weight" | "ctx_in.0.weight" | "ctx_in.1.weight" | "ctx_in.2.weight" => {
                for row in values.chunks_exact_mut(width) {
                    row.iter_mut().zip(&bits).for_each(|(v, bits)| *v /= bits.exp2());
                }
            }
            _ => {}
        }
        out.insert(name.to_owned(), Tensor::from_vec(values, dims, &Device::Cpu)?);
    }
    Weights::from_tensors(out)
}
