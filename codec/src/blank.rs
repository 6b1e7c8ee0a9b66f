//! A shortcut for groups that hold nothing, because the file ends before them or never had them.
//!
//! The pixels of such a group depend only on its size, and away from its edges they repeat every four latents. So they are
//! synthesised once, in a small picture of empty groups, and copied from there: the cost of a decode grows with what the
//! file holds, not with the size that its header claims.

use crate::Result;
use crate::band::{Band, Grid};
use crate::kernel::Path;
use crate::memory::{Load, product};
use crate::model::Model;
use crate::net::synthesis::{self, Synthesis};
use crate::net::{Plane, Scratch, Shapes};
use crate::picture::Color;
use crate::quality::Gains;
use crate::walk::{self, Coded, Symbols};
use crate::window::{Cut, Window};
use std::ops::Range;

/// The latents of an empty group repeat with this period, except near its edges.
const PERIOD: usize = 4;
/// Latents at the edge of an empty group that do not repeat: hd1 reads two latents away; hd2, hd3 and the three runs of ctx
/// read one each.
const EDGE: usize = 8;
/// The shortcut is taken only if it copies this many times the pixels of the small picture.
const WORTH: u64 = 2;

/// The empty groups of a picture, and how it folds into a small one.
#[derive(Debug)]
pub(crate) struct Empty {
    pub grid: Grid,
    rows: Fold,
    columns: Fold,
    /// For each group, whether it holds nothing.
    empty: Vec<bool>,
    /// For each group, whether its synthesis sees only empty groups.
    plain: Vec<bool>,
}

