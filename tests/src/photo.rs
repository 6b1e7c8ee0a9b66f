//! Pictures with what photographs have: slow gradients, texture at every scale, and objects that hide each other
//! behind sharp edges (the "dead leaves" model). The same seed gives the same picture.

use aecodec::{Color, Picture};
use aecodec_fuzz::Random;

/// Side of the largest cells of the texture, in pixels; each octave halves it.
const CELL: usize = 128;
/// Amplitude of each octave: as in photographs, it falls a little slower than the scale.
const TEXTURE: [f32; 7] = [24.0, 18.0, 14.0, 10.0, 8.0, 6.0, 5.0];
const TINT: [f32; 3] = [14.0, 9.0, 6.0];
const LEAVES: usize = 60;

/// A picture for a seed, upright and without alpha.
///
/// # Panics
/// If a side is 0.
pub fn photo(width: u32, height: u32, color: Color, seed: u64) -> Picture {
    let random = &mut Random::new(seed);
    let (w, h) = (width as usize, height as usize);
    let texture = Noise::new(w, h, &TEXTURE, random);
    let tints = [Noise::new(w, h, &TINT, random), Noise::new(w, h, &TINT, random)];
    let sky = Leaf::new(w, h, random);
    let leaves: Vec<Leaf> = (0..LEAVES).map(|_| Leaf::new(w, h, random)).collect();

    let mut samples = Vec::with_capacity(w * h * color.channels());
    for y in 0..h {
        for x in 0..w {
            let leaf = leaves.iter().find(|leaf| leaf.covers(x, y)).unwrap_or(&sky);
            let light = leaf.light(x, y) + leaf.roughness * texture.at(x, y);
            let [a, b] = tints.each_ref().map(|tint| tint.at(x, y));
            let rgb = [a, 0.0, b].into_iter().zip(leaf.tint).map(|(own, tint)| light + own + tint);
            match color {
                Color::Gray => samples.push(light as u8),
                Color::Rgb => samples.extend(rgb.map(|v| v as u8)),
            }
        }
    }
    Picture::new(width, height, color, samples).expect("sides of 1 and more")
}

/// An alpha plane: opaque leaves with soft rims before a clear ground.
pub fn mask(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let random = &mut Random::new(seed);
    let leaves: Vec<Leaf> = (0..5).map(|_| Leaf::new(width as usize, height as usize, random)).collect();
    let pixels = (0..height as usize).flat_map(|y| (0..width as usize).map(move |x| (x, y)));
    let depth = |(x, y)| leaves.iter().map(|leaf| leaf.depth(x, y)).fold(f32::MIN, f32::max);
    pixels.map(|pixel| (64.0 * depth(pixel)) as u8).collect()
}

/// A number from -1 to 1.
fn signed(random: &mut Random) -> f32 {
    (random.number() >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// A disc of one material.
struct Leaf {
    center: [f32; 2],
    radius: f32,
    light: f32,
    slope: [f32; 2],
    tint: [f32; 3],
    roughness: f32,
}

impl Leaf {
    fn new(width: usize, height: usize, random: &mut Random) -> Self {
        let scale = width.max(height) as f32;
        let mut anywhere = |side: usize| (0.5 + 0.5 * signed(random)) * side as f32;
        let center = [anywhere(width), anywhere(height)];
        Self {
            center,
            // Many small ones, few large ones: from 2 to 20 hundredths of the picture.
            radius: 0.022 * scale / (0.6 + 0.49 * signed(random)),
            light: 128.0 + 60.0 * signed(random),
            slope: [(); 2].map(|()| 60.0 * signed(random) / scale),
            tint: [(); 3].map(|()| 25.0 * signed(random)),
            roughness: 0.6 + 0.5 * signed(random),
        }
    }

    fn light(&self, x: usize, y: usize) -> f32 {
        let [dx, dy] = self.offset(x, y);
        self.light + self.slope[0] * dx + self.slope[1] * dy
    }

    fn covers(&self, x: usize, y: usize) -> bool {
        let [dx, dy] = self.offset(x, y);
        dx * dx + dy * dy < self.radius * self.radius
    }

    /// Pixels to the rim, negative outside.
    fn depth(&self, x: usize, y: usize) -> f32 {
        let [dx, dy] = self.offset(x, y);
        self.radius - (dx * dx + dy * dy).sqrt()
    }

    fn offset(&self, x: usize, y: usize) -> [f32; 2] {
        [x as f32 - self.center[0], y as f32 - self.center[1]]
    }
}

/// Value noise: random numbers on lattices, each twice as fine as the one before, smoothly interpolated.
struct Noise(Vec<Lattice>);

struct Lattice {
    cell: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Noise {
    fn new(width: usize, height: usize, amplitudes: &[f32], random: &mut Random) -> Self {
        let lattice = |(octave, &amplitude): (usize, &f32)| {
            let cell = CELL >> octave;
            let stride = width / cell + 2;
            let values = (0..stride * (height / cell + 2)).map(|_| amplitude * signed(random)).collect();
            Lattice { cell, stride, values }
        };
        Self(amplitudes.iter().enumerate().map(lattice).collect())
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.0.iter().map(|lattice| lattice.at(x, y)).sum()
    }
}

impl Lattice {
    fn at(&self, x: usize, y: usize) -> f32 {
        let smooth = |v: usize| {
            let t = (v % self.cell) as f32 / self.cell as f32;
            t * t * (3.0 - 2.0 * t)
        };
        let corner = y / self.cell * self.stride + x / self.cell;
        let (tx, ty) = (smooth(x), smooth(y));
        let row = |i: usize| self.values[i] + tx * (self.values[i + 1] - self.values[i]);
        row(corner) + ty * (row(corner + self.stride) - row(corner))
    }
}
