//! Converts the layers of a model file to floats.
//!
//! Each weight is its integer divided by a power of two, which follows from the fractions of the layer's input and
//! output (docs/format.md, sections 1 and 2).

use crate::export::model::{IntegerBlock, IntegerLayer, IntegerModel, Product};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// The parameters of all layers by name. Gains and the density of the hyper-latents are not included.
pub(crate) fn layers(model: &IntegerModel) -> Result<BTreeMap<String, Tensor>> {
    let mut to = Floats { model, tensors: BTreeMap::new() };
    let y = i32::from(model.y_fraction);
    let of = |name: &str| Ok::<_, Error>(i32::from(product(model, name)?.fraction));
    let (first, he1, he2) = (of("e_in")?, of("he_in")?, of("he_mid")?);
    let (hd1, hd2, prior) = (of("hd_in")?, of("hd_mid")?, of("hd_out")?);
    let (ctx, d) = (of("ctx_in.0")?, of("d_in")?);

    to.product("e_in", &[0], first, |w| 510.0 * w, |b| b)?;
    (0..model.shapes.ne).try_for_each(|i| to.block(&format!("e.{i}"), first))?;
    to.plain("e_out", first, y)?;
    to.plain("he_in", y, he1)?;
    to.block("he1", he1)?;
    to.plain("he_mid", he1, he2)?;
    to.block("he2", he2)?;
    to.plain("he_out", he2, model.z_shift.into())?;
    to.plain("hd_in", 0, hd1)?;
    to.block("hd1", hd1)?;
    to.plain("hd_mid", hd1, hd2)?;
    to.block("hd2", hd2)?;
    to.plain("hd_out", hd2, prior)?;
    to.block("hd3", prior)?;
    to.head("head0", ["scale0", "mean0"], prior, y)?;
    let both: Vec<i32> = [vec![y; model.shapes.m], vec![prior; model.shapes.p]].concat();
    (0..3).try_for_each(|k| to.product(&format!("ctx_in.{k}"), &both, ctx, |w| w, |b| b))?;
    to.block("ctx", ctx)?;
    to.head("head", ["scale", "mean"], ctx, y)?;
    to.plain("d_in", y, d)?;
    (0..model.shapes.nd).try_for_each(|i| to.block(&format!("d.{i}"), d))?;
    // The integer output 128 is 127.5 in floats, and the inputs are ordered by tap in the file.
    to.product("d_out", &[d], 0, |w| w / 255.0, |b| (b + 0.5) / 255.0)?;
    Ok(to.tensors)
}

fn product<'a>(model: &'a IntegerModel, name: &str) -> Result<&'a Product> {
    match model.layers.get(name) {
        Some(IntegerLayer::Product(layer)) => Ok(layer),
        _ => Err(Error::weights(name, "is missing")),
    }
}

struct Floats<'a> {
    model: &'a IntegerModel,
    tensors: BTreeMap<String, Tensor>,
}

impl Floats<'_> {
    fn plain(&mut self, name: &str, input: i32, output: i32) -> Result<()> {
        self.product(name, &[input], output, |w| w, |b| b)
    }

    /// Converts a product. `inputs` holds the fraction of all its inputs, or one for each channel.
    fn product(
        &mut self,
        name: &str,
        inputs: &[i32],
        output: i32,
        of_weight: fn(f64) -> f64,
        of_bias: fn(f64) -> f64,
    ) -> Result<()> {
        let layer = product(self.model, name)?;
        let (weight, bias) = real(layer, inputs, output);
        let weight: Vec<f64> = weight.into_iter().map(of_weight).collect();
        let bias: Vec<f64> = bias.into_iter().map(of_bias).collect();
        let outputs = bias.len();
        if name == "d_out" {
            let c = self.model.shapes.c;
            let turned = weight
                .chunks_exact(9 * c)
                .flat_map(|row| (0..9 * c).map(|i| row[i % 9 * c + i / 9]))
                .collect();
            return self.add(name, turned, &[outputs, c, 3, 3], bias);
        }
        let dims = [outputs, weight.len() / outputs.max(1)];
        self.add(name, weight, &dims, bias)
    }

    /// Converts a block whose stream has the fraction `f`.
    fn block(&mut self, name: &str, f: i32) -> Result<()> {
        let Some(IntegerLayer::Block(block)) = self.model.layers.get(name) else {
            return Err(Error::weights(name, "is missing"));
        };
        let IntegerBlock { p1, dw, p2, f1, gate_shift, f2 } = &**block;
        let [a, d, uv] = [p1, dw, f1].map(|layer| i32::from(layer.fraction));
        let gated = 2 * uv - i32::from(*gate_shift);
        for (part, layer, input, output) in
            [("p1", p1, f, a), ("dw", dw, a, d), ("p2", p2, d, f), ("f1", f1, f, uv), ("f2", f2, gated, f)]
        {
            let (weight, bias) = real(layer, &[input], output);
            let outputs = bias.len();
            let dims: &[usize] = match part {
                "dw" => &[outputs, 1, 3, 3],
                _ => &[outputs, weight.len() / outputs.max(1)],
            };
            self.add(&format!("{name}.{part}"), weight, dims, bias)?;
        }
        Ok(())
    }

    /// Joins the two layers of a head. The logarithm of sigma becomes natural.
    fn head(&mut self, name: &str, [scale, mean]: [&str; 2], input: i32, y: i32) -> Result<()> {
        let (scales, scale_bias) = real(product(self.model, scale)?, &[input], 7);
        let (means, mean_bias) = real(product(self.model, mean)?, &[input], y);
        let join = |a: Vec<f64>, b| a.into_iter().map(|v| v * LN_2).chain(b).collect::<Vec<_>>();
        let dims = [2 * self.model.shapes.m, self.model.shapes.p];
        self.add(name, join(scales, means), &dims, join(scale_bias, mean_bias))
    }

    fn add(&mut self, name: &str, weight: Vec<f64>, dims: &[usize], bias: Vec<f64>) -> Result<()> {
        self.put(&format!("{name}.weight"), weight, dims)?;
        let outputs = bias.len();
        self.put(&format!("{name}.bias"), bias, &[outputs])
    }

    fn put(&mut self, name: &str, values: Vec<f64>, dims: &[usize]) -> Result<()> {
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        self.tensors.insert(name.to_owned(), Tensor::from_vec(values, dims, &Device::Cpu)?);
        Ok(())
    }
}

/// The weights, row by row, and the biases as real numbers.
fn real(layer: &Product, inputs: &[i32], output: i32) -> (Vec<f64>, Vec<f64>) {
    let unit = 2f64.powi(-(i32::from(layer.shift) + output));
    let of = |j: usize| 2f64.powi(inputs[if inputs.len() == 1 { 0 } else { j }]);
    let weight = layer.weight.iter().flat_map(|row| row.iter().enumerate().map(|(j, w)| w * of(j) * unit));
    (weight.collect(), layer.bias.iter().map(|b| b * unit).collect())
}
