//! A shortcut for groups that hold nothing, because the file ends before them or never had them.
//!
//! The pixels of such a group depend only on its size, and away from its edges they repeat every four latents. So they are
//! synthesised once, in a small picture of empty groups, and copied from there: the cost of a decode grows with what the
//! file holds, not with the size that its header claims.

use crate::band::{Band, Grid};
use crate::container::{ChunkKind, Stream};
use crate::entropy;
use crate::fold::Fold;
use crate::limits::Limits;
use crate::load::Load;
use crate::model::Model;
use crate::net::{Plane, Shapes, hyper};
use crate::quality::Quality;
use crate::rect::Rect;
use crate::saturating::product;
use crate::strip::{self, Split};
use std::ops::Range;

/// The shortcut is taken only if it copies this many times the pixels of the small picture.
const WORTH: u64 = 2;

/// Bytes of the shortest substream that holds values: one state of the entropy coder.
const LEAST: usize = 4;
/// A substream with more hyper-latents per byte than this is suspect: photographs hardly ever have so many.
const SUSPECT: u64 = 64;

/// The empty groups of a picture, and how it folds into a small one.
#[derive(Debug)]
pub(crate) struct Empty {
    pub grid: Grid,
    pub rows: Fold,
    pub columns: Fold,
    /// For each group, whether it holds nothing.
    empty: Vec<bool>,
    /// For each group, whether its synthesis sees only empty groups.
    plain: Vec<bool>,
}

impl Empty {
    /// Returns `None` if `area` has so few empty groups that they may as well be decoded like the others.
    pub fn new(shapes: &Shapes, grid: Grid, area: &Rect, empty: Vec<bool>) -> Option<Self> {
        let reach = strip::reach(shapes);
        let (rows, columns) =
            (Fold::new(grid.height, grid.side, reach), Fold::new(grid.width, grid.side, reach));
        let plain = eroded(&empty, grid, reach.div_ceil(grid.side));
        let copied: u64 = plain
            .iter()
            .enumerate()
            .filter(|&(_, &plain)| plain)
            .map(|(group, _)| {
                let rect = pixels(&grid.rect(group));
                let shared = |a: &Range<usize>, b: &Range<usize>| {
                    a.end.min(b.end).saturating_sub(a.start.max(b.start))
                };
                product([shared(&rect.rows, &area.rows), shared(&rect.columns, &area.columns)])
            })
            .sum();
        let small = product([16, 16, rows.small(), columns.small()]);
        (copied > WORTH * small).then_some(Self { grid, rows, columns, empty, plain })
    }

    /// Whether a group holds nothing.
    pub fn is_empty(&self, group: usize) -> bool {
        self.empty[group]
    }

    /// For each row of groups, whether these columns of latents have to be synthesised, not only copied.
    pub fn busy(&self, columns: &Range<usize>) -> Vec<bool> {
        let across = self.grid.columns();
        let columns = columns.start / self.grid.side..columns.end.div_ceil(self.grid.side);
        self.plain.chunks_exact(across).map(|row| row[columns.clone()].contains(&false)).collect()
    }

    /// The load of a decode of `area`.
    pub fn load(&self, shapes: &Shapes, area: &Rect, split: Split) -> Load {
        let grid = self.grid;
        let full: Vec<Rect> =
            (0..grid.groups()).filter(|&group| !self.empty[group]).map(|group| grid.rect(group)).collect();
        let mut bands = vec![0_u64; grid.height.div_ceil(grid.groups_deep * grid.side)];
        for rect in &full {
            let band = rect.rows.start / (grid.groups_deep * grid.side);
            bands[band] = bands[band].saturating_add(product([rect.height(), rect.width()]));
        }
        let largest = |side: fn(&Rect) -> usize| full.iter().map(side).max().unwrap_or(0);
        Load {
            latents: bands.into_iter().max().unwrap_or(0),
            groups: full.len(),
            largest: (largest(Rect::height), largest(Rect::width)),
            strips: self.strips(shapes, area, split),
            blank: Some((self.rows.small(), self.columns.small())),
        }
    }

    /// The most strips that work at a time; those of neighbouring rows of groups overlap.
    fn strips(&self, shapes: &Shapes, area: &Rect, split: Split) -> usize {
        let busy: Vec<Vec<bool>> = strip::of_synthesis(area, split)
            .iter()
            .map(|patches| self.busy(&strip::latents(patches)))
            .collect();
        let reach = strip::reach(shapes).div_ceil(self.grid.side);
        (0..self.grid.rows())
            .map(|row| {
                let near = row.saturating_sub(2 * reach)..(row + 2 * reach + 1).min(self.grid.rows());
                busy.iter().filter(|busy| busy[near.clone()].contains(&true)).count()
            })
            .max()
            .unwrap_or(0)
    }
}

