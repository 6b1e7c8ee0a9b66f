//! The four-pass context model: bits and decoded latents, forward and backward.

use super::block::{self, BlockMemory, BlockScratch};
use super::kernel::product::product;
use super::kernel::{Path, vectorised};
use super::layers::{Context, add, in_rows, whole};
use super::layout::{Layout, Linear, quarter_row};
use super::math::{erfc, exp, greatest, least, ln};
use super::pack::to_cells;
use crate::net::{LOG_SIGMA_MAX, LOG_SIGMA_MIN};
use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

const PASSES: usize = 4;
/// The smallest probability of a bin; lower ones are raised to it.
const LEAST: f32 = 1e-9;

/// What the backward pass needs.
pub(super) struct PassMemory<C> {
    /// The sides of the latents, which are even.
    sides: (usize, usize),
    prior: Vec<C>,
    /// What each pass after the first knows of the latents.
    known: [Vec<C>; PASSES - 1],
    blocks: [BlockMemory<C>; PASSES - 1],
    /// The input of the head in each pass.
    features: [Vec<C>; PASSES],
    /// For each latent: the residual in steps, and the derivatives of its bits with respect to that and to log-sigma.
    residual: Vec<f32>,
    of_residual: Vec<f32>,
    of_log_sigma: Vec<f32>,
    stream: Vec<f32>,
    /// The rows of one phase.
    phase: Vec<C>,
    predicted: Vec<f32>,
    of_predicted: Vec<C>,
    bits: Vec<f32>,
}

impl<C: Copy + Default> PassMemory<C> {
    /// Takes room for latents with these sides.
    pub(super) fn new(layout: &Layout, sides: (usize, usize)) -> Self {
        let positions = sides.0 * sides.1;
        let crate::net::Shapes { m, p, .. } = layout.shapes;
        let cells = |width: usize| vec![C::default(); positions * width];
        let numbers = |width: usize| vec![0.0; positions * width];
        Self {
            sides,
            prior: cells(p),
            known: std::array::from_fn(|_| cells(m)),
            blocks: std::array::from_fn(|_| BlockMemory::new(&layout.ctx, positions)),
            features: std::array::from_fn(|_| cells(p)),
            residual: numbers(m),
            of_residual: numbers(m),
            of_log_sigma: numbers(m),
            stream: numbers(p),
            phase: cells(p),
            predicted: numbers(m / 8),
            of_predicted: vec![C::default(); positions * m / 8],
            bits: vec![0.0; m / 4],
        }
    }
}

/// The gains of the latents at one place of the quality axis, each `[m]`.
#[derive(Clone, Copy)]
pub(super) struct Gains<'a> {
    pub log: &'a [f32],
    pub linear: &'a [f32],
}

