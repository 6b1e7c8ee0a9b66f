//! aarch64: products of `f32` in vectors of 128 bits.

use super::path::{LANES, Path, Strides, Sums, Work};
use std::arch::aarch64::*;

/// NEON, which every 64-bit processor of this architecture has.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Neon(());

impl Neon {
    pub(in crate::engine) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop, reason = "loops over constants become registers")]
impl Path for Neon {
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
        // SAFETY: the value exists, so the processor has NEON; the caller promises that the cells are readable.
        unsafe {
            let mut acc = [[[vdupq_n_f32(0.0); 4]; R]; N];
            // Loops over constants, because only those become registers.
            for p in 0..N {
                for r in 0..R {
                    for quarter in 0..4 {
                        acc[p][r][quarter] = vld1q_f32(sums[p][r].as_ptr().add(4 * quarter));
                    }
                }
            }
            for step in 0..steps {
                let at = a.add(step * strides.step);
                for p in 0..N {
                    let w = b[p].add(step * LANES);
                    let w = [0, 4, 8, 12].map(|lane| vld1q_f32(w.add(lane)));
                    for r in 0..R {
                        let x = *at.add(r * strides.position);
                        for quarter in 0..4 {
                            acc[p][r][quarter] = vfmaq_n_f32(acc[p][r][quarter], w[quarter], x);
                        }
                    }
                }
            }
            for p in 0..N {
                for r in 0..R {
                    for quarter in 0..4 {
                        vst1q_f32(sums[p][r].as_mut_ptr().add(4 * quarter), acc[p][r][quarter]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output {
        W::perform(arguments)
    }
}
