//! Fused: the dense 3x3 output layer. It is a product with the concatenated nine neighbours of each position, for some
//! positions at a time.

use super::depthwise::Planes;
use super::node::{floats, node, product, tensor};
use super::rows;
use candle_core::{Result, Tensor};

/// The number of positions whose neighbours are gathered at a time, so that they stay in the cache.
const POSITIONS_AT_ONCE: usize = 2048;

/// The 3x3 convolution of x [N, H, W, C] with w [O, C, 3, 3] and b [O]. Outside of the planes x is zero.
pub(super) fn conv3x3(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (count, height, width, channels) = x.dims4()?;
    let outputs = w.dim(0)?;
    let planes = Planes { count, height, width, channels };
    let positions = planes.positions();
    let input = x.detach().contiguous()?;
    let weight = w.detach().permute((0, 2, 3, 1))?.reshape((outputs, 9 * channels))?;
    let bias = b.detach().contiguous()?;

    let mut value = Vec::with_capacity(positions * outputs);
    for run in runs(positions) {
        let taps = gather(planes, &floats(&input)?, run.clone())?;
        value.extend(product(&taps, &weight.t()?)?);
    }
    rows::add_bias(&mut value, &floats(&bias)?);

    let with_parameters = w.track_op() || b.track_op();
    node([x, w, b], value, (count, height, width, outputs), move |gradient| {
        let gradient = gradient.reshape((positions, outputs))?;
        let mut of_taps = Vec::with_capacity(positions * 9 * channels);
        let mut of_weight = vec![0.0; outputs * 9 * channels];
        for run in runs(positions) {
            let part = gradient.narrow(0, run.start, run.len())?;
            of_taps.extend(product(&part, &weight)?);
            if with_parameters {
                let taps = gather(planes, &floats(&input)?, run)?;
                let one = product(&part.t()?, &taps)?;
                of_weight.iter_mut().zip(one).for_each(|(sum, v)| *sum += v);
            }
        }
        let dx = tensor(scatter(planes, &of_taps), (count, height, width, channels))?;
        if !with_parameters {
            return Ok([Some(dx), None, None]);
        }
        let dw = tensor(of_weight, (outputs, 3, 3, channels))?.permute((0, 3, 1, 2))?.contiguous()?;
        let db = tensor(rows::column_sums(&floats(&gradient)?, outputs), outputs)?;
        Ok([Some(dx), Some(dw), Some(db)])
    })
}

fn runs(positions: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..positions)
        .step_by(POSITIONS_AT_ONCE)
        .map(move |first| first..positions.min(first + POSITIONS_AT_ONCE))
}

/// The concatenated neighbours of each position: [positions, 9 C].
fn gather(planes: Planes, input: &[f32], run: std::ops::Range<usize>) -> Result<Tensor> {
    let c = planes.channels;
    let mut out = vec![0.0; run.len() * 9 * c];
    rows::each(&mut out, 9 * c, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(9 * c).enumerate() {
            let (near, count) = planes.neighbours(run.start + first / (9 * c) + i);
            for &(tap, at) in &near[..count] {
                row[tap * c..][..c].copy_from_slice(&input[at * c..][..c]);
            }
        }
    });
    tensor(out, (run.len(), 9 * c))
}

/// The transpose of `gather`: sums for each position its contributions to all its neighbours.
fn scatter(planes: Planes, of_taps: &[f32]) -> Vec<f32> {
    let c = planes.channels;
    let mut out = vec![0.0; planes.positions() * c];
    rows::each(&mut out, c, |first, rows| {
        for (i, row) in rows.chunks_exact_mut(c).enumerate() {
            let (near, count) = planes.neighbours(first / c + i);
            for &(tap, at) in &near[..count] {
                let part = &of_taps[(at * 9 + 8 - tap) * c..][..c];
                row.iter_mut().zip(part).for_each(|(v, p)| *v += p);
            }
        }
    });
    out
}
