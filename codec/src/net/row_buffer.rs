//! The last rows of a 3x3 layer's input, and the columns that the layer reads and makes.

use crate::rect;
use std::ops::Range;

/// The columns of a strip that a 3x3 layer reads and those that it makes, in a plane of this size.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerColumns {
    pub plane: (usize, usize),
    pub input: Range<usize>,
    pub output: Range<usize>,
}

impl LayerColumns {
    /// All columns of a plane of this size.
    pub fn all(plane: (usize, usize)) -> Self {
        Self { plane, input: 0..plane.1, output: 0..plane.1 }
    }

    /// The columns of `layers` layers whose last one makes `core`, in order. Each layer reads one column more than it makes
    /// on either side, as far as the plane has one.
    pub fn of_layers(plane: (usize, usize), core: &Range<usize>, layers: usize) -> Vec<Self> {
        let grown = |by: usize| rect::grown(core, by, plane.1);
        let layer = |left: usize| Self { plane, input: grown(left), output: grown(left - 1) };
        (1..=layers).rev().map(layer).collect()
    }
}

/// The last rows of a 3x3 layer's input, with a border of zeros.
#[derive(Debug, Default)]
pub(super) struct RowBuffer {
    pub columns: LayerColumns,
    channels: usize,
    slots: usize,
    /// `[slots + 1, width + 2, channels]`; the last slot stays zero, for rows beyond the plane.
    pub data: Vec<i16>,
    /// The rows that have been received.
    known: Option<Range<usize>>,
}

impl RowBuffer {
    /// For at most `rows_at_once` rows at a time.
    pub fn new(columns: LayerColumns, channels: usize, rows_at_once: usize) -> Self {
        let mut buffer = Self::default();
        buffer.reset(columns, channels, rows_at_once);
        buffer
    }

    /// Forgets all rows, and makes room for another layer in the same memory.
    pub fn reset(&mut self, columns: LayerColumns, channels: usize, rows_at_once: usize) {
        (self.slots, self.channels, self.known) = (rows_at_once + 2, channels, None);
        self.data.clear();
        self.data.resize((self.slots + 1) * (columns.input.len() + 2) * channels, 0);
        self.columns = columns;
    }

    fn slot(&self, slot: usize) -> usize {
        slot * (self.columns.input.len() + 2) * self.channels
    }

    /// Offset of a row's first position inside the border.
    pub fn at(&self, row: usize) -> usize {
        self.slot(row % self.slots) + self.channels
    }

    /// Offsets, in the rows above, at and below `row`, of the left neighbour of the output's column `x`.
    pub fn around(&self, row: usize, x: usize) -> [usize; 3] {
        let left = (self.columns.output.start - self.columns.input.start + x) * self.channels;
        let inside = |row: usize| if row < self.columns.plane.0 { row % self.slots } else { self.slots };
        let above = row.checked_sub(1).map_or(self.slots, inside);
        [above, inside(row), inside(row + 1)].map(|slot| self.slot(slot) + left)
    }

    /// The most rows that can be received at a time.
    pub fn rows_at_once(&self) -> usize {
        self.slots - 2
    }

    /// The rows that get their last neighbour when `rows` are received.
    pub fn after(&self, rows: Range<usize>) -> Range<usize> {
        if rows.is_empty() {
            return rows;
        }
        let known = self.known.clone().unwrap_or(rows.start..rows.start);
        let waiting = known.end.saturating_sub(1);
        let start = waiting.max(if known.start == 0 { 0 } else { known.start + 1 });
        let end = if rows.end == self.columns.plane.0 { rows.end } else { rows.end - 1 };
        start..end.max(start)
    }

    /// Records that `rows` have been received, and returns the rows that got their last neighbour.
    pub fn advance(&mut self, rows: Range<usize>) -> Range<usize> {
        let ready = self.after(rows.clone());
        if !rows.is_empty() {
            self.known.get_or_insert(rows.clone()).end = rows.end;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_ready_when_its_neighbours_are_there() {
        let columns = |height| LayerColumns::all((height, 4));
        let mut buffer = RowBuffer::new(columns(5), 2, 3);
        assert_eq!(buffer.advance(0..0), 0..0);
        assert_eq!(buffer.advance(0..1), 0..0);
        assert_eq!(buffer.advance(1..4), 0..3);
        assert_eq!(buffer.advance(4..5), 3..5);
        let mut inner = RowBuffer::new(columns(9), 2, 3);
        assert_eq!(inner.advance(2..4), 3..3);
        assert_eq!(inner.advance(4..7), 3..6);
        let mut low = RowBuffer::new(columns(1), 2, 3);
        assert_eq!(low.advance(0..1), 0..1);
    }

    #[test]
    fn columns_shrink_to_the_core_but_not_at_the_edge() {
        let layers = LayerColumns::of_layers((8, 10), &(1..4), 3);
        let found: Vec<_> = layers.iter().map(|c| (c.input.clone(), c.output.clone())).collect();
        assert_eq!(found, [(0..7, 0..6), (0..6, 0..5), (0..5, 1..4)]);
    }
}
