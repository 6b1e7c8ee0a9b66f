//! Bands: rows of groups that are in memory together. An encode or a decode goes from band to band, from the top of the
//! picture to the bottom.

use crate::net::Plane;
use crate::rect::Rect;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The fewest rows of latents of a band, so that small groups do not lead to many short bands.
const LEAST_ROWS: usize = 32;

/// How the latents of a picture are divided into groups and bands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Rows and columns of latents.
    pub height: usize,
    pub width: usize,
    /// Rows and columns of a whole group.
    pub side: usize,
    /// Rows of groups in a band.
    pub groups_deep: usize,
}

impl Grid {
    /// Divides a picture of `height` x `width` pixels, into bands that keep the threads busy.
    pub fn new((height, width): (u32, u32), group_log2: u8, threads: usize) -> Self {
        let [height, width] = [height, width].map(|side| side.div_ceil(16) as usize);
        let side = (1_usize << group_log2) / 16;
        let (rows, columns) = (height.div_ceil(side), width.div_ceil(side));
        let threads = threads.clamp(1, rows * columns);
        // All threads walk the groups of a band together: few of them should be idle at its end.
        let idle = |deep: usize| {
            let groups = deep * columns;
            10 * (groups.next_multiple_of(threads) - groups) <= groups
        };
        let least = LEAST_ROWS.div_ceil(side);
        let deep = (least..least + threads).find(|&deep| idle(deep)).unwrap_or(least + threads);
        Self { height, width, side, groups_deep: deep.min(rows) }
    }

    /// Number of groups in a row.
    pub fn columns(&self) -> usize {
        self.width.div_ceil(self.side)
    }

    /// Number of groups in a column.
    pub fn rows(&self) -> usize {
        self.height.div_ceil(self.side)
    }

    /// Number of groups in the picture.
    pub fn groups(&self) -> usize {
        self.rows() * self.columns()
    }

    /// The latents of a group.
    pub fn rect(&self, group: usize) -> Rect {
        let place = |index: usize, all: usize| index * self.side..((index + 1) * self.side).min(all);
        let columns = self.columns();
        Rect { rows: place(group / columns, self.height), columns: place(group % columns, self.width) }
    }

    /// Rows of latents in a whole band.
    pub fn band_rows(&self) -> usize {
        (self.groups_deep * self.side).min(self.height)
    }

    /// The bands that hold any of these rows of latents, from top to bottom.
    pub fn bands(&self, rows: Range<usize>) -> impl Iterator<Item = Band> + use<> {
        let (grid, tall) = (*self, self.groups_deep * self.side);
        (rows.start / tall..rows.end.div_ceil(tall)).map(move |band| Band::new(grid, band))
    }

    /// One of the bands, counted from the top.
    pub fn band(&self, index: usize) -> Band {
        Band::new(*self, index)
    }
}

/// The latents of some rows of groups, each group in a plane of its own.
#[derive(Debug)]
pub(crate) struct Band {
    grid: Grid,
    /// Rows of latents.
    pub rows: Range<usize>,
    /// Its groups, with their index in the picture.
    pub groups: Vec<Group>,
}

/// A group of a band.
#[derive(Debug)]
pub(crate) struct Group {
    pub index: usize,
    pub rect: Rect,
    plane: Mutex<Plane>,
}

