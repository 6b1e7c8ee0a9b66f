//! Imports model files as float weights, to continue training with.
//!
//! The weights of layers follow exactly from their integers. The gains are fitted to the rows of their tables, and the
//! density of the hyper-latents to the frequency tables of the model file.

mod layers;

use crate::export::model::IntegerModel;
use crate::net::{Network, Shapes, Weights};
use crate::optim::AdamMoments;
use crate::{Error, Result};
use candle_core::{Device, Tensor, Var};
pub(crate) use layers::layers;
use std::collections::BTreeMap;

/// The number of steps to fit the density, and their rate.
const FIT: (usize, f64) = (200, 0.02);

/// The weights of the float network that a model file stands for.
///
/// # Errors
/// Returns [`Error::Codec`] if the codec does not accept the file, and [`Error::Invalid`] if its blocks differ in their
/// expansion.
pub fn weights(bytes: &[u8], device: &Device) -> Result<Weights> {
    aecodec::Model::parse(bytes)?;
    let bytes = &*aecodec::model_file::unpack(bytes)?;
    let model = IntegerModel::read(bytes)?;
    let mut tensors = layers(&model)?;
    let knots = Shapes::FAST.knots;
    let quality = &model.quality;
    let gain_unit = 2f64.powi(quality.gain_shift.into());
    let step_unit = 2f64.powi(i32::from(model.y_fraction) + i32::from(quality.step_shift));
    let gain = |v: f64| (v / gain_unit).max(1e-12).ln();
    for (name, rows, log) in [
        ("enc_gain", &quality.enc, &gain as &dyn Fn(f64) -> f64),
        ("dec_gain", &quality.dec, &gain),
        ("y_gain", &quality.step, &|v: f64| -(v.max(1.0) / step_unit).ln()),
    ] {
        let logs: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(|&v| log(v)).collect()).collect();
        let fitted = at_knots(&logs, knots)?;
        let width = fitted.first().map_or(0, Vec::len);
        let values: Vec<f32> = fitted.into_iter().flatten().map(|v| v as f32).collect();
        tensors.insert(name.to_owned(), Tensor::from_vec(values, (knots, width), &Device::Cpu)?);
    }
    tensors.extend(density(&tensors, &frequencies(bytes, &model)?)?);
    let moved = tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_device(device)?)));
    Weights::from_tensors(moved.collect::<Result<_>>()?)
}

/// The values at the knots of the piecewise linear curve that fits these rows best, by least squares.
fn at_knots(rows: &[Vec<f64>], knots: usize) -> Result<Vec<Vec<f64>>> {
    let near = |r: usize, k: usize| {
        let place = r as f64 * (knots - 1) as f64 / (rows.len() - 1) as f64;
        (1.0 - (place - k as f64).abs()).max(0.0)
    };
    // These are the normal equations. Their right side holds sums over the rows.
    let mut left: Vec<Vec<f64>> = (0..knots)
        .map(|j| (0..knots).map(|k| (0..rows.len()).map(|r| near(r, j) * near(r, k)).sum()).collect())
        .collect();
    let width = rows.first().map_or(0, Vec::len);
    let sum = |k: usize, c: usize| rows.iter().enumerate().map(|(r, row)| near(r, k) * row[c]).sum();
    let mut right: Vec<Vec<f64>> = (0..knots).map(|k| (0..width).map(|c| sum(k, c)).collect()).collect();
    for i in 0..knots {
        if left[i][i] < 1e-9 {
            let detail = format!("{} rows of gains for {knots} knots", rows.len());
            return Err(Error::Invalid { what: "model file", detail });
        }
        let (own, own_right) = (left[i].clone(), right[i].clone());
        for k in (0..knots).filter(|&k| k != i) {
            let share = left[k][i] / own[i];
            left[k].iter_mut().zip(&own).for_each(|(v, own)| *v -= share * own);
            right[k].iter_mut().zip(&own_right).for_each(|(v, own)| *v -= share * own);
        }
    }
    let solved =
        right.into_iter().enumerate().map(|(i, row)| row.into_iter().map(|v| v / left[i][i]).collect());
    Ok(solved.collect())
}

/// The largest magnitude that a table of hyper-latents can hold.
const REACH: usize = 127;
/// The number of tables of the levels, which come before those of the hyper-latents.
const LEVELS: usize = 52;

/// The shares of the values of each hyper-latent, as means over the quality bands: `[Z][2 REACH + 1]`.
fn frequencies(bytes: &[u8], model: &IntegerModel) -> Result<Vec<Vec<f64>>> {
    let short = || Error::Invalid { what: "model file", detail: "its tables are truncated".into() };
    // Everything before the tables is as long as a file without tables, minus the length field of its card.
    let begin = model.write(&[], &[], "")?.len() - 4;
    let mut rest = bytes.get(begin..).ok_or_else(short)?;
    let mut table = || {
        let (&reach, after) = rest.split_first().ok_or_else(short)?;
        let (found, after) = after.split_at_checked(4 * usize::from(reach) + 4).ok_or_else(short)?;
        rest = after;
        Ok::<_, Error>((usize::from(reach), found))
    };
    for _ in 0..LEVELS {
        table()?;
    }
    let bands = bytes.get(30..32).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let mut shares = vec![vec![0.0; 2 * REACH + 1]; model.shapes.z];
    for _ in 0..bands {
        for channel in &mut shares {
            let (reach, found) = table()?;
            let values = found.as_chunks().0.iter().map(|&v| f64::from(u16::from_le_bytes(v)) / 4096.0);
            // The last frequency is the escape's.
            for (i, v) in values.take(2 * reach + 1).enumerate() {
                if let Some(share) = (REACH + i).checked_sub(reach).and_then(|at| channel.get_mut(at)) {
                    *share += v / bands as f64;
                }
            }
        }
    }
    Ok(shares)
}

