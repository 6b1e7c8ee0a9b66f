//! Fused: a whole residual block, forward and backward.

use super::depthwise::{self, Planes};
use super::node::{floats, node, product, tensor};
use super::rows;
use crate::net::bounds::{GATE_MAX, LEAKY_SLOPE};
use candle_core::{Result, Tensor};

/// The parts of a block's packed parameters, in order.
pub(super) struct Parts {
    p1: Linear,
    taps: Vec<f32>,
    dw_bias: Vec<f32>,
    p2: Linear,
    f1: Linear,
    f2: Linear,
}

struct Linear {
    weight: Tensor,
    bias: Vec<f32>,
}

/// Applies a block to x [N, H, W, C]. Its parameters are packed into one row (see [`pack`]).
pub(super) fn block(x: &Tensor, packed: &Tensor, hidden: usize) -> Result<Tensor> {
    let (planes, input, parts) = opened(x, packed, hidden)?;
    let (positions, channels) = (planes.positions(), planes.channels);
    let Steps { a, d, middle, uv, gated, out } = forward(planes, &input, &parts, hidden)?;

    let with_parameters = packed.track_op();
    let shape = x.shape().clone();
    node([x, packed], out, shape.clone(), move |gradient| {
        let mut back = Back { packed: vec![Vec::new(); 5], with_parameters };
        let gradient = gradient.reshape((positions, channels))?;
        let through = back.linear(4, &gradient, &gated, &parts.f2)?;
        let duv = tensor(gate_gradient(&uv, &through, hidden), (positions, 2 * hidden))?;
        let mut g = back.linear(3, &duv, &middle, &parts.f1)?;
        add(&mut g, &floats(&gradient)?);
        let g = tensor(g, (positions, channels))?;
        let dd = back.linear(2, &g, &d, &parts.p2)?;
        let mut da = depthwise::input_gradient(planes, &dd, &parts.taps);
        if with_parameters {
            back.packed[1] = depthwise::tap_gradient(planes, &a, &dd);
            back.packed[1].extend(rows::column_sums(&dd, channels));
        }
        rows::each(&mut da, channels, |first, rows| {
            rows.iter_mut().zip(&a[first..]).for_each(|(d, a)| *d *= leaky_slope(*a));
        });
        let da = tensor(da, (positions, channels))?;
        let mut dx = back.linear(0, &da, &input, &parts.p1)?;
        add(&mut dx, &floats(&g)?);
        let packed = if with_parameters {
            let all = back.packed.concat();
            let count = all.len();
            Some(tensor(all, count)?)
        } else {
            None
        };
        Ok([Some(tensor(dx, shape.clone())?), packed])
    })
}

/// Applies a block and passes its tensors to `see`, named by the layers that read or write them.
pub(super) fn observed(
    x: &Tensor,
    packed: &Tensor,
    hidden: usize,
    see: &dyn Fn(&str, &[f32]),
) -> Result<Tensor> {
    let (planes, input, parts) = opened(x, packed, hidden)?;
    let Steps { a, d, middle, uv, gated, out } = forward(planes, &input, &parts, hidden)?;
    see("in", &floats(&input)?);
    see("dw.in", &a);
    see("p2.in", &floats(&d)?);
    see("f1.in", &floats(&middle)?);
    see("f1.out", &uv);
    see("f2.in", &floats(&gated)?);
    see("out", &out);
    tensor(out, x.shape())
}

/// The tensors that the backward pass needs, and the block's output.
struct Steps {
    /// The output of the leaky unit, [R, C].
    a: Vec<f32>,
    /// The output of the depthwise convolution.
    d: Tensor,
    /// The residual stream between the two halves.
    middle: Tensor,
    /// The input of the gate, [R, 2 H].
    uv: Vec<f32>,
    /// The output of the gate, [R, H].
    gated: Tensor,
    out: Vec<f32>,
}

fn opened(x: &Tensor, packed: &Tensor, hidden: usize) -> Result<(Planes, Tensor, Parts)> {
    let (count, height, width, channels) = x.dims4()?;
    let planes = Planes { count, height, width, channels };
    let input = x.detach().contiguous()?.reshape((planes.positions(), channels))?;
    Ok((planes, input, Parts::of(&packed.detach().contiguous()?, channels, hidden)?))
}

