//! The optimiser's step on all parameters: Muon or Adam, and the moving average.
//!
//! It computes the same as `crate::optim`, on the engine's vectors.

use super::kernel::product::product;
use super::kernel::{Path, vectorised};
use super::layers::{in_rows, whole};
use super::layout::Parameter;
use super::pack::{Panels, to_cells};
use crate::optim::{
    BETA_FIRST, BETA_SECOND, EPSILON, MOMENTUM, NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS, OptimizerKind, muon_scale,
};
use rayon::prelude::*;

/// The moments of a parameter.
#[derive(Debug, Clone)]
pub(super) enum Moments {
    Muon(Vec<f32>),
    Adam { first: Vec<f32>, second: Vec<f32> },
}

impl Moments {
    pub(super) fn new(parameter: &Parameter, kind: OptimizerKind) -> Self {
        let zeros = || vec![0.0; parameter.count()];
        if kind == OptimizerKind::Muon && parameter.matrix().is_some() {
            Self::Muon(zeros())
        } else {
            Self::Adam { first: zeros(), second: zeros() }
        }
    }
}

/// What all parameters share in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    /// The factor that clips the gradients.
    pub clip: f32,
    pub rate: f64,
    /// The number of this step, from 1.
    pub step: usize,
    /// The decay of the moving average.
    pub decay: f32,
}

/// Takes a step with all parameters, on all threads.
pub(super) fn update<P: Path>(
    path: P,
    parameters: &[Parameter],
    [numbers, averages]: [&mut [f32]; 2],
    gradients: &[f32],
    moments: &mut [Moments],
    update: Update,
) {
    let of = numbers_of(parameters, numbers).into_iter().zip(numbers_of(parameters, averages));
    let mut all: Vec<_> = parameters.iter().zip(of).zip(moments).collect();
    // Those that take longest come first, so that no thread waits for long.
    let work = |parameter: &Parameter| match parameter.matrix() {
        Some((rows, columns)) => 100 * rows * columns,
        None => parameter.count(),
    };
    all.sort_by_key(|((parameter, _), _)| std::cmp::Reverse(work(parameter)));
    all.into_par_iter().with_max_len(1).for_each(|((parameter, (numbers, averages)), moments)| {
        let gradient = &gradients[parameter.offset..][..parameter.count()];
        match (moments, parameter.matrix()) {
            (Moments::Muon(momentum), Some(sides)) => muon(path, sides, numbers, gradient, momentum, update),
            (Moments::Adam { first, second }, _) => adam(path, numbers, gradient, [first, second], update),
            (Moments::Muon(_), None) => {}
        }
        let (numbers, share) = (&*numbers, 1.0 - update.decay);
        vectorised!(path, P, [averages: &mut [f32], numbers: &[f32], share: f32] {
            averages.iter_mut().zip(numbers).for_each(|(a, w)| *a += (*w - *a) * share);
        });
    });
}

/// The parts of the vector that the parameters have.
fn numbers_of<'a>(parameters: &[Parameter], mut numbers: &'a mut [f32]) -> Vec<&'a mut [f32]> {
    let mut at = 0;
    let part = |parameter: &Parameter| {
        let (part, rest) =
            std::mem::take(&mut numbers)[parameter.offset - at..].split_at_mut(parameter.count());
        (numbers, at) = (rest, parameter.offset + parameter.count());
        part
    };
    parameters.iter().map(part).collect()
}

/// Adam (Kingma and Ba 2015).
fn adam<P: Path>(
    path: P,
    numbers: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
    update: Update,
) {
    let unbiased = |beta: f64| 1.0 - beta.powi(i32::try_from(update.step).unwrap_or(i32::MAX));
    let rate = (update.rate / unbiased(BETA_FIRST)) as f32;
    let root = (1.0 / unbiased(BETA_SECOND).sqrt()) as f32;
    let factors = [update.clip, rate, root];
    vectorised!(path, P, [numbers: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], factors: [f32; 3]] {
        let ([clip, rate, root], beta_first, beta_second) = (factors, BETA_FIRST as f32, BETA_SECOND as f32);
        for (((w, g), first), second) in numbers.iter_mut().zip(gradient).zip(first).zip(second) {
            let g = g * clip;
            *first = beta_first * *first + (1.0 - beta_first) * g;
            *second = beta_second * *second + (1.0 - beta_second) * g * g;
            *w -= rate * *first / (second.sqrt() * root + EPSILON as f32);
        }
    });
}

