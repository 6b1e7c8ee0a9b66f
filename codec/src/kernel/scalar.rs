//! The specification: plain Rust, the definitions of docs/format.md section 2 word for word.

use super::generic::{self, Depthwise, Epilogue, Leaf, Segment, Target, Tile};
use super::packed::{PANEL, Packed, PackedTaps};

struct Scalar;

impl Leaf for Scalar {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn tile<const R: usize>(
        acc: &mut Tile,
        x: *const i16,
        stride: usize,
        w: *const i16,
        pairs: usize,
    ) {
        for (r, acc) in acc[..R].iter_mut().enumerate() {
            // SAFETY: the caller vouches for these extents.
            let (x, w) = unsafe {
                (
                    std::slice::from_raw_parts(x.add(r * stride), 2 * pairs),
                    std::slice::from_raw_parts(w, pairs * PANEL * 2),
                )
            };
            for (x, w) in x.chunks_exact(2).zip(w.chunks_exact(2 * PANEL)) {
                for (a, w) in acc.iter_mut().zip(w.chunks_exact(2)) {
                    let sum =
                        (i32::from(x[0]) * i32::from(w[0])).wrapping_add(i32::from(x[1]) * i32::from(w[1]));
                    *a = a.wrapping_add(sum);
                }
            }
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn depthwise(_: &PackedTaps, _: [*const i16; 3], _: &mut [i16]) -> usize {
        0
    }
}

pub fn product(
    layer: &Packed,
    panels: std::ops::Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    target: Target,
) {
    generic::product::<Scalar>(layer, panels, segments, positions, epilogue, target);
}

pub fn depthwise(taps: &PackedTaps, call: Depthwise) {
    generic::depthwise::<Scalar>(taps, call);
}

pub fn gate(uv: &[i16], hidden: usize, shift: u32, out: &mut [i16]) {
    generic::gate(uv, hidden, shift, out);
}

pub fn scale(x: &mut [i16], gains: &[u16], shift: u32) {
    generic::scale(x, gains, shift);
}
