//! The operators composed of candle's. They run on accelerators, and they define what the fused operators compute.

use super::parameters::BlockParameters;
use crate::net::bounds::{GATE_MAX, LEAKY_SLOPE, LOG_SIGMA_MAX, LOG_SIGMA_MIN};
use candle_core::{Result, Tensor};

#[cfg(test)]
thread_local! {
    /// Whether this thread's tests use these operators on the processor.
    pub(super) static FORCED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

pub(super) fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let count = if w.rank() == 3 { w.dim(0)? } else { 1 };
    let (outputs, inputs) = (w.dim(w.rank() - 2)?, w.dim(w.rank() - 1)?);
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }
    let rows = x.elem_count() / inputs / count;
    let y =
        x.reshape((count, rows, inputs))?.matmul(&w.reshape((count, outputs, inputs))?.transpose(1, 2)?)?;
    y.broadcast_add(&b.reshape((count, 1, outputs))?)?.reshape(shape)
}

pub(super) fn block(x: &Tensor, parameters: &BlockParameters) -> Result<Tensor> {
    let BlockParameters { p1, dw, p2, f1, f2 } = parameters;
    let a = linear(x, &p1[0], &p1[1])?;
    let a = a.maximum(&(&a * f64::from(LEAKY_SLOPE))?)?;
    let x = (x + linear(&depthwise(&a, &dw[0], &dw[1])?, &p2[0], &p2[1])?)?;
    let uv = linear(&x, &f1[0], &f1[1])?;
    let hidden = f2[0].dim(1)?;
    let (u, v) = (uv.narrow(3, 0, hidden)?, uv.narrow(3, hidden, hidden)?);
    let gated = (u.relu()? * v)?.clamp(-GATE_MAX, GATE_MAX)?;
    &x + linear(&gated, &f2[0], &f2[1])?
}

fn depthwise(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let taps = w.flatten_from(1)?.t()?.contiguous()?;
    let mut sum = None;
    for (tap, neighbour) in neighbours(x)?.into_iter().enumerate() {
        let term = neighbour.broadcast_mul(&taps.get(tap)?)?;
        sum = Some(match sum {
            None => term,
            Some(sum) => (sum + term)?,
        });
    }
    sum.map_or_else(|| x.zeros_like(), Ok)?.broadcast_add(b)
}

pub(super) fn conv3x3(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let rows = w.permute((0, 2, 3, 1))?.flatten_from(1)?;
    linear(&Tensor::cat(&neighbours(x)?, 3)?, &rows, b)
}

/// The nine neighbours of each position, row by row. Outside of the plane they are zero.
fn neighbours(x: &Tensor) -> Result<Vec<Tensor>> {
    let (_, height, width, _) = x.dims4()?;
    let padded = x.pad_with_zeros(1, 1, 1)?.pad_with_zeros(2, 1, 1)?;
    (0..9).map(|tap| padded.narrow(1, tap / 3, height)?.narrow(2, tap % 3, width)?.contiguous()).collect()
}

pub(super) fn permute(x: &Tensor, dims: &[usize], order: &[usize]) -> Result<Tensor> {
    x.reshape(dims)?.permute(order)?.contiguous()
}

pub(super) fn take_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    let quarter = x.dim(2)? / 4;
    let parts: Vec<_> = quarters
        .iter()
        .enumerate()
        .map(|(phase, q)| x.narrow(0, phase, 1)?.narrow(2, q * quarter, quarter))
        .collect::<Result<_>>()?;
    Tensor::cat(&parts, 0)
}

pub(super) fn put_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    let quarter = x.dim(2)?;
    let parts: Vec<_> = quarters
        .iter()
        .enumerate()
        .map(|(phase, q)| x.narrow(0, phase, 1)?.pad_with_zeros(2, q * quarter, (3 - q) * quarter))
        .collect::<Result<_>>()?;
    Tensor::cat(&parts, 0)
}

/// Reshapes v [B, C] to `rank` dimensions by inserting dimensions of size one.
pub(super) fn spread(v: &Tensor, rank: usize) -> Result<Tensor> {
    let (count, channels) = v.dims2()?;
    let mut dims = vec![1; rank];
    (dims[0], dims[rank - 1]) = (count, channels);
    v.reshape(dims)
}

pub(super) fn gaussian_bits(r: &Tensor, log_sigma: &Tensor) -> Result<Tensor> {
    let sigma = log_sigma.clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX)?;
    let k = (sigma.neg()?.exp()? * std::f64::consts::FRAC_1_SQRT_2)?;
    let v = r.abs()?;
    let (near, far) = (((&v - 0.5)? * &k)?, ((v + 0.5)? * k)?);
    // Near the middle, differences of erf are exact enough for a narrow bin. In the tails only those of erfc are.
    let middle = (far.erf()? - near.erf()?)?;
    let tail = (erfc(&near)? - erfc(&far)?)?;
    let p = (near.lt(1.0)?.where_cond(&middle, &tail)? * 0.5)?;
    let bits = (p.maximum(super::bits::LEAST)?.log()? * -std::f64::consts::LOG2_E)?;
    bits.flatten_from(1)?.sum(1)
}

/// The complementary error function, with a relative error below 1.2e-7 ("Numerical Recipes in C", section 6.2).
fn erfc(x: &Tensor) -> Result<Tensor> {
    const FACTORS: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let z = x.abs()?;
    let t = ((&z * 0.5)? + 1.0)?.recip()?;
    let mut sum = t.zeros_like()?;
    for factor in FACTORS {
        sum = ((sum * &t)? + factor)?;
    }
    let tail = (t * (sum - z.sqr()?)?.exp()?)?;
    // For negative x, the result is 2 - erfc(-x).
    let negative = x.lt(0.0)?.to_dtype(x.dtype())?;
    (&negative * 2.0)? + (tail * (1.0 - (negative * 2.0)?)?)?
}
