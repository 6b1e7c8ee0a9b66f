//! Predicts how many bytes a frame takes, from the frames before it.
//!
//! The logarithm of the size is a straight line in quality, and grows with the pixels to a power below one: a
//! smaller picture has more detail per pixel. The offset follows the scene at once, the slope slowly.

use aecodec::Quality;

/// Power of the pixels. Measured on `fast` from 1280x720 down to 320x180, it is 0.61 to 0.67.
const POWER: f64 = 0.65;
/// The quality for which the offset is stored.
const MIDDLE: f64 = 40.0;
/// Slope per unit of quality: its initial value, and its range.
const SLOPE: f64 = 0.033;
const SLOPES: (f64, f64) = (0.02, 0.05);
/// Initial guess for the bytes of a 1280x720 picture at the middle quality. It is that of a detailed picture, so
/// that the first frames are small.
const FIRST: f64 = 36_000.0;

/// The model of sizes.
#[derive(Debug)]
pub(super) struct Sizes {
    offset: f64,
    slope: f64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { offset: FIRST.ln() - POWER * (1280.0_f64 * 720.0).ln(), slope: SLOPE }
    }
}

impl Sizes {
    /// Expected bytes of a frame of `pixels` coded pixels.
    pub fn bytes(&self, quality: Quality, pixels: f64) -> f64 {
        self.log(quality.value(), pixels).exp()
    }

    /// The quality at which a frame takes `bytes`; it may be outside of 0 to 100.
    pub fn quality(&self, bytes: f64, pixels: f64) -> f64 {
        MIDDLE + (bytes.max(1.0).ln() - self.log(MIDDLE, pixels)) / self.slope
    }

    /// Learns from the size that a frame really had.
    pub fn learn(&mut self, quality: Quality, pixels: f64, bytes: f64) {
        let error = (bytes.max(1.0).ln() - self.log(quality.value(), pixels)).clamp(-3.0, 3.0);
        self.offset += 0.6 * error;
        let slope = self.slope + 0.05 * error * (quality.value() - MIDDLE) / (MIDDLE * MIDDLE);
        self.slope = slope.clamp(SLOPES.0, SLOPES.1);
    }

    fn log(&self, quality: f64, pixels: f64) -> f64 {
        self.offset + self.slope * (quality - MIDDLE) + POWER * pixels.max(1.0).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_finds_the_sizes_of_real_frames() {
        // Bytes of `fast` for one picture: (quality, width, height, bytes).
        let measured = [
            (10.0, 1280.0, 720.0, 5517.0),
            (30.0, 1280.0, 720.0, 10_227.0),
            (60.0, 1280.0, 720.0, 27_731.0),
            (90.0, 1280.0, 720.0, 78_831.0),
            (10.0, 960.0, 540.0, 3623.0),
            (60.0, 960.0, 540.0, 19_271.0),
            (30.0, 640.0, 360.0, 4275.0),
            (90.0, 640.0, 360.0, 34_251.0),
        ];
        let mut sizes = Sizes::default();
        for _ in 0..3 {
            for (quality, width, height, bytes) in measured {
                sizes.learn(Quality::new(quality).expect("in range"), width * height, bytes);
            }
        }
        for (quality, width, height, bytes) in measured {
            let guess = sizes.bytes(Quality::new(quality).expect("in range"), width * height);
            assert!((0.75..1.33).contains(&(guess / bytes)), "{guess} for {bytes} at {quality}, {width}");
            assert!((sizes.quality(guess, width * height) - quality).abs() < 1e-6);
        }
    }
}
