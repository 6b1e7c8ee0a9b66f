//! Strips: the columns of patches that one thread takes through all layers of analysis or synthesis, from top to bottom.
//!
//! A strip is computed with a halo as wide as the layers reach, so that the result does not depend on how a picture is
//! divided.

use crate::net::Shapes;
use crate::rect::Rect;
use std::ops::Range;

/// How to divide the work on a picture. The result does not depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    pub threads: usize,
    /// The most rows that are painted at a time, and the most columns of a strip, in 8x8 patches.
    pub largest: (usize, usize),
}

impl Split {
    /// For `threads` threads, with strips that stay in the processor's cache.
    pub fn new(threads: usize) -> Self {
        Self { threads, largest: LARGEST }
    }
}

/// So many columns that a few rows of all layers stay in the second-level cache.
const LARGEST: (usize, usize) = (128, 256);
/// The fewest columns of a strip: each strip also computes its halo on either side.
const NARROWEST: usize = 16;

/// The most rows of patches that go through a strip at a time.
pub(crate) const MOST_ROWS: usize = 8;

/// The columns of latents of each strip of an analysis, for a picture with `width` columns of latents.
pub(crate) fn of_analysis(width: usize, split: Split) -> Vec<Range<usize>> {
    divided(0..width, split.threads, split.largest.1.div_ceil(2))
}

/// The columns of patches of each strip of a synthesis of `area`, which is in pixels.
pub(crate) fn of_synthesis(area: &Rect, split: Split) -> Vec<Range<usize>> {
    divided(patches_of(area).columns, split.threads, split.largest.1)
}

/// Divides columns into strips of at most `widest` columns, enough of them for `threads`.
fn divided(columns: Range<usize>, threads: usize, widest: usize) -> Vec<Range<usize>> {
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
pub(crate) fn rows_at_once(columns: usize) -> usize {
    2 * (256 / columns.max(1)).clamp(1, MOST_ROWS / 2)
}

/// The 8x8 patches that cover an area of pixels.
pub(crate) fn patches_of(area: &Rect) -> Rect {
    area.halved().halved().halved()
}

/// The latents that these patches lie in.
pub(crate) fn latents(patches: &Range<usize>) -> Range<usize> {
    patches.start / 2..patches.end.div_ceil(2)
}

/// The distance in latents between a pixel and the farthest latent that its synthesis depends on.
pub(crate) fn reach(net: &Shapes) -> usize {
    (net.nd + 1).div_ceil(2)
}

/// The latents that the synthesis of `area` depends on, in a picture of `height` x `width` latents.
pub(crate) fn support(net: &Shapes, area: &Rect, height: usize, width: usize) -> Rect {
    patches_of(area).grow(net.nd + 1, 2 * height, 2 * width).halved()
}