/// Codes latents `y` `[h, w, m]`: returns their bits with noise in place of rounding, and writes the decoded latents to
/// `known`.
pub(super) fn code<P: Path>(
    net: Context<P>,
    memory: &mut PassMemory<P::Cell>,
    (y, noise): (&[f32], &[f32]),
    prior: &[f32],
    gains: Gains,
    known: &mut [f32],
) -> f64 {
    let (path, layout) = (net.path, net.layout);
    let (sides, m, p) = (memory.sides, layout.shapes.m, layout.shapes.p);
    let (positions, quarter) = (sides.0 * sides.1, m / 4);
    to_cells(path, prior, &mut memory.prior);
    known.fill(0.0);
    let mut total = 0.0;
    for pass in 0..PASSES {
        feature(net, memory, pass, known);
        for phase in 0..4 {
            let channels = Layout::quarter(pass, phase);
            let PassMemory { features, phase: rows, predicted, bits, residual, of_residual, .. } = memory;
            gather::<P>(sides, phase, &features[pass], p, rows);
            head(net, pass, channels, positions / 4, rows, predicted);
            let first = channels * quarter;
            bits.fill(0.0);
            for (i, predicted) in predicted.chunks_exact(2 * quarter).take(positions / 4).enumerate() {
                let at = row(sides, phase, i) * m + first;
                let of = CodedRow {
                    predicted,
                    y: &y[at..][..quarter],
                    noise: &noise[at..][..quarter],
                    log: &gains.log[first..][..quarter],
                    linear: &gains.linear[first..][..quarter],
                    known: &mut known[at..][..quarter],
                    residual: &mut residual[at..][..quarter],
                    of_residual: &mut of_residual[at..][..quarter],
                    of_log_sigma: &mut memory.of_log_sigma[at..][..quarter],
                    bits: &mut bits[..quarter],
                };
                vectorised!(path, P, [of: CodedRow<'_>] { code_row::<P>(of) });
            }
            total += bits.iter().map(|bits| f64::from(*bits)).sum::<f64>();
        }
    }
    total
}

/// The latents of one pass at one position, `[m / 4]` each.
struct CodedRow<'a> {
    /// Log-sigmas, then means.
    predicted: &'a [f32],
    y: &'a [f32],
    noise: &'a [f32],
    log: &'a [f32],
    linear: &'a [f32],
    known: &'a mut [f32],
    residual: &'a mut [f32],
    of_residual: &'a mut [f32],
    of_log_sigma: &'a mut [f32],
    /// To which is added.
    bits: &'a mut [f32],
}

#[inline(always)]
fn code_row<P: Path>(of: CodedRow) {
    let quarter = of.y.len();
    let (sigmas, means) = of.predicted.split_at(quarter);
    let CodedRow { y, noise, log, linear, known, residual, of_residual, of_log_sigma, bits, .. } = of;
    // One length for all, so that no index is checked in the loop.
    let (sigmas, means, noise) = (&sigmas[..quarter], &means[..quarter], &noise[..quarter]);
    let (log, linear, known) = (&log[..quarter], &linear[..quarter], &mut known[..quarter]);
    let (residual, of_residual) = (&mut residual[..quarter], &mut of_residual[..quarter]);
    let (of_log_sigma, bits) = (&mut of_log_sigma[..quarter], &mut bits[..quarter]);
    for k in 0..quarter {
        let r = (y[k] - means[k]) * linear[k];
        known[k] = r.round_ties_even() / linear[k] + means[k];
        let bin = bin::<P>(r + noise[k], sigmas[k] + log[k]);
        bits[k] += bin.bits;
        residual[k] = r;
        of_residual[k] = bin.of_residual;
        of_log_sigma[k] = bin.of_log_sigma;
    }
}

/// The row of position `i` of a phase.
#[inline(always)]
fn row(sides: (usize, usize), phase: usize, i: usize) -> usize {
    let across = sides.1 / 2;
    (2 * (i / across) + phase / 2) * sides.1 + 2 * (i % across) + phase % 2
}

/// The bits of a bin and their derivatives.
struct Bin {
    bits: f32,
    of_residual: f32,
    of_log_sigma: f32,
}

/// The bits of the bin around `r` under a normal distribution.
#[inline(always)]
fn bin<P: Path>(r: f32, log_sigma: f32) -> Bin {
    let s = least(greatest(log_sigma, LOG_SIGMA_MIN), LOG_SIGMA_MAX);
    let k = FRAC_1_SQRT_2 * exp::<P>(-s);
    let (near, far) = (r.abs() - 0.5, r.abs() + 0.5);
    let (a, b) = (near * k, far * k);
    let (of_a, of_b) = (exp::<P>(-a * a), exp::<P>(-b * b));
    let p = 0.5 * (erfc::<P>(a, of_a) - erfc::<P>(b, of_b));
    let raised = greatest(p, LEAST);
    // Where the probability is raised, its derivatives are zero.
    let slope = if p < LEAST { 0.0 } else { std::f32::consts::FRAC_2_SQRT_PI / 2.0 / LN_2 / raised };
    let of_residual = (slope * k * (of_a - of_b)).copysign(r) * if r == 0.0 { 0.0 } else { 1.0 };
    let within = s == log_sigma;
    let of_log_sigma = if within { -slope * k * (of_a * near - of_b * far) } else { 0.0 };
    Bin { bits: -LOG2_E * ln::<P>(raised), of_residual, of_log_sigma }
}

/// Computes the input of the head of a pass.
fn feature<P: Path>(net: Context<P>, memory: &mut PassMemory<P::Cell>, pass: usize, known: &[f32]) {
    let (path, layout) = (net.path, net.layout);
    let (m, p) = (layout.shapes.m, layout.shapes.p);
    let PassMemory { sides, prior, known: cells, blocks, features, stream, .. } = memory;
    let Some(index) = pass.checked_sub(1) else {
        features[0].copy_from_slice(prior);
        return;
    };
    to_cells(path, known, &mut cells[index]);
    let layer = &layout.ctx_in[index];
    let panels = &net.packed[layer.packed].forward;
    let segments = [
        panels.times(&cells[index], in_rows::<P>(m), m / P::GROUP),
        panels.times_from::<P>(m / P::GROUP, prior, in_rows::<P>(p), p / P::GROUP),
    ];
    net.forward(layer, sides.0 * sides.1, &segments, |at, sums| {
        stream[at..][..sums.len()].copy_from_slice(sums);
    });
    block::forward(net, &layout.ctx, *sides, stream, &mut blocks[index]);
    to_cells(path, stream, &mut features[pass]);
}

/// Copies the rows of a phase.
fn gather<P: Path>(sides: (usize, usize), phase: usize, from: &[P::Cell], width: usize, to: &mut [P::Cell]) {
    for (i, to) in to[..sides.0 * sides.1 / 4 * width].chunks_exact_mut(width).enumerate() {
        to.copy_from_slice(&from[row(sides, phase, i) * width..][..width]);
    }
}

/// The log-sigmas and the means of a quarter of the channels.
fn head<P: Path>(
    net: Context<P>,
    pass: usize,
    quarter: usize,
    positions: usize,
    rows: &[P::Cell],
    predicted: &mut [f32],
) {
    let Linear { outputs, inputs, bias, .. } = net.layout.heads[usize::from(pass > 0)];
    let (outputs, latents) = (outputs / 4, outputs / 8);
    let panels = &net.packed[net.layout.quarters[usize::from(pass > 0)][quarter]].forward;
    let segment = panels.times(rows, in_rows::<P>(inputs), inputs / P::GROUP);
    let bias = net.parameters(bias, 4 * outputs);
    product(net.path, (positions, outputs), &[segment], |position, first, sums| {
        let sums = whole(sums, outputs - first);
        let to = &mut predicted[position * outputs + first..][..sums.len()];
        for (k, (to, sum)) in to.iter_mut().zip(sums).enumerate() {
            *to = sum + bias[quarter_row(first + k, quarter, latents)];
        }
    });
}

/// The gradients that the backward pass of the passes computes.
pub(super) struct PassGradients<'a> {
    /// That of the decoded latents on entry; the contexts add theirs.
    pub of_known: &'a mut [f32],
    pub of_y: &'a mut [f32],
    pub of_prior: &'a mut [f32],
    /// That of the logarithm of the gain, to which is added.
    pub of_gain: &'a mut [f32],
}

