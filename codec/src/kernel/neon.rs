//! AArch64: `smlal`; loading separates the weights of even and odd inputs.

use super::instantiate::instantiate;
use super::leaf::Leaf;
use super::number::ACTIVATION_MAX;
use std::arch::aarch64::*;

instantiate!(kernels, super::Neon, "neon");

pub struct Neon;

/// Saturates to 16 bits, then to the range of activations.
///
/// # Safety
/// NEON.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn narrow(v: int32x4_t) -> int16x4_t {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        let v = vmin_s16(vqmovn_s32(v), vdup_n_s16(ACTIVATION_MAX as i16));
        vmax_s16(v, vdup_n_s16(-ACTIVATION_MAX as i16))
    }
}

// SAFETY (each function): features and extents are the caller's promise.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl Leaf for Neon {
    type Lanes = int32x4_t;
    type Pair = int16x4_t;
    type Weights = int16x4x2_t;
    type Channels = [int32x4_t; 2];
    type Couple = [int16x8_t; 2];
    type Taps = int16x8x2_t;
    const LANES: usize = 4;
    const ROWS: usize = 12;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> int32x4_t {
        unsafe { vld1q_s32(at) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> int16x4_t {
        unsafe { vreinterpret_s16_s32(vdup_n_s32(at.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> int16x4x2_t {
        unsafe { vld2_s16(at) }
    }

    #[inline(always)]
    unsafe fn dot(sum: int32x4_t, x: int16x4_t, w: int16x4x2_t) -> int32x4_t {
        unsafe { vmlal_lane_s16::<1>(vmlal_lane_s16::<0>(sum, w.0, x), w.1, x) }
    }

    #[inline(always)]
    unsafe fn leaky(v: int32x4_t) -> int32x4_t {
        unsafe { vmaxq_s32(v, vshrq_n_s32::<3>(v)) }
    }

    /// `srshl` does not fit, because its addition does not wrap.
    #[inline(always)]
    unsafe fn round(v: int32x4_t, shift: u32) -> int32x4_t {
        unsafe { vshlq_s32(vaddq_s32(v, vdupq_n_s32((1 << shift) >> 1)), vdupq_n_s32(-(shift as i32))) }
    }

    #[inline(always)]
    unsafe fn add(v: int32x4_t, x: *const i16) -> int32x4_t {
        unsafe { vaddw_s16(v, vld1_s16(x)) }
    }

    #[inline(always)]
    unsafe fn store(low: int32x4_t, high: int32x4_t, to: *mut i16) {
        unsafe { vst1q_s16(to, vcombine_s16(narrow(low), narrow(high))) }
    }

    #[inline(always)]
    unsafe fn store_gated(u: int32x4_t, v: int32x4_t, shift: u32, to: *mut i16) {
        unsafe {
            let u = vmax_s16(narrow(u), vdup_n_s16(0));
            vst1_s16(to, narrow(Self::round(vmull_s16(u, narrow(v)), shift)));
        }
    }

    #[inline(always)]
    unsafe fn channels(at: *const i32) -> [int32x4_t; 2] {
        unsafe { [vld1q_s32(at), vld1q_s32(at.add(4))] }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> int16x8x2_t {
        unsafe { vld2q_s16(at) }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> [int16x8_t; 2] {
        unsafe { [vld1q_s16(a), vld1q_s16(b)] }
    }

    #[inline(always)]
    unsafe fn tap(sum: [int32x4_t; 2], [a, b]: [int16x8_t; 2], w: int16x8x2_t) -> [int32x4_t; 2] {
        unsafe {
            let low = vmlal_s16(sum[0], vget_low_s16(a), vget_low_s16(w.0));
            let high = vmlal_high_s16(sum[1], a, w.0);
            [vmlal_s16(low, vget_low_s16(b), vget_low_s16(w.1)), vmlal_high_s16(high, b, w.1)]
        }
    }

    #[inline(always)]
    unsafe fn store_channels(sum: [int32x4_t; 2], shift: u32, to: *mut i16) {
        unsafe { Self::store(Self::round(sum[0], shift), Self::round(sum[1], shift), to) }
    }
}