impl Group {
    /// Its latents; empty until the band is filled.
    pub fn plane(&self) -> MutexGuard<'_, Plane> {
        self.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Band {
    /// Number of positions in a row of the picture.
    pub fn width(&self) -> usize {
        self.grid.width
    }

    /// Number of groups in a row.
    pub fn columns(&self) -> usize {
        self.grid.columns()
    }

    fn new(grid: Grid, band: usize) -> Self {
        let tall = grid.groups_deep * grid.side;
        let rows = band * tall..((band + 1) * tall).min(grid.height);
        let first = band * grid.groups_deep * grid.columns();
        let rects = Rect::new(rows.start, 0, rows.len(), grid.width).tiles((grid.side, grid.side));
        let group = |(i, rect)| Group { index: first + i, rect, plane: Mutex::default() };
        Self { grid, rows, groups: rects.into_iter().enumerate().map(group).collect() }
    }

    /// Gives every group that has latents in `area` a plane of zeros. One thread allocates them all, so that the memory of
    /// one band is reused for the next.
    pub fn fill(&self, area: &Rect, channels: usize) {
        self.fill_those(area, channels, |_| true);
    }

    /// [`Self::fill`], only for groups whose index is wanted.
    pub fn fill_those(&self, area: &Rect, channels: usize, wanted: impl Fn(usize) -> bool) {
        let wanted = |group: &&Group| group.rect.meets(area) && wanted(group.index);
        for group in self.groups.iter().filter(wanted) {
            *group.plane() = Plane::new(group.rect.height(), group.rect.width(), channels);
        }
    }

    /// Copies the latents of a row and these columns into `out`; groups without a plane leave `out` as it is.
    pub fn read(&self, row: usize, columns: Range<usize>, out: &mut [i16]) {
        self.each_part(row, columns, |plane, y, x, part| {
            if plane.data.is_empty() {
                return;
            }
            let part = part.start * plane.channels..part.end * plane.channels;
            let count = part.len() / plane.channels;
            out[part].copy_from_slice(plane.run(y, x, count));
        });
    }

    /// Copies the latents of a row and these columns into their groups.
    pub fn write(&self, row: usize, columns: Range<usize>, latents: &[i16]) {
        self.each_part(row, columns, |plane, y, x, part| {
            let part = part.start * plane.channels..part.end * plane.channels;
            let count = part.len() / plane.channels;
            plane.run_mut(y, x, count).copy_from_slice(&latents[part]);
        });
    }

    /// Calls `each(plane, row and column in it, positions counted from the first column)` for each group that a row crosses.
    fn each_part(
        &self,
        row: usize,
        columns: Range<usize>,
        mut each: impl FnMut(&mut Plane, usize, usize, Range<usize>),
    ) {
        let side = self.grid.side;
        let first = (row - self.rows.start) / side * self.grid.columns();
        let mut x = columns.start;
        while x < columns.end {
            let group = &self.groups[first + x / side];
            let end = group.rect.columns.end.min(columns.end);
            let (y, from) = (row - group.rect.rows.start, x - group.rect.columns.start);
            each(&mut group.plane(), y, from, x - columns.start..end - columns.start);
            x = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_keep_threads_busy_and_hold_every_group_once() {
        for (size, group_log2, threads, deep) in [
            ((3000, 4000), 10, 2, 1),
            ((3000, 2500), 10, 2, 2),
            ((9000, 500), 10, 16, 9),
            ((32768, 32768), 10, 2, 1),
            ((200, 200), 6, 3, 4),
            ((1, 1), 14, 1, 1),
            ((9000, 9000), 10, usize::MAX, 9),
        ] {
            let grid = Grid::new(size, group_log2, threads);
            assert_eq!(grid.groups_deep, deep, "{size:?}");
            let groups: Vec<usize> =
                grid.bands(0..grid.height).flat_map(|b| b.groups.into_iter().map(|g| g.index)).collect();
            assert_eq!(groups, (0..grid.groups()).collect::<Vec<_>>(), "{size:?}");
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let grid = Grid { height: 5, width: 7, side: 2, groups_deep: 2 };
        for band in grid.bands(0..5) {
            band.fill(&Rect::new(0, 0, 5, 7), 2);
            for row in band.rows.clone() {
                let latents: Vec<i16> = (0..14).map(|i| 100 * row as i16 + i).collect();
                band.write(row, 0..3, &latents[..6]);
                band.write(row, 3..7, &latents[6..]);
                let mut found = [0; 10];
                band.read(row, 1..6, &mut found);
                assert_eq!(found, latents[2..12]);
            }
        }
    }
}
