//! Conceals lost groups: their latents are predicted from those of the groups around them, and the layers of the synthesis blend
//! the result over the border.

use crate::band::{Band, Group};
use crate::net::Plane;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a decoder shows in place of groups of which no pass can be decoded, because their hyper-latents or their first pass is
/// lost. A group that lacks only later passes shows what the others predict, in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Concealment {
    /// What the groups to the left, to the right and above suggest. This is the default.
    #[default]
    Neighbours,
    /// What zeros decode to, as `docs/format.md` describes it. Only this result is the same for a region and for the whole
    /// picture, and in every implementation.
    Zeros,
}

/// What is left of a group of which no pass can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The hyper-latents, so that its latents are at least predicted.
    Passes,
    /// Nothing.
    All,
}

/// A prediction from hyper-latents alone weighs as much as an edge at this distance, in latents.
const PREDICTED: usize = 2;
/// Distances of a full weight: `1 / distance` in units of `1 / WEIGHT`.
const WEIGHT: i64 = 1 << 20;

/// The latents above the rows that come next: of each column of groups, the last row of latents that was decoded.
#[derive(Debug, Default)]
pub(crate) struct Above {
    columns: Vec<Option<Edge>>,
}

/// A row or a column of decoded latents beside a lost group.
#[derive(Debug, Clone)]
struct Edge {
    /// Its row or column in the picture.
    line: usize,
    /// `[length, channels]`.
    latents: Vec<i16>,
}

impl Above {
    /// Conceals the groups of a band that are `lost`, given by their index in the picture. Bands must come in order.
    pub fn conceal(&mut self, band: &Band, lost: &BTreeMap<usize, Lost>) {
        let width = band.columns();
        self.columns.resize(width, None);
        for row in band.groups.chunks(width) {
            if row.iter().any(|group| lost.contains_key(&group.index)) {
                self.conceal_row(row, lost);
            }
            for (group, above) in row.iter().zip(&mut self.columns) {
                let plane = group.plane();
                if !lost.contains_key(&group.index) && !plane.data.is_empty() {
                    let latents = plane.run(plane.height - 1, 0, plane.width).to_vec();
                    *above = Some(Edge { line: group.rect.rows.end - 1, latents });
                }
            }
        }
    }

    fn conceal_row(&self, row: &[Group], lost: &BTreeMap<usize, Lost>) {
        let is_sound = |group: &&Group| !lost.contains_key(&group.index) && !group.plane().data.is_empty();
        for (i, group) in row.iter().enumerate() {
            let Some(&left_of_it) = lost.get(&group.index) else { continue };
            let left = row[..i].iter().rev().find(is_sound).map(|group| column(group, End::Last));
            let right = row[i + 1..].iter().find(is_sound).map(|group| column(group, End::First));
            fill(group, left_of_it, [left.as_ref(), right.as_ref()], self.columns[i].as_ref());
        }
    }
}

enum End {
    First,
    Last,
}

/// The first or last column of a group.
fn column(group: &Group, end: End) -> Edge {
    let plane = group.plane();
    let (x, line) = match end {
        End::First => (0, group.rect.columns.start),
        End::Last => (plane.width - 1, group.rect.columns.end - 1),
    };
    let latents = (0..plane.height).flat_map(|y| plane.run(y, x, 1).to_vec()).collect();
    Edge { line, latents }
}

