//! The errors and their gradient.

use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Waves with noise of this reach, `[height, width, 3]` in -0.5..=0.5.
fn picture((height, width): (usize, usize), reach: f32) -> Vec<f32> {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let wave = |i: usize| {
        let (y, x) = ((i / 3 / width) as f32, (i / 3 % width) as f32);
        0.3 * (0.2 * x + 0.1 * y).sin() * (0.07 * y + (i % 3) as f32).cos()
    };
    (0..3 * height * width).map(|i| wave(i) + reach * (rng.random::<f32>() - 0.5)).collect()
}

/// From the errors to the score (the reference implementation's polynomial).
fn score(errors: f64) -> f64 {
    let s = errors * 0.956_238_261_683_484_4;
    let s =
        2.326_765_642_916_932 * s - 0.020_884_521_182_843_837 * s * s + 6.248_496_625_763_138e-5 * s.powi(3);
    if s > 0.0 { 100.0 - 10.0 * s.powf(0.627_633_646_783_138_7) } else { 100.0 }
}

#[test]
fn errors_rise_with_noise_and_vanish_for_equal_pictures() {
    for size in [(96, 128), (65, 43)] {
        let original = picture(size, 0.0);
        let at = |reach: f32| errors((1, size.0, size.1), &original, &picture(size, reach)).0[0];
        let found = [0.0, 0.02, 0.1, 0.4].map(at);
        assert!(found[0].abs() < 1e-3 && found.is_sorted(), "{size:?}: {found:?}");
        let scores = found.map(|errors| score(f64::from(errors)));
        assert!(scores[1] > 90.0 && scores[3] < 40.0, "{size:?}: {scores:?}");
    }
    assert_eq!(errors((1, 5, 9), &picture((5, 9), 0.0), &picture((5, 9), 0.1)).0, [0.0]);
}

/// The gradient along the noise is the difference of the errors in that direction.
#[test]
fn the_gradient_is_that_of_the_errors() {
    for size in [(48, 40), (37, 50)] {
        let (original, decoded) = (picture(size, 0.0), picture(size, 0.1));
        let along = |by: f32| -> Vec<f32> {
            decoded.iter().zip(&original).map(|(v, from)| v + by * (v - from)).collect()
        };
        let at = |v: &[f32]| f64::from(errors((1, size.0, size.1), &original, v).0[0]);
        let by = 0.02;
        let expected = (at(&along(by)) - at(&along(-by))) / f64::from(2.0 * by);
        let gradient = errors((1, size.0, size.1), &original, &decoded).1;
        let noise = decoded.iter().zip(&original).map(|(v, from)| v - from);
        let found: f64 = gradient.iter().zip(noise).map(|(g, d)| f64::from(g * d)).sum();
        assert!((found / expected - 1.0).abs() < 0.01, "{size:?}: {found}, expected {expected}");
    }
}
