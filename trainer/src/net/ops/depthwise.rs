//! The 3x3 depthwise convolution on [N, H, W, C]: the forward pass, and the gradients of the input and of the taps.

use super::rows;

/// The number of channels that are in registers at a time.
const LANES: usize = 16;

/// The dimensions of a batch of planes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub count: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Planes {
    pub(super) fn positions(&self) -> usize {
        self.count * self.height * self.width
    }

    /// The neighbours of a position within its plane: the tap and the position of each, and their number.
    pub(super) fn neighbours(&self, position: usize) -> ([(usize, usize); 9], usize) {
        let (x, y) = (position % self.width, position / self.width % self.height);
        let (mut found, mut count) = ([(0, 0); 9], 0);
        for dy in 0..3 {
            for dx in 0..3 {
                if (1..=self.height).contains(&(y + dy)) && (1..=self.width).contains(&(x + dx)) {
                    found[count] = (3 * dy + dx, position + dy * self.width + dx - self.width - 1);
                    count += 1;
                }
            }
        }
        (found, count)
    }
}

/// The forward pass: each output is the bias plus the weighted sum of its nine neighbours. The taps are [9, C], row by
/// row.
pub(super) fn forward(planes: Planes, input: &[f32], taps: &[f32], bias: &[f32]) -> Vec<f32> {
    let c = planes.channels;
    let mut out = vec![0.0; planes.positions() * c];
    rows::each(&mut out, c, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(c).enumerate() {
            let (near, count) = planes.neighbours(first / c + i);
            for (k, cells) in row.chunks_mut(LANES).enumerate() {
                let k = k * LANES;
                if let Ok(cells) = <&mut [f32; LANES]>::try_from(&mut *cells) {
                    let mut sum = lanes(bias, k);
                    for &(tap, at) in &near[..count] {
                        let (v, w) = (lanes(input, at * c + k), lanes(taps, tap * c + k));
                        for j in 0..LANES {
                            sum[j] += v[j] * w[j];
                        }
                    }
                    *cells = sum;
                } else {
                    for (j, cell) in cells.iter_mut().enumerate() {
                        let j = k + j;
                        let terms =
                            near[..count].iter().map(|&(tap, at)| input[at * c + j] * taps[tap * c + j]);
                        *cell = bias[j] + terms.sum::<f32>();
                    }
                }
            }
        }
    });
    out
}

/// The gradient of the input, which is the same sum with the taps in reverse order.
pub(super) fn input_gradient(planes: Planes, gradient: &[f32], taps: &[f32]) -> Vec<f32> {
    let turned: Vec<f32> = taps.chunks_exact(planes.channels).rev().flatten().copied().collect();
    forward(planes, gradient, &turned, &vec![0.0; planes.channels])
}

/// The gradient of the taps, [9, C].
pub(super) fn tap_gradient(planes: Planes, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let Planes { height, width, channels: c, .. } = planes;
    let row = width * c;
    rows::sum(gradient.len(), row, 9 * c, |range, sum| {
        for y in range.start / row..range.end / row {
            for dy in 0..3 {
                if !(1..=height).contains(&(y % height + dy)) {
                    continue;
                }
                let other = (y + dy - 1) * row;
                for dx in 0..3 {
                    // These are the columns of the gradient whose neighbour is within the plane.
                    let columns = usize::from(dx == 0)..width - usize::from(dx == 2);
                    let sum = &mut sum[(3 * dy + dx) * c..][..c];
                    for (k, cells) in sum.chunks_mut(LANES).enumerate() {
                        let k = k * LANES;
                        if let Ok(cells) = <&mut [f32; LANES]>::try_from(&mut *cells) {
                            let mut total = *cells;
                            for x in columns.clone() {
                                let g = lanes(gradient, y * row + x * c + k);
                                let v = lanes(input, other + (x + dx - 1) * c + k);
                                for j in 0..LANES {
                                    total[j] += g[j] * v[j];
                                }
                            }
                            *cells = total;
                        } else {
                            for (j, cell) in cells.iter_mut().enumerate() {
                                let terms = columns.clone().map(|x| {
                                    gradient[y * row + x * c + k + j]
                                        * input[other + (x + dx - 1) * c + k + j]
                                });
                                *cell += terms.sum::<f32>();
                            }
                        }
                    }
                }
            }
        }
    })
}

fn lanes(data: &[f32], at: usize) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    out.copy_from_slice(&data[at..at + LANES]);
    out
}
