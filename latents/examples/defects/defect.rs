//! Three kinds of defects: foreign objects, scratches and stains, and missing parts.

use aecodec::Picture;
use aecodec_tests::Random;

use crate::camera::{HEIGHT, WIDTH, signed};

/// The pixels of a defect.
pub struct Mask(Vec<bool>);

impl Mask {
    pub fn none() -> Self {
        Self(vec![false; (WIDTH * HEIGHT) as usize])
    }

    pub fn covers(&self, y: u32, x: u32) -> bool {
        self.0[(y * WIDTH + x) as usize]
    }

    /// A blob with a wavy rim.
    fn blob(radius: f32, random: &mut Random) -> Self {
        let mut anywhere = |side: u32| radius + (side as f32 - 2.0 * radius) * (0.5 + 0.5 * signed(random));
        let center = [anywhere(HEIGHT), anywhere(WIDTH)];
        let waves = [(); 3].map(|()| (0.15 * signed(random), 3.0 * signed(random)));
        Self::drawn(|y, x| {
            let (dy, dx) = (y - center[0], x - center[1]);
            let angle = dy.atan2(dx);
            let wavy = (2..).zip(waves).map(|(n, (size, start))| size * (n as f32 * angle + start).sin());
            dy.hypot(dx) < radius * (1.0 + wavy.sum::<f32>())
        })
    }

    /// A bent line.
    fn scratch(width: f32, random: &mut Random) -> Self {
        let mut anywhere = |side: u32| side as f32 * (0.5 + 0.4 * signed(random));
        let from = [anywhere(HEIGHT), anywhere(WIDTH)];
        let (angle, bend, length) =
            (3.2 * signed(random), 0.3 * signed(random), 120.0 + 60.0 * signed(random));
        let direction = [angle.sin(), angle.cos()];
        Self::drawn(|y, x| {
            let (dy, dx) = (y - from[0], x - from[1]);
            let along = dy * direction[0] + dx * direction[1];
            let across = dy * direction[1] - dx * direction[0];
            (0.0..length).contains(&along) && (across - bend * along * along / length).abs() < width / 2.0
        })
    }

    fn drawn(covers: impl Fn(f32, f32) -> bool) -> Self {
        let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y as f32, x as f32)));
        Self(pixels.map(|(y, x)| covers(y, x)).collect())
    }
}

/// A kind of defect.
pub enum Kind<'a> {
    /// A piece of another picture.
    Object(&'a Picture),
    /// A scratch or a stain.
    Stain,
    /// A part of the scene is gone, and what is beside it continues in its place.
    Gap,
}

impl Kind<'_> {
    /// Changes a frame; returns where.
    pub fn apply(&self, frame: &mut Picture, random: &mut Random) -> Mask {
        loop {
            let mut changed = frame.clone();
            let mask = self.draw(&mut changed, random);
            // A dark stain in a dark corner is no defect that anyone could see.
            if difference(frame, &changed, &mask) > 12.0 {
                *frame = changed;
                return mask;
            }
        }
    }

    fn draw(&self, frame: &mut Picture, random: &mut Random) -> Mask {
        let old = frame.clone();
        match self {
            Self::Object(other) => {
                let mask = Mask::blob(36.0 + 16.0 * signed(random), random);
                let start = [
                    random.below((other.height - HEIGHT) as usize),
                    random.below((other.width - WIDTH) as usize),
                ];
                mask.fill(frame, |y, x, c| {
                    let at = (y + start[0]) * other.width as usize + x + start[1];
                    other.samples[at * 3 + c].into()
                });
                mask
            }
            Self::Stain => {
                let scratch = random.below(2) == 0;
                let mask = match scratch {
                    true => Mask::scratch(5.0 + 2.0 * signed(random), random),
                    false => Mask::blob(24.0 + 10.0 * signed(random), random),
                };
                let tone = [(); 3].map(|()| 100.0 + 100.0 * signed(random));
                let share = if scratch { 0.9 } else { 0.6 };
                mask.fill(frame, |y, x, c| sample(&old, y, x, c) * (1.0 - share) + tone[c] * share);
                mask
            }
            Self::Gap => {
                let mask = Mask::blob(36.0 + 16.0 * signed(random), random);
                let (height, width) = (HEIGHT as usize, WIDTH as usize);
                let shift = [random.below(200) + height - 100, random.below(240) + width - 120];
                mask.fill(frame, |y, x, c| sample(&old, (y + shift[0]) % height, (x + shift[1]) % width, c));
                mask
            }
        }
    }
}

impl Mask {
    fn fill(&self, frame: &mut Picture, value: impl Fn(usize, usize, usize) -> f32) {
        let width = WIDTH as usize;
        for i in (0..self.0.len()).filter(|&i| self.0[i]) {
            for c in 0..3 {
                frame.samples[3 * i + c] = value(i / width, i % width, c) as u8;
            }
        }
    }
}

fn sample(picture: &Picture, y: usize, x: usize, c: usize) -> f32 {
    picture.samples[(y * picture.width as usize + x) * 3 + c].into()
}

/// The mean difference of the samples of a mask.
fn difference(a: &Picture, b: &Picture, mask: &Mask) -> f32 {
    let (mut sum, mut count) = (0.0, 1.0);
    for i in (0..mask.0.len()).filter(|&i| mask.0[i]) {
        sum += (3 * i..3 * i + 3).map(|i| f32::from(a.samples[i].abs_diff(b.samples[i]))).sum::<f32>();
        count += 3.0;
    }
    sum / count
}
