//! Quantises float weights, given the measured ranges.
//!
//! Each tensor gets a power-of-two fraction such that 1.5 times its largest value fits into an activation. Each layer
//! then gets the largest weights that fit into i16 and whose accumulator provably cannot wrap for any input.

use super::model::{GainTables, IntegerBlock, IntegerLayer, IntegerModel, Product};
use crate::net::{Shapes, Weights};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// The largest magnitude of an activation.
const LIMIT: f64 = 8191.0;
const HEADROOM: f64 = 1.5;
/// The number of rows of the quality tables.
const ROWS: usize = 51;
/// The largest fraction, for tensors that are nearly zero.
const MAX_FRACTION: i32 = 14;
const SCALE_FRACTION: i32 = 7;
const HYPER_LIMIT: f64 = super::tables::REACH as f64;

/// The largest magnitude of every tensor that gets a fraction, by a name such as `e.0.p2.in`.
pub(super) type Reach = BTreeMap<String, f32>;

/// The result of quantising a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The name of the layer.
    pub name: String,
    /// The number of fraction bits of its output.
    pub fraction: i32,
    /// The number of bits that its accumulator is shifted by.
    pub shift: u8,
    /// The number of bits of its largest weight, including the sign.
    pub weight_bits: f64,
    /// 2^31 divided by the largest magnitude that the accumulator can reach. It is above 1.
    pub margin: f64,
}

/// Quantises a network. Returns the integer model and how each layer was fitted.
pub(super) fn quantise(
    weights: &Weights,
    reach: &Reach,
    profile: u8,
    skip_below: u8,
) -> Result<(IntegerModel, Vec<Fit>)> {
    let shapes = weights.shapes();
    let mut to = Quantiser { weights, reach, layers: BTreeMap::new(), report: Vec::new() };
    let stack = |name: &str, depth| (0..depth).map(|i| format!("{name}.{i}")).collect::<Vec<_>>();
    let (e_blocks, d_blocks) = (stack("e", shapes.ne), stack("d", shapes.nd));
    let one = |name: &str| [name.to_owned()];
    // The steps have to fit into their table, also if all calibration pictures were flat.
    let coarsest = values(weights, "y_gain")?.into_iter().map(|gain| (-gain).exp()).fold(0.0, f64::max);
    let y = to.fraction(&["latents"])?.min((65535.0 / coarsest).log2().floor() as i32);

    // The float network's input is p / 255 - 1/2, and the integer network's is 2p - 255.
    let (first, e) = (to.fraction(&["e_in.out"])?, to.stream(&e_blocks)?);
    let own = to.parameters("e_in")?.scaled(|w| w / 510.0, |b| b);
    to.add("e_in", own, &[0], first, 255.0)?;
    e_blocks.iter().try_for_each(|name| to.block(name, e))?;
    to.plain("e_out", e, y)?;

    let (he1, he2) = (to.stream(&one("he1"))?, to.stream(&one("he2"))?);
    to.plain("he_in", y, he1)?;
    to.block("he1", he1)?;
    to.plain("he_mid", he1, he2)?;
    to.block("he2", he2)?;
    let z = to.fraction(&["he_out.out"])?;
    to.plain("he_out", he2, z)?;

    let (hd1, hd2, prior) = (to.stream(&one("hd1"))?, to.stream(&one("hd2"))?, to.stream(&one("hd3"))?);
    let own = to.parameters("hd_in")?;
    to.add("hd_in", own, &[0], hd1, HYPER_LIMIT)?;
    to.block("hd1", hd1)?;
    to.plain("hd_mid", hd1, hd2)?;
    to.block("hd2", hd2)?;
    to.plain("hd_out", hd2, prior)?;
    to.block("hd3", prior)?;
    to.head("head0", "scale0", "mean0", prior, y)?;

    let ctx = to.stream(&one("ctx"))?;
    let both: Vec<i32> = [vec![y; shapes.m], vec![prior; shapes.p]].concat();
    for k in 0..3 {
        let name = format!("ctx_in.{k}");
        let own = to.parameters(&name)?;
        to.add(&name, own, &both, ctx, LIMIT)?;
    }
    to.block("ctx", ctx)?;
    to.head("head", "scale", "mean", ctx, y)?;

    let (d, last) = (to.stream(&d_blocks)?, to.fraction(&["d_out.in"])?);
    to.plain("d_in", y, d)?;
    d_blocks.iter().try_for_each(|name| to.block(name, d))?;
    // An output of 0 means 127.5 in the float network and 128 in the integer one. The inputs are ordered by tap.
    let own = to.parameters("d_out")?.tap_major().scaled(|w| w * 255.0, |b| b * 255.0 - 0.5);
    to.add("d_out", own, &[last], 0, LIMIT)?;

    let quality = quality(weights, e - first, last - d, y)?;
    let byte = |what: &str, v: i32| {
        u8::try_from(v)
            .map_err(|_| Error::weights(what, format!("needs a fraction of {v} bits, which is out of range")))
    };
    let (z_shift, y_fraction) = (byte("he_out.weight", z)?, byte("e_out.weight", y)?);
    let Quantiser { layers, report, .. } = to;
    Ok((IntegerModel { shapes, profile, skip_below, z_shift, y_fraction, layers, quality }, report))
}

