//! The errors of SSIMULACRA 2 and their gradient, for one picture.
//!
//! SSIMULACRA 2 (Cloudinary and the JPEG XL project, version 2.1) compares pictures in XYB at six scales. Its errors are
//! the weighted sum from which the score is computed: 0 for equal pictures. They are about a sixth of the mean squared
//! error, in 8-bit units, of the same picture from the same encoder.

#[cfg(test)]
mod tests;
mod weights;

use super::kernel::{LANES, Path, Set, vectorised, with_path};
use super::math::{exp, greatest, ln};
use rayon::prelude::*;
use weights::{SCALES, WEIGHTS};

/// The smallest side of a scale that counts.
const LEAST_SIDE: usize = 8;
const RADIUS: usize = 5;
const SIGMA: f64 = 1.5;
const C2: f32 = 0.0009;
/// From linear RGB to the responses of the cones.
const OPSIN: [[f32; 3]; 3] =
    [[0.30, 0.622, 0.078], [0.23, 0.692, 0.078], [0.243_422_69, 0.204_767_45, 0.551_809_87]];
const OPSIN_BIAS: f32 = 0.003_793_073_3;

/// The weights of the Gaussian mean.
type Taps = [f32; 2 * RADIUS + 1];

/// Three planes of a scale.
type Planes = Vec<f32>;

/// Room for the errors of pictures of one size.
pub(super) struct EyeErrors {
    /// The height and the width of each scale.
    sizes: Vec<(usize, usize)>,
    taps: Taps,
    /// In linear light, at each scale.
    original: Vec<Planes>,
    decoded: Vec<Planes>,
    of_decoded: Vec<Planes>,
    a: Planes,
    b: Planes,
    roots: Planes,
    mean_a: Planes,
    mean_b: Planes,
    aa: Planes,
    bb: Planes,
    ab: Planes,
    products: Planes,
    rows: Planes,
    of_mean: Planes,
    of_bb: Planes,
    of_ab: Planes,
    of_b: Planes,
}

impl EyeErrors {
    /// Takes room for pictures of this height and width.
    pub(super) fn new(height: usize, width: usize) -> Self {
        let weight = |i: usize| (-((i as f64 - RADIUS as f64) / SIGMA).powi(2) / 2.0).exp();
        let sum: f64 = (0..=2 * RADIUS).map(weight).sum();
        let halved = |size: &(usize, usize)| Some((size.0.div_ceil(2), size.1.div_ceil(2)));
        let sizes: Vec<_> = std::iter::successors(Some((height, width)), halved)
            .take(SCALES)
            .take_while(|size| size.0.min(size.1) >= LEAST_SIDE)
            .collect();
        let pyramid: Vec<Planes> = sizes.iter().map(|size| vec![0.0; 3 * size.0 * size.1]).collect();
        let planes = || vec![0.0; 3 * height * width];
        Self {
            sizes,
            taps: std::array::from_fn(|i| (weight(i) / sum) as f32),
            original: pyramid.clone(),
            decoded: pyramid.clone(),
            of_decoded: pyramid,
            a: planes(),
            b: planes(),
            roots: planes(),
            mean_a: planes(),
            mean_b: planes(),
            aa: planes(),
            bb: planes(),
            ab: planes(),
            products: planes(),
            rows: vec![0.0; height * width],
            of_mean: planes(),
            of_bb: planes(),
            of_ab: planes(),
            of_b: planes(),
        }
    }