/// Muon (Jordan 2024).
fn muon<P: Path>(
    path: P,
    sides: (usize, usize),
    numbers: &mut [f32],
    gradient: &[f32],
    momentum: &mut [f32],
    update: Update,
) {
    let mut ahead = vec![0.0; numbers.len()];
    let clip = update.clip;
    vectorised!(path, P, [ahead: &mut [f32] = &mut ahead, momentum: &mut [f32], gradient: &[f32], clip: f32] {
        let keep = MOMENTUM as f32;
        for ((ahead, momentum), g) in ahead.iter_mut().zip(momentum).zip(gradient) {
            let g = g * clip;
            *momentum += (g - *momentum) * (1.0 - keep);
            *ahead = g + (*momentum - g) * keep;
        }
    });
    let change = orthogonal(path, sides, ahead);
    let rate = (update.rate * muon_scale(sides)) as f32;
    numbers.iter_mut().zip(&change).for_each(|(w, change)| *w -= rate * change);
}

/// Approximates the orthogonal matrix that is nearest to a matrix `[rows, columns]`.
fn orthogonal<P: Path>(path: P, (rows, columns): (usize, usize), matrix: Vec<f32>) -> Vec<f32> {
    let norm = matrix.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let scale = (1.0 / (norm + 1e-7)) as f32;
    let tall = rows > columns;
    let (r, c) = if tall { (columns, rows) } else { (rows, columns) };
    let mut x = if tall { transposed(&matrix, columns) } else { matrix };
    x.iter_mut().for_each(|x| *x *= scale);
    let [of_x, of_square, of_a] = NEWTON_SCHULZ.map(|v| v as f32);
    let (mut a, mut b) = (vec![0.0; r * r], vec![0.0; r * r]);
    // Rows of cells must be whole groups: an odd side gets a column of zeros.
    let (wide, square) = (c.next_multiple_of(P::GROUP), r.next_multiple_of(P::GROUP));
    let mut x_cells = vec![P::Cell::default(); r * wide];
    let mut a_cells = vec![P::Cell::default(); r * square];
    let mut panels = Panels::default();
    for _ in 0..NEWTON_SCHULZ_STEPS {
        rows_to_cells(path, &x, c, &mut x_cells, wide);
        panels.transposed(path, &x, (r, c));
        let of_rows = panels.times(&x_cells, in_rows::<P>(wide), c.div_ceil(P::GROUP));
        product(path, (r, r), &[of_rows], |row, first, sums| {
            let sums = whole(sums, r - first);
            a[row * r + first..][..sums.len()].copy_from_slice(sums);
        });
        // A is symmetric, so its rows are its columns.
        rows_to_cells(path, &a, r, &mut a_cells, square);
        panels.rows(path, &a_cells, (r, r, square));
        let of_a_rows = panels.times(&a_cells, in_rows::<P>(square), r.div_ceil(P::GROUP));
        product(path, (r, r), &[of_a_rows], |row, first, sums| {
            let sums = whole(sums, r - first);
            let at = row * r + first;
            let (a, b) = (&a[at..][..sums.len()], &mut b[at..][..sums.len()]);
            b.iter_mut().zip(a).zip(sums).for_each(|((b, a), sum)| *b = of_square * sum + of_a * a);
        });
        rows_to_cells(path, &b, r, &mut a_cells, square);
        panels.rows(path, &x_cells, (r, c, wide));
        let of_b_rows = panels.times(&a_cells, in_rows::<P>(square), r.div_ceil(P::GROUP));
        product(path, (r, c), &[of_b_rows], |row, first, sums| {
            let sums = whole(sums, c - first);
            let x = &mut x[row * c + first..][..sums.len()];
            x.iter_mut().zip(sums).for_each(|(x, sum)| *x = of_x * *x + sum);
        });
    }
    if tall { transposed(&x, c) } else { x }
}

/// Rounds rows of numbers to cells in rows that may be longer.
fn rows_to_cells<P: Path>(path: P, numbers: &[f32], width: usize, cells: &mut [P::Cell], stride: usize) {
    if width == stride {
        return to_cells(path, numbers, cells);
    }
    for (numbers, cells) in numbers.chunks_exact(width).zip(cells.chunks_exact_mut(stride)) {
        to_cells(path, numbers, &mut cells[..width]);
    }
}

/// The transpose of a matrix with this number of columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    (0..matrix.len()).map(|i| matrix[i % rows * columns + i / rows]).collect()
}
