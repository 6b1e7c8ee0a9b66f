//! Fused: multiplies or adds a value for each channel of each sample.

use super::node::{floats, node, tensor};
use super::rows;
use candle_core::{Result, Tensor};

/// x [B, .., C] times v [B, C].
pub(super) fn scale(x: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (input, factors) = (x.detach().contiguous()?, v.detach().contiguous()?);
    let channels = v.dim(1)?;
    let each = x.elem_count() / v.dim(0)?;
    let value = combined(&floats(&input)?, &floats(&factors)?, each, channels, |x, v| x * v);
    let (shape, small) = (x.shape().clone(), v.shape().clone());
    let for_factors = v.track_op();
    node([x, v], value, shape.clone(), move |gradient| {
        let g = floats(gradient)?;
        let dx = combined(&g, &floats(&factors)?, each, channels, |g, v| g * v);
        let dv = if for_factors {
            let products = sums(&g, Some(&floats(&input)?), each, channels);
            Some(tensor(products, small.clone())?)
        } else {
            None
        };
        Ok([Some(tensor(dx, shape.clone())?), dv])
    })
}

/// x [B, .., C] plus v [B, C].
pub(super) fn shift(x: &Tensor, v: &Tensor) -> Result<Tensor> {
    let channels = v.dim(1)?;
    let each = x.elem_count() / v.dim(0)?;
    let value = combined(
        &floats(&x.detach().contiguous()?)?,
        &floats(&v.detach().contiguous()?)?,
        each,
        channels,
        |x, v| x + v,
    );
    let small = v.shape().clone();
    node([x, v], value, x.shape().clone(), move |gradient| {
        let dv = tensor(sums(&floats(gradient)?, None, each, channels), small.clone())?;
        Ok([Some(gradient.clone()), Some(dv)])
    })
}

fn combined(
    x: &[f32],
    v: &[f32],
    each: usize,
    channels: usize,
    f: impl Fn(f32, f32) -> f32 + Sync,
) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    rows::each(&mut out, channels, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(channels).enumerate() {
            let at = first + i * channels;
            let v = &v[at / each * channels..][..channels];
            row.iter_mut().zip(&x[at..]).zip(v).for_each(|((out, &x), &v)| *out = f(x, v));
        }
    });
    out
}

/// The sums of `a`, or of `a * b`, over the positions of each sample: [B, C].
fn sums(a: &[f32], b: Option<&[f32]>, each: usize, channels: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for (i, sample) in a.chunks_exact(each).enumerate() {
        let Some(b) = b else {
            out.extend(rows::column_sums(sample, channels));
            continue;
        };
        let other = &b[i * each..][..each];
        out.extend(rows::sum(each, channels, channels, |range, sum| {
            let pairs = sample[range.clone()].chunks_exact(channels).zip(other[range].chunks_exact(channels));
            for (a, b) in pairs {
                sum.iter_mut().zip(a).zip(b).for_each(|((s, a), b)| *s += a * b);
            }
        }));
    }
    out
}