impl Empty {
    /// Returns `None` if `area` has so few empty groups that they may as well be decoded like the others.
    pub fn new(shapes: &Shapes, grid: Grid, area: &Window, empty: Vec<bool>) -> Option<Self> {
        let reach = synthesis::reach(shapes);
        let (rows, columns) =
            (Fold::new(grid.height, grid.side, reach), Fold::new(grid.width, grid.side, reach));
        let plain = eroded(&empty, grid, reach.div_ceil(grid.side));
        let copied: u64 = plain
            .iter()
            .enumerate()
            .filter(|&(_, &plain)| plain)
            .map(|(group, _)| {
                let window = pixels(&grid.window(group));
                let shared = |a: &Range<usize>, b: &Range<usize>| {
                    a.end.min(b.end).saturating_sub(a.start.max(b.start))
                };
                product([shared(&window.rows, &area.rows), shared(&window.columns, &area.columns)])
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
    pub fn load(&self, shapes: &Shapes, area: &Window, cut: Cut) -> Load {
        let grid = self.grid;
        let full: Vec<Window> =
            (0..grid.groups()).filter(|&group| !self.empty[group]).map(|group| grid.window(group)).collect();
        let mut bands = vec![0_u64; grid.height.div_ceil(grid.deep * grid.side)];
        for window in &full {
            let band = window.rows.start / (grid.deep * grid.side);
            bands[band] = bands[band].saturating_add(product([window.height(), window.width()]));
        }
        let largest = |side: fn(&Window) -> usize| full.iter().map(side).max().unwrap_or(0);
        Load {
            latents: bands.into_iter().max().unwrap_or(0),
            groups: full.len(),
            largest: (largest(Window::height), largest(Window::width)),
            strips: self.strips(shapes, area, cut),
            blank: Some((self.rows.small(), self.columns.small())),
        }
    }

    /// The most strips that work at a time; those of neighbouring rows of groups overlap.
    fn strips(&self, shapes: &Shapes, area: &Window, cut: Cut) -> usize {
        let busy: Vec<Vec<bool>> = synthesis::strips(area, cut)
            .iter()
            .map(|patches| self.busy(&synthesis::latents(patches)))
            .collect();
        let reach = synthesis::reach(shapes).div_ceil(self.grid.side);
        (0..self.grid.rows())
            .map(|row| {
                let near = row.saturating_sub(2 * reach)..(row + 2 * reach + 1).min(self.grid.rows());
                busy.iter().filter(|busy| busy[near.clone()].contains(&true)).count()
            })
            .max()
            .unwrap_or(0)
    }
}

/// A small picture of empty groups that stands in for those of a large one.
pub(crate) struct Blank<'a> {
    pub empty: &'a Empty,
    band: Band,
    /// Pixels per row of the small picture, and samples per pixel.
    width: usize,
    channels: usize,
    samples: Vec<u8>,
}

impl<'a> Blank<'a> {
    /// Synthesises the small picture.
    pub fn new(
        empty: &'a Empty,
        model: &Model,
        path: Path,
        gains: &Gains,
        color: Color,
        cut: Cut,
    ) -> Result<Self> {
        let (height, width) = (empty.rows.small(), empty.columns.small());
        let side = empty.rows.small_side.max(empty.columns.small_side);
        let grid = Grid { height, width, side, deep: height.div_ceil(side) };
        let band = grid.band(0);
        let (mut made, mut scratch): (Vec<Plane>, _) = (Vec::new(), Scratch::default());
        for group in &band.groups {
            let sides = (group.window.height(), group.window.width());
            let same = made.iter().find(|plane| (plane.height, plane.width) == sides).cloned();
            *group.plane() = same.unwrap_or_else(|| {
                let latents = Plane::new(sides.0, sides.1, model.net.shapes.m);
                let plane = walk::group(model, path, gains, latents, &mut Nothing(model), &mut scratch);
                made.push(plane.clone());
                plane
            });
        }
        let area = Window::new(0, 0, 16 * height, 16 * width);
        let mut samples = Vec::with_capacity(16 * height * 16 * width * color.channels());
        let mut synthesis = Synthesis::new(&model.net, path, gains, (height, width), area, color, cut, None);
        synthesis.push(&band, |rows| {
            samples.extend_from_slice(rows);
            Ok(())
        })?;
        Ok(Self { empty, band, width: 16 * width, channels: color.channels(), samples })
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
    pub fn samples(&self, row: usize, columns: Range<usize>, out: &mut Vec<u8>) {
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

/// The symbols of a group that holds nothing.
struct Nothing<'a>(&'a Model);

impl Symbols for Nothing<'_> {
    fn hyper(&mut self, height: usize, width: usize) -> Plane {
        Plane::new(height, width, self.0.net.shapes.z)
    }

    fn pass(&mut self, _: usize, coded: &Coded, _: &Plane) -> Vec<i16> {
        vec![0; coded.levels.len()]
    }
}

/// How the latents along one side of a picture fold into fewer: whole groups in its middle are left out, and whole periods
/// of each group. Latents near an edge of a group or of the picture keep their distance from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fold {
    /// Number of latents, and of latents in a whole group.
    count: usize,
    side: usize,
    /// The same of the small picture.
    small_last: usize,
    small_side: usize,
    /// Number of groups, and of groups in the small picture.
    groups: usize,
    small_groups: usize,
    /// Groups at the beginning that see the edge of the picture.
    first: usize,
    /// Latents at either edge of a group that do not repeat, or whose pixels do not.
    edge: usize,
}

impl Fold {
    fn new(count: usize, side: usize, reach: usize) -> Self {
        let (groups, edge) = (count.div_ceil(side).max(1), EDGE + reach);
        let first = reach.div_ceil(side).max(1);
        // The last group may be smaller than the others, so the group before it sees something else than they do.
        let small_groups = groups.min(2 * first + 2);
        let folded = |whole: usize, least: usize| match whole.checked_sub(2 * edge) {
            Some(inside) if inside > least => 2 * edge + least + inside % PERIOD,
            _ => whole,
        };
        let last = count - (groups - 1) * side;
        // A whole group is never smaller than the last one, as in any picture.
        let (small_side, small_last) = (folded(side, 2 * PERIOD), folded(last, PERIOD));
        Self { count, side, small_last, small_side, groups, small_groups, first, edge }
    }

    /// Number of latents of the small picture.
    fn small(&self) -> usize {
        (self.small_groups - 1) * self.small_side + self.small_last
    }

    /// The latent of the small picture that `latent` is equal to.
    fn at(&self, latent: usize) -> usize {
        let group = (latent / self.side).min(self.groups - 1);
        let left_out = self.groups - self.small_groups;
        let small = match group {
            group if left_out == 0 || group < self.first => group,
            group if group < self.first + left_out => self.first,
            group => group - left_out,
        };
        let last = group == self.groups - 1;
        let whole = if last { self.count - group * self.side } else { self.side };
        let folded = if last { self.small_last } else { self.small_side };
        let x = latent - group * self.side;
        let inside = if whole == folded || x < self.edge {
            x
        } else if x + self.edge >= whole {
            x - (whole - folded)
        } else {
            self.edge + (x - self.edge) % PERIOD
        };
        small * self.small_side + inside
    }

    /// The runs of neighbouring latents of the small picture that these latents are equal to, in order.
    fn runs(&self, latents: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut next = latents.start;
        std::iter::from_fn(move || {
            if next >= latents.end {
                return None;
            }
            let start = self.at(next);
            let mut end = start;
            while next < latents.end && self.at(next) == end {
                (next, end) = (next + 1, end + 1);
            }
            Some(start..end)
        })
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
fn pixels(latents: &Window) -> Window {
    let wider = |r: &Range<usize>| 16 * r.start..16 * r.end;
    Window { rows: wider(&latents.rows), columns: wider(&latents.columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The synthesis of each latent sees the same in the picture and in the small picture: the same distances from edges, and
    /// the same phase.
    #[test]
    fn a_fold_keeps_what_the_synthesis_of_each_latent_sees() {
        // A latent of an empty group depends on its distance from each edge, as far as it matters, and on its phase.
        let kind = |at: usize, whole: usize| (at.min(EDGE), (whole - 1 - at).min(EDGE), at % PERIOD);
        for (count, side, reach) in [
            (1, 4, 5),
            (3, 64, 5),
            (64, 64, 5),
            (500, 64, 5),
            (513, 64, 5),
            (1000, 4, 5),
            (1001, 4, 9),
            (777, 8, 5),
            (300, 32, 3),
            (300, 33, 1),
            (2000, 1024, 5),
            (1535, 512, 7),
            (40, 1024, 6),
        ] {
            let fold = Fold::new(count, side, reach);
            let small = Fold { count: fold.small(), side: fold.small_side, ..fold.clone() };
            let seen = |at: usize, count: usize, side: usize| -> Vec<Option<_>> {
                (0..=2 * reach)
                    .map(|i| {
                        let at = (at + i).checked_sub(reach).filter(|&at| at < count)?;
                        let whole = side.min(count - at / side * side);
                        Some(kind(at % side, whole))
                    })
                    .collect()
            };
            assert!(fold.small() <= count);
            assert!(fold.small_last <= fold.small_side, "{count} of {side}");
            for at in 0..count {
                let to = fold.at(at);
                assert_eq!(
                    seen(at, count, side),
                    seen(to, small.count, small.side),
                    "{at} of {count} by {side}"
                );
            }
            let all: Vec<usize> = fold.runs(0..count).flatten().collect();
            assert_eq!(all, (0..count).map(|at| fold.at(at)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn groups_near_a_full_one_are_not_plain() {
        let grid = Grid { height: 20, width: 24, side: 4, deep: 1 };
        let mut empty = vec![true; 30];
        empty[7] = false;
        let plain = eroded(&empty, grid, 1);
        let found: Vec<usize> = (0..30).filter(|&group| !plain[group]).collect();
        assert_eq!(found, [0, 1, 2, 6, 7, 8, 12, 13, 14]);
    }
}