    /// Returns the errors of a decoded picture; `gradient` becomes their derivative with respect to it. All three are
    /// planes `[3, height, width]` of sRGB from 0 to 1. A picture with a side below 8 has no errors.
    pub(super) fn errors<P: Path>(
        &mut self,
        path: P,
        original: &[f32],
        decoded: &[f32],
        gradient: &mut [f32],
    ) -> f64 {
        if self.sizes.is_empty() {
            gradient.fill(0.0);
            return 0.0;
        }
        for (from, to) in [(original, &mut self.original[0]), (decoded, &mut self.decoded[0])] {
            vectorised!(path, P, [from: &[f32], to: &mut [f32]] {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = linear::<P>(*from));
            });
        }
        for scale in 1..self.original.len() {
            for pyramid in [&mut self.original, &mut self.decoded] {
                let (fine, coarse) = pyramid.split_at_mut(scale);
                halve(path, self.sizes[scale - 1], &fine[scale - 1], &mut coarse[0]);
            }
        }
        let mut total = 0.0;
        for scale in 0..self.original.len() {
            total += self.scale_errors(path, scale);
        }
        for scale in (1..self.of_decoded.len()).rev() {
            let (fine, coarse) = self.of_decoded.split_at_mut(scale);
            spread(path, self.sizes[scale - 1], &coarse[0], &mut fine[scale - 1]);
        }
        vectorised!(path, P, [gradient: &mut [f32], of_linear: &[f32] = &self.of_decoded[0], decoded: &[f32]] {
            for ((gradient, of_linear), v) in gradient.iter_mut().zip(of_linear).zip(decoded) {
                *gradient = of_linear * linear_slope::<P>(*v);
            }
        });
        total
    }

    /// The errors of one scale; writes their derivative with respect to the decoded picture in linear light.
    fn scale_errors<P: Path>(&mut self, path: P, scale: usize) -> f64 {
        let (height, side) = self.sizes[scale];
        let (n, all) = (height * side, 3 * height * side);
        let Self { taps, a, b, roots, mean_a, mean_b, aa, bb, ab, products, rows, .. } = self;
        to_xyb(path, n, &self.original[scale], &mut a[..all], &mut roots[..all]);
        to_xyb(path, n, &self.decoded[scale], &mut b[..all], &mut roots[..all]);
        let (a, b) = (&a[..all], &b[..all]);
        blur(path, taps, side, (a, &mut rows[..n], &mut mean_a[..all]));
        blur(path, taps, side, (b, &mut rows[..n], &mut mean_b[..all]));
        for (x, y, to) in [(a, a, aa), (b, b, bb), (a, b, ab)] {
            let products = &mut products[..all];
            products.iter_mut().zip(x).zip(y).for_each(|((product, x), y)| *product = x * y);
            blur(path, taps, side, (&*products, &mut rows[..n], &mut to[..all]));
        }
        let mut total = 0.0;
        for (channel, weights) in WEIGHTS.iter().enumerate() {
            let plane = channel * n..channel * n + n;
            let inputs = MapInputs {
                a: &self.a[plane.clone()],
                b: &self.b[plane.clone()],
                mean_a: &self.mean_a[plane.clone()],
                mean_b: &self.mean_b[plane.clone()],
                aa: &self.aa[plane.clone()],
                bb: &self.bb[plane.clone()],
                ab: &self.ab[plane.clone()],
            };
            let sums = vectorised!(path, P, [inputs: MapInputs<'_>, side: usize] -> [[f64; 3]; 2] { map_sums(inputs, side) });
            let weights = &weights[scale];
            let (mut of_mean, mut of_norm) = ([0.0f32; 3], [0.0f32; 3]);
            for map in 0..3 {
                let norm = (sums[1][map] / n as f64 + 1e-24).powf(0.25);
                total += weights[map] * sums[0][map] / n as f64 + weights[3 + map] * norm;
                of_mean[map] = (weights[map] / n as f64) as f32;
                of_norm[map] = (weights[3 + map] / norm.powi(3) / n as f64) as f32;
            }
            let of = MapGradients {
                of_mean: &mut self.of_mean[plane.clone()],
                of_bb: &mut self.of_bb[plane.clone()],
                of_ab: &mut self.of_ab[plane.clone()],
                of_b: &mut self.of_b[plane],
            };
            vectorised!(path, P, [inputs: MapInputs<'_>, of_mean: [f32; 3], of_norm: [f32; 3], of: MapGradients<'_>] {
                map_gradients(inputs, of_mean, of_norm, of);
            });
        }
        let Self { taps, a, b, products, rows, of_mean, of_bb, of_ab, of_b, .. } = self;
        let (a, b, of_b) = (&a[..all], &b[..all], &mut of_b[..all]);
        let (rows, products) = (&mut rows[..n], &mut products[..all]);
        blur(path, taps, side, (&of_mean[..all], &mut *rows, &mut *products));
        of_b.iter_mut().zip(&*products).for_each(|(of, v)| *of += v);
        blur(path, taps, side, (&of_bb[..all], &mut *rows, &mut *products));
        of_b.iter_mut().zip(&*products).zip(b).for_each(|((of, v), b)| *of += 2.0 * v * b);
        blur(path, taps, side, (&of_ab[..all], &mut *rows, &mut *products));
        of_b.iter_mut().zip(&*products).zip(a).for_each(|((of, v), a)| *of += v * a);
        from_xyb(path, n, of_b, &self.roots[..all], &mut self.of_decoded[scale][..all]);
        total
    }
}

/// One channel of the pictures, their means and the means of their products.
#[derive(Clone, Copy)]
struct MapInputs<'a> {
    a: &'a [f32],
    b: &'a [f32],
    mean_a: &'a [f32],
    mean_b: &'a [f32],
    aa: &'a [f32],
    bb: &'a [f32],
    ab: &'a [f32],
}

