//! Maps over the 8x8 patches of a picture.

/// Values of the patches of a picture, `[rows, columns]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Map {
    /// The means of 3x3 patches, so that a single noisy patch counts little.
    pub fn smoothed(&self) -> Self {
        let mean = |y: usize, x: usize| {
            let (ys, xs) = (around(y, self.rows), around(x, self.columns));
            let count = ys.len() * xs.len();
            let row = |y: usize| self.values[y * self.columns..][xs.clone()].iter().sum::<f32>();
            ys.map(row).sum::<f32>() / count as f32
        };
        let values = (0..self.rows).flat_map(|y| (0..self.columns).map(move |x| (y, x)));
        Self { values: values.map(|(y, x)| mean(y, x)).collect(), ..*self }
    }

    /// The same map at another number of rows and columns, each of which covers `scale` times as many of the new ones
    /// (bilinear).
    pub fn stretched(&self, (rows, columns): (usize, usize), scale: f32) -> Self {
        let values = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x)));
        let values = values.map(|(y, x)| self.between(y as f32, x as f32, scale)).collect();
        Self { rows, columns, values }
    }

    /// The value at a place of a grid that is `scale` times as fine.
    pub fn between(&self, y: f32, x: f32, scale: f32) -> f32 {
        let [(y0, y1, v), (x0, x1, h)] = [(y, self.rows), (x, self.columns)].map(|(at, count)| {
            let at = ((at + 0.5) / scale - 0.5).clamp(0.0, (count - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(count - 1), at - low as f32)
        });
        let value = |y: usize, x: usize| self.values[y * self.columns + x];
        let (above, below) =
            (value(y0, x0) * (1.0 - h) + value(y0, x1) * h, value(y1, x0) * (1.0 - h) + value(y1, x1) * h);
        above * (1.0 - v) + below * v
    }

    pub fn largest(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}

fn around(i: usize, count: usize) -> std::ops::Range<usize> {
    i.saturating_sub(1)..(i + 2).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretching_keeps_places_and_smoothing_keeps_means() {
        let map = Map { rows: 2, columns: 3, values: vec![0.0, 4.0, 8.0, 8.0, 12.0, 16.0] };
        let large = map.stretched((4, 6), 2.0);
        assert_eq!(large.values[..6], [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        assert_eq!(large.values[18..], [8.0, 9.0, 11.0, 13.0, 15.0, 16.0]);
        let smooth = map.smoothed();
        assert_eq!(smooth.values, [6.0, 8.0, 10.0, 6.0, 8.0, 10.0]);
        assert_eq!(map.largest(), 16.0);
    }
}
