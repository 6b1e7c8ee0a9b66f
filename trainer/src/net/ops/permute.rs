//! Fused: permutations of dimensions that keep the last one last, so that all channels of a position are copied at
//! once.

use super::node::{floats, node, tensor};
use super::rows;
use candle_core::{Result, Tensor};

/// Reshapes x to `dims` and permutes the dimensions to `order`. The last one must stay last.
pub(super) fn permute(x: &Tensor, dims: &[usize], order: &[usize]) -> Result<Tensor> {
    let value = copied(&floats(&x.detach().contiguous()?)?, dims, order);
    let there: Vec<usize> = order.iter().map(|&d| dims[d]).collect();
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, &d)| back[d] = i);
    let (shape, after) = (x.shape().clone(), there.clone());
    node([x], value, there, move |gradient| {
        Ok([Some(tensor(copied(&floats(gradient)?, &after, &back), shape.clone())?)])
    })
}

fn copied(input: &[f32], dims: &[usize], order: &[usize]) -> Vec<f32> {
    let Some((&run, outer)) = dims.split_last() else { return input.to_vec() };
    let mut strides = vec![1; outer.len()];
    for d in (1..outer.len()).rev() {
        strides[d - 1] = strides[d] * outer[d];
    }
    // The size and the stride, in runs, of each dimension of the output, innermost first.
    let inner_first: Vec<(usize, usize)> =
        order[..outer.len()].iter().rev().map(|&d| (outer[d], strides[d])).collect();
    let mut out = vec![0.0; input.len()];
    rows::each(&mut out, run, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(run).enumerate() {
            let (mut rest, mut at) = (first / run + i, 0);
            for &(size, stride) in &inner_first {
                at += rest % size * stride;
                rest /= size;
            }
            row.copy_from_slice(&input[at * run..][..run]);
        }
    });
    out
}

/// x [4, R, 4 Q] to [4, R, Q]: takes the quarter `quarters[phase]` of each phase.
pub(super) fn take_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    let (_, rows, channels) = x.dims3()?;
    let value = taken(&floats(&x.detach().contiguous()?)?, channels, quarters);
    node([x], value, (4, rows, channels / 4), move |gradient| {
        Ok([Some(tensor(put(&floats(gradient)?, channels, quarters), (4, rows, channels))?)])
    })
}

/// x [4, R, Q] to [4, R, 4 Q]: the inverse of [`take_quarters`], with zeros in the other quarters.
pub(super) fn put_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    let (_, rows, quarter) = x.dims3()?;
    let value = put(&floats(&x.detach().contiguous()?)?, 4 * quarter, quarters);
    node([x], value, (4, rows, 4 * quarter), move |gradient| {
        Ok([Some(tensor(taken(&floats(gradient)?, 4 * quarter, quarters), (4, rows, quarter))?)])
    })
}

fn taken(input: &[f32], channels: usize, quarters: [usize; 4]) -> Vec<f32> {
    let (quarter, each) = (channels / 4, input.len() / 4);
    let mut out = Vec::with_capacity(each);
    for (phase, first) in quarters.into_iter().enumerate() {
        for row in input[phase * each..][..each].chunks_exact(channels) {
            out.extend_from_slice(&row[first * quarter..][..quarter]);
        }
    }
    out
}

fn put(input: &[f32], channels: usize, quarters: [usize; 4]) -> Vec<f32> {
    let (quarter, each) = (channels / 4, input.len());
    let mut out = vec![0.0; 4 * each];
    for (phase, first) in quarters.into_iter().enumerate() {
        let rows = out[phase * each..][..each].chunks_exact_mut(channels);
        for (row, part) in rows.zip(input[phase * each / 4..].chunks_exact(quarter)) {
            row[first * quarter..][..quarter].copy_from_slice(part);
        }
    }
    out
}