/// The error maps at a place, and the terms that their derivatives share.
struct Maps {
    light: f32,
    structure: f32,
    inverse: f32,
    inverse_edge: f32,
    /// The errors of structure.
    ssim: f32,
    /// The errors of edges: positive for artefacts, negative for lost detail.
    edges: f32,
}

impl<'a> MapInputs<'a> {
    /// The same inputs from this place on, all of one length, so that no index is checked in a loop.
    #[inline(always)]
    fn part(self, first: usize, length: usize) -> Self {
        let part = |plane: &'a [f32]| &plane[first..][..length];
        Self {
            a: part(self.a),
            b: part(self.b),
            mean_a: part(self.mean_a),
            mean_b: part(self.mean_b),
            aa: part(self.aa),
            bb: part(self.bb),
            ab: part(self.ab),
        }
    }

    #[inline(always)]
    fn maps(&self, j: usize) -> Maps {
        let (mean_a, mean_b) = (self.mean_a[j], self.mean_b[j]);
        let difference = mean_a - mean_b;
        let light = 1.0 - difference * difference;
        let structure = 2.0 * (self.ab[j] - mean_a * mean_b) + C2;
        let inverse = 1.0 / (self.aa[j] - mean_a * mean_a + self.bb[j] - mean_b * mean_b + C2);
        let inverse_edge = 1.0 / (1.0 + (self.a[j] - mean_a).abs());
        let edges = (1.0 + (self.b[j] - mean_b).abs()) * inverse_edge - 1.0;
        Maps { light, structure, inverse, inverse_edge, ssim: 1.0 - light * structure * inverse, edges }
    }
}

/// The sums of the three error maps of a channel, and of their fourth powers.
#[inline(always)]
fn map_sums(inputs: MapInputs, side: usize) -> [[f64; 3]; 2] {
    let mut sums = [[0.0f64; 3]; 2];
    // Single precision is enough for one row. Its last lanes are padded if the side is no multiple of the lanes.
    for row in (0..inputs.a.len()).step_by(side) {
        let mut lanes = [[0.0f32; LANES]; 6];
        let mut first = 0;
        while first < side {
            let count = LANES.min(side - first);
            if count == LANES {
                add_maps(inputs.part(row + first, LANES), LANES, &mut lanes);
            } else {
                add_maps(inputs.part(row + first, count), count, &mut lanes);
            }
            first += count;
        }
        for (map, lanes) in lanes.iter().enumerate() {
            sums[map / 3][map % 3] += f64::from(lanes.iter().sum::<f32>());
        }
    }
    sums
}

