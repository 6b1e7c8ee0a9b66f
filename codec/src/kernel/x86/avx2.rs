//! 256 bits: `vpmaddwd` and an addition, or the `vpdpwssd` of AVX-VNNI.

use crate::kernel::leaf::Leaf;
use crate::kernel::number::ACTIVATION_MAX;
use std::arch::asm;
use std::arch::x86_64::*;

pub struct Avx2<const VNNI: bool>;

/// `sum + a[2i] * b[2i] + a[2i+1] * b[2i+1]` in each 32-bit lane.
///
/// # Safety
/// AVX2, and AVX-VNNI if `VNNI` is true.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn dot<const VNNI: bool>(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: passed on from the caller.
    unsafe { if VNNI { dpwssd(sum, a, b) } else { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) } }
}

/// [`dot`] as one instruction. Written out because LLVM takes the intrinsic apart into a product and a sum,
/// which costs a third of the speed.
///
/// # Safety
/// AVX-VNNI.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
#[allow(unsafe_code)]
unsafe fn dpwssd(mut sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        asm!(
            "{{vex}} vpdpwssd {sum}, {a}, {b}",
            sum = inout(ymm_reg) sum,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Saturates both to 16 bits, interleaved by 128-bit lanes, then to the range of activations.
///
/// # Safety
/// AVX2.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn pack(low: __m256i, high: __m256i) -> __m256i {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        let v = _mm256_packs_epi32(low, high);
        let v = _mm256_min_epi16(v, _mm256_set1_epi16(ACTIVATION_MAX as i16));
        _mm256_max_epi16(v, _mm256_set1_epi16(-ACTIVATION_MAX as i16))
    }
}

// SAFETY (each function): features and extents are the caller's promise.
#[allow(unsafe_code, clippy::undocumented_unsafe_blocks)]
impl<const VNNI: bool> Leaf for Avx2<VNNI> {
    type Lanes = __m256i;
    type Pair = __m256i;
    type Weights = __m256i;
    type Channels = [__m256i; 2];
    type Couple = [__m256i; 2];
    type Taps = [__m256i; 2];
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> __m256i {
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> __m256i {
        unsafe { _mm256_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> __m256i {
        unsafe { _mm256_loadu_si256(at.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: __m256i, x: __m256i, w: __m256i) -> __m256i {
        unsafe { dot::<VNNI>(sum, x, w) }
    }

    #[inline(always)]
    unsafe fn leaky(v: __m256i) -> __m256i {
        unsafe { _mm256_max_epi32(v, _mm256_srai_epi32::<3>(v)) }
    }

    #[inline(always)]
    unsafe fn round(v: __m256i, shift: u32) -> __m256i {
        unsafe {
            let half = _mm256_set1_epi32((1 << shift) >> 1);
            _mm256_sra_epi32(_mm256_add_epi32(v, half), _mm_cvtsi32_si128(shift as i32))
        }
    }

    #[inline(always)]
    unsafe fn add(v: __m256i, x: *const i16) -> __m256i {
        unsafe { _mm256_add_epi32(v, _mm256_cvtepi16_epi32(_mm_loadu_si128(x.cast()))) }
    }

    #[inline(always)]
    unsafe fn store(low: __m256i, high: __m256i, to: *mut i16) {
        unsafe {
            _mm256_storeu_si256(to.cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(pack(low, high)));
        }
    }

    #[inline(always)]
    unsafe fn store_gated(u: __m256i, v: __m256i, shift: u32, to: *mut i16) {
        unsafe {
            let (max, min) = (_mm256_set1_epi32(ACTIVATION_MAX), _mm256_set1_epi32(-ACTIVATION_MAX));
            let u = _mm256_min_epi32(_mm256_max_epi32(u, _mm256_setzero_si256()), max);
            let v = _mm256_min_epi32(_mm256_max_epi32(v, min), max);
            // The upper half of u is zero, so the pair product is that of the lower halves.
            let h = Self::round(_mm256_madd_epi16(u, v), shift);
            let h = _mm256_permute4x64_epi64::<0b11_01_10_00>(pack(h, h));
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(h));
        }
    }

    /// Unpacking interleaves within 128-bit lanes; bias and taps follow, and packing undoes it.
    #[inline(always)]
    unsafe fn channels(at: *const i32) -> [__m256i; 2] {
        unsafe {
            let (a, b) = (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(8).cast()));
            [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
        }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> [__m256i; 2] {
        unsafe { Self::channels(at.cast()) }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> [__m256i; 2] {
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
        }
    }

    #[inline(always)]
    unsafe fn tap(sum: [__m256i; 2], ab: [__m256i; 2], w: [__m256i; 2]) -> [__m256i; 2] {
        unsafe { [dot::<VNNI>(sum[0], ab[0], w[0]), dot::<VNNI>(sum[1], ab[1], w[1])] }
    }

    #[inline(always)]
    unsafe fn store_channels(sum: [__m256i; 2], shift: u32, to: *mut i16) {
        unsafe {
            _mm256_storeu_si256(to.cast(), pack(Self::round(sum[0], shift), Self::round(sum[1], shift)));
        }
    }
}
