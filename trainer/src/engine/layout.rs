//! Where each parameter is in the engine's one vector of numbers, and the layers that use them.

use super::kernel::Path;
use super::pack::PackedWeights;
use crate::net::{PASS_QUARTER, Shapes};
use crate::optim::is_inner_matrix;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The samples of a patch of 8x8 pixels.
pub(super) const PATCH: usize = 192;
/// The input of the analysis is `2 * sample - 255`, which every cell holds exactly; the network's is this much of it.
pub(super) const INPUT_SCALE: f32 = 1.0 / 510.0;

/// A product over the channels with a bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    pub outputs: usize,
    pub inputs: usize,
    /// The place of the weights `[outputs, inputs]` and of the biases.
    pub weight: usize,
    pub bias: usize,
    /// The index of the packed weights.
    pub packed: usize,
}

/// A residual block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub channels: usize,
    pub hidden: usize,
    pub p1: Linear,
    /// The place of the taps `[9, channels]` and of their biases.
    pub taps: usize,
    pub tap_bias: usize,
    pub p2: Linear,
    pub f1: Linear,
    pub f2: Linear,
}

/// A parameter of the network.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub name: String,
    pub offset: usize,
    /// The dimensions of its tensor.
    pub dims: Vec<usize>,
}

impl Parameter {
    pub(super) fn count(&self) -> usize {
        self.dims.iter().product()
    }

    /// The sides of an inner matrix, or `None` for other parameters.
    pub(super) fn matrix(&self) -> Option<(usize, usize)> {
        is_inner_matrix(&self.name, self.dims.len()).then(|| (self.dims[0], self.dims[1]))
    }

    /// Copies a tensor into numbers in the engine's order.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if it has another shape.
    pub(super) fn gather(&self, tensor: &Tensor, numbers: &mut [f32]) -> Result<()> {
        if tensor.dims() != self.dims {
            let detail = format!("has shape {:?}; expected {:?}", tensor.dims(), self.dims);
            return Err(Error::weights(&self.name, detail));
        }
        let found = tensor.flatten_all()?.to_vec1::<f32>()?;
        numbers.iter_mut().zip(self.order()).for_each(|(number, at)| *number = found[at]);
        Ok(())
    }

    /// The place in the tensor of each number in the engine's order. Filters have their taps before their channels.
    fn order(&self) -> Vec<usize> {
        let &[outputs, inputs, 3, 3] = self.dims.as_slice() else { return (0..self.count()).collect() };
        if inputs == 1 {
            return (0..9 * outputs).map(|i| i % outputs * 9 + i / outputs).collect();
        }
        let at = |i: usize| (i / (9 * inputs), i / inputs % 9, i % inputs);
        (0..self.count()).map(at).map(|(output, tap, input)| (output * inputs + input) * 9 + tap).collect()
    }
}

/// How the packed weights of a layer are made.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A matrix `[outputs, inputs]`, with a factor for the forward product.
    Matrix { layer: Linear, scale: f32, split: bool },
    /// The rows of one quarter of the latents in a head `[2 m, p]`.
    Quarter { head: Linear, quarter: usize },
    /// The filters `[192, 9, c]` of the output.
    Filters { layer: Linear },
}

/// All layers.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub shapes: Shapes,
    pub parameters: Vec<Parameter>,
    pub total: usize,
    sources: Vec<Source>,
    pub e_in: Linear,
    pub e: Vec<Block>,
    pub e_out: Linear,
    pub he_in: Linear,
    pub he1: Block,
    pub he_mid: Linear,
    pub he2: Block,
    pub he_out: Linear,
    pub hd_in: Linear,
    pub hd1: Block,
    pub hd_mid: Linear,
    pub hd2: Block,
    pub hd_out: Linear,
    pub hd3: Block,
    /// The heads of the first pass and of the others, and the packed weights of their quarters.
    pub heads: [Linear; 2],
    pub quarters: [[usize; 4]; 2],
    pub ctx_in: [Linear; 3],
    pub ctx: Block,
    pub d_in: Linear,
    pub d: Vec<Block>,
    pub d_out: Linear,
    pub enc_gain: usize,
    pub dec_gain: usize,
    pub y_gain: usize,
    /// The places of the parameters of the hyper-latents' density.
    pub z_h: usize,
    pub z_b: usize,
    pub z_a: usize,
}

