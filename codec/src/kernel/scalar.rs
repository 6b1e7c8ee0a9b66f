//! The specification: plain Rust that follows docs/format.md, section 2, word for word.

use super::instantiate::instantiate;
use super::leaf::Leaf;
use super::number::{rnd, sat};
use std::array::from_fn;

instantiate!(kernels, super::Scalar);

/// Outputs that are computed together; any number would do.
const LANES: usize = 16;

pub struct Scalar;

/// Reads `N` values.
///
/// # Safety
/// `at` must be valid for reads of `N` values.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn read<T: Copy, const N: usize>(at: *const T) -> [T; N] {
    // SAFETY: the caller promises it; an array needs no more alignment than its elements.
    unsafe { at.cast::<[T; N]>().read() }
}

#[inline(always)]
fn pair_product(x: [i16; 2], w: [i16; 2]) -> i32 {
    (i32::from(x[0]) * i32::from(w[0])).wrapping_add(i32::from(x[1]) * i32::from(w[1]))
}

#[allow(unsafe_code)]
impl Leaf for Scalar {
    type Lanes = [i32; LANES];
    type Pair = [i16; 2];
    type Weights = [i16; 2 * LANES];
    type Channels = [i32; 2 * LANES];
    type Couple = [[i16; 2 * LANES]; 2];
    type Taps = [i16; 4 * LANES];
    const LANES: usize = LANES;
    const ROWS: usize = 1;

    #[inline(always)]
    unsafe fn load(at: *const i32) -> Self::Lanes {
        // SAFETY: passed on from the caller.
        unsafe { read(at) }
    }

    #[inline(always)]
    unsafe fn pair(at: *const i16) -> Self::Pair {
        // SAFETY: passed on from the caller.
        unsafe { read(at) }
    }

    #[inline(always)]
    unsafe fn weights(at: *const i16) -> Self::Weights {
        // SAFETY: passed on from the caller.
        unsafe { read(at) }
    }

    #[inline(always)]
    unsafe fn dot(sum: Self::Lanes, x: Self::Pair, w: Self::Weights) -> Self::Lanes {
        from_fn(|i| sum[i].wrapping_add(pair_product(x, [w[2 * i], w[2 * i + 1]])))
    }

    #[inline(always)]
    unsafe fn leaky(v: Self::Lanes) -> Self::Lanes {
        v.map(|v| v.max(v >> 3))
    }

    #[inline(always)]
    unsafe fn round(v: Self::Lanes, shift: u32) -> Self::Lanes {
        v.map(|v| rnd(v, shift))
    }

    #[inline(always)]
    unsafe fn add(v: Self::Lanes, x: *const i16) -> Self::Lanes {
        // SAFETY: passed on from the caller.
        let x: [i16; LANES] = unsafe { read(x) };
        from_fn(|i| v[i].wrapping_add(x[i].into()))
    }

    #[inline(always)]
    unsafe fn store(low: Self::Lanes, high: Self::Lanes, to: *mut i16) {
        // SAFETY: passed on from the caller.
        unsafe { to.cast::<[[i16; LANES]; 2]>().write([low.map(sat), high.map(sat)]) }
    }

    #[inline(always)]
    unsafe fn store_gated(u: Self::Lanes, v: Self::Lanes, shift: u32, to: *mut i16) {
        let gated: [i16; LANES] =
            from_fn(|i| sat(rnd(i32::from(sat(u[i]).max(0)) * i32::from(sat(v[i])), shift)));
        // SAFETY: passed on from the caller.
        unsafe { to.cast::<[i16; LANES]>().write(gated) }
    }

    #[inline(always)]
    unsafe fn channels(at: *const i32) -> Self::Channels {
        // SAFETY: passed on from the caller.
        unsafe { read(at) }
    }

    #[inline(always)]
    unsafe fn taps(at: *const i16) -> Self::Taps {
        // SAFETY: passed on from the caller.
        unsafe { read(at) }
    }

    #[inline(always)]
    unsafe fn couple(a: *const i16, b: *const i16) -> Self::Couple {
        // SAFETY: passed on from the caller.
        unsafe { [read(a), read(b)] }
    }

    #[inline(always)]
    unsafe fn tap(sum: Self::Channels, [a, b]: Self::Couple, w: Self::Taps) -> Self::Channels {
        from_fn(|i| sum[i].wrapping_add(pair_product([a[i], b[i]], [w[2 * i], w[2 * i + 1]])))
    }

    #[inline(always)]
    unsafe fn store_channels(sum: Self::Channels, shift: u32, to: *mut i16) {
        // SAFETY: passed on from the caller.
        unsafe { to.cast::<[i16; 2 * LANES]>().write(sum.map(|v| sat(rnd(v, shift)))) }
    }
}
