//! Leaves for x86-64: 16-bit pair products of 256 and 512 bits.

use super::generic::{self, Depthwise, Epilogue, Leaf, Segment, Target, Tile};
use super::packed::{PANEL, Packed, PackedTaps};
use std::arch::x86_64::*;

/// Compiles the generic algorithms with a leaf and the features that it needs.
macro_rules! instantiate {
    ($module:ident, $leaf:ident, $features:literal) => {
        pub mod $module {
            use super::*;

            /// # Safety
            /// The processor has the module's features.
            #[target_feature(enable = $features)]
            #[allow(unsafe_code)]
            pub unsafe fn product(
                layer: &Packed,
                panels: std::ops::Range<usize>,
                segments: &[Segment],
                positions: usize,
                epilogue: Epilogue,
                target: Target,
            ) {
                generic::product::<$leaf>(layer, panels, segments, positions, epilogue, target);
            }

            /// # Safety
            /// The processor has the module's features.
            #[target_feature(enable = $features)]
            #[allow(unsafe_code)]
            pub unsafe fn depthwise(taps: &PackedTaps, call: Depthwise) {
                generic::depthwise::<$leaf>(taps, call);
            }

            /// # Safety
            /// The processor has the module's features.
            #[target_feature(enable = $features)]
            #[allow(unsafe_code)]
            pub unsafe fn gate(uv: &[i16], hidden: usize, shift: u32, out: &mut [i16]) {
                generic::gate(uv, hidden, shift, out);
            }

            /// # Safety
            /// The processor has the module's features.
            #[target_feature(enable = $features)]
            #[allow(unsafe_code)]
            pub unsafe fn scale(x: &mut [i16], gains: &[u16], shift: u32) {
                generic::scale(x, gains, shift);
            }
        }
    };
}

instantiate!(avx2, Avx2, "avx2");
instantiate!(avx512, Avx512, "avx512f,avx512bw,avx512vl,avx512vnni");

/// The pair of neighbouring activations at `x`, as one 32-bit lane.
///
/// # Safety
/// `x` is readable for two values.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn pair(x: *const i16) -> i32 {
    // SAFETY: the caller vouches for two values.
    unsafe { x.cast::<i32>().read_unaligned() }
}

struct Avx2;

impl Leaf for Avx2 {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn tile<const R: usize>(
        acc: &mut Tile,
        x: *const i16,
        stride: usize,
        w: *const i16,
        pairs: usize,
    ) {
        // SAFETY: features and extents are the caller's promise. Sixteen registers hold half of the
        // positions of a tile and half of a panel at a time.
        unsafe {
            for half in 0..2 {
                let w = w.add(half * PANEL);
                half_tile::<6>(&mut acc[..R.min(6)], half * 16, x, stride, w, pairs);
                if R > 6 {
                    half_tile::<6>(&mut acc[6..R], half * 16, x.add(6 * stride), stride, w, pairs);
                }
            }
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn depthwise(taps: &PackedTaps, rows: [*const i16; 3], out: &mut [i16]) -> usize {
        let c = taps.channels();
        // SAFETY: features and extents are the caller's promise; n + 16 <= C.
        unsafe {
            let half = _mm256_set1_epi32((1 << taps.shift) >> 1);
            let shift = _mm_cvtsi32_si128(taps.shift as i32);
            let max = _mm256_set1_epi16(super::ACTIVATION_MAX as i16);
            let min = _mm256_set1_epi16(-super::ACTIVATION_MAX as i16);
            for n in (0..c / 16 * 16).step_by(16) {
                let load = |tap: usize| match tap {
                    9 => _mm256_setzero_si256(),
                    _ => _mm256_loadu_si256(rows[tap / 3].add(tap % 3 * c + n).cast()),
                };
                let bias = taps.bias.as_ptr().add(n);
                let b0 = _mm256_loadu_si256(bias.cast());
                let b1 = _mm256_loadu_si256(bias.add(8).cast());
                // Unpacking interleaves within 128-bit lanes; the bias follows, and packing undoes it.
                let mut lo = _mm256_permute2x128_si256::<0x20>(b0, b1);
                let mut hi = _mm256_permute2x128_si256::<0x31>(b0, b1);
                for p in 0..5 {
                    let (a, b) = (load(2 * p), load(2 * p + 1));
                    let w = taps.pairs.as_ptr().add((p * c + n) * 2);
                    let w0 = _mm256_loadu_si256(w.cast());
                    let w1 = _mm256_loadu_si256(w.add(16).cast());
                    let wl = _mm256_permute2x128_si256::<0x20>(w0, w1);
                    let wh = _mm256_permute2x128_si256::<0x31>(w0, w1);
                    lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), wl));
                    hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), wh));
                }
                lo = _mm256_sra_epi32(_mm256_add_epi32(lo, half), shift);
                hi = _mm256_sra_epi32(_mm256_add_epi32(hi, half), shift);
                let v = _mm256_packs_epi32(lo, hi);
                let v = _mm256_max_epi16(_mm256_min_epi16(v, max), min);
                _mm256_storeu_si256(out.as_mut_ptr().add(n).cast(), v);
            }
        }
        c / 16 * 16
    }
}

