//! The integer model and its file format (docs/format.md, section 8).

use super::tables::Table;
use crate::net::Shapes;
use crate::{Error, Result};
use std::collections::BTreeMap;

const SIGNATURE: &[u8] = b"\x89AEM\r\n\x1a\n";
const VERSION: u8 = 1;

/// A layer of integer weights `[outputs][inputs]` (depthwise: `[channels][9]`) and biases.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub weight: Vec<Vec<f64>>,
    pub bias: Vec<f64>,
    pub shift: u8,
    pub fraction: u8,
}

#[derive(Debug, Clone)]
pub(crate) enum IntegerLayer {
    Product(Product),
    Block(Box<IntegerBlock>),
}

#[derive(Debug, Clone)]
pub(crate) struct IntegerBlock {
    pub p1: Product,
    pub dw: Product,
    pub p2: Product,
    pub f1: Product,
    pub gate_shift: u8,
    pub f2: Product,
}

/// Integer tables over the quality axis, `[rows][C or M]`.
#[derive(Debug, Clone)]
pub(crate) struct GainTables {
    pub enc: Vec<Vec<f64>>,
    pub dec: Vec<Vec<f64>>,
    pub step: Vec<Vec<f64>>,
    pub log_gain: Vec<Vec<f64>>,
    pub gain_shift: u8,
    pub step_shift: u8,
}

/// The contents of a model file, except its frequency tables and its card.
#[derive(Debug)]
pub(crate) struct IntegerModel {
    pub shapes: Shapes,
    pub profile: u8,
    pub skip_below: u8,
    pub z_shift: u8,
    pub y_fraction: u8,
    pub layers: BTreeMap<String, IntegerLayer>,
    pub quality: GainTables,
}

impl IntegerModel {
    /// The bytes of the file, with the tables of the levels and of the hyper-latents in each quality band.
    pub(crate) fn write(&self, levels: &[Table], bands: &[Vec<Table>], card: &str) -> Result<Vec<u8>> {
        let Shapes { c, m, z, p, ne, nd, .. } = self.shapes;
        let mut out = Writer(SIGNATURE.to_vec());
        out.0.extend([VERSION, self.profile]);
        for width in [c, m, z, p, ne, nd].into_iter().chain([c, z, p].map(|width| self.shapes.hidden(width)))
        {
            out.number("a width", width as f64, u16_of)?;
        }
        out.number("rows", self.quality.enc.len() as f64, u16_of)?;
        out.number("bands", bands.len() as f64, u16_of)?;
        let GainTables { gain_shift, step_shift, .. } = self.quality;
        out.0.extend([self.skip_below, gain_shift, step_shift, self.z_shift, self.y_fraction]);
        for name in names(ne, nd) {
            match self.layers.get(&name).ok_or_else(|| Error::weights(&name, "was not quantised"))? {
                IntegerLayer::Product(layer) => out.product(&name, layer)?,
                IntegerLayer::Block(block) => {
                    out.product(&name, &block.p1)?;
                    out.depthwise(&name, &block.dw)?;
                    out.product(&name, &block.p2)?;
                    out.product(&name, &block.f1)?;
                    out.0.push(block.gate_shift);
                    out.product(&name, &block.f2)?;
                }
            }
        }
        let GainTables { enc, dec, step, log_gain, .. } = &self.quality;
        for (what, table) in [("enc_gain", enc), ("dec_gain", dec), ("the steps", step)] {
            table.iter().flatten().try_for_each(|&v| out.number(what, v, u16_of))?;
        }
        log_gain.iter().flatten().try_for_each(|&v| out.number("y_gain", v, i16_of))?;
        for table in levels.iter().chain(bands.iter().flatten()) {
            out.0.push((table.len() / 2 - 1) as u8);
            table.iter().for_each(|f| out.0.extend(f.to_le_bytes()));
        }
        out.0.extend((card.len() as u32).to_le_bytes());
        out.0.extend(card.as_bytes());
        Ok(out.0)
    }
}

/// The names of all layers in the file's order.
pub(super) fn names(ne: usize, nd: usize) -> Vec<String> {
    let stack = |name: &'static str, depth| (0..depth).map(move |i| format!("{name}.{i}"));
    let own = |names: &'static [&'static str]| names.iter().map(|name| (*name).to_owned());
    own(&["e_in"])
        .chain(stack("e", ne))
        .chain(own(&["e_out", "he_in", "he1", "he_mid", "he2", "he_out"]))
        .chain(own(&["hd_in", "hd1", "hd_mid", "hd2", "hd_out", "hd3", "scale0", "mean0"]))
        .chain(own(&["ctx_in.0", "ctx_in.1", "ctx_in.2", "ctx", "scale", "mean", "d_in"]))
        .chain(stack("d", nd))
        .chain(own(&["d_out"]))
        .collect()
}

/// Converts an integer to little-endian bytes, or returns `None` if it does not fit.
type Bytes<const N: usize> = fn(f64) -> Option<[u8; N]>;

fn whole(v: f64, low: f64, high: f64) -> Option<i64> {
    (v.fract() == 0.0 && (low..=high).contains(&v)).then_some(v as i64)
}

fn u16_of(v: f64) -> Option<[u8; 2]> {
    whole(v, 0.0, 65535.0).map(|v| (v as u16).to_le_bytes())
}

fn i16_of(v: f64) -> Option<[u8; 2]> {
    whole(v, -32768.0, 32767.0).map(|v| (v as i16).to_le_bytes())
}

fn i32_of(v: f64) -> Option<[u8; 4]> {
    whole(v, f64::from(i32::MIN), f64::from(i32::MAX)).map(|v| (v as i32).to_le_bytes())
}

struct Writer(Vec<u8>);

impl Writer {
    fn number<const N: usize>(&mut self, what: &str, v: f64, bytes: Bytes<N>) -> Result<()> {
        let bytes = bytes(v)
            .ok_or_else(|| Error::weights(what, format!("becomes {v}, which does not fit into its field")))?;
        self.0.extend(bytes);
        Ok(())
    }

    fn product(&mut self, name: &str, layer: &Product) -> Result<()> {
        self.number(name, layer.weight.first().map_or(0, Vec::len) as f64, u16_of)?;
        self.head(name, layer)?;
        layer.weight.iter().flatten().try_for_each(|&v| self.number(name, v, i16_of))
    }

    /// Writes a depthwise layer, with the taps as the outermost dimension.
    fn depthwise(&mut self, name: &str, layer: &Product) -> Result<()> {
        self.head(name, layer)?;
        (0..9).try_for_each(|tap| layer.weight.iter().try_for_each(|row| self.number(name, row[tap], i16_of)))
    }

    fn head(&mut self, name: &str, layer: &Product) -> Result<()> {
        self.number(name, layer.weight.len() as f64, u16_of)?;
        self.0.extend([layer.shift, layer.fraction]);
        layer.bias.iter().try_for_each(|&v| self.number(name, v, i32_of))
    }
}
