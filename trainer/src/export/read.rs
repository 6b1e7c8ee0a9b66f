//! Reads the integer layers of a model file (docs/format.md, section 8).

use super::model::{GainTables, IntegerBlock, IntegerLayer, IntegerModel, Product, names};
use crate::net::Shapes;
use crate::{Error, Result};

/// The number of bytes of the signature, the version and the profile.
const HEAD: usize = 10;

impl IntegerModel {
    /// Reads a file that [`aecodec::Model::parse`] accepts, without the frequency tables and the card.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the file is truncated, or if the gated units of its blocks differ in their
    /// expansion.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader(bytes);
        let profile = from.take(HEAD)?[HEAD - 1];
        let mut widths = [0; 11];
        for width in &mut widths {
            *width = from.count()?;
        }
        let [c, m, z, p, ne, nd, hidden @ .., rows, _] = widths;
        let shapes = Shapes { c, m, z, p, ne, nd, expansion: hidden[2] as f64 / p.max(1) as f64, knots: 2 };
        if hidden != [c, z, p].map(|width| shapes.hidden(width)) {
            return Err(invalid(format!("gated units of {hidden:?} for {c}, {z} and {p} channels")));
        }
        let [skip_below, gain_shift, step_shift, z_shift, y_fraction] = from.bytes()?;
        let mut layers = std::collections::BTreeMap::new();
        for name in names(ne, nd) {
            let block = name.starts_with("e.") || name.starts_with("d.") || BLOCKS.contains(&name.as_str());
            let layer = if block {
                let (p1, dw, p2, f1) = (from.product()?, from.depthwise()?, from.product()?, from.product()?);
                let [gate_shift] = from.bytes()?;
                IntegerLayer::Block(Box::new(IntegerBlock {
                    p1,
                    dw,
                    p2,
                    f1,
                    gate_shift,
                    f2: from.product()?,
                }))
            } else {
                IntegerLayer::Product(from.product()?)
            };
            layers.insert(name, layer);
        }
        let unsigned = |v: [u8; 2]| f64::from(u16::from_le_bytes(v));
        let mut table = |width, number: fn([u8; 2]) -> f64| {
            (0..rows).map(|_| from.numbers(width, number)).collect::<Result<Vec<_>>>()
        };
        let (enc, dec, step) = (table(c, unsigned)?, table(c, unsigned)?, table(m, unsigned)?);
        let log_gain = table(m, |v| f64::from(i16::from_le_bytes(v)))?;
        let quality = GainTables { enc, dec, step, log_gain, gain_shift, step_shift };
        Ok(Self { shapes, profile, skip_below, z_shift, y_fraction, layers, quality })
    }
}

/// The layers that are blocks, in addition to those of the stacks.
const BLOCKS: [&str; 6] = ["he1", "he2", "hd1", "hd2", "hd3", "ctx"];

fn invalid(detail: String) -> Error {
    Error::Invalid { what: "model file", detail }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.0.split_at_checked(count) else {
            return Err(invalid(format!("{} bytes are missing", count - self.0.len())));
        };
        self.0 = rest;
        Ok(head)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(std::array::from_fn(|i| taken[i]))
    }

    fn count(&mut self) -> Result<usize> {
        Ok(usize::from(u16::from_le_bytes(self.bytes()?)))
    }

    fn numbers<const N: usize>(&mut self, count: usize, number: fn([u8; N]) -> f64) -> Result<Vec<f64>> {
        Ok(self.take(N * count)?.as_chunks().0.iter().map(|&bytes| number(bytes)).collect())
    }

    /// Weights `[outputs][inputs]`.
    fn product(&mut self) -> Result<Product> {
        let inputs = self.count()?;
        let mut layer = self.head()?;
        let row = |from: &mut Self| from.numbers(inputs, |v| f64::from(i16::from_le_bytes(v)));
        layer.weight = (0..layer.bias.len()).map(|_| row(self)).collect::<Result<_>>()?;
        Ok(layer)
    }

    /// Weights `[channels][9]`. In the file, the taps are the outermost dimension.
    fn depthwise(&mut self) -> Result<Product> {
        let mut layer = self.head()?;
        let channels = layer.bias.len();
        let taps = self.numbers(9 * channels, |v| f64::from(i16::from_le_bytes(v)))?;
        layer.weight = (0..channels).map(|c| (0..9).map(|t| taps[t * channels + c]).collect()).collect();
        Ok(layer)
    }

    fn head(&mut self) -> Result<Product> {
        let outputs = self.count()?;
        let [shift, fraction] = self.bytes()?;
        let bias = self.numbers(outputs, |v| f64::from(i32::from_le_bytes(v)))?;
        Ok(Product { weight: Vec::new(), bias, shift, fraction })
    }
}