fn forward(planes: Planes, input: &Tensor, parts: &Parts, hidden: usize) -> Result<Steps> {
    let (positions, channels) = (planes.positions(), planes.channels);
    let mut a = product(input, &parts.p1.weight.t()?)?;
    rows::each(&mut a, channels, |_, rows| {
        for row in rows.chunks_exact_mut(channels) {
            row.iter_mut().zip(&parts.p1.bias).for_each(|(v, b)| {
                let sum = *v + b;
                *v = sum.max(sum * LEAKY_SLOPE);
            });
        }
    });
    let d = tensor(depthwise::forward(planes, &a, &parts.taps, &parts.dw_bias), (positions, channels))?;
    let mut middle = product(&d, &parts.p2.weight.t()?)?;
    rows::add_bias_and(&mut middle, &parts.p2.bias, &floats(input)?);
    let middle = tensor(middle, (positions, channels))?;
    let mut uv = product(&middle, &parts.f1.weight.t()?)?;
    rows::add_bias(&mut uv, &parts.f1.bias);
    let gated = tensor(gate(&uv, hidden), (positions, hidden))?;
    let mut out = product(&gated, &parts.f2.weight.t()?)?;
    rows::add_bias_and(&mut out, &parts.f2.bias, &floats(&middle)?);
    Ok(Steps { a, d, middle, uv, gated, out })
}

/// Packs a block's parameters into one row: p1, the depthwise taps [9, C] and bias, p2, f1 and f2.
pub(super) fn pack(linears: [[&Tensor; 2]; 4], taps: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let [p1, p2, f1, f2] = linears;
    let taps = taps.flatten_from(1)?.t()?;
    let all = [p1[0], p1[1], &taps, bias, p2[0], p2[1], f1[0], f1[1], f2[0], f2[1]];
    Tensor::cat(&all.into_iter().map(Tensor::flatten_all).collect::<Result<Vec<_>>>()?, 0)
}

impl Parts {
    fn of(packed: &Tensor, channels: usize, hidden: usize) -> Result<Self> {
        let mut at = 0;
        let mut next = |size: usize| {
            at += size;
            packed.narrow(0, at - size, size)
        };
        let linear = |next: &mut dyn FnMut(usize) -> Result<Tensor>, inputs: usize, outputs: usize| {
            let weight = next(inputs * outputs)?.reshape((outputs, inputs))?;
            Result::Ok(Linear { weight, bias: next(outputs)?.to_vec1()? })
        };
        Ok(Self {
            p1: linear(&mut next, channels, channels)?,
            taps: next(9 * channels)?.to_vec1()?,
            dw_bias: next(channels)?.to_vec1()?,
            p2: linear(&mut next, channels, channels)?,
            f1: linear(&mut next, channels, 2 * hidden)?,
            f2: linear(&mut next, hidden, channels)?,
        })
    }
}

/// The backward pass through the products, which collects the gradients of the parameters.
struct Back {
    packed: Vec<Vec<f32>>,
    with_parameters: bool,
}

impl Back {
    /// The gradient of a product's input. Those of its weight and bias are kept at index `place`.
    fn linear(
        &mut self,
        place: usize,
        gradient: &Tensor,
        input: &Tensor,
        layer: &Linear,
    ) -> Result<Vec<f32>> {
        if self.with_parameters {
            let mut own = product(&gradient.t()?, input)?;
            own.extend(rows::column_sums(&floats(gradient)?, layer.bias.len()));
            self.packed[place] = own;
        }
        product(gradient, &layer.weight)
    }
}

/// The slope of the leaky unit, given its output. At zero it is the mean of both slopes.
fn leaky_slope(a: f32) -> f32 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        LEAKY_SLOPE
    } else {
        (1.0 + LEAKY_SLOPE) / 2.0
    }
}

/// `relu(u) * v`, clamped to the bound, for rows (u, v).
fn gate(uv: &[f32], hidden: usize) -> Vec<f32> {
    let mut out = vec![0.0; uv.len() / 2];
    rows::each(&mut out, hidden, |first, rows| {
        for (row, uv) in rows.chunks_exact_mut(hidden).zip(uv[2 * first..].chunks_exact(2 * hidden)) {
            let (u, v) = uv.split_at(hidden);
            for ((out, u), v) in row.iter_mut().zip(u).zip(v) {
                *out = (u.max(0.0) * v).clamp(-GATE_MAX, GATE_MAX);
            }
        }
    });
    out
}

fn gate_gradient(uv: &[f32], gradient: &[f32], hidden: usize) -> Vec<f32> {
    let mut out = vec![0.0; uv.len()];
    rows::each(&mut out, 2 * hidden, |first, rows| {
        let uvs = uv[first..].chunks_exact(2 * hidden);
        let gradients = gradient[first / 2..].chunks_exact(hidden);
        for ((row, uv), gradient) in rows.chunks_exact_mut(2 * hidden).zip(uvs).zip(gradients) {
            let (u, v) = uv.split_at(hidden);
            let (du, dv) = row.split_at_mut(hidden);
            for i in 0..hidden {
                let open = if u[i] > 0.0 && (u[i] * v[i]).abs() <= GATE_MAX { gradient[i] } else { 0.0 };
                du[i] = open * v[i];
                dv[i] = open * u[i];
            }
        }
    });
    out
}

fn add(data: &mut [f32], other: &[f32]) {
    rows::each(data, 1, |first, part| part.iter_mut().zip(&other[first..]).for_each(|(v, o)| *v += o));
}