impl Layout {
    /// Lays out the parameters of a network.
    pub(super) fn new(shapes: Shapes) -> Self {
        let mut total = 0;
        let mut parameters = Vec::new();
        let mut places = BTreeMap::new();
        for (name, dims) in shapes.parameters() {
            places.insert(name.clone(), (total, dims.clone()));
            let count: usize = dims.iter().product();
            parameters.push(Parameter { name, offset: total, dims });
            total += count.next_multiple_of(16);
        }
        let mut sources = Vec::new();
        let place = |name: &str| places[name].0;
        let bare = |name: &str| {
            let (weight, dims) = &places[&format!("{name}.weight")];
            let inputs = dims[1..].iter().product();
            Linear {
                outputs: dims[0],
                inputs,
                weight: *weight,
                bias: place(&format!("{name}.bias")),
                packed: 0,
            }
        };
        let mut add = |source: Source| {
            sources.push(source);
            sources.len() - 1
        };
        let mut linear = |name: &str| {
            let mut layer = bare(name);
            // The rounding of these weights would shift the whole picture, and dominate the gradients of a trained
            // network.
            let split = ["e_in", "e_out", "d_in"].contains(&name);
            let scale = if name == "e_in" { INPUT_SCALE } else { 1.0 };
            layer.packed = add(Source::Matrix { layer, scale, split });
            layer
        };
        let (e_in, e_out) = (linear("e_in"), linear("e_out"));
        let (he_in, he_mid, he_out) = (linear("he_in"), linear("he_mid"), linear("he_out"));
        let (hd_in, hd_mid, hd_out) = (linear("hd_in"), linear("hd_mid"), linear("hd_out"));
        let ctx_in = [0, 1, 2].map(|i| linear(&format!("ctx_in.{i}")));
        let d_in = linear("d_in");
        let mut block = |name: &str| {
            let p1 = linear(&format!("{name}.p1"));
            let f2 = linear(&format!("{name}.f2"));
            Block {
                channels: p1.outputs,
                hidden: f2.inputs,
                p1,
                taps: place(&format!("{name}.dw.weight")),
                tap_bias: place(&format!("{name}.dw.bias")),
                p2: linear(&format!("{name}.p2")),
                f1: linear(&format!("{name}.f1")),
                f2,
            }
        };
        let e = (0..shapes.ne).map(|i| block(&format!("e.{i}"))).collect();
        let d = (0..shapes.nd).map(|i| block(&format!("d.{i}"))).collect();
        let [he1, he2, hd1, hd2, hd3, ctx] = ["he1", "he2", "hd1", "hd2", "hd3", "ctx"].map(&mut block);
        let heads = [bare("head0"), bare("head")];
        let quarters = heads.map(|head| [0, 1, 2, 3].map(|quarter| add(Source::Quarter { head, quarter })));
        let mut d_out = bare("d_out");
        d_out.packed = add(Source::Filters { layer: d_out });
        Self {
            shapes,
            total,
            e_in,
            e,
            e_out,
            he_in,
            he1,
            he_mid,
            he2,
            he_out,
            hd_in,
            hd1,
            hd_mid,
            hd2,
            hd_out,
            hd3,
            heads,
            quarters,
            ctx_in,
            ctx,
            d_in,
            d,
            d_out,
            enc_gain: place("enc_gain"),
            dec_gain: place("dec_gain"),
            y_gain: place("y_gain"),
            z_h: place("z_prior.h"),
            z_b: place("z_prior.b"),
            z_a: place("z_prior.a"),
            sources,
            parameters,
        }
    }

    /// Whether the engine can compute this network: pairs of cells must not cross layers.
    pub(super) fn is_supported(shapes: Shapes) -> bool {
        let even = |width: usize| width > 0 && width.is_multiple_of(2);
        let widths = shapes.blocks().into_iter().map(|(_, width)| width);
        shapes.m.is_multiple_of(8)
            && [shapes.c, shapes.z, shapes.p].into_iter().all(even)
            && widths.into_iter().all(|width| even(shapes.hidden(width)))
    }

    /// Copies tensors by name into numbers in the engine's order.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if a tensor is missing or has another shape.
    pub(super) fn gather(&self, numbers: &mut [f32], tensor: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        for parameter in &self.parameters {
            let found =
                tensor(&parameter.name).ok_or_else(|| Error::weights(&parameter.name, "is missing"))?;
            parameter.gather(&found, &mut numbers[parameter.offset..])?;
        }
        Ok(())
    }

    /// Removes the gradients of the taps that a linear network does not use.
    pub(super) fn clear_unused_taps(&self, gradients: &mut [f32]) {
        let Linear { outputs, inputs, weight, .. } = self.d_out;
        let c = inputs / 9;
        for (tap, part) in gradients[weight..][..outputs * inputs].chunks_exact_mut(c).enumerate() {
            if tap % 9 != 4 {
                part.fill(0.0);
            }
        }
    }

    /// The numbers of one parameter, in the engine's order, as a tensor.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if candle refuses them.
    pub(super) fn tensor(&self, parameter: &Parameter, numbers: &[f32]) -> Result<Tensor> {
        let mut found = vec![0.0; parameter.count()];
        for (number, at) in numbers.iter().zip(parameter.order()) {
            found[at] = *number;
        }
        Ok(Tensor::from_vec(found, parameter.dims.as_slice(), &Device::Cpu)?)
    }

    /// Packs the weights of all layers, on all threads.
    pub(super) fn pack<P: Path>(&self, path: P, numbers: &[f32], packed: &mut Vec<PackedWeights<P::Cell>>) {
        packed.resize_with(self.sources.len(), PackedWeights::default);
        packed.par_iter_mut().zip(&self.sources).for_each(|(packed, source)| match *source {
            Source::Matrix { layer: Linear { outputs, inputs, weight, .. }, scale, split } => {
                let w = &numbers[weight..][..outputs * inputs];
                packed.pack(path, (outputs, inputs), split, |n, k| w[n * inputs + k] * scale);
            }
            Source::Quarter { head: Linear { outputs, inputs, weight, .. }, quarter } => {
                let quarter_outputs = outputs / 8;
                let row = |n: usize| quarter_row(n, quarter, quarter_outputs);
                packed.pack(path, (outputs / 4, inputs), false, |n, k| numbers[weight + row(n) * inputs + k]);
            }
            Source::Filters { layer: Linear { outputs, inputs, weight, .. } } => {
                let w = &numbers[weight..][..outputs * inputs];
                packed.pack_filters(path, (outputs, inputs / 9), w);
            }
        });
    }

    /// The quarter of the latents that a pass codes at a phase of a 2x2 cell.
    pub(super) fn quarter(pass: usize, phase: usize) -> usize {
        PASS_QUARTER[pass][phase]
    }
}

/// The row of a head for output `n` of a quarter with this number of latents: first log-sigmas, then means.
pub(super) fn quarter_row(n: usize, quarter: usize, latents: usize) -> usize {
    let (part, latent) = (n / latents, n % latents);
    (4 * part + quarter) * latents + latent
}
