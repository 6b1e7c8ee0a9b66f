//! The widths and depths of the network, and the names and shapes of its parameters.

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// The widths and depths of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shapes {
    /// The number of channels at 1/8 of the picture's size.
    pub c: usize,
    /// The number of latents at each position, at 1/16 of the size. It is a multiple of 4.
    pub m: usize,
    /// The number of hyper-latents at each position, at 1/64 of the size.
    pub z: usize,
    /// The number of channels of the prior, at 1/16 of the size.
    pub p: usize,
    /// The number of blocks of the analysis.
    pub ne: usize,
    /// The number of blocks of the synthesis.
    pub nd: usize,
    /// The width of a block's gated unit divided by the number of channels.
    pub expansion: f64,
    /// The number of points on the quality axis at which gains are learned, at least 2.
    pub knots: usize,
}

impl Shapes {
    /// The profile `fast`: 16 kMAC per pixel to decode.
    pub const FAST: Self = Self { c: 128, m: 384, z: 64, p: 192, ne: 6, nd: 4, expansion: 1.5, knots: 8 };
    /// The profile `best`: 46 kMAC per pixel to decode.
    pub const BEST: Self = Self { c: 192, p: 256, ne: 8, nd: 8, ..Self::FAST };

    /// Infers the shapes from weights.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if a tensor is missing, has a shape that does not match the others, or is not part of
    /// the network.
    pub fn infer(weights: &BTreeMap<String, Tensor>) -> Result<Self> {
        let size = |name: &str, dim: usize| {
            let tensor = weights.get(name).ok_or_else(|| Error::weights(name, "is missing"))?;
            let size = tensor.dims().get(dim).copied();
            size.ok_or_else(|| Error::weights(name, format!("has shape {:?}", tensor.dims())))
        };
        let depth = |stack: &str| {
            (0..).take_while(|i| weights.contains_key(&format!("{stack}.{i}.p1.weight"))).count()
        };
        let shapes = Self {
            c: size("e_in.weight", 0)?,
            m: size("e_out.weight", 0)?,
            z: size("he_in.weight", 0)?,
            p: size("hd_out.weight", 0)?,
            ne: depth("e"),
            nd: depth("d"),
            expansion: size("hd3.f2.weight", 1)? as f64 / size("hd3.f2.weight", 0)?.max(1) as f64,
            knots: size("y_gain", 0)?,
        };
        if !shapes.m.is_multiple_of(4) || shapes.knots < 2 {
            let detail = format!(
                "has {} latents and {} knots; expected a multiple of 4, and at least 2",
                shapes.m, shapes.knots
            );
            return Err(Error::weights("y_gain", detail));
        }
        let expected: BTreeMap<_, _> = shapes.parameters().into_iter().collect();
        for (name, dims) in &expected {
            let found = weights.get(name).ok_or_else(|| Error::weights(name, "is missing"))?;
            if found.dims() != dims {
                let detail = format!("has shape {:?}; expected {dims:?}", found.dims());
                return Err(Error::weights(name, detail));
            }
        }
        match weights.keys().find(|name| !expected.contains_key(*name)) {
            Some(name) => Err(Error::weights(name, "is not part of the network")),
            None => Ok(shapes),
        }
    }

    /// Whether analysis and synthesis are linear: they have no blocks, and code each square of 16x16 pixels on its own.
    /// The entropy model is not linear.
    pub fn is_linear(&self) -> bool {
        self.ne == 0 && self.nd == 0
    }

    /// The mask of the output layer's taps, `[1, 1, 3, 3]`, or `None` if all of them are used. A linear network does
    /// not use neighbours, so that it decodes each square of 16x16 pixels on its own, as a transform does.
    pub(super) fn own_tap(&self, device: &Device) -> Result<Option<Tensor>> {
        if !self.is_linear() {
            return Ok(None);
        }
        let mut own = [0f32; 9];
        own[4] = 1.0;
        Ok(Some(Tensor::new(&own, device)?.reshape((1, 1, 3, 3))?))
    }

    /// The width of the gated unit of a block of `width` channels.
    pub fn hidden(&self, width: usize) -> usize {
        (width as f64 * self.expansion) as usize
    }

    /// The name and shape of every parameter.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let Self { c, m, z, p, knots, .. } = *self;
        let mut all = Vec::new();
        let mut add = |name: &str, dims: &[usize]| all.push((name.to_owned(), dims.to_vec()));
        let linear = |add: &mut dyn FnMut(&str, &[usize]), name: &str, inputs: usize, outputs: usize| {
            add(&format!("{name}.weight"), &[outputs, inputs]);
            add(&format!("{name}.bias"), &[outputs]);
        };
        for (name, inputs, outputs) in [
            ("e_in", 192, c),
            ("e_out", 4 * c, m),
            ("he_in", m, z),
            ("he_mid", 4 * z, z),
            ("he_out", 4 * z, z),
            ("hd_in", z, 4 * z),
            ("hd_mid", z, 4 * z),
            ("hd_out", z, p),
            ("head0", p, 2 * m),
            ("ctx_in.0", m + p, p),
            ("ctx_in.1", m + p, p),
            ("ctx_in.2", m + p, p),
            ("head", p, 2 * m),
            ("d_in", m, 4 * c),
        ] {
            linear(&mut add, name, inputs, outputs);
        }
        for (name, width) in self.blocks() {
            let hidden = self.hidden(width);
            linear(&mut add, &format!("{name}.p1"), width, width);
            linear(&mut add, &format!("{name}.p2"), width, width);
            linear(&mut add, &format!("{name}.f1"), width, 2 * hidden);
            linear(&mut add, &format!("{name}.f2"), hidden, width);
            add(&format!("{name}.dw.weight"), &[width, 1, 3, 3]);
            add(&format!("{name}.dw.bias"), &[width]);
        }
        add("d_out.weight", &[192, c, 3, 3]);
        add("d_out.bias", &[192]);
        add("enc_gain", &[knots, c]);
        add("dec_gain", &[knots, c]);
        add("y_gain", &[knots, m]);
        add("z_prior.h", &[4, z]);
        add("z_prior.b", &[4, z]);
        add("z_prior.a", &[3, z]);
        all
    }

    /// The name and width of every block.
    pub fn blocks(&self) -> Vec<(String, usize)> {
        let stacks = [("e", self.ne), ("d", self.nd)];
        let stacked = stacks.iter().flat_map(|(name, depth)| (0..*depth).map(move |i| format!("{name}.{i}")));
        let single = [
            ("he1", self.z),
            ("he2", self.z),
            ("hd1", self.z),
            ("hd2", self.z),
            ("hd3", self.p),
            ("ctx", self.p),
        ];
        stacked
            .map(|name| (name, self.c))
            .chain(single.map(|(name, width)| (name.to_owned(), width)))
            .collect()
    }
}
