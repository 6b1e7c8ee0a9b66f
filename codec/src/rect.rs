//! Rectangles of positions.

use std::ops::Range;

/// A rectangle of positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rect {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Rect {
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

    /// Divides the rectangle into rectangles of at most `side` (rows, columns).
    pub fn tiles(&self, side: (usize, usize)) -> Vec<Self> {
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
