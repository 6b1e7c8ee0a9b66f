//! Fused: a product with a bias, for one weight or for several at a time.

use super::node::{floats, node, product, tensor};
use super::rows;
use candle_core::{Result, Tensor};

/// `x w^T + b`: x [.., K], w [N, K], b [N].
///
/// Several weights w [B, N, K] with biases b [B, N] each apply to an equal share of the rows of x: [B, .., N].
pub(super) fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    let several = w.rank() == 3;
    let (count, outputs, inputs) = if several { w.dims3()? } else { (1, w.dim(0)?, w.dim(1)?) };
    let rows = x.elem_count() / inputs / count;
    let flat = x.detach().contiguous()?.reshape((count * rows, inputs))?;
    let weights = w.detach().contiguous()?.reshape((count, outputs, inputs))?;
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = outputs;
    }

    let biases = b.detach().contiguous()?;
    let mut value = Vec::new();
    for i in 0..count {
        let mut one = product(&flat.narrow(0, i * rows, rows)?, &weights.get(i)?.t()?)?;
        rows::add_bias(&mut one, &floats(&biases)?[i * outputs..][..outputs]);
        join(&mut value, one);
    }

    let (for_input, for_weight) = (x.track_op(), w.track_op() || b.track_op());
    let shapes = (x.shape().clone(), w.shape().clone(), b.shape().clone());
    node([x, w, b], value, shape, move |gradient| {
        let gradient = gradient.reshape((count * rows, outputs))?;
        let (mut dx, mut dw, mut db) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..count {
            let part = gradient.narrow(0, i * rows, rows)?;
            if for_input {
                join(&mut dx, product(&part, &weights.get(i)?)?);
            }
            if for_weight {
                join(&mut dw, product(&part.t()?, &flat.narrow(0, i * rows, rows)?)?);
                join(&mut db, rows::column_sums(&floats(&part)?, outputs));
            }
        }
        let made = |wanted, values, shape| if wanted { tensor(values, shape).map(Some) } else { Ok(None) };
        let (sx, sw, sb) = shapes.clone();
        Ok([made(for_input, dx, sx)?, made(for_weight, dw, sw)?, made(for_weight, db, sb)?])
    })
}

/// Appends a part. The first one is moved and not copied.
fn join(all: &mut Vec<f32>, part: Vec<f32>) {
    if all.is_empty() {
        *all = part;
    } else {
        all.extend_from_slice(&part);
    }
}