/// The parameters of the learned density under which these shares take the fewest bits.
fn density(tensors: &BTreeMap<String, Tensor>, shares: &[Vec<f64>]) -> Result<BTreeMap<String, Tensor>> {
    let (z, values) = (shares.len(), 2 * REACH + 1);
    let value = |i: usize| i as f64 - REACH as f64;
    // The start is a logistic density with each channel's mean and deviation.
    let (mut h, mut b) = (vec![0.54f32; 4 * z], vec![0.0f32; 4 * z]);
    for (c, row) in shares.iter().enumerate() {
        let sum: f64 = row.iter().sum::<f64>().max(1e-9);
        let mean = row.iter().enumerate().map(|(i, p)| p * value(i)).sum::<f64>() / sum;
        let square = row.iter().enumerate().map(|(i, p)| p * (value(i) - mean).powi(2)).sum::<f64>() / sum;
        let slope = 1.8 / square.sqrt().max(0.3);
        (h[c], b[c]) = ((slope.exp_m1()).ln() as f32, (-mean * slope) as f32);
    }
    let first = |rows: usize, values: Vec<f32>| Tensor::from_vec(values, (rows, z), &Device::Cpu);
    let mut all = tensors.clone();
    for (name, tensor) in
        [("z_prior.h", first(4, h)?), ("z_prior.b", first(4, b)?), ("z_prior.a", first(3, vec![0.0; 3 * z])?)]
    {
        all.insert(name.to_owned(), tensor);
    }
    let weights = Weights::from_tensors(all)?;
    let net = Network::new(&weights)?;
    let vars: Vec<(&str, &Var)> = weights.vars().filter(|(name, _)| name.starts_with("z_prior")).collect();
    let mut moments = vars.iter().map(|(_, var)| AdamMoments::new(var)).collect::<Result<Vec<_>>>()?;
    let edges: Vec<f32> = (0..=values).flat_map(|i| vec![value(i) as f32 - 0.5; z]).collect();
    let edges = Tensor::from_vec(edges, (values + 1, z), &Device::Cpu)?;
    let target: Vec<f32> = (0..values).flat_map(|i| shares.iter().map(move |row| row[i] as f32)).collect();
    let target = Tensor::from_vec(target, (values, z), &Device::Cpu)?;
    for step in 1..=FIT.0 {
        let cdf = net.hyper_cdf(&edges)?;
        let bins = (cdf.narrow(0, 1, values)? - cdf.narrow(0, 0, values)?)?;
        let bits = ((bins + 1e-7)?.log()? * &target)?.sum_all()?.neg()?;
        let gradients = bits.backward()?;
        for ((_, var), moments) in vars.iter().zip(&mut moments) {
            if let Some(gradient) = gradients.get(var) {
                let rate = FIT.1 * (1.0 - (step - 1) as f64 / FIT.0 as f64);
                moments.step(var, &gradient.contiguous()?, rate, step)?;
            }
        }
    }
    Ok(vars.into_iter().map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss;
    use std::path::Path;

    #[test]
    fn knots_are_found_again_from_rows_between_them() {
        let knots = [1.0, -2.0, 0.5, 3.0];
        let rows: Vec<Vec<f64>> = (0..20)
            .map(|r| {
                let place = f64::from(r) * 3.0 / 19.0;
                let i = (place as usize).min(2);
                vec![knots[i] + (knots[i + 1] - knots[i]) * (place - i as f64)]
            })
            .collect();
        for (found, expected) in at_knots(&rows, 4).expect("knots").iter().zip(knots) {
            assert!((found[0] - expected).abs() < 1e-9, "{found:?}, expected {expected}");
        }
        assert!(at_knots(&rows[..2], 4).is_err());
    }

    /// The shipped model and the weights that it was made from code a picture almost equally.
    #[test]
    fn the_shipped_model_gives_the_weights_that_it_was_made_of() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let shipped = Weights::load(&models.join("fast.safetensors"), &Device::Cpu).expect("weights");
        let bytes = std::fs::read(models.join("fast/fast.aem")).expect("the model");
        let found = weights(&bytes, &Device::Cpu).expect("weights");
        assert_eq!(found.shapes(), shipped.shapes());
        let samples: Vec<u8> = (0..128 * 128)
            .flat_map(|i| {
                let (y, x) = (i / 128, i % 128);
                let edge = if (x + y / 2) % 60 < 20 { 60 } else { 0 };
                [60 + y / 2 + edge, 40 + x, 90 + x / 2 + y / 2].map(|v| v as u8)
            })
            .collect();
        let measured = |weights: &Weights, quality| {
            let net = Network::frozen(weights).expect("a network");
            loss::measure(&net, &samples, (128, 128), net.knot(quality)).expect("measured")
        };
        for quality in [10.0, 50.0, 90.0] {
            let [a, b] = [&shipped, &found].map(|weights| measured(weights, quality));
            assert!((a.psnr - b.psnr).abs() < 0.1, "{quality}: {a:?}, from the model {b:?}");
            assert!((a.bpp / b.bpp - 1.0).abs() < 0.04, "{quality}: {a:?}, from the model {b:?}");
        }
    }
}
