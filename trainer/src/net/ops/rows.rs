//! Parallel loops over rows of channels. Sums are computed in a fixed order.

use rayon::prelude::*;

/// The number of values for each task.
const TASK: usize = 1 << 14;

/// Calls `work` with pieces of `data` that hold whole rows of `width`, and with the index of their first value.
pub(super) fn each(data: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let piece = piece(width);
    data.par_chunks_mut(piece).enumerate().for_each(|(i, rows)| work(i * piece, rows));
}

/// The sum of the results of `part` for all pieces, which are ranges of values that hold whole rows.
pub(super) fn sum(
    numbers: usize,
    width: usize,
    size: usize,
    part: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) -> Vec<f32> {
    // The number of pieces is limited, as each needs its own buffer for the sum.
    let piece = piece(width).max(numbers / width.max(1) / 32 * width);
    let parts: Vec<Vec<f32>> = (0..numbers.div_ceil(piece))
        .into_par_iter()
        .map(|i| {
            let mut sum = vec![0.0; size];
            part(i * piece..numbers.min((i + 1) * piece), &mut sum);
            sum
        })
        .collect();
    let mut total = vec![0.0; size];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    total
}

/// Adds a bias to every row.
pub(super) fn add_bias(data: &mut [f32], bias: &[f32]) {
    each(data, bias.len(), |_, rows| {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(v, b)| *v += b);
        }
    });
}

/// Adds a bias and another tensor of the same size.
pub(super) fn add_bias_and(data: &mut [f32], bias: &[f32], other: &[f32]) {
    each(data, bias.len(), |first, rows| {
        let others = other[first..].chunks_exact(bias.len());
        for (row, other) in rows.chunks_exact_mut(bias.len()).zip(others) {
            row.iter_mut().zip(bias).zip(other).for_each(|((v, b), o)| *v += b + o);
        }
    });
}

/// The sum of each column, which is the gradient of a bias.
pub(super) fn column_sums(data: &[f32], width: usize) -> Vec<f32> {
    sum(data.len(), width, width, |range, sum| {
        for row in data[range].chunks_exact(width) {
            sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
    })
}

fn piece(width: usize) -> usize {
    (TASK / width.max(1)).max(1) * width.max(1)
}
