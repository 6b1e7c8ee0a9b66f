//! Plain Rust, for every processor.

use super::path::{LANES, Path, Strides, Sums, Work};

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Plain;

#[allow(unsafe_code)]
impl Path for Plain {
    type Cell = f32;
    const GROUP: usize = 1;
    const PRECISE: bool = true;
    const PANELS: usize = 1;

    #[inline(always)]
    fn positions(left: usize) -> usize {
        if left >= 4 { 4 } else { 1 }
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
        a * b + c
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
        for step in 0..steps {
            for (panel, sums) in b.iter().zip(sums.iter_mut()) {
                for (r, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the caller promises that these cells are readable.
                    let (x, w) = unsafe {
                        let x = *a.add(r * strides.position + step * strides.step);
                        (x, panel.add(step * LANES).cast::<Sums>().read_unaligned())
                    };
                    sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += x * w);
                }
            }
        }
    }

    #[inline(always)]
    fn run<W: Work<A>, A>(self, arguments: A) -> W::Output {
        W::perform(arguments)
    }
}
