//! Constants that the operators of the network share.

/// Slope of the leaky units below zero.
pub(super) const LEAKY_SLOPE: f32 = 1.0 / 8.0;
/// Products of the gated units stay within this; without the bound, noise squares itself until the floats overflow.
pub(super) const GATE_MAX: f32 = 16.0;
/// Natural logarithm of the smallest and largest standard deviation that the entropy model uses.
pub(super) const LOG_SIGMA_MIN: f32 = -2.3;
pub(super) const LOG_SIGMA_MAX: f32 = 7.0;
