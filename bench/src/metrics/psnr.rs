//! The peak signal-to-noise ratio, over RGB and over luma and chroma.

use crate::Rgb;

/// The value for identical pictures, so that means and plots stay finite.
const CEILING: f64 = 100.0;
/// Weights of Y, Cb and Cr.
const WEIGHTS: [f64; 3] = [6.0, 1.0, 1.0];

/// The peak signal-to-noise ratio in dB, from the mean squared error over all samples. It is at most 100.
///
/// Both pictures have the same size.
pub fn psnr_rgb(original: &Rgb, decoded: &Rgb) -> f64 {
    let pairs = original.samples.iter().zip(&decoded.samples);
    let squares: u64 = pairs.map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum();
    decibels(squares as f64, original.samples.len())
}

/// The peak signal-to-noise ratio in dB over luma and chroma: (6 Y + Cb + Cr) / 8 of the three ratios, each at most
/// 100.
///
/// Both pictures have the same size. The conversion is JPEG's (ITU-R BT.601, full range, JFIF), without rounding to
/// integers and without subsampling. The weights are those of Ohm et al., "Comparison of the coding efficiency of video
/// coding standards", 2012, which the tests of HEVC, VVC and JPEG AI also use.
pub fn psnr_ycbcr(original: &Rgb, decoded: &Rgb) -> f64 {
    let mut squares = [0.0; 3];
    let pairs = original.samples.as_chunks::<3>().0.iter().zip(decoded.samples.as_chunks::<3>().0);
    for (original, decoded) in pairs {
        // The conversion is linear except for its offsets, so it can be applied to a difference.
        let [r, g, b] = std::array::from_fn(|c| f64::from(original[c]) - f64::from(decoded[c]));
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        let ycbcr = [y, (b - y) / 1.772, (r - y) / 1.402];
        squares.iter_mut().zip(ycbcr).for_each(|(sum, d)| *sum += d * d);
    }
    let pixels = original.samples.len() / 3;
    let weighted: f64 =
        squares.iter().zip(WEIGHTS).map(|(&sum, weight)| weight * decibels(sum, pixels)).sum();
    weighted / WEIGHTS.iter().sum::<f64>()
}

fn decibels(squares: f64, count: usize) -> f64 {
    (10.0 * (255.0 * 255.0 * count as f64 / squares).log10()).min(CEILING)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAY: [u8; 3] = [100; 3];

    /// A picture of 64 equal pixels, and a copy whose first pixel differs.
    fn pair(first: [u8; 3]) -> (Rgb, Rgb) {
        let original = Rgb::new(8, 8, GRAY.repeat(64)).unwrap();
        let mut decoded = original.clone();
        decoded.samples[..3].copy_from_slice(&first);
        (original, decoded)
    }

    fn assert_near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
    }

    #[test]
    fn one_wrong_sample_spreads_over_all() {
        let (original, decoded) = pair([100, 116, 100]);
        let expected = 10.0 * (255.0f64.powi(2) * 192.0 / 256.0).log10();
        assert_near(psnr_rgb(&original, &decoded), expected);
        assert_near(psnr_rgb(&decoded, &original), expected);
    }

    #[test]
    fn black_against_white_is_zero() {
        let [black, white] = [0, 255].map(|v| Rgb::new(3, 5, vec![v; 45]).unwrap());
        assert_near(psnr_rgb(&black, &white), 0.0);
        assert_near(psnr_ycbcr(&black, &white), 25.0); // 0 dB for Y; Cb and Cr are equal.
    }

    #[test]
    fn identical_pictures_have_the_ceiling() {
        let (original, _) = pair(GRAY);
        assert_eq!((psnr_rgb(&original, &original), psnr_ycbcr(&original, &original)), (100.0, 100.0));
    }

    #[test]
    fn luma_counts_six_times_a_chroma() {
        // Only red differs, by 100: Y by 29.9, Cb by -16.87..., Cr by 50.
        let (original, decoded) = pair([200, 100, 100]);
        let ratio = |d: f64| 10.0 * (255.0 * 255.0 / (d * d / 64.0)).log10();
        let expected = (6.0 * ratio(29.9) + ratio(29.9 / 1.772) + ratio(50.0)) / 8.0;
        assert_near(psnr_ycbcr(&original, &decoded), expected);
    }
}
