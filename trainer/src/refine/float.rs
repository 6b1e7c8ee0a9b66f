//! The float network that an integer model file stands for.
//!
//! It differs from the decoder only in the rounding of activations, so it predicts the decoder better than the weights
//! that the model was made from.

use crate::Result;
use crate::export::model::IntegerModel;
use crate::import::layers;
use crate::net::{Network, Weights};
use aecodec::Quality;
use candle_core::{Device, Tensor};
use std::f64::consts::LN_2;

/// The smallest gain, as the logarithm of zero is not finite.
const LEAST_GAIN: f64 = 1e-12;

/// The network of a model at one quality. Run it at the knots [`AT`].
pub(super) fn network(model: &IntegerModel, quality: Quality) -> Result<Network> {
    let mut tensors = layers(model)?;
    gains(model, quality, |name, values, rows| {
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        let width = values.len() / rows.max(1);
        tensors.insert(name.to_owned(), Tensor::from_vec(values, (rows, width), &Device::Cpu)?);
        Ok(())
    })?;
    Network::frozen(&Weights::from_tensors(tensors)?)
}

/// The knot of a network for one quality. Its axis has that quality at both ends.
pub(super) const AT: [f32; 1] = [0.0];

/// The quantisation steps at a quality, in units of y.
pub(super) fn steps(model: &IntegerModel, quality: Quality) -> Vec<f32> {
    let unit = 2f64.powi(i32::from(model.y_fraction) + i32::from(model.quality.step_shift));
    mixed(&model.quality.step, quality).into_iter().map(|step| (step.max(1.0) / unit) as f32).collect()
}

/// The natural logarithm of the standard deviation, in steps, below which a latent is not coded.
pub(super) fn skip_below(model: &IntegerModel) -> f32 {
    ((f64::from(model.skip_below) - 26.5) / 8.0 * LN_2) as f32
}

/// A row of a gain table (docs/format.md, section 4).
fn mixed(rows: &[Vec<f64>], quality: Quality) -> Vec<f64> {
    let u = usize::from(quality.raw()) * (rows.len() - 1);
    let i = (u / 6400).min(rows.len() - 2);
    let w = (u - 6400 * i) as f64;
    let mix = |(a, b): (&f64, &f64)| ((a * (6400.0 - w) + b * w + 3200.0) / 6400.0).floor();
    rows[i].iter().zip(&rows[i + 1]).map(mix).collect()
}

/// The logarithms of the gains, and zeros for the density of z, which the model file replaces with tables.
fn gains(
    model: &IntegerModel,
    quality: Quality,
    mut put: impl FnMut(&str, Vec<f64>, usize) -> Result<()>,
) -> Result<()> {
    let unit = 2f64.powi(model.quality.gain_shift.into());
    let gains = |rows| mixed(rows, quality).into_iter().map(|v: f64| (v / unit).max(LEAST_GAIN).ln());
    let steps = steps(model, quality).into_iter().map(|step| -f64::from(step).ln());
    for (name, row) in [
        ("enc_gain", gains(&model.quality.enc).collect()),
        ("dec_gain", gains(&model.quality.dec).collect()),
        ("y_gain", steps.collect::<Vec<_>>()),
    ] {
        put(name, [row.clone(), row].concat(), 2)?;
    }
    [("h", 4), ("b", 4), ("a", 3)]
        .into_iter()
        .try_for_each(|(part, rows)| put(&format!("z_prior.{part}"), vec![0.0; rows * model.shapes.z], rows))
}
