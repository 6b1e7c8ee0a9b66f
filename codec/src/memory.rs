//! Estimates the memory of an encode or a decode before anything is allocated.

use crate::band::Grid;
use crate::load::Load;
use crate::net::{Shapes, analysis, synthesis};
use crate::picture::PictureInfo;
use crate::rect::Rect;
use crate::sample::Sample;
use crate::saturating::{product, sum};
use crate::strip::{self, Split};

/// Memory for what the estimates leave out: tables, rows, lists, the headers of vectors.
const SMALL: u64 = 1 << 20;
/// Bytes of samples that are read from a source at once for each thread, or `SOME_ROWS` rows if that is more.
const BYTES_AT_ONCE: usize = 1 << 20;
const SOME_ROWS: usize = 32;

/// The most bytes that a decode of `area` to painted pixels of `pixel` bytes holds, without the stream, the samples of the
/// picture and alpha.
pub(crate) fn of_decode(shapes: &Shapes, load: &Load, area: &Rect, pixel: usize, split: Split) -> u64 {
    let latents = load.latents.saturating_mul(2 * shapes.m as u64);
    // A row of latents from which lost groups are concealed.
    let above =
        product([area.width().div_ceil(16) + 2 * strip::reach(shapes) + load.largest.1, 2 * shapes.m]);
    let synthesis = synthesis::bytes(shapes, area, pixel, split, load.strips);
    sum([SMALL, latents, above, walk(shapes, load, split), synthesis, blank(shapes, load, pixel, split)])
}

/// Bytes that alpha takes while it is unpacked: all of it, with a filter byte for each row, and a copy of the region.
pub(crate) fn of_alpha(width: u32, height: u32) -> u64 {
    (u64::from(width) + 1).saturating_mul(height.into()).saturating_mul(3)
}

/// The most bytes that an encode from samples of this kind holds, without the picture and its streams. It also decodes, to
/// measure the result.
pub(crate) fn of_encode<S: Sample>(shapes: &Shapes, grid: Grid, head: &PictureInfo, split: Split) -> u64 {
    let area = Rect::new(0, 0, head.height as usize, head.width as usize);
    let load = Load::full(grid);
    // The padded latents of the groups that are walked.
    let threads = split.threads.min(grid.groups());
    let walked = product([threads, load.largest.0 + 3, load.largest.1 + 3, 2 * shapes.m]);
    let row = product([head.width as usize, head.color.channels(), size_of::<S>()]);
    let rows = row.saturating_mul(rows_held(shapes, grid, head) as u64);
    let decode = of_decode(shapes, &load, &area, S::pixel_bytes(head.color), split);
    sum([decode, analysis::bytes(shapes, grid.width, split), walked, rows])
}

/// Bytes of all latents of a picture.
pub(crate) fn of_latents(shapes: &Shapes, grid: Grid) -> u64 {
    product([grid.height, grid.width, 2 * shapes.m])
}

/// Rows of pixels that an encode reads from its source at once.
pub(crate) fn rows_at_once(head: &PictureInfo, split: Split) -> usize {
    (BYTES_AT_ONCE.saturating_mul(split.threads) / head.stride().max(1)).next_multiple_of(8).max(SOME_ROWS)
}

/// The most rows of pixels that an encode holds: those of a band, and those that the layers read ahead and lag behind.
pub(crate) fn rows_held(shapes: &Shapes, grid: Grid, head: &PictureInfo) -> usize {
    (16 * grid.band_rows() + 8 * (shapes.ne + shapes.nd + 2)).min(head.height as usize)
}

/// Bytes of the walks of all threads.
fn walk(shapes: &Shapes, load: &Load, split: Split) -> u64 {
    one_walk(shapes, load.largest).saturating_mul(split.threads.min(load.groups) as u64)
}

/// Bytes of the walk over a group: latents, the prior, features in three copies, scales, symbols, levels and sites (whose
/// vectors may have room for twice as many).
fn one_walk(shapes: &Shapes, (height, width): (usize, usize)) -> u64 {
    // The planes of the hyper network are whole multiples of four.
    product([height + 3, width + 3, 6 * shapes.m + 8 * shapes.p])
}

/// Bytes of the small picture of empty groups: its latents, its samples, and its synthesis.
fn blank(shapes: &Shapes, load: &Load, pixel: usize, split: Split) -> u64 {
    let Some((height, width)) = load.blank else { return 0 };
    let area = Rect::new(0, 0, 16 * height, 16 * width);
    sum([
        product([height, width, 2 * shapes.m]),
        2 * product([16 * height, 16 * width, pixel]),
        one_walk(shapes, (height, width)),
        synthesis::bytes(shapes, &area, pixel, split, usize::MAX),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Color;

    const SHAPES: Shapes = Shapes { c: 128, m: 384, z: 96, p: 192, ne: 4, nd: 8 };

    /// Nothing overflows for the largest sides that a header can hold and the largest shapes that a model file can announce,
    /// not even on 32-bit machines, because products of sides are never made in `usize`.
    #[test]
    fn estimates_of_impossible_pictures_saturate() {
        let shapes = Shapes { c: 65504, m: 2048, z: 256, p: 65504, ne: 65535, nd: 65535 };
        for side in [1, 16, u32::MAX] {
            for threads in [1, crate::threads::MOST] {
                let split = Split { threads, largest: (usize::MAX / 64, usize::MAX / 64) };
                let grid = Grid::new((side, u32::MAX), 14, threads);
                let head = PictureInfo::new(u32::MAX, side, Color::Rgb);
                assert!(of_encode::<u16>(&shapes, grid, &head, split) > u64::from(u32::MAX));
            }
        }
        assert_eq!(product([usize::MAX, usize::MAX]), u64::MAX);
        assert_eq!(sum([u64::MAX, 1]), u64::MAX);
        assert!(of_alpha(u32::MAX, u32::MAX) > u64::from(u32::MAX));
    }

    /// The README promises it: a gigapixel is encoded row by row within the default limits.
    #[test]
    fn a_gigapixel_fits_the_default_limits() {
        let limit = crate::Limits::default().bytes;
        let best = Shapes { c: 192, p: 256, ..SHAPES };
        for (shapes, width) in [(SHAPES, 32768), (best, 32768), (SHAPES, 40000)] {
            let head = PictureInfo::new(width, (1 << 30) / width, Color::Rgb);
            let needed = |threads: usize| {
                let grid = Grid::new((head.height, head.width), 10, threads);
                of_encode::<u8>(&shapes, grid, &head, Split::new(threads))
            };
            for threads in [1, 2, 16, 64, 1024] {
                let fitting = crate::threads::fitting(threads, needed, limit);
                assert!(needed(fitting) <= limit, "{width}, {threads} threads: {} bytes", needed(fitting));
                assert!(threads > 4 || fitting == threads, "{width}, {threads} threads: {fitting}");
            }
        }
    }
}