#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "one index for all of them becomes vector code")]
fn add_maps(inputs: MapInputs, count: usize, lanes: &mut [[f32; LANES]; 6]) {
    for k in 0..count {
        let Maps { ssim, edges, .. } = inputs.maps(k);
        let maps = [greatest(ssim, 0.0), greatest(edges, 0.0), greatest(-edges, 0.0)];
        for (map, v) in maps.into_iter().enumerate() {
            let squared = v * v;
            lanes[map][k] += v;
            lanes[3 + map][k] += squared * squared;
        }
    }
}

/// The derivatives of the errors with respect to the decoded picture's mean, its square, its product with the original,
/// and itself.
struct MapGradients<'a> {
    of_mean: &'a mut [f32],
    of_bb: &'a mut [f32],
    of_ab: &'a mut [f32],
    of_b: &'a mut [f32],
}

#[inline(always)]
fn map_gradients(inputs: MapInputs, means: [f32; 3], norms: [f32; 3], of: MapGradients) {
    let n = inputs.a.len();
    let inputs = inputs.part(0, n);
    let (of_mean, of_bb) = (&mut of.of_mean[..n], &mut of.of_bb[..n]);
    let (of_ab, of_b) = (&mut of.of_ab[..n], &mut of.of_b[..n]);
    for j in 0..n {
        let Maps { light, structure, inverse, inverse_edge, ssim, edges } = inputs.maps(j);
        let (mean_a, mean_b) = (inputs.mean_a[j], inputs.mean_b[j]);
        let of_ssim = -(means[0] + norms[0] * ssim * ssim * ssim);
        let of_product = if ssim > 0.0 { of_ssim } else { 0.0 };
        let product = light * structure * inverse;
        let of_mean_b = (2.0 * (mean_a - mean_b) * structure - 2.0 * mean_a * light) * inverse
            + 2.0 * mean_b * product * inverse;
        let from_mean = inputs.b[j] - mean_b;
        let cube = edges * edges * edges;
        let of_artefact = means[1] + norms[1] * cube;
        let of_loss = norms[2] * cube - means[2];
        let of_edges = if edges > 0.0 { of_artefact } else { of_loss };
        let of_edges = if (edges == 0.0) | (from_mean == 0.0) { 0.0 } else { of_edges };
        let of_edge = of_edges * inverse_edge.copysign(from_mean);
        of_mean[j] = of_product * of_mean_b - of_edge;
        of_ab[j] = of_product * 2.0 * light * inverse;
        of_bb[j] = -of_product * product * inverse;
        of_b[j] = of_edge;
    }
}

#[inline(always)]
fn power<P: Path>(x: f32, exponent: f32) -> f32 {
    exp::<P>(ln::<P>(x) * exponent)
}

/// sRGB to linear light.
#[inline(always)]
fn linear<P: Path>(v: f32) -> f32 {
    let curved = power::<P>((greatest(v, 0.04) + 0.055) * (1.0 / 1.055), 2.4);
    if v <= 0.04045 { v * (1.0 / 12.92) } else { curved }
}

/// The derivative of [`linear`].
#[inline(always)]
fn linear_slope<P: Path>(v: f32) -> f32 {
    let curved = power::<P>((greatest(v, 0.04) + 0.055) * (1.0 / 1.055), 1.4) * (2.4 / 1.055);
    if v <= 0.04045 { 1.0 / 12.92 } else { curved }
}

