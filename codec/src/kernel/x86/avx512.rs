//! 512 bits: `vpdpwssd` if the processor has VNNI, otherwise `vpmaddwd` and an addition.

use crate::kernel::leaf::Leaf;
use crate::kernel::number::ACTIVATION_MAX;
use std::arch::asm;
use std::arch::x86_64::*;

pub struct Avx512<const VNNI: bool>;

/// `sum + a[2i] * b[2i] + a[2i+1] * b[2i+1]` in each 32-bit lane.
///
/// # Safety
/// AVX-512BW, and VNNI if `VNNI` is true.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn dot<const VNNI: bool>(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: passed on from the caller.
    unsafe { if VNNI { dpwssd(sum, a, b) } else { _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)) } }
}

/// [`dot`] as one instruction. Written out because LLVM takes the intrinsic apart into a product and a sum,
/// which costs a third of the speed.
///
/// # Safety
/// AVX-512 VNNI.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[allow(unsafe_code)]
unsafe fn dpwssd(mut sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        asm!(
            "vpdpwssd {sum}, {a}, {b}",
            sum = inout(zmm_reg) sum,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Saturates both to 16 bits, interleaved by 128-bit lanes, then to the range of activations.
///
/// # Safety
/// AVX-512BW.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn pack(low: __m512i, high: __m512i) -> __m512i {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        let v = _mm512_packs_epi32(low, high);
        let v = _mm512_min_epi16(v, _mm512_set1_epi16(ACTIVATION_MAX as i16));
        _mm512_max_epi16(v, _mm512_set1_epi16(-ACTIVATION_MAX as i16))
    }
}

// SAFETY (each function): features and extents are the caller's promise.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl<const VNNI: bool> Leaf for Avx512<VNNI> {
    type Lanes = __m512i;
    type Pair = __m512i;
    type Weights = __m512i;
    type Channels = [__m512i; 2];
    type Couple = [__m512i; 2];
    type Taps = [__m512i; 2];
    const LANES: usize = 16;
    const ROWS: usize = 12;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> __m512i {
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> __m512i {
        unsafe { _mm512_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> __m512i {
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m512i, x: __m512i, w: __m512i) -> __m512i {
        unsafe { dot::<VNNI>(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn leaky(v: __m512i) -> __m512i {
        unsafe { _mm512_max_epi32(v, _mm512_srai_epi32::<3>(v)) }
    }

    #[inline(always)]
    unsafe fn round(v: __m512i, shift: u32) -> __m512i {
        unsafe {
            let half = _mm512_set1_epi32((1 << shift) >> 1);
            _mm512_sra_epi32(_mm512_add_epi32(v, half), _mm_cvtsi32_si128(shift as i32))
        }
    }

    #[inline(always)]
    unsafe fn add(v: __m512i, x: *const i16) -> __m512i {
        unsafe { _mm512_add_epi32(v, _mm512_cvtepi16_epi32(_mm256_loadu_si256(x.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(low: __m512i, high: __m512i, to: *mut i16) {
        unsafe {
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi64(order, pack(low, high)));
        }
    }

    #[inline(always)]
    unsafe fn store_gated(u: __m512i, v: __m512i, shift: u32, to: *mut i16) {
        unsafe {
            let (max, min) = (_mm512_set1_epi32(ACTIVATION_MAX), _mm512_set1_epi32(-ACTIVATION_MAX));
            let u = _mm512_min_epi32(_mm512_max_epi32(u, _mm512_setzero_si512()), max);
            let v = _mm512_min_epi32(_mm512_max_epi32(v, min), max);
            // The upper half of u is zero, so the pair product is that of the lower halves.
            let h = Self::round(_mm512_madd_epi16(u, v), shift);
            let h = _mm512_min_epi32(_mm512_max_epi32(h, min), max);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(h));
        }
    }

    /// Unpacking interleaves within 128-bit lanes; bias and taps follow, and packing undoes it.
    #[inline(always)]
    unsafe fn channels(at: *const i32) -> [__m512i; 2] {
        unsafe {
            let (a, b) = (_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(16).cast()));
            let low = _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13);
            let high = _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15);
            [_mm512_permutex2var_epi64(a, low, b), _mm512_permutex2var_epi64(a, high, b)]
        }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> [__m512i; 2] {
        unsafe { Self::channels(at.cast()) }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> [__m512i; 2] {
        unsafe {
            let (a, b) = (_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast()));
            [_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)]
        }
    }

    #[inline(always)]
    unsafe fn tap(sum: [__m512i; 2], ab: [__m512i; 2], w: [__m512i; 2]) -> [__m512i; 2] {
        unsafe { [dot::<VNNI>(sum[0], ab[0], w[0]), dot::<VNNI>(sum[1], ab[1], w[1])] }
    }

    #[inline(always)]
    unsafe fn store_channels(sum: [__m512i; 2], shift: u32, to: *mut i16) {
        unsafe {
            _mm512_storeu_si512(to.cast(), pack(Self::round(sum[0], shift), Self::round(sum[1], shift)));
        }
    }
}
