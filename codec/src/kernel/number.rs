//! The arithmetic of activations: rounding and saturation.

/// Largest magnitude of an activation.
pub const ACTIVATION_MAX: i32 = 8191;

/// Rounding arithmetic shift right; the addition wraps.
#[inline(always)]
pub fn rnd(v: i32, shift: u32) -> i32 {
    v.wrapping_add((1 << shift) >> 1) >> shift
}

/// Saturates to the range of an activation.
#[inline(always)]
pub fn sat(v: i32) -> i16 {
    v.clamp(-ACTIVATION_MAX, ACTIVATION_MAX) as i16
}