/// Means of up to 2x2 samples: at an odd edge only of those that are there.
fn halve<P: Path>(path: P, (height, width): (usize, usize), fine: &[f32], coarse: &mut [f32]) {
    if height.is_multiple_of(2) && width.is_multiple_of(2) {
        vectorised!(path, P, [side: usize = width / 2, fine: &[f32], coarse: &mut [f32]] {
            for (row, coarse) in coarse.chunks_exact_mut(side).enumerate() {
                let (upper, lower) = fine[row * 4 * side..][..4 * side].split_at(2 * side);
                for (x, coarse) in coarse.iter_mut().enumerate() {
                    *coarse = 0.25 * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]);
                }
            }
        });
        return;
    }
    coarse.fill(0.0);
    for_each_sample((height, width), fine.len(), |from, to, share| coarse[to] += share * fine[from]);
}

/// Adds the derivatives of coarse planes to those of the fine planes that they are the means of.
fn spread<P: Path>(path: P, (height, width): (usize, usize), coarse: &[f32], fine: &mut [f32]) {
    if height.is_multiple_of(2) && width.is_multiple_of(2) {
        vectorised!(path, P, [side: usize = width / 2, coarse: &[f32], fine: &mut [f32]] {
            for (row, fine) in fine.chunks_exact_mut(2 * side).enumerate() {
                for (pair, coarse) in fine.chunks_exact_mut(2).zip(&coarse[row / 2 * side..]) {
                    pair[0] += 0.25 * coarse;
                    pair[1] += 0.25 * coarse;
                }
            }
        });
        return;
    }
    for_each_sample((height, width), fine.len(), |to, from, share| fine[to] += share * coarse[from]);
}

/// Calls `each` with the place of every sample in fine planes, its place in the coarse planes, and its share there.
fn for_each_sample((height, width): (usize, usize), samples: usize, mut each: impl FnMut(usize, usize, f32)) {
    let (coarse_height, coarse_width) = (height.div_ceil(2), width.div_ceil(2));
    for i in 0..samples {
        let (plane, y, x) = (i / (height * width), i / width % height, i % width);
        let present = |at: usize, length: usize| if at / 2 * 2 + 1 < length { 2 } else { 1 };
        let share = 1.0 / (present(y, height) * present(x, width)) as f32;
        each(i, (plane * coarse_height + y / 2) * coarse_width + x / 2, share);
    }
}

/// Linear RGB to the XYB of JPEG XL, shifted so that it is positive. `roots` become the cube roots of the responses.
fn to_xyb<P: Path>(path: P, n: usize, linear: &[f32], to: &mut [f32], roots: &mut [f32]) {
    vectorised!(path, P, [n: usize, linear: &[f32], to: &mut [f32], roots: &mut [f32]] {
        let bias_root = OPSIN_BIAS.cbrt();
        for (channel, row) in OPSIN.iter().enumerate() {
            let (r, g, b) = (&linear[..n], &linear[n..2 * n], &linear[2 * n..3 * n]);
            let roots = &mut roots[channel * n..][..n];
            for i in 0..n {
                let response = row[0] * r[i] + row[1] * g[i] + row[2] * b[i] + OPSIN_BIAS;
                roots[i] = power::<P>(greatest(response, 1e-5), 1.0 / 3.0);
            }
        }
        let (l, rest) = roots[..3 * n].split_at(n);
        let (m, s) = rest.split_at(n);
        let (x, rest) = to[..3 * n].split_at_mut(n);
        let (y, b) = rest.split_at_mut(n);
        for i in 0..n {
            let sum = 0.5 * (l[i] + m[i]) - bias_root;
            x[i] = 7.0 * (l[i] - m[i]) + 0.42;
            y[i] = sum + 0.01;
            b[i] = (s[i] - bias_root) - sum + 0.55;
        }
    });
}

