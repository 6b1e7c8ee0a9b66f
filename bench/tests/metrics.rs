//! The metrics give the same numbers as their published implementations.

use aecodec_bench::Rgb;
use aecodec_bench::metrics::{Scores, ms_ssim, psnr_rgb, psnr_ycbcr, ssimulacra2};

#[test]
fn psnr_and_ms_ssim_are_those_of_the_published_implementations() {
    // MS-SSIM: pytorch_msssim 1.0.0, `ms_ssim(a, b, data_range=255, win=window)` on [1, 3, H, W], all in double
    // precision (its own single precision is off by up to 2e-6 here). PSNR: NumPy, YCbCr by the matrix of JFIF 1.02.
    // Odd sides are padded at every scale.
    let expected = [
        // (width, height, step, amplitude, MS-SSIM, PSNR RGB, PSNR YCbCr)
        (192, 176, 4, 5, 0.998225787, 42.657395, 46.060292),
        (192, 176, 24, 16, 0.965456950, 29.743447, 33.355355),
        (161, 161, 8, 8, 0.994247302, 37.916893, 41.543944),
        (233, 185, 16, 40, 0.934089914, 26.196959, 29.767431),
        (170, 341, 40, 90, 0.765839456, 19.358064, 22.923847),
    ];
    for (width, height, step, amplitude, structure, rgb, ycbcr) in expected {
        let original = scene(width, height);
        let decoded = degraded(&original, step, amplitude);
        let what = format!("{width}x{height}, step {step}, amplitude {amplitude}");
        assert_near(ms_ssim(&original, &decoded).unwrap(), structure, 1e-7, &what);
        assert_near(psnr_rgb(&original, &decoded), rgb, 1e-5, &what);
        assert_near(psnr_ycbcr(&original, &decoded), ycbcr, 1e-5, &what);
    }
}

#[test]
fn ssimulacra2_is_near_the_original_program() {
    // The scores are from libjxl's `ssimulacra2`, as the crate fast-ssim2 0.8.2 records them (src/reference_data.rs),
    // for pictures made as it describes. For nearly equal pictures the score depends on rounding, hence the tolerance
    // of 0.2.
    let noise = |seed| {
        let mut noise = Noise(seed);
        painted(64, 64, |_, _| [(); 3].map(|()| usize::from(noise.byte())))
    };
    let gray = || painted(64, 64, |_, _| [128; 3]);
    let slope = || painted(64, 64, |x, _| [x * 255 / 63; 3]);
    let edge = || painted(64, 64, |x, _| [if x < 32 { 0 } else { 255 }; 3]);
    let cases = [
        ("soft slope", slope(), blurred(&slope()), 94.34090315),
        ("soft edge", edge(), blurred(&edge()), 24.27333552),
        ("sharp noise", noise(999), sharpened(&noise(999)), -5.81017556),
        ("gray for noise", noise(42), gray(), -47.33572558),
        ("gray for a slope", slope(), gray(), -64.56872148),
    ];
    for (what, original, decoded, expected) in cases {
        assert_near(ssimulacra2(&original, &decoded).unwrap(), expected, 0.2, what);
    }
}

#[test]
fn identical_pictures_have_the_best_score() {
    let picture = scene(177, 163);
    let scores = Scores::measure(&picture, &picture);
    assert_eq!((scores.psnr_rgb, scores.psnr_ycbcr, scores.ssimulacra2), (100.0, 100.0, Some(100.0)));
    assert_near(scores.ms_ssim.unwrap(), 1.0, 1e-12, "MS-SSIM");
}

#[test]
fn pictures_that_are_too_small_have_no_score_rather_than_a_wrong_one() {
    let scores = |width, height| {
        let original = scene(width, height);
        let scores = Scores::measure(&original, &degraded(&original, 16, 8));
        (scores.ms_ssim.is_some(), scores.ssimulacra2.is_some())
    };
    assert_eq!(scores(161, 161), (true, true));
    assert_eq!(scores(160, 400), (false, true));
    assert_eq!(scores(400, 160), (false, true));
    assert_eq!(scores(8, 8), (false, true));
    assert_eq!(scores(7, 300), (false, false));
    assert_eq!(scores(300, 7), (false, false));
    assert_eq!(scores(1, 1), (false, false));
}

/// A picture of slopes, waves and noise. It uses integer arithmetic only, so that other languages can make the same
/// one.
fn scene(width: usize, height: usize) -> Rgb {
    let mut noise = Noise(1);
    painted(width, height, |x, y| {
        [0, 1, 2]
            .map(|c| fold(3 * x + (c + 1) * y) / 2 + fold(x * x / 32 + (5 + c) * y) / 3 + noise.below(32))
    })
}

/// A coarse imitation of a decoded picture: values in steps of `step`, with noise of `amplitude` added.
fn degraded(picture: &Rgb, step: usize, amplitude: usize) -> Rgb {
    let mut noise = Noise(2);
    let samples = picture.samples.iter().map(|&v| {
        let v = usize::from(v) / step * step + step / 2 + noise.below(amplitude);
        v.saturating_sub(amplitude / 2).min(255) as u8
    });
    Rgb { samples: samples.collect(), ..*picture }
}

/// The mean of 8x8 pixels, from four before to three after each pixel. Pixels at the edge are repeated.
fn blurred(picture: &Rgb) -> Rgb {
    let (width, height) = (picture.width, picture.height);
    painted(width, height, |x, y| {
        let near = |at: usize, size: usize| (at..at + 8).map(move |at| at.saturating_sub(4).min(size - 1));
        [0, 1, 2].map(|c| {
            let row = |y| near(x, width).map(move |x| usize::from(picture.samples[(y * width + x) * 3 + c]));
            near(y, height).flat_map(row).sum::<usize>() / 64
        })
    })
}

/// Five times each sample minus its four neighbours. Pixels at the edge are repeated.
fn sharpened(picture: &Rgb) -> Rgb {
    let (width, height) = (picture.width, picture.height);
    painted(width, height, |x, y| {
        [0, 1, 2].map(|c| {
            let at = |x: usize, y: usize| i32::from(picture.samples[(y * width + x) * 3 + c]);
            let sides = at(x.saturating_sub(1), y) + at((x + 1).min(width - 1), y);
            let ends = at(x, y.saturating_sub(1)) + at(x, (y + 1).min(height - 1));
            (5 * at(x, y) - sides - ends).clamp(0, 255) as usize
        })
    })
}

/// A triangle wave from 0 to 255.
fn fold(v: usize) -> usize {
    (v % 512).min(511 - v % 512)
}

/// Knuth's linear congruential generator.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u8
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }
}

/// The picture that a formula gives, row by row. Channels are truncated to 8 bits.
fn painted(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [usize; 3]) -> Rgb {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let samples = places.flat_map(|(x, y)| pixel(x, y)).map(|v| v as u8).collect();
    Rgb::new(width, height, samples).unwrap()
}

fn assert_near(value: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((value - expected).abs() <= tolerance, "{what}: {value} instead of {expected}");
}
