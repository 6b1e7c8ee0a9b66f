//! Measures a decode: its PSNR, its broken parts, and the hash of its samples.

use crate::net::analysis::PixelRows;
use crate::sample::{Sample, squares};

/// Returns the peak signal-to-noise ratio of 8-bit samples in dB, over all samples, or `None` if they are equal.
pub fn psnr(a: &[u8], b: &[u8]) -> Option<f64> {
    decibels(squares(a, b), a.len() as u64)
}

/// PSNR in dB of this many 8-bit samples with this sum of squared errors; `None` if they are exact.
pub(crate) fn decibels(squares: u64, samples: u64) -> Option<f64> {
    decibels_of(squares, samples, 255)
}

/// The same for samples of up to `maximum`.
pub(crate) fn decibels_of(squares: u64, samples: u64, maximum: u16) -> Option<f64> {
    let peak = f64::from(maximum).powi(2);
    (squares > 0).then(|| 10.0 * (peak * samples as f64 / squares as f64).log10())
}

/// The result of a measurement.
pub(crate) struct Measured {
    /// `None` if the decode is exact.
    pub psnr: Option<f64>,
    pub hash: blake3::Hash,
    /// Share of the pixels that lie in broken blocks, 0 to 1.
    pub broken: f64,
}

/// Compares decoded rows with those of the picture, from top to bottom.
pub(crate) struct Meter {
    /// Number of rows that were compared.
    pub rows: usize,
    squares: u64,
    samples: u64,
    /// The value of a full sample.
    peak: u16,
    hasher: blake3::Hasher,
    watch: Watch,
}

impl Meter {
    pub fn new() -> Self {
        Self {
            rows: 0,
            squares: 0,
            samples: 0,
            peak: 255,
            hasher: blake3::Hasher::new(),
            watch: Watch::default(),
        }
    }

    /// Compares the next painted rows. The hash and the broken parts are those of 8 bits.
    pub fn take<S: Sample>(&mut self, pixels: &PixelRows<S>, painted: &[S]) {
        let stride = pixels.width * pixels.color.channels();
        let samples = &*S::eight(painted, pixels.color);
        let original = &pixels.samples[(self.rows - pixels.rows.start) * stride..][..samples.len()];
        self.squares += S::errors(original, painted, pixels.color);
        self.peak = S::PEAK;
        self.hasher.update(samples);
        let original = S::rounded(original);
        self.rows += samples.len() / stride;
        self.samples += samples.len() as u64;
        for (original, decoded) in original.chunks_exact(stride).zip(samples.chunks_exact(stride)) {
            self.watch.take(original, decoded, pixels.color.channels());
        }
    }

    pub fn finish(mut self) -> Measured {
        self.watch.end();
        let broken = self.watch.broken as f64 / self.samples as f64;
        Measured {
            psnr: decibels_of(self.squares, self.samples, self.peak),
            hash: self.hasher.finalize(),
            broken,
        }
    }
}

/// A share of broken pixels that does not matter.
pub(crate) const UNSEEN: f64 = 0.002;
/// Side of a block in pixels, the same as a latent's.
const BLOCK: usize = 16;
/// How many times the variance of its block an error may be. One flat colour for the block would give an error as large as
/// the variance, and no quality is so low that a codec does much worse: noise at quality 0 is about there.
const VARIANCES: f64 = 2.0;
/// Mean square of an error that does not matter in any block: 24 levels, 20.5 dB.
const TOLERATED: f64 = 24.0 * 24.0;

/// Finds blocks in which the decode is worse than the mean colour of the block would be. This test needs no knowledge of the
/// quality or the model: the integers of a model may saturate on colours that it was not calibrated on, and blocks then come
/// out in another colour, at any quality.
#[derive(Default)]
struct Watch {
    /// One for each block of the rows that are compared.
    blocks: Vec<Sums>,
    channels: usize,
    rows: usize,
    /// Samples of broken blocks.
    broken: u64,
}

/// Sums over the samples of a block.
#[derive(Default, Clone, Copy)]
struct Sums {
    samples: u32,
    error: u32,
    sum: [u32; 3],
    squares: u32,
}

impl Watch {
    fn take(&mut self, original: &[u8], decoded: &[u8], channels: usize) {
        let side = BLOCK * channels;
        self.channels = channels;
        self.blocks.resize(original.len().div_ceil(side), Sums::default());
        for ((block, a), b) in self.blocks.iter_mut().zip(original.chunks(side)).zip(decoded.chunks(side)) {
            block.samples += a.len() as u32;
            block.error += squares(a, b) as u32;
            block.squares += a.iter().map(|&a| u32::from(a).pow(2)).sum::<u32>();
            for pixel in a.chunks_exact(channels) {
                for (sum, &a) in block.sum.iter_mut().zip(pixel) {
                    *sum += u32::from(a);
                }
            }
        }
        self.rows += 1;
        if self.rows == BLOCK {
            self.end();
        }
    }

