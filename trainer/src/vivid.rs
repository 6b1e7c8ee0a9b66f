//! Crops with strong colours, which photographs seldom have.

use rand::Rng;
use rand::seq::SliceRandom;

/// The share of red, green and blue in brightness (ITU-R BT.601).
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// Changes the colours of a square crop, `[side, side, 3]`: more saturation, other channels, or flat areas.
pub(crate) fn strengthen(rng: &mut impl Rng, side: usize, samples: &mut [u8]) {
    match rng.random_range(0..10) {
        0..6 => saturate(rng, samples),
        6..8 => exchange(rng, samples),
        _ => flatten(rng, side, samples),
    }
}

/// The channels in random order.
fn order(rng: &mut impl Rng) -> [usize; 3] {
    let mut order = [0, 1, 2];
    order.shuffle(rng);
    order
}

fn saturate(rng: &mut impl Rng, samples: &mut [u8]) {
    let saturation = rng.random_range(1.0..4.0f32);
    let order = if rng.random() { order(rng) } else { [0, 1, 2] };
    let gain: [f32; 3] = std::array::from_fn(|_| rng.random_range(0.5..1.5));
    let shift: [f32; 3] = std::array::from_fn(|_| rng.random_range(-40.0..40.0));
    for pixel in samples.chunks_exact_mut(3) {
        let rgb: [f32; 3] = std::array::from_fn(|channel| f32::from(pixel[channel]));
        let gray: f32 = rgb.iter().zip(BRIGHTNESS).map(|(v, share)| v * share).sum();
        for channel in 0..3 {
            let v = gray + (rgb[order[channel]] - gray) * saturation;
            // The conversion saturates.
            pixel[channel] = (v * gain[channel] + shift[channel]) as u8;
        }
    }
}

/// Exchanges channels, and removes some of them.
fn exchange(rng: &mut impl Rng, samples: &mut [u8]) {
    let (order, kept) = (order(rng), [(); 3].map(|()| rng.random_bool(0.6)));
    for pixel in samples.chunks_exact_mut(3) {
        let rgb = [pixel[0], pixel[1], pixel[2]];
        for channel in 0..3 {
            pixel[channel] = if kept[channel] { rgb[order[channel]] } else { 0 };
        }
    }
}

/// Fills rectangles with pure colours.
fn flatten(rng: &mut impl Rng, side: usize, samples: &mut [u8]) {
    for _ in 0..rng.random_range(1..5) {
        let mut range = || {
            let (a, b) = (rng.random_range(0..=side), rng.random_range(0..=side));
            a.min(b)..a.max(b)
        };
        let (rows, columns) = (range(), range());
        let color: [u8; 3] = [(); 3].map(|()| [0, 255, 255, 128][rng.random_range(0..4)]);
        for row in rows {
            let row = &mut samples[3 * row * side..][..3 * side];
            row[3 * columns.start..3 * columns.end]
                .chunks_exact_mut(3)
                .for_each(|pixel| pixel.copy_from_slice(&color));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn colours_become_stronger_and_nothing_leaves_the_crop() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let spread = |samples: &[u8]| -> u32 {
            let of = |pixel: &[u8]| pixel.iter().max().zip(pixel.iter().min()).map_or(0, |(a, b)| a - b);
            samples.chunks_exact(3).map(|pixel| u32::from(of(pixel))).sum()
        };
        let calm: Vec<u8> = (0..32 * 32).flat_map(|i| [100 + (i % 32) as u8, 110, 120]).collect();
        let (mut before, mut after) = (0, 0);
        for _ in 0..50 {
            let mut samples = calm.clone();
            strengthen(rng, 32, &mut samples);
            assert_eq!(samples.len(), calm.len());
            (before, after) = (before + spread(&calm), after + spread(&samples));
        }
        assert!(after > 3 * before, "{before}, then {after}");
    }
}
