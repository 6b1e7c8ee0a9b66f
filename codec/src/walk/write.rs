//! The encoder's side of the walk: turns latents into symbols, and symbols into substreams.

use super::{Coded, Symbols};
use crate::band::Band;
use crate::entropy;
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::context::{PASSES, QUARTER, phase};
use crate::net::{Plane, Scratch, hyper};
use crate::quality::{Gains, Quality};
use crate::threads;
use std::sync::{Mutex, PoisonError};

/// Largest magnitude of a symbol.
const SYMBOL_MAX: i64 = 16383;

/// Codes the groups of a picture.
pub(crate) struct GroupEncoder<'a> {
    pub model: &'a Model,
    pub isa: Isa,
    pub quality: Quality,
    pub gains: &'a Gains,
    pub threads: usize,
}

/// The coded groups of a picture.
pub(crate) struct Substreams {
    /// z of every group, then pass 0 of every group, up to pass 3.
    pub chunks: Vec<Vec<u8>>,
    /// For each group, the bits that it needs according to the model's probabilities.
    pub bits: Vec<f64>,
}

impl Substreams {
    /// For `groups` groups, none of them coded yet.
    pub fn new(groups: usize) -> Self {
        Self { chunks: vec![Vec::new(); groups * (PASSES + 1)], bits: vec![0.0; groups] }
    }

    fn put(&mut self, group: usize, substreams: Vec<Vec<u8>>, bits: f64) {
        let groups = self.bits.len();
        self.bits[group] = bits;
        for (index, mut bytes) in substreams.into_iter().enumerate() {
            // They are kept to the end, and unused capacity would add up.
            bytes.shrink_to_fit();
            self.chunks[index * groups + group] = bytes;
        }
    }
}

impl GroupEncoder<'_> {
    /// Codes the groups of a band and replaces their latents with the decoded ones. `given` holds the hyper-latents of all
    /// groups of the picture; without it they are computed from the latents.
    pub fn band(&self, band: &Band, given: Option<&[Vec<i16>]>, out: &mut Substreams) {
        let Self { model, isa, quality, gains, threads } = *self;
        let out = Mutex::new(out);
        threads::for_each(threads, &band.groups, Scratch::default, |scratch, group| {
            let y = std::mem::take(&mut *group.plane());
            let z = match given {
                None => hyper::analyse(&model.net, isa, &y, scratch),
                Some(z) => {
                    let (height, width) = hyper::hyper_shape(y.height, y.width);
                    Plane { height, width, channels: model.net.shapes.z, data: z[group.index].clone() }
                }
            };
            let mut writer =
                WriteSymbols { model, quality, gains, y: Vec::new(), z, out: Vec::new(), bits: 0.0 };
            let y_hat = super::group(model, isa, gains, y, &mut writer, scratch);
            let WriteSymbols { out: substreams, bits, .. } = writer;
            *group.plane() = y_hat;
            out.lock().unwrap_or_else(PoisonError::into_inner).put(group.index, substreams, bits);
        });
    }
}

/// The encoder's side of the walk.
struct WriteSymbols<'a> {
    model: &'a Model,
    quality: Quality,
    gains: &'a Gains,
    /// The latents that the pass codes, `[h, w, M/4]`.
    y: Vec<i16>,
    z: Plane,
    /// z, then the passes.
    out: Vec<Vec<u8>>,
    bits: f64,
}

impl WriteSymbols<'_> {
    fn put(&mut self, book: &entropy::Book, contexts: &[u8], values: &[i16]) {
        self.bits += contexts.iter().zip(values).map(|(&c, &v)| f64::from(book.bits(c, v))).sum::<f64>();
        self.out.push(entropy::encode(book, contexts, values));
    }
}

impl Symbols for WriteSymbols<'_> {
    fn hyper(&mut self, _: usize, _: usize) -> Plane {
        let z = self.z.clone();
        self.put(self.model.hyper_book(self.quality), &hyper::contexts(&z), &z.data);
        z
    }

    fn before(&mut self, pass: usize, latents: &Plane) {
        let quarter = latents.channels / 4;
        self.y.clear();
        for y in 0..latents.height {
            for x in 0..latents.width {
                let first = QUARTER[pass][phase(y, x)] * quarter;
                self.y.extend_from_slice(&latents.run(y, x, 1)[first..first + quarter]);
            }
        }
    }

    fn pass(&mut self, _: usize, coded: &Coded, y_hat: &Plane) -> Vec<i16> {
        let (m, quarter) = (y_hat.channels, y_hat.channels / 4);
        let symbol = |&site: &u32| {
            let site = site as usize;
            let (position, channel) = (site / m, site % m);
            let y = self.y[position * quarter + channel % quarter];
            let residual = i64::from(y) - i64::from(y_hat.data[site]);
            let scaled = residual.saturating_mul(self.gains.inverse[channel]);
            let r = scaled.saturating_add(1 << 23) >> 24;
            r.clamp(-SYMBOL_MAX, SYMBOL_MAX) as i16
        };
        let values: Vec<i16> = coded.sites.iter().map(symbol).collect();
        self.put(&self.model.latents, &coded.levels, &values);
        values
    }
}
