//! WebAssembly: `i32x4.dot_i16x8_s`, for modules that are compiled with `simd128`.

use super::instantiate::instantiate;
use super::leaf::Leaf;
use super::number::ACTIVATION_MAX;
use std::arch::wasm32::*;

instantiate!(kernels, super::Simd128, "simd128");

pub struct Simd128;

/// Saturates both to 16 bits, then to the range of activations.
#[inline(always)]
fn pack(low: v128, high: v128) -> v128 {
    let v = i16x8_min(i16x8_narrow_i32x4(low, high), i16x8_splat(ACTIVATION_MAX as i16));
    i16x8_max(v, i16x8_splat(-ACTIVATION_MAX as i16))
}

// SAFETY (each function): extents are the caller's promise.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl Leaf for Simd128 {
    type Lanes = v128;
    type Pair = v128;
    type Weights = v128;
    type Channels = [v128; 2];
    type Couple = [v128; 2];
    type Taps = [v128; 2];
    const LANES: usize = 4;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> v128 {
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> v128 {
        unsafe { v128_load32_splat(at.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> v128 {
        unsafe { v128_load(at.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: v128, x: v128, w: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(x, w))
    }

    #[inline(always)]
    unsafe fn leaky(v: v128) -> v128 {
        i32x4_max(v, i32x4_shr(v, 3))
    }

    #[inline(always)]
    unsafe fn round(v: v128, shift: u32) -> v128 {
        i32x4_shr(i32x4_add(v, i32x4_splat((1 << shift) >> 1)), shift)
    }

    #[inline(always)]
    unsafe fn add(v: v128, x: *const i16) -> v128 {
        unsafe { i32x4_add(v, i32x4_load_extend_i16x4(x)) }
    }

    #[inline(always)]
    unsafe fn store(low: v128, high: v128, to: *mut i16) {
        unsafe { v128_store(to.cast(), pack(low, high)) }
    }

    #[inline(always)]
    unsafe fn store_gated(u: v128, v: v128, shift: u32, to: *mut i16) {
        let (u, v) = (i16x8_max(pack(u, u), i16x8_splat(0)), pack(v, v));
        let h = unsafe { Self::round(i32x4_extmul_low_i16x8(u, v), shift) };
        unsafe { v128_store64_lane::<0>(pack(h, h), to.cast()) }
    }

    #[inline(always)]
    unsafe fn channels(at: *const i32) -> [v128; 2] {
        unsafe { [Self::load(at), Self::load(at.add(4))] }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> [v128; 2] {
        unsafe { [Self::weights(at), Self::weights(at.add(8))] }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> [v128; 2] {
        unsafe {
            let (a, b) = (Self::weights(a), Self::weights(b));
            let low = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b);
            let high = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b);
            [low, high]
        }
    }

    #[inline(always)]
    unsafe fn tap(sum: [v128; 2], ab: [v128; 2], w: [v128; 2]) -> [v128; 2] {
        unsafe { [Self::dot(sum[0], ab[0], w[0]), Self::dot(sum[1], ab[1], w[1])] }
    }

    #[inline(always)]
    unsafe fn store_channels(sum: [v128; 2], shift: u32, to: *mut i16) {
        unsafe { Self::store(Self::round(sum[0], shift), Self::round(sum[1], shift), to) }
    }
}
