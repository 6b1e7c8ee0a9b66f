//! The operators of the network: fused on the processor, composed of candle's operators on other devices.

mod bits;
mod block;
mod channels;
pub(super) mod composed;
mod dense;
mod depthwise;
mod linear;
mod node;
mod parameters;
mod permute;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use bits::bin;
pub(super) use parameters::BlockParameters;

use candle_core::{Result, Tensor};

/// Whether the fused operators apply to this tensor.
fn fused(x: &Tensor) -> bool {
    #[cfg(test)]
    if composed::FORCED.get() {
        return false;
    }
    x.device().is_cpu()
}

/// `x w^T + b` over the last dimension. Of B weights [B, N, K], each applies to an equal share of x's first dimension.
pub(super) fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    if fused(x) { linear::linear(x, w, b) } else { composed::linear(x, w, b) }
}

/// Applies a residual block to x [N, H, W, C]. `packed` holds its parameters in one row, if they were packed in
/// advance.
pub(super) fn block(x: &Tensor, parameters: &BlockParameters, packed: Option<&Tensor>) -> Result<Tensor> {
    if !fused(x) {
        return composed::block(x, parameters);
    }
    let hidden = parameters.f2[0].dim(1)?;
    match packed {
        Some(packed) => block::block(x, packed, hidden),
        None => block::block(x, &parameters.packed()?, hidden),
    }
}

/// Applies a residual block on the processor, and passes its tensors to `see`.
pub(super) fn block_observed(
    x: &Tensor,
    parameters: &BlockParameters,
    see: &dyn Fn(&str, &[f32]),
) -> Result<Tensor> {
    block::observed(x, &parameters.packed()?, parameters.f2[0].dim(1)?, see)
}

/// Calls `see` with the values of a tensor.
pub(super) fn show(x: &Tensor, see: &dyn Fn(&[f32])) -> Result<()> {
    see(&node::floats(&x.detach().contiguous()?)?);
    Ok(())
}

/// The 3x3 convolution of x [N, H, W, C] with w [O, C, 3, 3]. Outside of the planes x is zero.
pub(super) fn conv3x3(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    if fused(x) { dense::conv3x3(x, w, b) } else { composed::conv3x3(x, w, b) }
}

/// Reshapes x to `dims` and permutes the dimensions to `order`. The last one must stay last.
pub(super) fn permute(x: &Tensor, dims: &[usize], order: &[usize]) -> Result<Tensor> {
    if fused(x) { permute::permute(x, dims, order) } else { composed::permute(x, dims, order) }
}

/// x [4, R, 4 Q] to [4, R, Q]: takes the quarter `quarters[phase]` of each phase.
pub(super) fn take_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    if fused(x) { permute::take_quarters(x, quarters) } else { composed::take_quarters(x, quarters) }
}

/// x [4, R, Q] to [4, R, 4 Q]: the inverse of [`take_quarters`], with zeros in the other quarters.
pub(super) fn put_quarters(x: &Tensor, quarters: [usize; 4]) -> Result<Tensor> {
    if fused(x) { permute::put_quarters(x, quarters) } else { composed::put_quarters(x, quarters) }
}

/// x [B, .., C] times v [B, C].
pub(super) fn scale(x: &Tensor, v: &Tensor) -> Result<Tensor> {
    if fused(x) { channels::scale(x, v) } else { x.broadcast_mul(&composed::spread(v, x.rank())?) }
}

/// x [B, .., C] plus v [B, C].
pub(super) fn shift(x: &Tensor, v: &Tensor) -> Result<Tensor> {
    if fused(x) { channels::shift(x, v) } else { x.broadcast_add(&composed::spread(v, x.rank())?) }
}

/// The summed bits of the integer bins around r [B, ..] under normal distributions with these log-sigmas: [B].
pub(super) fn gaussian_bits(r: &Tensor, log_sigma: &Tensor) -> Result<Tensor> {
    if fused(r) { bits::gaussian_bits(r, log_sigma) } else { composed::gaussian_bits(r, log_sigma) }
}
