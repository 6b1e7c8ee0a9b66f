//! Motion compensation: moves the blocks of a reference to where they are in a frame.

use super::motion::Vector;
use crate::picture::Picture;

/// Side of a block in pixels.
pub(super) const BLOCK: usize = 16;
/// Weights of four neighbouring samples for each quarter of a pixel, in 128ths: those of Catmull and Rom.
const TAPS: [[i32; 4]; 4] = [[0, 128, 0, 0], [-9, 111, 29, -3], [-8, 72, 72, -8], [-3, 29, 111, -9]];

/// The picture whose blocks are those of `reference` at their vectors, of which there are `width` in a row.
pub(super) fn warp(reference: &Picture, vectors: &[Vector], width: usize) -> Picture {
    let channels = reference.color.channels();
    let stride = reference.width as usize * channels;
    let mut out = reference.clone();
    for (i, &vector) in vectors.iter().enumerate().filter(|&(_, &vector)| vector != Vector::ZERO) {
        let (top, left) = (i / width * BLOCK, i % width * BLOCK);
        let rows = BLOCK.min(reference.height as usize - top);
        let columns = BLOCK.min(reference.width as usize - left);
        let moved = block(reference, (top, left), (rows, columns), vector);
        for (row, samples) in moved.chunks_exact(columns * channels).enumerate() {
            let at = (top + row) * stride + left * channels;
            out.samples[at..at + samples.len()].copy_from_slice(samples);
        }
    }
    out
}

/// The samples `[rows, columns, channels]` of the block at (top, left), moved by a vector. Samples beyond the edge of the
/// reference repeat it.
pub(super) fn block(
    reference: &Picture,
    (top, left): (usize, usize),
    (rows, columns): (usize, usize),
    vector: Vector,
) -> Vec<u8> {
    let channels = reference.color.channels();
    let (width, height) = (reference.width as usize, reference.height as usize);
    let clamped = |at: usize, by: i64, end: usize| (at as i64 + by).clamp(0, end as i64 - 1) as usize;
    let (dx, dy) = (i64::from(vector.x >> 2), i64::from(vector.y >> 2));
    let across = TAPS[usize::from(vector.x as u16 & 3)];
    let down = TAPS[usize::from(vector.y as u16 & 3)];
    let mut between = vec![0_i32; (rows + 3) * columns * channels];
    for (row, out) in between.chunks_exact_mut(columns * channels).enumerate() {
        let y = clamped(top + row, dy - 1, height);
        let line = &reference.samples[y * width * channels..][..width * channels];
        for (column, out) in out.chunks_exact_mut(channels).enumerate() {
            let at: [usize; 4] =
                std::array::from_fn(|tap| clamped(left + column, dx - 1 + tap as i64, width) * channels);
            for (c, out) in out.iter_mut().enumerate() {
                *out = (0..4).map(|tap| across[tap] * i32::from(line[at[tap] + c])).sum();
            }
        }
    }
    let step = columns * channels;
    let sample = |i: usize| {
        let sum: i32 = (0..4).map(|tap| down[tap] * between[i + tap * step]).sum();
        ((sum + (1 << 13)) >> 14).clamp(0, 255) as u8
    };
    (0..rows * step).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    #[test]
    fn whole_pixels_are_copied_and_edges_are_repeated() {
        let samples: Vec<u8> = (0..40 * 20 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let picture = Picture::new(40, 20, Color::Rgb, samples).expect("a picture");
        let vectors = vec![Vector { x: 8, y: -12 }; 3 * 2];
        let moved = warp(&picture, &vectors, 3);
        for y in 0..20_usize {
            for x in 0..40 {
                let from = (y.saturating_sub(3) * 40 + (x + 2).min(39)) * 3;
                assert_eq!(moved.samples[(y * 40 + x) * 3..][..3], picture.samples[from..][..3], "{x},{y}");
            }
        }
        assert!(warp(&picture, &[Vector::ZERO; 6], 3) == picture);
    }

    #[test]
    fn quarters_of_a_pixel_interpolate_a_ramp() {
        let samples: Vec<u8> = (0..64 * 48).map(|i| (i % 64 * 3 + i / 64) as u8).collect();
        let picture = Picture::new(64, 48, Color::Gray, samples).expect("a picture");
        for (x, y) in [(1, 0), (2, 3), (-3, 1), (7, -6)] {
            let moved = block(&picture, (16, 16), (16, 16), Vector { x, y });
            for (i, &found) in moved.iter().enumerate() {
                let (column, row) = (16.0 + (i % 16) as f64, 16.0 + (i / 16) as f64);
                let expected = (column + f64::from(x) / 4.0) * 3.0 + row + f64::from(y) / 4.0;
                assert!((f64::from(found) - expected).abs() < 1.1, "{x},{y}: {found} for {expected}");
            }
        }
    }
}
