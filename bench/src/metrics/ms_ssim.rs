//! Multi-scale structural similarity (Wang, Simoncelli and Bovik 2003).

use crate::Rgb;

/// Weights of the scales, finest first (Wang et al., section 3.2).
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// The shortest side that leaves room for a window at the coarsest scale.
const LEAST_SIDE: usize = ((WINDOW - 1) << (WEIGHTS.len() - 1)) + 1;
/// Constants that keep the ratios finite in dark and in flat areas: (0.01 * 255)^2 and (0.03 * 255)^2.
const LUMINANCE: f64 = 6.5025;
const CONTRAST: f64 = 58.5225;

/// Multi-scale structural similarity, from 0 to 1: the mean over red, green and blue.
///
/// Both pictures have the same size. Returns `None` if a side is below 161 pixels, as the coarsest scale then has no
/// room for a window.
///
/// Windows are within the picture. Each scale halves the one before by the mean of 2x2 pixels, after a row or column of
/// zeros was added before an odd side. Negative similarities count as 0. All of this matches `pytorch_msssim`, which
/// papers on learned codecs use.
pub fn ms_ssim(original: &Rgb, decoded: &Rgb) -> Option<f64> {
    if original.width.min(original.height) < LEAST_SIDE {
        return None;
    }
    let window = gaussian();
    let channels = (0..3).map(|channel| {
        let (mut a, mut b) = (Plane::channel(original, channel), Plane::channel(decoded, channel));
        let mut product = 1.0;
        for (scale, weight) in WEIGHTS.into_iter().enumerate() {
            if scale > 0 {
                (a, b) = (a.halved(), b.halved());
            }
            let (structure, whole) = similarity(&a, &b, &window);
            let value = if scale == WEIGHTS.len() - 1 { whole } else { structure };
            product *= value.max(0.0).powf(weight);
        }
        product
    });
    Some(channels.sum::<f64>() / 3.0)
}

/// One channel at one scale.
struct Plane {
    width: usize,
    height: usize,
    /// `[height, width]`. Means of 8-bit samples at these scales are exact in 32 bits.
    samples: Vec<f32>,
}

impl Plane {
    fn channel(picture: &Rgb, channel: usize) -> Self {
        let samples = picture.samples.iter().skip(channel).step_by(3).map(|&v| f32::from(v)).collect();
        Self { width: picture.width, height: picture.height, samples }
    }

    fn row(&self, y: usize) -> &[f32] {
        &self.samples[y * self.width..(y + 1) * self.width]
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        // Column 0 holds the added zeros if the width is odd.
        let pad = self.width % 2;
        let mut sums = vec![0.0; 2 * width];
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            sums.fill(0.0);
            let lower = 2 * y + 1 - self.height % 2;
            for row in [lower.checked_sub(1), Some(lower)].into_iter().flatten() {
                sums[pad..].iter_mut().zip(self.row(row)).for_each(|(sum, v)| *sum += v);
            }
            samples.extend(sums.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 4.0));
        }
        Self { width, height, samples }
    }
}

/// Two means over all windows: of contrast times structure, and of the same times luminance.
fn similarity(a: &Plane, b: &Plane, window: &[f64; WINDOW]) -> (f64, f64) {
    let width = a.width - (WINDOW - 1);
    let mut products = Means::new(a.width);
    // The last rows, blurred horizontally. Row y is at y % WINDOW.
    let mut rows: Vec<Means> = (0..WINDOW).map(|_| Means::new(width)).collect();
    let mut means = Means::new(width);
    let (mut structure, mut whole) = (0.0, 0.0);
    for y in 0..a.height {
        products.multiply(a.row(y), b.row(y));
        rows[y % WINDOW].blur_along(&products, window);
        let Some(top) = (y + 1).checked_sub(WINDOW) else { continue };
        means.clear();
        for (k, &weight) in window.iter().enumerate() {
            means.add(&rows[(top + k) % WINDOW], 0, weight);
        }
        for x in 0..width {
            let [a, b, squares, cross] = means.at(x);
            let (ab, aa_bb) = (a * b, a * a + b * b);
            let part = (2.0 * (cross - ab) + CONTRAST) / (squares - aa_bb + CONTRAST);
            structure += part;
            whole += part * (2.0 * ab + LUMINANCE) / (aa_bb + LUMINANCE);
        }
    }
    let count = (width * (a.height - (WINDOW - 1))) as f64;
    (structure / count, whole / count)
}

/// A row of a, b, a^2 + b^2 and a b.
struct Means([Vec<f64>; 4]);

impl Means {
    fn new(width: usize) -> Self {
        Self(std::array::from_fn(|_| vec![0.0; width]))
    }

    fn clear(&mut self) {
        self.0.iter_mut().for_each(|row| row.fill(0.0));
    }

    fn at(&self, x: usize) -> [f64; 4] {
        self.0.each_ref().map(|row| row[x])
    }

    fn multiply(&mut self, a: &[f32], b: &[f32]) {
        let [of_a, of_b, squares, cross] = &mut self.0;
        let out = of_a.iter_mut().zip(of_b).zip(squares.iter_mut().zip(cross));
        for (((out_a, out_b), (squares, cross)), (&a, &b)) in out.zip(a.iter().zip(b)) {
            let (a, b) = (f64::from(a), f64::from(b));
            (*out_a, *out_b, *squares, *cross) = (a, b, a * a + b * b, a * b);
        }
    }

    fn blur_along(&mut self, from: &Self, window: &[f64; WINDOW]) {
        self.clear();
        for (k, &weight) in window.iter().enumerate() {
            self.add(from, k, weight);
        }
    }

    /// Adds the row that starts `skip` values later in `from`, multiplied by a weight.
    fn add(&mut self, from: &Self, skip: usize, weight: f64) {
        for (to, from) in self.0.iter_mut().zip(&from.0) {
            to.iter_mut().zip(&from[skip..]).for_each(|(to, from)| *to += weight * from);
        }
    }
}

fn gaussian() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let bell: [f64; WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = bell.iter().sum();
    bell.map(|v| v / sum)
}
