//! The alpha plane, without loss: PNG's row filters, then zstd.

use super::frame;
use crate::{Error, Result};

const WHAT: &str = "alpha";
/// Most planes are masks, which every level compresses well; higher levels take seconds for large pictures.
const LEVEL: i32 = 12;
/// PNG's filters: none, sub, up, average, Paeth.
const FILTERS: u8 = 5;

/// Compresses an alpha plane `[height, width]` into a chunk.
///
/// # Errors
/// Returns [`Error::Invalid`] if the plane is not of that size, or if a side is 0.
pub fn pack(alpha: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || alpha.len() as u64 != pixels {
        let detail = format!("{} samples for {width}x{height}, expected {pixels}", alpha.len());
        return Err(Error::Invalid { what: WHAT, detail });
    }
    let width = width as usize;
    let mut rows = Vec::with_capacity(alpha.len() + height as usize);
    let mut above = vec![0; width];
    let mut candidate = vec![0; width];
    let mut best = vec![0; width];
    for row in alpha.chunks_exact(width) {
        let mut chosen = (u64::MAX, 0);
        for filter in 0..FILTERS {
            apply(filter, row, &above, &mut candidate);
            // PNG's usual heuristic: residuals near 0 compress best.
            let cost = candidate.iter().map(|&r| u64::from((r as i8).unsigned_abs())).sum();
            if cost < chosen.0 {
                chosen = (cost, filter);
                std::mem::swap(&mut best, &mut candidate);
            }
        }
        rows.push(chosen.1);
        rows.extend_from_slice(&best);
        above.copy_from_slice(row);
    }
    Ok(frame::pack(&rows, LEVEL))
}

/// Decompresses the plane `[height, width]` of a chunk.
///
/// The caller checks the sides against its limits; memory is allocated only as the chunk yields samples.
///
/// # Errors
/// Returns [`Error::Limit`] if the chunk holds more than the plane, [`Error::Truncated`] if it holds less, and
/// [`Error::Invalid`] if a filter is unknown or if the chunk is not exactly one zstd frame.
pub fn unpack(bytes: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let stride = u64::from(width) + 1;
    let expected = stride.saturating_mul(u64::from(height));
    let mut rows = frame::unpack(WHAT, bytes, expected)?;
    if let Some(missing) = expected.checked_sub(rows.len() as u64).filter(|&n| n > 0) {
        return Err(Error::Truncated { what: WHAT, offset: rows.len() as u64, missing });
    }
    if rows.is_empty() {
        // A picture without rows may have any width, so that a row must not be allocated.
        return Ok(rows);
    }
    let width = width as usize;
    let mut above = vec![0; width];
    // Rows move over their filter bytes, so that the plane needs no second buffer.
    for y in 0..height as usize {
        let start = y * (width + 1);
        let filter = rows[start];
        if filter >= FILTERS {
            return Err(Error::Invalid { what: WHAT, detail: format!("filter {filter} in row {y}") });
        }
        let row = &mut rows[start + 1..=start + width];
        undo(filter, row, &above);
        above.copy_from_slice(row);
        rows.copy_within(start + 1..=start + width, y * width);
    }
    rows.truncate(width * height as usize);
    Ok(rows)
}

fn apply(filter: u8, row: &[u8], above: &[u8], residual: &mut [u8]) {
    let (mut left, mut corner) = (0, 0);
    for ((&sample, &up), residual) in row.iter().zip(above).zip(residual) {
        *residual = sample.wrapping_sub(predict(filter, left, up, corner));
        (left, corner) = (sample, up);
    }
}

fn undo(filter: u8, row: &mut [u8], above: &[u8]) {
    let (mut left, mut corner) = (0, 0);
    for (sample, &up) in row.iter_mut().zip(above) {
        *sample = sample.wrapping_add(predict(filter, left, up, corner));
        (left, corner) = (*sample, up);
    }
}

#[inline(always)]
fn predict(filter: u8, left: u8, up: u8, corner: u8) -> u8 {
    match filter {
        0 => 0,
        1 => left,
        2 => up,
        3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
        _ => paeth(left, up, corner),
    }
}

/// The neighbour nearest to `left + up - corner`; the order of ties is PNG's.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let [da, db, dc] = [(b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs()];
    if da <= db && da <= dc {
        left
    } else if db <= dc {
        up
    } else {
        corner
    }
}
