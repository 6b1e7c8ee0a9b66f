//! Layers that receive their input row by row. A 3x3 layer keeps the last rows that it needs, so each row of a strip is
//! computed once, and a few rows of memory are enough for any height: they stay in the processor's cache between layers.

use super::layers::{Block, BlockBuffers, POSITIONS_AT_ONCE};
use super::row_buffer::{LayerColumns, RowBuffer};
use crate::kernel::{self, Destination, Epilogue, Isa, Packed, Segment};
use crate::saturating::{product, sum};
use std::ops::Range;

/// Consecutive rows of activations, `[count, width, channels]`.
#[derive(Debug, Default)]
pub(crate) struct ActivationRows {
    /// The index of the first row in the plane.
    pub first: usize,
    pub count: usize,
    pub width: usize,
    pub channels: usize,
    pub data: Vec<i16>,
}

impl ActivationRows {
    /// Makes room for these rows. Their content is undefined: it is left over from earlier rows.
    pub fn shape(&mut self, rows: Range<usize>, width: usize, channels: usize) {
        (self.first, self.count, self.width, self.channels) = (rows.start, rows.len(), width, channels);
        self.data.resize(self.count * width * channels, 0);
    }

    /// Offset of a row of the plane.
    pub fn at(&self, row: usize) -> usize {
        (row - self.first) * self.width * self.channels
    }

    /// A row of the plane.
    pub fn row(&self, row: usize) -> &[i16] {
        &self.data[self.at(row)..][..self.width * self.channels]
    }
}

/// Buffers that the strips of one thread use in turn.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The rows that pass from layer to layer.
    pub rows: ActivationRows,
    next: ActivationRows,
    /// Input of the first layer, output of the last one.
    pub input: Vec<i16>,
    pub output: Vec<i16>,
    buffers: BlockBuffers,
}

/// One residual block of a strip.
#[derive(Debug)]
pub(crate) struct RollingBlock {
    buffer: RowBuffer,
    /// The input row that waits for the row below it.
    waiting: Vec<i16>,
}

impl RollingBlock {
    pub fn new(columns: LayerColumns, channels: usize, rows_at_once: usize) -> Self {
        let waiting = vec![0; columns.input.len() * channels];
        Self { buffer: RowBuffer::new(columns, channels, rows_at_once), waiting }
    }

    /// Runs the block: takes `work.rows`, and replaces them with the rows that are ready.
    pub fn push(&mut self, isa: Isa, block: &Block, work: &mut Work) {
        let (first, end, c) = (work.rows.first, work.rows.first + work.rows.count, work.rows.channels);
        let all = self.buffer.after(first..end);
        work.next.shape(all, self.buffer.columns.output.len(), c);
        // At the lower edge there are more rows than usual, because those that waited in earlier layers are ready too.
        for start in (first..end).step_by(self.buffer.rows_at_once()) {
            let rows = start..(start + self.buffer.rows_at_once()).min(end);
            for row in rows.clone() {
                let segment =
                    Segment { data: &work.rows.data, start: work.rows.at(row), stride: c, k: 0, len: c };
                let start = self.buffer.at(row);
                let destination = Destination { data: &mut self.buffer.data, start, stride: c };
                let panels = block.p1.panels();
                kernel::product(
                    isa,
                    &block.p1,
                    panels,
                    &[segment],
                    work.rows.width,
                    Epilogue::Leaky,
                    destination,
                );
            }
            for row in self.buffer.advance(rows) {
                self.finish(isa, block, row, work);
            }
        }
        if let Some(last) = (first..end).last() {
            self.waiting.copy_from_slice(work.rows.row(last));
        }
        std::mem::swap(&mut work.rows, &mut work.next);
    }

    /// Computes a row that has all its neighbours, in `work.next`.
    fn finish(&self, isa: Isa, block: &Block, row: usize, work: &mut Work) {
        let LayerColumns { input, output, .. } = &self.buffer.columns;
        let (width, c) = (output.len(), work.rows.channels);
        let left = (output.start - input.start) * c;
        let from = if row < work.rows.first { &self.waiting } else { work.rows.row(row) };
        let at = work.next.at(row);
        work.next.data[at..][..width * c].copy_from_slice(&from[left..][..width * c]);
        for x in (0..width).step_by(POSITIONS_AT_ONCE) {
            let rows = self.buffer.around(row, x);
            let destination = Destination { data: &mut work.next.data, start: at + x * c, stride: c };
            block.rest(
                isa,
                &self.buffer.data,
                rows,
                destination,
                POSITIONS_AT_ONCE.min(width - x),
                &mut work.buffers,
            );
        }
    }
}

/// A 3x3 convolution of a strip.
#[derive(Debug)]
pub(crate) struct RollingConv(RowBuffer);

impl RollingConv {
    pub fn new(columns: LayerColumns, channels: usize, rows_at_once: usize) -> Self {
        Self(RowBuffer::new(columns, channels, rows_at_once))
    }

    /// Takes `work.rows`, and calls `each(row, outputs)` for each row that is ready.
    pub fn push(&mut self, isa: Isa, layer: &Packed, work: &mut Work, mut each: impl FnMut(usize, &[i16])) {
        let (buffer, x) = (&mut self.0, &work.rows);
        let (end, c, width) = (x.first + x.count, x.channels, buffer.columns.output.len());
        work.output.resize(width * layer.outputs(), 0);
        for start in (x.first..end).step_by(buffer.rows_at_once()) {
            let rows = start..(start + buffer.rows_at_once()).min(end);
            for row in rows.clone() {
                let at = buffer.at(row);
                buffer.data[at..][..x.width * c].copy_from_slice(x.row(row));
            }
            for row in buffer.advance(rows) {
                let starts = buffer.around(row, 0);
                let segments = [0, 1, 2].map(|dy| Segment {
                    data: &buffer.data,
                    start: starts[dy],
                    stride: c,
                    k: dy * 3 * c,
                    len: 3 * c,
                });
                let destination = Destination { data: &mut work.output, start: 0, stride: layer.outputs() };
                kernel::product(isa, layer, layer.panels(), &segments, width, Epilogue::Plain, destination);
                each(row, &work.output);
            }
        }
    }
}

/// Bytes that `layers` layers of a strip keep, with at most `width` columns, for at most `rows_at_once` rows at a time.
pub(crate) fn kept_bytes(width: usize, channels: usize, layers: usize, rows_at_once: usize) -> u64 {
    // The rows of each layer, one row of zeros, and the row that waits.
    product([2, width + 2, channels, layers, rows_at_once + 4])
}

/// Bytes of the buffers of one thread, without the input of the first layer and the output of the last one.
pub(crate) fn work_bytes(width: usize, channels: usize, rows_at_once: usize) -> u64 {
    // Two sets of rows; the activations of a chunk, at most eight times as wide as the layer.
    sum([product([2, width, channels, 2, rows_at_once + 1]), product([2, 8, POSITIONS_AT_ONCE, channels])])
}