/// For each group, whether the stream holds nothing of it. Without its hyper-latents the rest of a group is useless.
pub(crate) fn groups(stream: &Stream, model: &Model, limits: &Limits) -> Vec<bool> {
    let groups = stream.header.groups();
    let quality = Quality::from_raw(stream.header.quality).unwrap_or_default();
    let holds = |group: u32| {
        let Some(bytes) = stream.bytes(ChunkKind::Hyper { group }).filter(|bytes| bytes.len() >= LEAST)
        else {
            return false;
        };
        let rect = groups.rect(group);
        let (height, width) = hyper::hyper_shape(rect.h as usize, rect.w as usize);
        let values = product([height, width, model.net.shapes.z]);
        // An encoder seldom writes so few bytes. They are decoded here once, so that the network is not run for nothing.
        if bytes.len() as u64 >= values / SUSPECT || limits.check_bytes(values.saturating_mul(3)).is_err() {
            return true;
        }
        let z = Plane::new(height, width, model.net.shapes.z);
        let mut found = vec![0; z.data.len()];
        entropy::decode(model.hyper_book(quality), bytes, &hyper::contexts(&z), &mut found).is_ok()
            && hyper::out_of_range(&found).is_none()
    };
    (0..groups.count() as u32).map(|group| !holds(group)).collect()
}

/// A small picture of empty groups that stands in for those of a large one.
pub(crate) struct Blank<'a, S> {
    pub empty: &'a Empty,
    band: Band,
    /// Pixels per row of the small picture, and samples per pixel.
    width: usize,
    channels: usize,
    samples: Vec<S>,
}

impl<'a, S> Blank<'a, S> {
    /// A small picture, from its latents and its samples.
    pub fn new(empty: &'a Empty, band: Band, channels: usize, samples: Vec<S>) -> Self {
        Self { empty, band, width: 16 * empty.columns.small(), channels, samples }
    }

    /// Copies latents of a row as they are in empty groups.
    pub fn latents(&self, row: usize, columns: Range<usize>, out: &mut [i16]) {
        let channels = out.len() / columns.len().max(1);
        let row = self.empty.rows.at(row);
        let mut rest = out;
        for run in self.empty.columns.runs(columns) {
            let (out, after) = rest.split_at_mut(run.len() * channels);
            self.band.read(row, run, out);
            rest = after;
        }
    }

    /// Copies samples of a row of pixels whose synthesis sees only empty groups.
    pub fn samples(&self, row: usize, columns: Range<usize>, out: &mut Vec<S>)
    where
        S: Copy,
    {
        out.clear();
        let row = 16 * self.empty.rows.at(row / 16) + row % 16;
        let row = &self.samples[row * self.width * self.channels..][..self.width * self.channels];
        // The first run may begin inside a latent, and the last one end inside one.
        let (mut skip, mut left) = (columns.start % 16, columns.len());
        for run in self.empty.columns.runs(columns.start / 16..columns.end.div_ceil(16)) {
            let start = 16 * run.start + skip;
            let count = (16 * run.end - start).min(left);
            out.extend_from_slice(&row[start * self.channels..(start + count) * self.channels]);
            (skip, left) = (0, left - count);
        }
    }
}

/// For each group, whether it is set and all groups up to `reach` away are set too.
fn eroded(set: &[bool], grid: Grid, reach: usize) -> Vec<bool> {
    let (rows, columns) = (grid.rows(), grid.columns());
    let near = |at: usize, all: usize| at.saturating_sub(reach)..(at + reach + 1).min(all);
    let across: Vec<bool> = (0..rows)
        .flat_map(|y| (0..columns).map(move |x| (y, x)))
        .map(|(y, x)| set[y * columns..(y + 1) * columns][near(x, columns)].iter().all(|&set| set))
        .collect();
    (0..rows)
        .flat_map(|y| (0..columns).map(move |x| (y, x)))
        .map(|(y, x)| near(y, rows).all(|y| across[y * columns + x]))
        .collect()
}

/// The pixels of some latents.
fn pixels(latents: &Rect) -> Rect {
    let wider = |r: &Range<usize>| 16 * r.start..16 * r.end;
    Rect { rows: wider(&latents.rows), columns: wider(&latents.columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_near_a_full_one_are_not_plain() {
        let grid = Grid { height: 20, width: 24, side: 4, groups_deep: 1 };
        let mut empty = vec![true; 30];
        empty[7] = false;
        let plain = eroded(&empty, grid, 1);
        let found: Vec<usize> = (0..30).filter(|&group| !plain[group]).collect();
        assert_eq!(found, [0, 1, 2, 6, 7, 8, 12, 13, 14]);
    }
}
