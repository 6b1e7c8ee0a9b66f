//! Groups of few colours: their palette, and the contexts of its indices.

use super::bits::Coder;
use super::residual::{Contexts, NARROW, Residuals};
use super::rows::Rows;
use super::samples::class;

/// The most colours of a palette.
pub const MOST: usize = 256;
const HASH_BITS: u32 = 12;
/// Sizes of the contexts.
const SIZES: [usize; 7] = [13 * 13 * 13, MOST, HASHED, HASHED, HASHED, HASHED, HASHED];
const HASHED: usize = 1 << HASH_BITS;

/// The colours of a group, or `None` if there are too many. Each is near the one before it, so that neighbours have similar
/// indices.
pub fn of(pixels: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let mut found = std::collections::BTreeSet::new();
    let mut last = None;
    for pixel in pixels {
        if last != Some(pixel) && found.insert(pixel) && found.len() > MOST {
            return None;
        }
        last = Some(pixel);
    }
    let mut ordered = Vec::with_capacity(found.len());
    let mut next = found.pop_first();
    while let Some(color) = next {
        ordered.push(color);
        next = found.iter().copied().min_by_key(|&other| distance(color, other));
        next.map(|next| found.remove(&next));
    }
    Some(ordered)
}

fn distance(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    a.iter().zip(b).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// Codes indices of a palette.
pub struct Indices {
    pub rows: Rows<u32>,
    residuals: Residuals<NARROW>,
    last: i32,
}

impl Indices {
    pub fn new(width: usize, colors: usize) -> Self {
        Self { rows: Rows::new(width, 0), residuals: Residuals::new(SIZES), last: colors as i32 - 1 }
    }

    /// Codes an index in column `x`, which counts the pad.
    pub fn code<C: Coder>(&mut self, coder: &mut C, x: usize, index: u32) -> u32 {
        let [c, n, nn] = &self.rows.rows;
        let [w, ww, north, nw, ne, nn] = [c[x - 1], c[x - 2], n[x], n[x - 1], n[x + 1], nn[x]];
        let difference = |v: u32| class(v as i32 - w as i32);
        let indices = [
            (difference(north) * 13 + difference(nw)) * 13 + difference(ne),
            w as usize,
            mix([0, w, north]),
            mix([w, north, nw]),
            mix([w, north, ne]),
            mix([w, ww, north]),
            mix([north, nn, w]),
        ];
        let contexts = Contexts { indices, energy: 0 };
        let range = (w as i32, self.last - w as i32);
        (w as i32 + self.residuals.code(coder, &contexts, range, index as i32 - w as i32)) as u32
    }
}

fn mix(values: [u32; 3]) -> usize {
    let packed = values.iter().fold(0, |h: u32, &v| h << 8 | v);
    (packed.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// Bytes of the model.
pub const BYTES: u64 = 128 * (13 * 13 * 13 + MOST as u64 + 5 * HASHED as u64) + (256 << 10);