/// The derivative with respect to linear RGB, given that with respect to XYB.
fn from_xyb<P: Path>(path: P, n: usize, of: &[f32], roots: &[f32], to: &mut [f32]) {
    vectorised!(path, P, [n: usize, of: &[f32], roots: &[f32], to: &mut [f32]] {
        let (of_x, rest) = of[..3 * n].split_at(n);
        let (of_y, of_b) = rest.split_at(n);
        let (l, rest) = roots[..3 * n].split_at(n);
        let (m, s) = rest.split_at(n);
        let (red, rest) = to[..3 * n].split_at_mut(n);
        let (green, blue) = rest.split_at_mut(n);
        for i in 0..n {
            let sum = 0.5 * (of_y[i] - of_b[i]);
            let of_l = (7.0 * of_x[i] + sum) / (3.0 * l[i] * l[i]);
            let of_m = (sum - 7.0 * of_x[i]) / (3.0 * m[i] * m[i]);
            let of_s = of_b[i] / (3.0 * s[i] * s[i]);
            red[i] = of_l * OPSIN[0][0] + of_m * OPSIN[1][0] + of_s * OPSIN[2][0];
            green[i] = of_l * OPSIN[0][1] + of_m * OPSIN[1][1] + of_s * OPSIN[2][1];
            blue[i] = of_l * OPSIN[0][2] + of_m * OPSIN[1][2] + of_s * OPSIN[2][2];
        }
    });
}

/// The Gaussian means of three planes, with zeros outside. `rows` has room for one plane.
fn blur<P: Path>(path: P, taps: &Taps, side: usize, (from, rows, to): (&[f32], &mut [f32], &mut [f32])) {
    vectorised!(path, P, [taps: &Taps, side: usize, from: &[f32], rows: &mut [f32], to: &mut [f32]] {
        for (from, to) in from.chunks_exact(rows.len()).zip(to.chunks_exact_mut(rows.len())) {
            let height = rows.len() / side;
            for (row, from) in rows.chunks_exact_mut(side).zip(from.chunks_exact(side)) {
                row.fill(0.0);
                for (i, tap) in taps.iter().enumerate() {
                    // Sample x is multiplied by this tap for the mean at x + RADIUS - i.
                    let right = RADIUS.saturating_sub(i);
                    let left = i.saturating_sub(RADIUS);
                    let (right, left) = (right.min(side), left.min(side));
                    for (to, from) in row[right..].iter_mut().zip(&from[left..]) {
                        *to = P::fused(*tap, *from, *to);
                    }
                }
            }
            for (y, to) in to.chunks_exact_mut(side).enumerate() {
                to.fill(0.0);
                for (i, tap) in taps.iter().enumerate() {
                    let Some(row) = (y + i).checked_sub(RADIUS).filter(|row| *row < height) else { continue };
                    let from = &rows[row * side..][..side];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = P::fused(*tap, *from, *to));
                }
            }
        }
    });
}

/// The errors of decoded pictures `[n, h, w, 3]` in -0.5..=0.5 against the originals, and their gradients, on the
/// fastest path.
pub(crate) fn errors(
    shape: (usize, usize, usize),
    original: &[f32],
    decoded: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let (_, height, width) = shape;
    let samples = 3 * height * width;
    let mut gradient = vec![0.0; decoded.len()];
    let errors = decoded
        .par_chunks(samples)
        .zip(original.par_chunks(samples))
        .zip(gradient.par_chunks_mut(samples))
        .map(|((decoded, original), gradient)| {
            let planes = |from: &[f32]| -> Vec<f32> {
                let plane = |channel: usize| from[channel..].iter().step_by(3).map(|v| v + 0.5);
                (0..3).flat_map(plane).collect()
            };
            let mut of_planes = vec![0.0; samples];
            let (original, decoded) = (planes(original), planes(decoded));
            let mut room = EyeErrors::new(height, width);
            let found =
                with_path!(Set::chosen(), |path| room.errors(path, &original, &decoded, &mut of_planes));
            for (i, gradient) in gradient.iter_mut().enumerate() {
                *gradient = of_planes[i % 3 * height * width + i / 3];
            }
            found.unwrap_or(f64::NAN) as f32
        })
        .collect();
    (errors, gradient)
}