    /// Judges the blocks whose rows have been compared.
    fn end(&mut self) {
        for block in std::mem::take(&mut self.blocks) {
            if block.is_broken(self.channels) {
                self.broken += u64::from(block.samples);
            }
        }
        self.rows = 0;
    }
}

impl Sums {
    fn is_broken(&self, channels: usize) -> bool {
        let pixels = f64::from(self.samples) / channels as f64;
        let mean: f64 = self.sum.iter().map(|&sum| f64::from(sum).powi(2) / pixels).sum();
        let variance = f64::from(self.squares) - mean;
        // The fewer pixels a block at the edge has, the larger an error it needs to count.
        let tolerated = TOLERATED * (BLOCK * BLOCK * channels) as f64;
        f64::from(self.error) > VARIANCES * variance + tolerated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    #[test]
    fn equal_samples_have_no_psnr() {
        assert_eq!((psnr(&[7; 12], &[7; 12]), psnr(&[], &[])), (None, None));
        assert_eq!(psnr(&[0; 3], &[255; 3]), Some(0.0));
        assert!(psnr(&[7; 12], &[8; 12]).is_some_and(|psnr| (psnr - 48.1308).abs() < 1e-4));
    }

    /// Share of broken pixels of a picture of this size, by functions of column, row and channel.
    fn broken(
        (width, height): (usize, usize),
        color: Color,
        original: impl Fn(usize, usize, usize) -> i32,
        decoded: impl Fn(usize, usize, usize) -> i32,
    ) -> f64 {
        let channels = color.channels();
        let samples = |of: &dyn Fn(usize, usize, usize) -> i32| -> Vec<u8> {
            let at = |i: usize| (i / channels % width, i / channels / width, i % channels);
            (0..width * height * channels).map(at).map(|(x, y, c)| of(x, y, c).clamp(0, 255) as u8).collect()
        };
        let decoded = samples(&decoded);
        let pixels = PixelRows { width, height, color, rows: 0..height, samples: samples(&original) };
        let mut meter = Meter::new();
        // Rows come as they are ready.
        for rows in decoded.chunks(7 * width * channels) {
            meter.take(&pixels, rows);
        }
        meter.finish().broken
    }

    fn noise(x: usize, y: usize, c: usize) -> i32 {
        let mut n = (x * 7919 + y * 104_729 + c * 1_299_709 + 1) as u32;
        n = (n ^ n >> 15).wrapping_mul(0x2c1b_3c6d);
        n = (n ^ n >> 12).wrapping_mul(0x297a_2d39);
        ((n ^ n >> 15) & 255) as i32
    }

    #[test]
    fn a_block_in_another_colour_is_broken() {
        let green = |_: usize, _: usize, c: usize| if c == 1 { 255 } else { 0 };
        let gray = |_: usize, _: usize, _: usize| 110;
        assert_eq!(broken((64, 48), Color::Rgb, green, gray), 1.0);
        let squares =
            |x: usize, y: usize, c: usize| if x / 16 == 1 && y / 16 == 2 { 110 } else { green(x, y, c) };
        assert!((broken((64, 48), Color::Rgb, green, squares) - 1.0 / 12.0).abs() < 1e-9);
        assert_eq!(broken((40, 33), Color::Gray, |_, _, _| 250, |_, _, _| 120), 1312.0 / 1320.0);
    }

    #[test]
    fn what_low_rates_do_is_not_broken() {
        let size = (80, 64);
        for color in [Color::Gray, Color::Rgb] {
            // Noise becomes its mean; an edge is blurred; a gradient gets steps, a flat area a tint.
            let edge = |x: usize, _: usize, _: usize| if x < 40 { 30 } else { 220 };
            let blurred = |x: usize, _: usize, _: usize| (30 + 190 * (x as i32 - 32) / 16).clamp(30, 220);
            let gradient = |x: usize, y: usize, c: usize| (x + y) as i32 + 20 * c as i32;
            let steps = |x: usize, y: usize, c: usize| (x / 16 * 16 + y / 16 * 16) as i32 + 20 * c as i32 + 8;
            assert_eq!(broken(size, color, noise, |_, _, _| 128), 0.0);
            assert_eq!(broken(size, color, noise, |x, y, c| (noise(x, y, c) + 128) / 2), 0.0);
            assert_eq!(broken(size, color, edge, blurred), 0.0);
            assert_eq!(broken(size, color, gradient, steps), 0.0);
            assert_eq!(broken(size, color, |_, _, _| 90, |_, _, c| 80 + 9 * c as i32), 0.0);
            assert_eq!(broken((1, 1), color, |_, _, _| 255, |_, _, _| 0), 0.0, "a pixel says nothing");
        }
    }
}
