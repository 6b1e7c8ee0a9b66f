//! The linear algebra of the fit.

/// Steps of the subspace iteration.
const STEPS: usize = 40;

/// A matrix `[rows, columns]`.
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Matrix {
    pub fn of_rows(rows: impl IntoIterator<Item = Vec<f64>>) -> Self {
        let (mut values, mut count) = (Vec::new(), 0);
        for row in rows {
            values.extend(row);
            count += 1;
        }
        Self { rows: count, columns: values.len() / count.max(1), values }
    }

    /// A matrix with orthonormal rows or columns, whichever are shorter in number.
    pub fn orthonormal(rows: usize, columns: usize, random: &mut Random) -> Self {
        let long = rows.max(columns);
        let row = |_| (0..long).map(|_| random.normal()).collect();
        let mut short = Self::of_rows((0..rows.min(columns)).map(row).collect::<Vec<_>>());
        short.orthonormalise();
        if rows > columns { short.transposed() } else { short }
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..][..self.columns]
    }

    pub fn transposed(&self) -> Self {
        let column = |j: usize| (0..self.rows).map(|i| self.values[i * self.columns + j]).collect();
        Self::of_rows((0..self.columns).map(column))
    }

    pub fn times(&self, other: &Self) -> Self {
        let mut values = vec![0.0; self.rows * other.columns];
        for (out, row) in values.chunks_exact_mut(other.columns).zip(self.values.chunks_exact(self.columns)) {
            for (&weight, other) in row.iter().zip(other.values.chunks_exact(other.columns)) {
                out.iter_mut().zip(other).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Self { rows: self.rows, columns: other.columns, values }
    }

    /// The mean of the outer products of the rows, `[columns, columns]`. The mean of the rows is not subtracted.
    pub fn covariance(&self) -> Self {
        let mut sum = self.transposed().times(self);
        sum.values.iter_mut().for_each(|value| *value /= self.rows as f64);
        sum
    }

    pub fn trace(&self) -> f64 {
        (0..self.rows).map(|i| self.row(i)[i]).sum()
    }

    pub fn add_to_diagonal(&mut self, value: f64) {
        (0..self.rows).for_each(|i| self.values[i * self.columns + i] += value);
    }

    /// The inverse of the lower triangular L with L L' = self (Cholesky): rows of data times its transpose are white.
    pub fn inverse_of_factor(&self) -> Self {
        let n = self.rows;
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = self.values[i * n + j] - dot;
                lower[i * n + j] = if i == j { rest.sqrt() } else { rest / lower[j * n + j] };
            }
        }
        let mut inverse = vec![0.0; n * n];
        for j in 0..n {
            for i in j..n {
                let dot: f64 = (j..i).map(|k| lower[i * n + k] * inverse[k * n + j]).sum();
                let unit = if i == j { 1.0 } else { 0.0 };
                inverse[i * n + j] = (unit - dot) / lower[i * n + i];
            }
        }
        Self { rows: n, columns: n, values: inverse }
    }

    /// Scales of the rows in `f32`, then the rows in 8 bits.
    pub fn in_8_bits(&self) -> Vec<u8> {
        let rows = || self.values.chunks_exact(self.columns);
        let scale = |row: &[f64]| row.iter().fold(0.0_f64, |most, value| most.max(value.abs())) / 127.0;
        let scales = rows().flat_map(|row| (scale(row) as f32).to_le_bytes());
        let weights = rows().flat_map(|row| {
            let scale = scale(row);
            row.iter().map(move |value| (value / scale).round() as i8 as u8)
        });
        scales.chain(weights).collect()
    }

    /// Makes the rows orthonormal (modified Gram-Schmidt).
    fn orthonormalise(&mut self) {
        let width = self.columns;
        for i in 0..self.rows {
            let (before, rest) = self.values.split_at_mut(i * width);
            let row = &mut rest[..width];
            for other in before.chunks_exact(width) {
                let dot: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
}

/// An orthonormal basis `[count, n]` of the leading eigenvectors of a symmetric matrix `[n, n]` (subspace iteration).
pub fn subspace(matrix: &Matrix, count: usize) -> Matrix {
    let mut basis = Matrix::orthonormal(count, matrix.rows, &mut Random(1));
    for _ in 0..STEPS {
        basis = basis.times(matrix);
        basis.orthonormalise();
    }
    basis
}

/// Random numbers (SplitMix64, Steele, Lea and Flood 2014) from a seed.
pub struct Random(pub u64);

impl Random {
    /// From 0 to 1, without 1.
    pub fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From a distribution that is close to the normal one.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}