/// Replaces `of_y` and `of_prior`, and adds the gradients of the parameters if there is room for them. `weight` is the
/// derivative of the loss with respect to bits.
pub(super) fn backward<P: Path>(
    net: Context<P>,
    memory: &mut PassMemory<P::Cell>,
    weight: f32,
    gains: Gains,
    of: PassGradients,
    gradients: &mut Option<&mut [f32]>,
    scratch: &mut (Vec<P::Cell>, BlockScratch<P::Cell>),
) {
    let (path, layout) = (net.path, net.layout);
    let (sides, m, p) = (memory.sides, layout.shapes.m, layout.shapes.p);
    let (positions, quarter) = (sides.0 * sides.1, m / 4);
    let PassGradients { of_known, of_y, of_prior, of_gain } = of;
    let (cells, scratch) = scratch;
    of_prior.fill(0.0);
    for pass in (0..PASSES).rev() {
        let PassMemory {
            features,
            phase: rows,
            of_predicted,
            stream,
            residual,
            of_residual,
            of_log_sigma,
            ..
        } = memory;
        for phase in 0..4 {
            let channels = Layout::quarter(pass, phase);
            let first = channels * quarter;
            let linear = &gains.linear[first..][..quarter];
            let of_gain = &mut of_gain[first..][..quarter];
            for (i, of_predicted) in of_predicted.chunks_exact_mut(2 * quarter).enumerate() {
                let at = row(sides, phase, i) * m + first;
                let of = CodedRowGradients::<P> {
                    weight,
                    residual: &residual[at..][..quarter],
                    of_residual: &of_residual[at..][..quarter],
                    of_log_sigma: &of_log_sigma[at..][..quarter],
                    linear,
                    of_known: &of_known[at..][..quarter],
                    of_predicted,
                    of_y: &mut of_y[at..][..quarter],
                    of_gain,
                };
                vectorised!(path, P, [of: CodedRowGradients<'_, P>] { code_row_backward::<P>(of) });
            }
            gather::<P>(sides, phase, &features[pass], p, rows);
            let index = usize::from(pass > 0);
            if let Some(gradients) = gradients {
                head_gradients(net, index, channels, positions / 4, rows, of_predicted, gradients, scratch);
            }
            let panels = &net.packed[layout.quarters[index][channels]].backward;
            let width = 2 * quarter;
            let segment = panels.times(of_predicted, in_rows::<P>(width), width / P::GROUP);
            product(path, (positions / 4, p), &[segment], |i, first, sums| {
                let at = row(sides, phase, i) * p + first;
                let sums = whole(sums, p - first);
                stream[at..][..sums.len()].copy_from_slice(sums);
            });
        }
        let Some(index) = pass.checked_sub(1) else {
            add(of_prior, stream);
            continue;
        };
        block::backward(net, &layout.ctx, sides, stream, &memory.blocks[index], gradients, scratch);
        cells.resize(positions * p, P::Cell::default());
        let d = &mut cells[..positions * p];
        to_cells(path, stream, d);
        let layer = &layout.ctx_in[index];
        let width = m + p;
        if let Some(gradients) = gradients {
            let put = |gradients: &mut [f32], output: usize, column: usize, sums: &[f32]| {
                add(&mut gradients[layer.weight + output * width + column..], sums);
            };
            let known = (&memory.known[index][..], m);
            scratch.packing.product(path, positions, (d, p), known, |output, first, sums| {
                put(gradients, output, first, whole(sums, m - first));
            });
            let prior = (&memory.prior[..], p);
            scratch.packing.product(path, positions, (d, p), prior, |output, first, sums| {
                put(gradients, output, m + first, whole(sums, p - first));
            });
            super::layers::column_sums(path, d, &mut gradients[layer.bias..][..p]);
        }
        net.backward(layer, positions, d, |at, sums| {
            let (position, column) = (at / width, at % width);
            let split = sums.len().min(m.saturating_sub(column));
            let (to_known, to_prior) = sums.split_at(split);
            if !to_known.is_empty() {
                add(&mut of_known[position * m + column..], to_known);
            }
            if !to_prior.is_empty() {
                add(&mut of_prior[position * p + column + split - m..], to_prior);
            }
        });
    }
}

/// What the backward pass needs of the latents of one pass at one position, `[m / 4]` each.
struct CodedRowGradients<'a, P: Path> {
    weight: f32,
    residual: &'a [f32],
    of_residual: &'a [f32],
    of_log_sigma: &'a [f32],
    linear: &'a [f32],
    of_known: &'a [f32],
    /// Of log-sigmas, then of means.
    of_predicted: &'a mut [P::Cell],
    of_y: &'a mut [f32],
    of_gain: &'a mut [f32],
}

#[inline(always)]
fn code_row_backward<P: Path>(of: CodedRowGradients<P>) {
    let quarter = of.of_y.len();
    let (of_sigma, of_mean) = of.of_predicted.split_at_mut(quarter);
    let (of_sigma, of_mean) = (&mut of_sigma[..quarter], &mut of_mean[..quarter]);
    let (r, dr, ds) = (&of.residual[..quarter], &of.of_residual[..quarter], &of.of_log_sigma[..quarter]);
    let (linear, of_known, of_gain) =
        (&of.linear[..quarter], &of.of_known[..quarter], &mut of.of_gain[..quarter]);
    for k in 0..quarter {
        let (of_r, of_s) = (of.weight * dr[k], of.weight * ds[k]);
        let through = of_r * linear[k];
        of_sigma[k] = P::cell(of_s);
        of_mean[k] = P::cell(-through);
        of.of_y[k] = of_known[k] + through;
        let moved = (r[k] - r[k].round_ties_even()) / linear[k];
        of_gain[k] += of_r * r[k] + of_s + of_known[k] * moved;
    }
}

/// Adds the gradients of a quarter of a head.
#[expect(clippy::too_many_arguments, reason = "a layer's whole backward pass")]
fn head_gradients<P: Path>(
    net: Context<P>,
    index: usize,
    quarter: usize,
    positions: usize,
    rows: &[P::Cell],
    of_predicted: &[P::Cell],
    gradients: &mut [f32],
    scratch: &mut BlockScratch<P::Cell>,
) {
    let Linear { outputs, inputs, weight, bias, .. } = net.layout.heads[index];
    let (outputs, latents) = (outputs / 4, outputs / 8);
    let (d, x) = ((of_predicted, outputs), (&rows[..positions * inputs], inputs));
    scratch.packing.product(net.path, positions, d, x, |output, first, sums| {
        let at = weight + quarter_row(output, quarter, latents) * inputs + first;
        add(&mut gradients[at..], whole(sums, inputs - first));
    });
    let mut sums = vec![0.0; outputs];
    super::layers::column_sums(net.path, of_predicted, &mut sums);
    for (output, sum) in sums.into_iter().enumerate() {
        gradients[bias + quarter_row(output, quarter, latents)] += sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kernel::plain::Plain;

    #[test]
    fn bits_and_their_derivatives_are_the_references() {
        for r in [-300.0, -2.3, -0.5, 0.0, 0.2, 0.7, 3.0, 40.0f32] {
            for log_sigma in [-4.0, -2.3, -1.0, 0.0, 2.0, 6.9, 8.0] {
                let Bin { bits, of_residual, of_log_sigma } = bin::<Plain>(r, log_sigma);
                let expected = crate::net::bin(r, log_sigma);
                for (found, expected) in
                    [(bits, expected.0), (of_residual, expected.1), (of_log_sigma, expected.2)]
                {
                    let near = (found - expected).abs() <= 2e-3 * expected.abs().max(1e-2);
                    assert!(near, "r {r}, log-sigma {log_sigma}: {found}, expected {expected}");
                }
            }
        }
    }
}
