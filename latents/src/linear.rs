//! Linear algebra of symmetric matrices, which are stored row by row.

/// Steps of the subspace iteration.
const STEPS: usize = 40;

/// The `count` leading eigenvectors of a symmetric matrix `[n, n]`, `[count, n]`, orthonormal (subspace iteration; Golub and
/// Van Loan, *Matrix Computations*, 8.2.4). There are fewer if the rank is lower.
pub fn leading(matrix: &[f64], n: usize, count: usize) -> Vec<Vec<f64>> {
    let mut state = 1_u64;
    let mut basis: Vec<Vec<f64>> =
        (0..count.min(n)).map(|_| (0..n).map(|_| random(&mut state)).collect()).collect();
    let largest = (0..n).map(|i| matrix[i * n + i]).fold(0.0, f64::max);
    for _ in 0..STEPS {
        basis = basis.iter().map(|vector| times(matrix, vector)).collect();
        orthonormalise(&mut basis, 1e-9 * largest);
    }
    basis
}

/// The lower triangular L with `L L' = matrix`, `[n, n]` (Cholesky), or `None` if the matrix is not positive definite.
pub fn factor(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot = dot(&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
            let rest = matrix[i * n + j] - dot;
            lower[i * n + j] = match i == j {
                true if rest > 0.0 && rest.is_finite() => rest.sqrt(),
                true => return None,
                false => rest / lower[j * n + j],
            };
        }
    }
    Some(lower)
}

/// The inverse of a lower triangular matrix `[n, n]`.
pub fn inverse(lower: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (j..i).map(|k| lower[i * n + k] * inverse[k * n + j]).sum();
            let unit = if i == j { 1.0 } else { 0.0 };
            inverse[i * n + j] = (unit - sum) / lower[i * n + i];
        }
    }
    inverse
}

/// Solves `matrix x = b` for a positive definite matrix; `None` if it is not.
pub fn solve(matrix: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let lower = factor(matrix, n)?;
    let mut x = b.to_vec();
    for i in 0..n {
        x[i] = (x[i] - dot(&lower[i * n..i * n + i], &x[..i])) / lower[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
        x[i] = (x[i] - sum) / lower[i * n + i];
    }
    Some(x)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// Modified Gram-Schmidt; vectors that are shorter than `least` after it are dropped.
fn orthonormalise(basis: &mut Vec<Vec<f64>>, least: f64) {
    let mut kept: Vec<Vec<f64>> = Vec::new();
    for mut vector in basis.drain(..) {
        for other in &kept {
            let along = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let length = dot(&vector, &vector).sqrt();
        if length > least && length > 0.0 {
            vector.iter_mut().for_each(|value| *value /= length);
            kept.push(vector);
        }
    }
    *basis = kept;
}

/// From -1 to 1 (SplitMix64, Steele, Lea and Flood 2014): the start of the iteration, the same in every run.
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eigenvalues 4 and 1 in the plane, 0 across it.
    const FLAT: [f64; 9] = [2.5, 1.5, 0.0, 1.5, 2.5, 0.0, 0.0, 0.0, 0.0];

    #[test]
    fn leading_eigenvectors_come_in_order_and_end_with_the_rank() {
        let found = leading(&FLAT, 3, 3);
        assert_eq!(found.len(), 2);
        let half = 0.5_f64.sqrt();
        assert!((found[0][0].abs() - half).abs() < 1e-6 && (found[0][0] - found[0][1]).abs() < 1e-6);
        assert!((found[1][0] + found[1][1]).abs() < 1e-6);
    }

    #[test]
    fn factors_invert_and_solve() {
        let matrix = [4.0, 2.0, 0.4, 2.0, 3.0, 0.5, 0.4, 0.5, 2.0];
        let whitening = inverse(&factor(&matrix, 3).unwrap(), 3);
        let x = solve(&matrix, &[1.0, 2.0, 3.0]).unwrap();
        let back = times(&matrix, &x);
        assert!(back.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-9));
        // |W b|^2 = b' matrix^-1 b
        let white: f64 = times(&whitening, &[1.0, 2.0, 3.0]).iter().map(|v| v * v).sum();
        assert!((white - dot(&x, &[1.0, 2.0, 3.0])).abs() < 1e-9);
        assert!(factor(&FLAT, 3).is_none());
    }
}