/// Products of up to six positions with 16 outputs; `R` is the register block, `acc` may be shorter.
///
/// # Safety
/// AVX2; extents as for [`Leaf::tile`].
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn half_tile<const R: usize>(
    acc: &mut [[i32; PANEL]],
    column: usize,
    x: *const i16,
    stride: usize,
    w: *const i16,
    pairs: usize,
) {
    // SAFETY: passed on from the caller; positions beyond `acc` repeat the last one and are dropped.
    unsafe {
        let last = acc.len() - 1;
        let mut sum = [[_mm256_setzero_si256(); 2]; R];
        let xs: [*const i16; R] = std::array::from_fn(|r| x.add(r.min(last) * stride));
        for p in 0..pairs {
            let w = w.add(p * 2 * PANEL);
            let w0 = _mm256_loadu_si256(w.cast());
            let w1 = _mm256_loadu_si256(w.add(16).cast());
            for (sum, x) in sum.iter_mut().zip(xs) {
                let a = _mm256_set1_epi32(pair(x.add(2 * p)));
                sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(a, w0));
                sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(a, w1));
            }
        }
        for (acc, sum) in acc.iter_mut().zip(sum) {
            for (i, s) in sum.into_iter().enumerate() {
                let at = acc.as_mut_ptr().add(column + 8 * i);
                _mm256_storeu_si256(at.cast(), _mm256_add_epi32(_mm256_loadu_si256(at.cast()), s));
            }
        }
    }
}

/// `acc += a[2i] * w[2i] + a[2i+1] * w[2i+1]` in each 32-bit lane.
///
/// Written out because LLVM takes the intrinsic apart into a product and a sum, which costs a third of
/// the speed.
///
/// # Safety
/// AVX-512 VNNI.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[allow(unsafe_code)]
unsafe fn dpwssd(acc: &mut __m512i, a: __m512i, w: __m512i) {
    // SAFETY: registers in, register out; the feature is the caller's promise.
    unsafe {
        std::arch::asm!(
            "vpdpwssd {acc}, {a}, {w}",
            acc = inout(zmm_reg) *acc,
            a = in(zmm_reg) a,
            w = in(zmm_reg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}

struct Avx512;

impl Leaf for Avx512 {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn tile<const R: usize>(
        acc: &mut Tile,
        x: *const i16,
        stride: usize,
        w: *const i16,
        pairs: usize,
    ) {
        // SAFETY: features and extents are the caller's promise.
        unsafe {
            let mut sum = [[_mm512_setzero_si512(); 2]; R];
            for (sum, acc) in sum.iter_mut().zip(acc.iter()) {
                sum[0] = _mm512_loadu_si512(acc.as_ptr().cast());
                sum[1] = _mm512_loadu_si512(acc.as_ptr().add(16).cast());
            }
            for p in 0..pairs {
                let w = w.add(p * 2 * PANEL);
                let w0 = _mm512_loadu_si512(w.cast());
                let w1 = _mm512_loadu_si512(w.add(PANEL).cast());
                for (r, sum) in sum.iter_mut().enumerate() {
                    let a = _mm512_set1_epi32(pair(x.add(r * stride + 2 * p)));
                    dpwssd(&mut sum[0], a, w0);
                    dpwssd(&mut sum[1], a, w1);
                }
            }
            for (sum, acc) in sum.into_iter().zip(acc.iter_mut()) {
                _mm512_storeu_si512(acc.as_mut_ptr().cast(), sum[0]);
                _mm512_storeu_si512(acc.as_mut_ptr().add(16).cast(), sum[1]);
            }
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn depthwise(taps: &PackedTaps, rows: [*const i16; 3], out: &mut [i16]) -> usize {
        // SAFETY: AVX-512 implies AVX2; extents are the caller's promise.
        unsafe { Avx2::depthwise(taps, rows, out) }
    }
}