/// Fills a group with the weighted mean of its edges and of what is left of it. The farther an edge is, the less it weighs and the more of it is
/// averaged, so that its texture fades and its colour stays.
fn fill(group: &Group, lost: Lost, sides: [Option<&Edge>; 2], above: Option<&Edge>) {
    let mut plane = group.plane();
    let Plane { height, width, channels, .. } = *plane;
    if plane.data.is_empty() || (above.is_none() && sides.iter().all(Option::is_none)) {
        return;
    }
    let (first_row, first_column) = (group.rect.rows.start, group.rect.columns.start);
    for channel in 0..channels {
        let sides = sides.map(|edge| edge.map(|edge| (edge.line, sums(edge, channel, channels))));
        let above = above.map(|edge| (edge.line, sums(edge, channel, channels)));
        for y in 0..height {
            for x in 0..width {
                let at = plane.at(y, x) + channel;
                let mut weights = if lost == Lost::Passes { WEIGHT / PREDICTED as i64 } else { 0 };
                let mut sum = weights * i64::from(plane.data[at]);
                let across =
                    sides.iter().flatten().map(|(line, sums)| (line.abs_diff(first_column + x), sums, y));
                let down = above.iter().map(|(line, sums)| (line.abs_diff(first_row + y), sums, x));
                for (distance, sums, along) in across.chain(down) {
                    let weight = WEIGHT / distance.max(1) as i64;
                    sum += weight * mean(sums, along.saturating_sub(distance / 2)..along + distance / 2 + 1);
                    weights += weight;
                }
                plane.data[at] = sum.div_euclid(weights.max(1)) as i16;
            }
        }
    }
}

/// Sums of one channel of an edge: the one at `i` is that of the first `i` latents.
fn sums(edge: &Edge, channel: usize, channels: usize) -> Vec<i64> {
    let latents = edge.latents.iter().skip(channel).step_by(channels.max(1));
    let mut sum = 0;
    let following = latents.map(|&latent| {
        sum += i64::from(latent);
        sum
    });
    std::iter::once(0).chain(following).collect()
}

/// The mean over a range of an edge, or over the part of the range that the edge has.
fn mean(sums: &[i64], range: Range<usize>) -> i64 {
    let last = sums.len() - 1;
    let (start, end) = (range.start.min(last.saturating_sub(1)), range.end.min(last));
    (sums[end] - sums[start]).div_euclid((end - start).max(1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::band::Grid;
    use crate::rect::Rect;

    /// Groups of 4 x 4 latents, the one in the middle lost. `value` gives the latent at a position of the picture.
    fn concealed(value: impl Fn(usize, usize) -> i16, lost: &[usize], groups_deep: usize) -> Vec<Vec<i16>> {
        let lost: BTreeMap<usize, Lost> = lost.iter().map(|&group| (group, Lost::All)).collect();
        let grid = Grid { height: 12, width: 12, side: 4, groups_deep };
        let mut above = Above::default();
        let mut rows = Vec::new();
        for band in grid.bands(0..12) {
            band.fill(&Rect::new(0, 0, 12, 12), 1);
            for row in band.rows.clone() {
                let latents: Vec<i16> = (0..12).map(|x| value(row, x)).collect();
                band.write(row, 0..12, &latents);
            }
            for group in band.groups.iter().filter(|group| lost.contains_key(&group.index)) {
                group.plane().data.fill(0);
            }
            above.conceal(&band, &lost);
            for row in band.rows.clone() {
                let mut latents = vec![0; 12];
                band.read(row, 0..12, &mut latents);
                rows.push(latents);
            }
        }
        rows
    }

    #[test]
    fn a_lost_group_continues_its_neighbours_and_leaves_them_alone() {
        let slope = |y: usize, x: usize| 100 + 10 * y as i16 + 20 * x as i16;
        let rows = concealed(slope, &[4], 1);
        for (y, row) in rows.iter().enumerate() {
            for (x, &found) in row.iter().enumerate() {
                let inside = (4..8).contains(&y) && (4..8).contains(&x);
                let wrong = found.abs_diff(slope(y, x));
                assert!(wrong <= if inside { 40 } else { 0 }, "{y} {x}: {found}, expected {}", slope(y, x));
            }
        }
        let flat = concealed(|_, _| -77, &[0, 4, 5, 8], 1);
        assert!(flat.iter().flatten().all(|&latent| latent == -77), "{flat:?}");
    }

    /// The depth of a band follows from the number of threads, which must not change a pixel.
    #[test]
    fn the_result_does_not_depend_on_the_depth_of_bands() {
        let value = |y: usize, x: usize| (y * 31 + x * 17) as i16 % 200 - 90;
        for lost in [&[4][..], &[0, 1, 2, 3], &[1, 4, 7], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let one = concealed(value, lost, 1);
            assert_eq!(one, concealed(value, lost, 2), "{lost:?}");
            assert_eq!(one, concealed(value, lost, 3), "{lost:?}");
        }
    }
}
