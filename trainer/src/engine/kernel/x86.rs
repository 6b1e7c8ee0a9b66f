//! x86-64: products of `f32` in vectors of 256 and 512 bits, and of bfloat16 in vectors of 512 bits.

use super::path::{LANES, Path, Strides, Sums, Work};
use std::arch::x86_64::*;

/// AVX2 with fused multiplication and addition.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Avx2(());

/// AVX-512.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Avx512(());

/// AVX-512 with `vdpbf16ps`.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Avx512Bf16(());

impl Avx2 {
    pub(in crate::engine) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

impl Avx512 {
    pub(in crate::engine) fn detect() -> Option<Self> {
        let has = Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        has.then_some(Self(()))
    }
}

impl Avx512Bf16 {
    pub(in crate::engine) fn detect() -> Option<Self> {
        (Avx512::detect().is_some() && is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
    }
}

#[allow(unsafe_code)]
#[expect(clippy::needless_range_loop, reason = "loops over constants become registers")]
impl Path for Avx2 {
    type Cell = f32;
    const GROUP: usize = 1;
    const PRECISE: bool = true;
    const PANELS: usize = 1;

    #[inline(always)]
    fn positions(left: usize) -> usize {
        if left >= 6 && left != 8 {
            6
        } else if left >= 4 {
            4
        } else {
            1
        }
    }

    #[inline(always)]
    fn cell(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn value(cell: f32) -> f32 {
        cell
    }

    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const N: usize>(
        self,
        a: *const f32,
        strides: Strides,
        steps: usize,
        b: [*const f32; N],
        sums: &mut [[Sums; R]; N],
    ) {
        // SAFETY: the value exists, so the processor has the features; the caller promises that the cells are readable.
        unsafe {
            let mut acc = [[[_mm256_setzero_ps(); 2]; R]; N];
            // Loops over constants, because only those become registers.
            for p in 0..N {
                for r in 0..R {
                    let from = sums[p][r].as_ptr();
                    acc[p][r] = [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))];
                }
            }
            for step in 0..steps {
                let at = a.add(step * strides.step);
                for p in 0..N {
                    let w = b[p].add(step * LANES);
                    let w = [_mm256_loadu_ps(w), _mm256_loadu_ps(w.add(8))];
                    for r in 0..R {
                        let x = _mm256_broadcast_ss(&*at.add(r * strides.position));
                        for half in 0..2 {
                            acc[p][r][half] = _mm256_fmadd_ps(x, w[half], acc[p][r][half]);
                        }
                    }
                }
            }
            for p in 0..N {
                for r in 0..R {
                    let to = sums[p][r].as_mut_ptr();
                    _mm256_storeu_ps(to, acc[p][r][0]);
                    _mm256_storeu_ps(to.add(8), acc[p][r][1]);
                }
            }
        }
    }

    #[inline(always)]
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output {
        #[target_feature(enable = "avx,avx2,fma")]
        unsafe fn with<W: Work<A>, A>(arguments: A) -> W::Output {
            W::perform(arguments)
        }
        // SAFETY: the value exists, so the processor has the features.
        unsafe { with::<W, A>(arguments) }
    }
}

/// The tile of both AVX-512 paths; `$broadcast` and `$weights` load the operands of `$fused`.
macro_rules! tile512 {
    ($cell:ty, $group:literal, |$at:ident| $x:expr, |$from:ident| $w:expr, $fused:expr) => {
        #[inline(always)]
        unsafe fn tile<const R: usize, const N: usize>(
            self,
            a: *const $cell,
            strides: Strides,
            steps: usize,
            b: [*const $cell; N],
            sums: &mut [[Sums; R]; N],
        ) {
            // SAFETY: the value exists, so the processor has the features; the caller promises that the cells are
            // readable.
            unsafe {
                let mut acc = [[_mm512_setzero_ps(); R]; N];
                // Loops over constants, because only those become registers.
                for p in 0..N {
                    for r in 0..R {
                        acc[p][r] = _mm512_loadu_ps(sums[p][r].as_ptr());
                    }
                }
                let mut a = a;
                let mut b = b;
                for _ in 0..steps {
                    let w = b.map(|$from| $w);
                    for r in 0..R {
                        let $at = a.add(r * strides.position);
                        let x = $x;
                        for p in 0..N {
                            acc[p][r] = $fused(acc[p][r], x, w[p]);
                        }
                    }
                    a = a.add(strides.step);
                    b = b.map(|b| b.add(LANES * $group));
                }
                for p in 0..N {
                    for r in 0..R {
                        _mm512_storeu_ps(sums[p][r].as_mut_ptr(), acc[p][r]);
                    }
                }
            }
        }
    };
}

/// The number of positions for 32 registers with two panels.
#[inline(always)]
fn positions512(left: usize) -> usize {
    if left >= 20 || left == 12 {
        12
    } else if left >= 8 {
        8
    } else if left >= 4 {
        4
    } else {
        1
    }
}

#[allow(unsafe_code)]
impl Path for Avx512 {
    type Cell = f32;
    const GROUP: usize = 1;
    const PRECISE: bool = true;
    const PANELS: usize = 2;

    #[inline(always)]
    fn positions(left: usize) -> usize {
        positions512(left)
    }

    #[inline(always)]
    fn cell(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn value(cell: f32) -> f32 {
        cell
    }

    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    tile512!(f32, 1, |at| _mm512_set1_ps(*at), |from| _mm512_loadu_ps(from), |sum, x, w| {
        _mm512_fmadd_ps(x, w, sum)
    });

    #[inline(always)]
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output {
        #[target_feature(enable = "avx,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        unsafe fn with<W: Work<A>, A>(arguments: A) -> W::Output {
            W::perform(arguments)
        }
        // SAFETY: the value exists, so the processor has the features.
        unsafe { with::<W, A>(arguments) }
    }
}

#[allow(unsafe_code)]
impl Path for Avx512Bf16 {
    type Cell = u16;
    const GROUP: usize = 2;
    const PRECISE: bool = false;
    const PANELS: usize = 2;

    #[inline(always)]
    fn positions(left: usize) -> usize {
        positions512(left)
    }

    /// Rounds to nearest, ties to even. An infinite sum of the rounding stays infinite, and a NaN may become infinite:
    /// either makes the gradient's norm infinite, and such a step is not taken.
    #[inline(always)]
    fn cell(value: f32) -> u16 {
        let bits = value.to_bits();
        (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
    }

    #[inline(always)]
    fn value(cell: u16) -> f32 {
        f32::from_bits(u32::from(cell) << 16)
    }

    #[inline(always)]
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    tile512!(
        u16,
        2,
        |at| _mm512_set1_epi32(at.cast::<i32>().read_unaligned()),
        |from| _mm512_loadu_si512(from.cast()),
        |sum, x: __m512i, w: __m512i| {
            _mm512_dpbf16_ps(
                sum,
                std::mem::transmute::<__m512i, __m512bh>(x),
                std::mem::transmute::<__m512i, __m512bh>(w),
            )
        }
    );

    #[inline(always)]
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output {
        #[target_feature(enable = "avx,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
        unsafe fn with<W: Work<A>, A>(arguments: A) -> W::Output {
            W::perform(arguments)
        }
        // SAFETY: the value exists, so the processor has the features.
        unsafe { with::<W, A>(arguments) }
    }
}
