//! Windows: the rectangles and strips that a plane is divided into.
//!
//! Analysis and synthesis compute a strip with a halo as wide as the layers reach, so that the result does not depend on how
//! the plane is divided.

use std::ops::Range;

/// A rectangle of positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Window {
    /// A rectangle from its corner and sides.
    pub fn new(y: usize, x: usize, height: usize, width: usize) -> Self {
        Self { rows: y..y + height, columns: x..x + width }
    }

    pub fn height(&self) -> usize {
        self.rows.len()
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Divides the rectangle into windows of at most `side` (rows, columns).
    pub fn cut(&self, side: (usize, usize)) -> Vec<Self> {
        let mut out = Vec::new();
        for y in self.rows.clone().step_by(side.0) {
            for x in self.columns.clone().step_by(side.1) {
                out.push(Self {
                    rows: y..(y + side.0).min(self.rows.end),
                    columns: x..(x + side.1).min(self.columns.end),
                });
            }
        }
        out
    }

    /// Grows by `halo` on each side, within a plane of `height` x `width`.
    pub fn grow(&self, halo: usize, height: usize, width: usize) -> Self {
        Self { rows: grown(&self.rows, halo, height), columns: grown(&self.columns, halo, width) }
    }

    /// Whether the two share a position.
    pub fn meets(&self, other: &Self) -> bool {
        let overlap = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        overlap(&self.rows, &other.rows) && overlap(&self.columns, &other.columns)
    }

    /// The smallest rectangle that covers this one on a grid half as fine.
    pub fn halved(&self) -> Self {
        let halve = |r: &Range<usize>| r.start / 2..r.end.div_ceil(2);
        Self { rows: halve(&self.rows), columns: halve(&self.columns) }
    }
}

/// Grows a range by `halo` on each side, within `0..end`.
pub(crate) fn grown(range: &Range<usize>, halo: usize, end: usize) -> Range<usize> {
    range.start.saturating_sub(halo)..range.end.saturating_add(halo).min(end)
}

/// How to divide a picture. The result does not depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub threads: usize,
    /// The most rows and columns of a window, in 8x8 patches.
    pub largest: (usize, usize),
}

impl Cut {
    /// For `threads` threads, with windows that stay in the processor's cache.
    pub fn new(threads: usize) -> Self {
        Self { threads, largest: LARGEST }
    }
}

/// The most rows that are painted at a time, and so many columns that a few rows of all layers stay in the second-level
/// cache.
const LARGEST: (usize, usize) = (128, 256);
/// The fewest columns of a strip: each strip also computes its halo on either side.
const NARROWEST: usize = 16;

/// The most rows of patches that go through a strip at a time.
pub(crate) const MOST_ROWS: usize = 8;

/// Divides columns into strips of at most `widest` columns, enough of them for `threads`.
pub(crate) fn strips(columns: Range<usize>, threads: usize, widest: usize) -> Vec<Range<usize>> {
    let (all, threads) = (columns.len(), threads.max(1));
    let mut count = all.div_ceil(widest.max(1)).max(threads.min(all / NARROWEST)).max(1);
    if count > threads {
        count = count.next_multiple_of(threads);
    }
    let width = all.div_ceil(count).max(1);
    columns.clone().step_by(width).map(|x| x..(x + width).min(columns.end)).collect()
}

/// Rows of patches that go through a strip of `columns` columns at a time, an even number. There are enough positions to make
/// it worth loading the weights into the cache.
pub(crate) fn batch(columns: usize) -> usize {
    2 * (256 / columns.max(1)).clamp(1, MOST_ROWS / 2)
}
