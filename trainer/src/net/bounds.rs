//! Constants that the operators of the network share.

/// The slope of the leaky units below zero.
pub(crate) const LEAKY_SLOPE: f32 = 1.0 / 8.0;
/// The bound on the products of the gated units. Without it, noise grows quadratically from block to block until the
/// floats overflow.
pub(crate) const GATE_MAX: f32 = 16.0;
/// The natural logarithms of the smallest and the largest standard deviation of the entropy model.
pub(crate) const LOG_SIGMA_MIN: f32 = -2.3;
pub(crate) const LOG_SIGMA_MAX: f32 = 7.0;
