//! A fixed camera with noise, changing light and shake.

use aecodec::{Color, Picture};
use aecodec_tests::Random;

/// Pixels of a frame.
pub const WIDTH: u32 = 640;
pub const HEIGHT: u32 = 480;
/// The largest shake in pixels.
const SHAKE: f32 = 3.0;
/// Standard deviation of the noise of a sample.
const NOISE: f32 = 5.0;

/// A camera that looks at a picture.
pub struct Camera<'a> {
    scene: &'a Picture,
}

impl<'a> Camera<'a> {
    pub fn new(scene: &'a Picture) -> Self {
        Self { scene }
    }

    /// The next frame: the light has a strength, a colour and a slope across the picture; the view is moved by a fraction of
    /// a pixel, or by some pixels.
    pub fn frame(&self, random: &mut Random) -> Picture {
        let middle =
            [(self.scene.height - HEIGHT) / 2, (self.scene.width - WIDTH) / 2].map(|start| start as f32);
        let shake = [middle[0] + SHAKE * signed(random), middle[1] + SHAKE * signed(random)];
        let strength = 1.0 + 0.15 * signed(random);
        let tint = [1.0 + 0.04 * signed(random), 1.0, 1.0 + 0.04 * signed(random)];
        let slope = [0.1 * signed(random), 0.1 * signed(random)];
        let mut samples = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let across =
                    slope[0] * (y as f32 / HEIGHT as f32 - 0.5) + slope[1] * (x as f32 / WIDTH as f32 - 0.5);
                for (channel, tint) in tint.into_iter().enumerate() {
                    let light = self.at(y as f32 + shake[0], x as f32 + shake[1], channel);
                    let value = light * (strength + across) * tint + NOISE * normal(random);
                    samples.push((value + 0.5).clamp(0.0, 255.0) as u8);
                }
            }
        }
        Picture::new(WIDTH, HEIGHT, Color::Rgb, samples).expect("a frame")
    }

    /// A sample of the scene between its pixels (bilinear).
    fn at(&self, y: f32, x: f32, channel: usize) -> f32 {
        let (row, column) = (y as usize, x as usize);
        let (v, h) = (y - row as f32, x - column as f32);
        let sample = |row: usize, column: usize| {
            f32::from(self.scene.samples[(row * self.scene.width as usize + column) * 3 + channel])
        };
        let above = sample(row, column) * (1.0 - h) + sample(row, column + 1) * h;
        let below = sample(row + 1, column) * (1.0 - h) + sample(row + 1, column + 1) * h;
        above * (1.0 - v) + below * v
    }
}

/// From -1 to 1.
pub fn signed(random: &mut Random) -> f32 {
    (random.number() >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Close to normal: the sum of four uniform numbers.
fn normal(random: &mut Random) -> f32 {
    let bits = random.number();
    let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xFFFF).sum();
    (sum as f32 / 65536.0 - 2.0) * 3.0_f32.sqrt()
}
