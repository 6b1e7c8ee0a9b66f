//! Multi-scale structural similarity with gradients (Wang, Simoncelli and Bovik 2003).

use crate::Result;
use candle_core::{Device, Tensor};

/// Weights of the scales, finest first (section 3.2).
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Constants that keep the ratios finite in dark and in flat areas: (0.01 * 255)^2 and (0.03 * 255)^2.
const LUMINANCE: f64 = 6.5025;
const CONTRAST: f64 = 58.5225;
/// The smallest similarity, so that the logarithm of the product stays finite.
const LEAST: f64 = 1e-3;

/// The similarity of pictures `[N, H, W, 3]` in -0.5..=0.5: `[N]`, at most 1.
///
/// Small pictures use only the scales that have room for a window of 11 pixels, with normalised weights.
pub(crate) fn ms_ssim(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, mut h, mut w, _) = a.dims4()?;
    let plane = |t: &Tensor| t.affine(255.0, 127.5)?.permute((0, 3, 1, 2))?.reshape((3 * n, h, w));
    let (mut a, mut b) = (plane(a)?, plane(b)?);
    let scales = (0..WEIGHTS.len()).take_while(|scale| h.min(w) >> scale >= WINDOW).count();
    let total: f64 = WEIGHTS[..scales].iter().sum();
    let mut sum = Tensor::zeros(3 * n, a.dtype(), a.device())?;
    for (scale, weight) in WEIGHTS[..scales].iter().enumerate() {
        if scale > 0 {
            (h, w) = (h / 2, w / 2);
            let halved = |t: &Tensor| t.reshape((3 * n, h, 2, w, 2))?.mean((2, 4));
            (a, b) = (halved(&a)?, halved(&b)?);
        }
        let (structure, whole) = similarity(&a, &b)?;
        let own = if scale + 1 == scales { whole } else { structure };
        sum = (sum + (own.maximum(LEAST)?.log()? * (weight / total))?)?;
    }
    Ok(sum.exp()?.reshape((n, 3))?.mean(1)?)
}

/// Two means over all windows of each plane: of contrast times structure, and of the same times luminance.
fn similarity(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let (mean_a, mean_b) = (blurred(a)?, blurred(b)?);
    let (aa, bb, ab) = (mean_a.sqr()?, mean_b.sqr()?, (&mean_a * &mean_b)?);
    let var_a = (blurred(&a.sqr()?)? - &aa)?;
    let var_b = (blurred(&b.sqr()?)? - &bb)?;
    let both = (blurred(&(a * b)?)? - &ab)?;
    let structure = (both.affine(2.0, CONTRAST)? / (var_a + var_b)?.affine(1.0, CONTRAST)?)?;
    let light = (ab.affine(2.0, LUMINANCE)? / (aa + bb)?.affine(1.0, LUMINANCE)?)?;
    let mean = |t: &Tensor| t.flatten_from(1)?.mean(1);
    Ok((mean(&structure)?, mean(&(&structure * light)?)?))
}

/// The weighted means of all windows of planes `[K, H, W]`, transposed, by two products with banded matrices.
fn blurred(x: &Tensor) -> Result<Tensor> {
    let (k, h, w) = x.dims3()?;
    let (of_rows, of_columns) = (windows(w, x.device())?, windows(h, x.device())?);
    let x = x.reshape((k * h, w))?.matmul(&of_rows)?.reshape((k, h, w - WINDOW + 1))?;
    let x = x.transpose(1, 2)?.contiguous()?.reshape((k * (w - WINDOW + 1), h))?;
    Ok(x.matmul(&of_columns)?.reshape((k, w - WINDOW + 1, h - WINDOW + 1))?)
}

/// A banded matrix with a window in each column, `[length, length - 10]`.
fn windows(length: usize, device: &Device) -> Result<Tensor> {
    let middle = (WINDOW / 2) as f64;
    let tap = |i: usize| (-((i as f64 - middle) / SIGMA).powi(2) / 2.0).exp();
    let sum: f64 = (0..WINDOW).map(tap).sum();
    let columns = length - WINDOW + 1;
    let value = |row: usize, column: usize| match row.checked_sub(column) {
        Some(i) if i < WINDOW => (tap(i) / sum) as f32,
        _ => 0.0,
    };
    let values =
        (0..length).flat_map(|row| (0..columns).map(move |column| value(row, column))).collect::<Vec<_>>();
    Ok(Tensor::from_vec(values, (length, columns), device)?)
}
