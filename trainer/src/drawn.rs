//! Generated crops with content that photographs lack: flat shapes, stripes, checkerboards and noise.
//!
//! Without them in training, a network produces activations far outside of its usual range on such pictures.

use rand::Rng;

/// Draws a square crop as samples `[side, side, 3]`.
pub(crate) fn draw(rng: &mut impl Rng, side: usize) -> Vec<u8> {
    let mut samples = if rng.random() { shapes(rng, side) } else { pattern(rng, side) };
    if rng.random_bool(0.3) {
        let reach = rng.random_range(2.0..100.0f32);
        for sample in &mut samples {
            *sample = (f32::from(*sample) + rng.random_range(-reach..reach)) as u8;
        }
    }
    samples
}

/// A random colour. Half of the time it is black, white or gray.
fn color(rng: &mut impl Rng) -> [u8; 3] {
    if rng.random() { rng.random() } else { [[0, 128, 255][rng.random_range(0..3)]; 3] }
}

/// Overlapping rectangles and ellipses, some of them as small as letters.
fn shapes(rng: &mut impl Rng, side: usize) -> Vec<u8> {
    let mut samples = color(rng).repeat(side * side);
    let ink = color(rng);
    for i in 0..rng.random_range(1..80) {
        let largest = if i < 6 { side } else { 24.min(side) };
        let (height, width) = (rng.random_range(1..=largest), rng.random_range(1..=largest));
        let (top, left) = (rng.random_range(0..=side - height), rng.random_range(0..=side - width));
        let fill = if i < 6 { color(rng) } else { ink };
        let round = rng.random_bool(0.4);
        for y in 0..height {
            for x in 0..width {
                let from_middle = |at: usize, size: usize| (2 * at + 1) as f32 / size as f32 - 1.0;
                if !round || from_middle(y, height).powi(2) + from_middle(x, width).powi(2) <= 1.0 {
                    samples[((top + y) * side + left + x) * 3..][..3].copy_from_slice(&fill);
                }
            }
        }
    }
    samples
}

/// Stripes, a checkerboard or random blocks of two colours.
fn pattern(rng: &mut impl Rng, side: usize) -> Vec<u8> {
    let period = 2f64.powf(rng.random_range(0.0..5.0)) as usize;
    let (kind, slopes) = (rng.random_range(0..3), [rng.random_range(0..3), rng.random_range(0..3)]);
    let across = side / period + 1;
    let blocks: Vec<bool> = (0..across * across).map(|_| rng.random()).collect();
    let colors = [color(rng), color(rng)];
    let mut samples = Vec::with_capacity(side * side * 3);
    for y in 0..side {
        for x in 0..side {
            let odd = match kind {
                0 => (x * slopes[0] + y * slopes[1]) / period % 2 == 1,
                1 => (x / period + y / period) % 2 == 1,
                _ => blocks[y / period * across + x / period],
            };
            samples.extend(colors[usize::from(odd)]);
        }
    }
    samples
}
