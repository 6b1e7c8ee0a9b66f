//! How near a decode comes to its picture, and the hash of its samples.

use crate::net::analysis::Pixels;

/// Peak signal-to-noise ratio in dB of 8-bit samples, over all of them; infinite where they are equal.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    decibels(squares(a, b), a.len() as u64)
}

fn squares(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
}

fn decibels(squares: u64, samples: u64) -> f64 {
    10.0 * (255.0 * 255.0 * samples as f64 / squares as f64).log10()
}

/// What a decode was measured to be.
pub(crate) struct Measured {
    pub psnr: f64,
    pub hash: blake3::Hash,
}

/// Compares decoded rows with those of the picture, top down.
pub(crate) struct Meter {
    /// Rows that were compared.
    pub rows: usize,
    squares: u64,
    samples: u64,
    hasher: blake3::Hasher,
}

impl Meter {
    pub fn new() -> Self {
        Self { rows: 0, squares: 0, samples: 0, hasher: blake3::Hasher::new() }
    }

    /// Takes the next rows.
    pub fn take(&mut self, pixels: &Pixels, samples: &[u8]) {
        let stride = pixels.width * pixels.color.channels();
        let original = &pixels.samples[(self.rows - pixels.rows.start) * stride..][..samples.len()];
        self.squares += squares(original, samples);
        self.hasher.update(samples);
        self.rows += samples.len() / stride;
        self.samples += samples.len() as u64;
    }

    pub fn finish(self) -> Measured {
        Measured { psnr: decibels(self.squares, self.samples), hash: self.hasher.finalize() }
    }
}
