//! The decoder's side of the walk: turns substreams into symbols, and reports the damaged ones.

use super::{Coded, Symbols};
use crate::band::{Band, Group};
use crate::conceal::Lost;
use crate::container::{Chunk, ChunkState, Stream};
use crate::damage::{Damage, DamageCause};
use crate::empty::Empty;
use crate::entropy;
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::context::PASSES;
use crate::net::{Plane, Scratch, hyper};
use crate::quality::{Gains, Quality};
use crate::rect::Rect;
use crate::threads;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the groups of one stream share.
pub(crate) struct GroupDecoder<'a> {
    pub stream: &'a Stream<'a>,
    pub model: &'a Model,
    pub isa: Isa,
    pub gains: &'a Gains,
    pub quality: Quality,
    pub passes: usize,
    pub empty: Option<&'a Empty>,
    /// Bits of each position of the picture, to which those of its groups are added.
    pub bits: Option<&'a Mutex<Vec<f32>>>,
}

impl GroupDecoder<'_> {
    /// Decodes the latents of the groups of a band that `support` covers, and returns what is damaged.
    pub fn band(&self, band: &Band, support: &Rect, threads: usize) -> Damaged {
        let needed: Vec<&Group> = band.groups.iter().filter(|group| group.rect.meets(support)).collect();
        let damaged = Mutex::new(Vec::new());
        threads::for_each(threads, &needed, Scratch::default, |scratch, group| {
            let mut reader = ReadSymbols {
                decoder: self,
                substreams: self.substreams(group.index),
                intact: true,
                lost: None,
                damaged: Vec::new(),
                bits: vec![
                    0.0;
                    if self.bits.is_some() { group.rect.height() * group.rect.width() } else { 0 }
                ],
                width: group.rect.width(),
            };
            if self.empty.is_none_or(|empty| !empty.is_empty(group.index)) {
                let latents = std::mem::take(&mut *group.plane());
                let latents = super::group(self.model, self.isa, self.gains, latents, &mut reader, scratch);
                *group.plane() = latents;
            } else if matches!(reader.substreams[0].state, ChunkState::Present(_)) {
                // The chunk is there, but its values cannot be decoded: this says why.
                let (height, width) = hyper::hyper_shape(group.rect.height(), group.rect.width());
                reader.hyper(height, width);
            }
            if let Some(all) = self.bits {
                reader.add_bits(group, band.width(), all);
            }
            let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
            damaged.push((group.index, reader.lost, reader.damaged));
        });
        let mut damaged = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
        damaged.sort_by_key(|&(group, ..)| group);
        let lost = damaged.iter().filter_map(|&(group, lost, _)| Some((group, lost?))).collect();
        Damaged { lost, substreams: damaged.into_iter().flat_map(|(.., damaged)| damaged).collect() }
    }

    /// The substreams of a group: z, then the passes.
    fn substreams(&self, group: usize) -> Vec<&Chunk<'_>> {
        let chunks = &self.stream.chunks;
        let groups = self.stream.header.groups().count() as usize;
        let all = &chunks[chunks.len() - groups * (PASSES + 1)..];
        (0..=PASSES).map(|index| &all[index * groups + group]).collect()
    }
}

/// What is damaged in a band.
pub(crate) struct Damaged {
    /// The substreams that are present but cannot be decoded.
    pub substreams: Vec<Damage>,
    /// The groups of which no pass can be shown, by their index in the picture.
    pub lost: BTreeMap<usize, Lost>,
}

/// The decoder's side of the walk. After the first lost substream of a group the later ones are useless, because their
/// meaning depends on it.
struct ReadSymbols<'a> {
    decoder: &'a GroupDecoder<'a>,
    substreams: Vec<&'a Chunk<'a>>,
    intact: bool,
    /// What is left of the group, if no pass of it can be shown.
    lost: Option<Lost>,
    damaged: Vec<Damage>,
    /// Bits of each position of the group, by the model's probabilities; empty if they are not wanted.
    bits: Vec<f32>,
    /// Columns of positions of the group.
    width: usize,
}

impl ReadSymbols<'_> {
    /// Adds the bits of the group to those of the picture, which has `width` columns.
    fn add_bits(&self, group: &Group, width: usize, all: &Mutex<Vec<f32>>) {
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        for (y, row) in group.rect.rows.clone().zip(self.bits.chunks_exact(self.width)) {
            let start = y * width + group.rect.columns.start;
            all[start..start + row.len()].iter_mut().zip(row).for_each(|(sum, bits)| *sum += bits);
        }
    }

    /// Shares the bits of hyper-latents among the positions that they belong to.
    fn share_bits(&mut self, z: &Plane, contexts: &[u8], book: &entropy::Book) {
        if self.bits.is_empty() {
            return;
        }
        let rows = self.bits.len() / self.width;
        for (place, values) in z.data.chunks_exact(z.channels).enumerate() {
            let (y, x) = (4 * (place / z.width), 4 * (place % z.width));
            let contexts = &contexts[place * z.channels..];
            let bits: f32 = values.iter().zip(contexts).map(|(&v, &c)| book.bits(c, v)).sum();
            let (ys, xs) = (y..(y + 4).min(rows), x..(x + 4).min(self.width));
            let share = bits / (ys.len() * xs.len()) as f32;
            ys.for_each(|y| self.bits[y * self.width..][xs.clone()].iter_mut().for_each(|sum| *sum += share));
        }
    }

    fn take(&mut self, index: usize, book: &entropy::Book, contexts: &[u8]) -> Vec<i16> {
        let mut values = vec![0; contexts.len()];
        let chunk = self.substreams[index];
        let ChunkState::Present(bytes) = chunk.state else {
            self.intact = false;
            return values;
        };
        if self.intact
            && index <= self.decoder.passes
            && let Err(error) = entropy::decode(book, bytes, contexts, &mut values)
        {
            self.damaged.push(Damage::undecodable(chunk.kind, error));
            self.intact = false;
            values.fill(0);
        }
        values
    }
}

impl Symbols for ReadSymbols<'_> {
    fn hyper(&mut self, height: usize, width: usize) -> Plane {
        let mut z = Plane::new(height, width, self.decoder.model.net.shapes.z);
        let book = self.decoder.model.hyper_book(self.decoder.quality);
        let contexts = hyper::contexts(&z);
        z.data = self.take(0, book, &contexts);
        if self.intact {
            self.share_bits(&z, &contexts, book);
        }
        if let Some(found) = hyper::out_of_range(&z.data) {
            let cause = DamageCause::OutOfRange { found, limit: hyper::Z_MAX as i16 };
            self.damaged.push(Damage { part: self.substreams[0].kind, cause });
            self.intact = false;
            z.data.fill(0);
        }
        self.lost = (!self.intact).then_some(Lost::All);
        z
    }

    fn pass(&mut self, pass: usize, coded: &Coded, _: &Plane) -> Vec<i16> {
        let book = &self.decoder.model.latents;
        let values = self.take(pass + 1, book, &coded.levels);
        if !self.bits.is_empty() && self.intact && pass < self.decoder.passes {
            let m = self.decoder.model.net.shapes.m;
            for ((&site, &level), &value) in coded.sites.iter().zip(&coded.levels).zip(&values) {
                self.bits[site as usize / m] += book.bits(level, value);
            }
        }
        if pass == 0 && self.decoder.passes > 0 && !self.intact {
            self.lost.get_or_insert(Lost::Passes);
        }
        values
    }
}
