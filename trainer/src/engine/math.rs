//! Functions of single precision without branches, which compilers turn into vector code.

use super::kernel::Path;
use std::f32::consts::{LN_2, LOG2_E};

/// Added to and subtracted from a number below 2^22, it rounds it to an integer, which is then in the low bits.
const ROUNDING: f32 = 12_582_912.0;

/// `e^x` with a relative error of about 1e-7. Arguments beyond -87 and 88 are clamped.
#[inline(always)]
pub(super) fn exp<P: Path>(x: f32) -> f32 {
    let x = least(greatest(x, -87.0), 88.0);
    let shifted = P::fused(x, LOG2_E, ROUNDING);
    let n = shifted - ROUNDING;
    // The natural logarithm of 2 in two parts, so that the remainder is exact.
    let r = P::fused(-n, 1.428_606_8e-6, P::fused(-n, 0.693_145_75, x));
    let mut e = 1.0 / 720.0;
    for k in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        e = P::fused(e, r, k);
    }
    e * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// The natural logarithm of a positive normal number, with a relative error of about 1e-7.
#[inline(always)]
pub(super) fn ln<P: Path>(x: f32) -> f32 {
    let bits = x.to_bits();
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    let above = mantissa > std::f32::consts::SQRT_2;
    let exponent = (bits >> 23) as i32 - if above { 126 } else { 127 };
    let f = if above { 0.5 * mantissa } else { mantissa } - 1.0;
    let s = f / (f + 2.0);
    let squared = s * s;
    let mut r = 2.0 / 11.0;
    for c in [2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        r = P::fused(r, squared, c);
    }
    P::fused(exponent as f32, LN_2, s * r)
}

/// The complementary error function, given `e = exp(-x * x)`, with a relative error of about 2e-7 (Press et al. 2007,
/// "Numerical Recipes", section 6.2.2).
#[inline(always)]
pub(super) fn erfc<P: Path>(x: f32, e: f32) -> f32 {
    let t = 2.0 / (2.0 + x.abs());
    let mut y = 0.170_872_77;
    for c in [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ] {
        y = P::fused(y, t, c);
    }
    let v = t * e * exp::<P>(y);
    if x < 0.0 { 2.0 - v } else { v }
}

/// The smaller of two numbers, neither of them NaN, as one instruction.
#[inline(always)]
pub(super) fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater of two numbers, neither of them NaN, as one instruction.
#[inline(always)]
pub(super) fn greatest(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kernel::plain::Plain;

    #[test]
    fn functions_are_precise_over_their_range() {
        for i in -8600..=8700 {
            let x = i as f32 * 0.01;
            let e = f64::from(x).exp();
            assert!((f64::from(exp::<Plain>(x)) / e - 1.0).abs() < 4e-7, "exp {x}");
        }
        for i in 1..40_000 {
            let x = (i as f32 * 0.001 - 20.0).exp();
            let found = f64::from(ln::<Plain>(x));
            assert!((found - f64::from(x).ln()).abs() < 3e-7 * found.abs().max(0.3), "ln {x}");
        }
        for i in -300..900 {
            let x = i as f32 * 0.01;
            let found = f64::from(erfc::<Plain>(x, (-x * x).exp()));
            let expected = libm::erfc(f64::from(x));
            assert!((found / expected - 1.0).abs() < 1e-5, "erfc {x}: {found:e}, expected {expected:e}");
        }
    }
}
