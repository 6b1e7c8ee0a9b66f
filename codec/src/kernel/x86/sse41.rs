//! 128 bits: `pmaddwd` and an addition.

use crate::kernel::leaf::Leaf;
use crate::kernel::number::ACTIVATION_MAX;
use std::arch::x86_64::*;

pub struct Sse41;

/// Saturates both to 16 bits, then to the range of activations.
///
/// # Safety
/// SSE4.1.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn pack(low: __m128i, high: __m128i) -> __m128i {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        let v = _mm_packs_epi32(low, high);
        let v = _mm_min_epi16(v, _mm_set1_epi16(ACTIVATION_MAX as i16));
        _mm_max_epi16(v, _mm_set1_epi16(-ACTIVATION_MAX as i16))
    }
}

// SAFETY (each function): features and extents are the caller's promise.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl Leaf for Sse41 {
    type Lanes = __m128i;
    type Pair = __m128i;
    type Weights = __m128i;
    type Channels = [__m128i; 2];
    type Couple = [__m128i; 2];
    type Taps = [__m128i; 2];
    const LANES: usize = 4;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> __m128i {
        unsafe { _mm_loadu_si128(at.cast()) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> __m128i {
        unsafe { _mm_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> __m128i {
        unsafe { _mm_loadu_si128(at.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m128i, x: __m128i, w: __m128i) -> __m128i {
        unsafe { _mm_add_epi32(sum, _mm_madd_epi16(x, w)) }
    }

    #[inline(always)]
    unsafe fn leaky(v: __m128i) -> __m128i {
        unsafe { _mm_max_epi32(v, _mm_srai_epi32::<3>(v)) }
    }

    #[inline(always)]
    unsafe fn round(v: __m128i, shift: u32) -> __m128i {
        unsafe {
            let half = _mm_set1_epi32((1 << shift) >> 1);
            _mm_sra_epi32(_mm_add_epi32(v, half), _mm_cvtsi32_si128(shift as i32))
        }
    }

    #[inline(always)]
    unsafe fn add(v: __m128i, x: *const i16) -> __m128i {
        unsafe { _mm_add_epi32(v, _mm_cvtepi16_epi32(_mm_loadl_epi64(x.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(low: __m128i, high: __m128i, to: *mut i16) {
        unsafe { _mm_storeu_si128(to.cast(), pack(low, high)) }
    }

    #[inline(always)]
    unsafe fn store_gated(u: __m128i, v: __m128i, shift: u32, to: *mut i16) {
        unsafe {
            let (max, min) = (_mm_set1_epi32(ACTIVATION_MAX), _mm_set1_epi32(-ACTIVATION_MAX));
            let u = _mm_min_epi32(_mm_max_epi32(u, _mm_setzero_si128()), max);
            let v = _mm_min_epi32(_mm_max_epi32(v, min), max);
            // The upper half of u is zero, so the pair product is that of the lower halves.
            let h = Self::round(_mm_madd_epi16(u, v), shift);
            _mm_storel_epi64(to.cast(), pack(h, h));
        }
    }

    #[inline(always)]
    unsafe fn channels(at: *const i32) -> [__m128i; 2] {
        unsafe { [Self::load(at), Self::load(at.add(4))] }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> [__m128i; 2] {
        unsafe { [Self::weights(at), Self::weights(at.add(8))] }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> [__m128i; 2] {
        unsafe {
            let (a, b) = (Self::weights(a), Self::weights(b));
            [_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)]
        }
    }

    #[inline(always)]
    unsafe fn tap(sum: [__m128i; 2], ab: [__m128i; 2], w: [__m128i; 2]) -> [__m128i; 2] {
        unsafe { [Self::dot(sum[0], ab[0], w[0]), Self::dot(sum[1], ab[1], w[1])] }
    }

    #[inline(always)]
    unsafe fn store_channels(sum: [__m128i; 2], shift: u32, to: *mut i16) {
        unsafe { Self::store(Self::round(sum[0], shift), Self::round(sum[1], shift), to) }
    }
}