/// A layer's weights `[outputs][inputs]` and biases before rounding.
struct Parameters {
    weight: Vec<Vec<f64>>,
    bias: Vec<f64>,
}

impl Parameters {
    fn scaled(self, of_weight: impl Fn(f64) -> f64, of_bias: impl Fn(f64) -> f64) -> Self {
        let weight = self.weight.into_iter().map(|row| row.into_iter().map(&of_weight).collect()).collect();
        Self { weight, bias: self.bias.into_iter().map(of_bias).collect() }
    }

    /// Reorders the inputs from (channel, tap) to (tap, channel).
    fn tap_major(self) -> Self {
        let turned = |row: Vec<f64>| {
            (0..9).flat_map(|t| row[t..].iter().step_by(9).copied().collect::<Vec<_>>()).collect()
        };
        Self { weight: self.weight.into_iter().map(turned).collect(), bias: self.bias }
    }
}

struct Quantiser<'a> {
    weights: &'a Weights,
    reach: &'a Reach,
    layers: BTreeMap<String, IntegerLayer>,
    report: Vec<Fit>,
}

impl Quantiser<'_> {
    /// The number of fraction bits for a tensor that has these names.
    fn fraction(&self, names: &[&str]) -> Result<i32> {
        let mut largest = 0.0f64;
        for &name in names {
            let reach = self
                .reach
                .get(name)
                .ok_or_else(|| Error::weights(name, "was not observed on any picture"))?;
            largest = largest.max(f64::from(*reach) * HEADROOM);
        }
        Ok((LIMIT / largest.max(LIMIT / f64::from(1 << MAX_FRACTION))).log2().floor() as i32)
    }

    /// The fraction of the residual stream of a stack of blocks.
    fn stream(&self, blocks: &[String]) -> Result<i32> {
        let names: Vec<String> =
            blocks.iter().flat_map(|b| ["in", "f1.in", "out"].map(|side| format!("{b}.{side}"))).collect();
        self.fraction(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn parameters(&self, name: &str) -> Result<Parameters> {
        let (weight, bias) = (
            values(self.weights, &format!("{name}.weight"))?,
            values(self.weights, &format!("{name}.bias"))?,
        );
        let inputs = weight.len() / bias.len().max(1);
        Ok(Parameters { weight: weight.chunks_exact(inputs).map(<[f64]>::to_vec).collect(), bias })
    }

    /// Quantises a layer. `inputs` holds the fraction of all its inputs, or one for each input.
    fn product(
        &mut self,
        name: &str,
        own: Parameters,
        inputs: &[i32],
        fraction: i32,
        limit: f64,
    ) -> Result<Product> {
        let unit = |j: usize| 2f64.powi(inputs[if inputs.len() == 1 { 0 } else { j }]);
        let rows: Vec<Vec<f64>> =
            own.weight.iter().map(|row| row.iter().enumerate().map(|(j, w)| w / unit(j)).collect()).collect();
        let mut worst = 0.0;
        for shift in (0..=30u8).rev() {
            let scale = 2f64.powi(fraction + i32::from(shift));
            let whole = |v: &f64| (v * scale).round_ties_even();
            let weight: Vec<Vec<f64>> = rows.iter().map(|row| row.iter().map(whole).collect()).collect();
            let bias: Vec<f64> = own.bias.iter().map(whole).collect();
            let half = f64::from(1u32 << shift >> 1);
            worst = weight.iter().zip(&bias).fold(0.0, |worst: f64, (row, bias)| {
                worst.max(row.iter().map(|w| w.abs()).sum::<f64>() * limit + bias.abs() + half)
            });
            let largest = weight.iter().flatten().fold(0.0, |most: f64, w| most.max(w.abs()));
            if largest <= 32767.0 && worst < 2f64.powi(31) {
                let weight_bits = largest.max(1.0).log2() + 1.0;
                let margin = 2f64.powi(31) / worst;
                self.report.push(Fit { name: name.to_owned(), fraction, shift, weight_bits, margin });
                return Ok(Product { weight, bias, shift, fraction: fraction.max(0) as u8 });
            }
        }
        Err(Error::weights(
            name,
            format!("can reach {worst:.4e} in its accumulator at shift 0, which is 2^31 or more"),
        ))
    }

    fn add(&mut self, name: &str, own: Parameters, inputs: &[i32], fraction: i32, limit: f64) -> Result<()> {
        let layer = self.product(name, own, inputs, fraction, limit)?;
        self.layers.insert(name.to_owned(), IntegerLayer::Product(layer));
        Ok(())
    }

    fn plain(&mut self, name: &str, input: i32, fraction: i32) -> Result<()> {
        let own = self.parameters(name)?;
        self.add(name, own, &[input], fraction, LIMIT)
    }

    /// Quantises a block whose stream has the fraction `f`.
    fn block(&mut self, name: &str, f: i32) -> Result<()> {
        let at = |to: &Self, part: &str| to.fraction(&[&format!("{name}.{part}")]);
        let (a, d, uv) = (at(self, "dw.in")?, at(self, "p2.in")?, at(self, "f1.out")?);
        let h = at(self, "f2.in")?.min(2 * uv);
        let mut layer = |part: &str, input: i32, output: i32| {
            let name = format!("{name}.{part}");
            let own = self.parameters(&name)?;
            self.product(&name, own, &[input], output, LIMIT)
        };
        let (p1, dw, p2) = (layer("p1", f, a)?, layer("dw", a, d)?, layer("p2", d, f)?);
        let (f1, f2) = (layer("f1", f, uv)?, layer("f2", h, f)?);
        let gate_shift =
            u8::try_from(2 * uv - h).map_err(|_| Error::weights(name, "has a gate that is nearly zero"))?;
        self.layers.insert(
            name.to_owned(),
            IntegerLayer::Block(Box::new(IntegerBlock { p1, dw, p2, f1, gate_shift, f2 })),
        );
        Ok(())
    }

    /// Splits a head into its two layers. The logarithm of sigma becomes binary.
    fn head(&mut self, name: &str, scale: &str, mean: &str, input: i32, y: i32) -> Result<()> {
        let m = self.weights.shapes().m;
        let Parameters { weight, bias } = self.parameters(name)?;
        let rows = |range: std::ops::Range<usize>| Parameters {
            weight: weight[range.clone()].to_vec(),
            bias: bias[range].to_vec(),
        };
        let log2e = 1.0 / LN_2;
        self.add(scale, rows(0..m).scaled(|w| w * log2e, |b| b * log2e), &[input], SCALE_FRACTION, LIMIT)?;
        self.add(mean, rows(m..2 * m), &[input], y, LIMIT)
    }
}

/// The integer gain tables, with rows spread evenly over the quality axis and shifts as large as u16 allows.
///
/// `enc_bits` and `dec_bits` are the bits that a gain adds to the fraction of its tensor.
fn quality(weights: &Weights, enc_bits: i32, dec_bits: i32, y: i32) -> Result<GainTables> {
    let Shapes { knots, .. } = weights.shapes();
    let rows = |name: &str, f: &dyn Fn(f64) -> f64| -> Result<Vec<Vec<f64>>> {
        let table = values(weights, name)?;
        let width = table.len() / knots;
        let row = |r: usize| {
            let knot = r as f64 * (knots - 1) as f64 / (ROWS - 1) as f64;
            let i = (knot.floor() as usize).min(knots - 2);
            let part = knot - i as f64;
            let (low, high) = (&table[i * width..][..width], &table[(i + 1) * width..][..width]);
            low.iter().zip(high).map(|(a, b)| f(a * (1.0 - part) + b * part)).collect()
        };
        Ok((0..ROWS).map(row).collect())
    };
    let enc = rows("enc_gain", &|v| v.exp() * 2f64.powi(enc_bits))?;
    let dec = rows("dec_gain", &|v| v.exp() * 2f64.powi(dec_bits))?;
    let step = rows("y_gain", &|v| (-v).exp() * 2f64.powi(y))?;
    let gain_shift = spare_bits(&[&enc, &dec])?;
    let step_shift = spare_bits(&[&step])?;
    let whole = |table: Vec<Vec<f64>>, shift: u8, least: f64| {
        let one = |v: f64| (v * 2f64.powi(shift.into())).round_ties_even().max(least);
        table.into_iter().map(|row| row.into_iter().map(one).collect()).collect()
    };
    Ok(GainTables {
        enc: whole(enc, gain_shift, 0.0),
        dec: whole(dec, gain_shift, 0.0),
        step: whole(step, step_shift, 1.0),
        log_gain: rows("y_gain", &|v| (v * 128.0 / LN_2).round_ties_even())?,
        gain_shift,
        step_shift,
    })
}

/// The largest number of fraction bits for which every value fits into u16.
fn spare_bits(tables: &[&Vec<Vec<f64>>]) -> Result<u8> {
    let largest =
        tables.iter().flat_map(|table| table.iter().flatten()).fold(0.0, |most: f64, v| most.max(*v));
    let bits = (65535.0 / largest).log2().floor();
    if bits.is_finite() && bits >= 0.0 {
        Ok(bits.min(30.0) as u8)
    } else {
        Err(Error::weights("gains", format!("reach {largest:.4e} in a quality table, above 65535")))
    }
}

fn values(weights: &Weights, name: &str) -> Result<Vec<f64>> {
    let var = weights.var(name).ok_or_else(|| Error::weights(name, "is missing"))?;
    let values: Vec<f32> = var.flatten_all()?.to_vec1()?;
    Ok(values.into_iter().map(f64::from).collect())
}
