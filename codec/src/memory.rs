//! How much memory an encode or a decode will hold, reckoned before anything is allocated.

use crate::band::Grid;
use crate::net::{Shapes, analysis, synthesis};
use crate::picture::{Color, Head};
use crate::window::{Cut, Window};

/// What the reckoning leaves out: tables, rows, lists of windows, the heads of vectors.
const SMALL: u64 = 1 << 20;
/// Bytes of samples that are taken from a source at once, or some rows of patches where that is more.
const SLICE: usize = 2 << 20;
const SOME_ROWS: usize = 32;

/// Bytes that a decode of `area` holds at most, besides the stream, the picture's samples and alpha.
pub(crate) fn of_decode(shapes: &Shapes, grid: Grid, area: &Window, color: Color, cut: Cut) -> u64 {
    let latents = product(grid.band_rows(), grid.width) * 2 * shapes.m as u64;
    let synthesis = synthesis::bytes(shapes, area, color, cut);
    SMALL.saturating_add(latents).saturating_add(walk(shapes, grid, cut)).saturating_add(synthesis)
}

/// Bytes that alpha takes on its way out of its chunk: it is unpacked whole, with a filter byte a row, and then cut.
pub(crate) fn of_alpha(width: u32, height: u32) -> u64 {
    (u64::from(width) + 1).saturating_mul(height.into()).saturating_mul(3)
}

/// Bytes that an encode holds at most besides the picture. It decodes to measure, so it holds no less than a decode;
/// the search for a target keeps the best attempt while it makes the next.
pub(crate) fn of_encode(shapes: &Shapes, grid: Grid, head: &Head, cut: Cut) -> u64 {
    let area = Window::new(0, 0, head.height as usize, head.width as usize);
    // The latents of the groups that are walked, padded.
    let threads = cut.threads.min(grid.groups()) as u64;
    let group = product(grid.side.min(grid.height) + 3, grid.side.min(grid.width) + 3);
    let walked = threads.saturating_mul(group).saturating_mul(2 * shapes.m as u64);
    let rows = product(rows_held(shapes, grid, head), head.stride());
    // Substreams of two attempts, or of one and the stream: as many bits a pixel as the best quality takes of a photograph.
    let streams = head.pixels().saturating_mul(2);
    of_decode(shapes, grid, &area, head.color, cut)
        .saturating_add(analysis::bytes(shapes, grid.width, cut))
        .saturating_add(walked)
        .saturating_add(rows)
        .saturating_add(streams)
}

/// Rows of pixels that an encode takes from its source at once.
pub(crate) fn rows_at_once(head: &Head) -> usize {
    (SLICE / head.stride()).next_multiple_of(8).max(SOME_ROWS)
}

/// Rows of pixels that an encode holds at most: those of a band, and those that the layers look ahead and lag behind.
pub(crate) fn rows_held(shapes: &Shapes, grid: Grid, head: &Head) -> usize {
    (16 * grid.band_rows() + 8 * (shapes.ne + shapes.nd + 2)).min(head.height as usize)
}

fn product(height: usize, width: usize) -> u64 {
    (height as u64).saturating_mul(width as u64)
}

/// The walk over as many groups as there are threads: latents, the prior, features in three copies, scales, levels and sites
/// (whose vectors may have room for twice as many), symbols.
fn walk(shapes: &Shapes, grid: Grid, cut: Cut) -> u64 {
    let (m, p) = (shapes.m as u64, shapes.p as u64);
    // The planes of the hyper network are whole multiples of four.
    let group = product(grid.side.min(grid.height) + 3, grid.side.min(grid.width) + 3) * (6 * m + 8 * p);
    (cut.threads.min(grid.groups()) as u64).saturating_mul(group)
}
