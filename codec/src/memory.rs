//! How much memory an encode or a decode will hold, reckoned before anything is allocated.

use crate::net::Shapes;
use crate::net::synthesis::Cut;
use crate::picture::Color;
use crate::window::{self, Window};

/// What the reckoning leaves out: tables, rows, lists of windows, the heads of vectors.
const SMALL: u64 = 1 << 20;

/// Bytes that a decode of `area` holds at most, of a picture of `height` x `width` latents in groups of `side` latents.
pub(crate) fn of_decode(
    shapes: &Shapes,
    (height, width): (usize, usize),
    side: usize,
    area: &Window,
    color: Color,
    alpha: bool,
    cut: Cut,
) -> u64 {
    let latents = product(height, width) * 2 * shapes.m as u64;
    let samples = product(area.height(), area.width()) * color.channels() as u64;
    // Alpha is unpacked whole, with a filter byte a row, and then cut.
    let alpha = if alpha { 3 * 256 * product(height, width) } else { 0 };
    let patches = (area.height().div_ceil(8), area.width().div_ceil(8));
    let groups = height.div_ceil(side) * width.div_ceil(side);
    let walk =
        (cut.threads.min(groups) as u64).saturating_mul(group(shapes, height.min(side), width.min(side)));
    let synthesis = windows(shapes, patches, shapes.nd + 1, cut);
    (latents + samples + alpha + SMALL).saturating_add(walk.max(synthesis))
}

/// Bytes that an encode holds at most besides the picture. It decodes to measure, so it holds no less than a decode;
/// the search for a target keeps the best attempt while it makes the next.
pub(crate) fn of_encode(
    shapes: &Shapes,
    (height, width): (usize, usize),
    side: usize,
    color: Color,
    cut: Cut,
) -> u64 {
    let area = Window::new(0, 0, 16 * height, 16 * width);
    // The latents before rounding, and the substreams, of at most 16 bits a latent; one more attempt with its latents,
    // substreams and samples.
    let more = product(height, width) * (8 * shapes.m as u64 + 256 * color.channels() as u64);
    let analysis = windows(shapes, (2 * height, 2 * width), shapes.ne, cut);
    of_decode(shapes, (height, width), side, &area, color, false, cut)
        .saturating_add(more)
        .saturating_add(analysis)
}

fn product(height: usize, width: usize) -> u64 {
    (height as u64).saturating_mul(width as u64)
}

/// The walk over a group: its latents, the prior, features in three copies, scales, levels and sites (whose vectors
/// may have room for twice as many), symbols.
fn group(shapes: &Shapes, height: usize, width: usize) -> u64 {
    let (m, p) = (shapes.m as u64, shapes.p as u64);
    // The planes of the hyper network are whole multiples of four.
    product(height + 3, width + 3) * (6 * m + 8 * p)
}

/// Windows of analysis or synthesis, all threads together: latents and five copies of the activations.
fn windows(shapes: &Shapes, (rows, columns): (usize, usize), halo: usize, cut: Cut) -> u64 {
    let sides = window::sides(rows, cut.threads, cut.largest);
    let grown = |side: usize, all: usize| side.min(all) + 2 * (halo + 1);
    let patch = shapes.m as u64 / 2 + 10 * shapes.c as u64;
    let count = rows.div_ceil(sides.0) * columns.div_ceil(sides.1);
    let one = product(grown(sides.0, rows), grown(sides.1, columns)) * patch;
    (cut.threads.min(count) as u64).saturating_mul(one)
}
