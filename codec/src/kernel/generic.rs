//! The algorithms around the innermost tiles, compiled once for each instruction set.

use super::packed::{PANEL, Packed, PackedTaps};
use super::{rnd, sat};
use std::ops::Range;

/// Positions of a product tile: with 32 outputs, 24 accumulators of 512 bits.
pub const ROWS: usize = 12;
/// Positions that share the input cache before the next panel of weights is taken.
const CHUNK: usize = 4 * ROWS;

/// Accumulators of one tile.
pub type Tile = [[i32; PANEL]; ROWS];

/// A part of the input vector: `len` channels at `data[start + position * stride..]`, meeting
/// the weights from input `k` on.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Activations.
    pub data: &'a [i16],
    /// Offset of the first position.
    pub start: usize,
    /// Distance between positions.
    pub stride: usize,
    /// First weight row, even.
    pub k: usize,
    /// Channels, even.
    pub len: usize,
}

/// Where outputs go: channel n of a position to `data[start + position * stride + n]`, n counted
/// from the first channel of the first panel.
#[derive(Debug)]
pub struct Target<'a> {
    /// Activations.
    pub data: &'a mut [i16],
    /// Offset of the first position.
    pub start: usize,
    /// Distance between positions.
    pub stride: usize,
}

/// What is done to an accumulator on its way to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// Round, saturate.
    Plain,
    /// Leaky ReLU of slope 1/8 on the accumulator, then as plain.
    Leaky,
    /// Round, add to what the target holds, saturate.
    Residual,
}

/// One call of the depthwise kernel: `count` neighbouring positions of a row.
#[derive(Debug)]
pub struct Depthwise<'a> {
    /// Input with a border of one position.
    pub input: &'a [i16],
    /// Offsets of the top left tap of the first position in each of the three rows.
    pub rows: [usize; 3],
    /// Positions.
    pub count: usize,
    /// `[count, C]`.
    pub out: &'a mut [i16],
}

/// The innermost loops of an instruction set.
pub trait Leaf {
    /// Adds to `acc` the products of `R` positions (`x`, `stride` apart) with `pairs` pairs of a panel.
    ///
    /// # Safety
    /// The processor has the leaf's features; `x` is readable for `(R-1)*stride + 2*pairs`
    /// values and `w` for `pairs * PANEL * 2`.
    #[allow(unsafe_code)]
    unsafe fn tile<const R: usize>(acc: &mut Tile, x: *const i16, stride: usize, w: *const i16, pairs: usize);

    /// Depthwise 3x3 of one position; returns how many channels it did (the rest is done plainly).
    ///
    /// # Safety
    /// The processor has the leaf's features; the three rows are readable for `3 * C` values from `rows`.
    #[allow(unsafe_code)]
    unsafe fn depthwise(taps: &PackedTaps, rows: [*const i16; 3], out: &mut [i16]) -> usize;
}

/// Checks once what the kernels then rely on.
pub fn check_product(
    layer: &Packed,
    panels: &Range<usize>,
    segments: &[Segment],
    positions: usize,
    target: &Target,
) {
    assert!(panels.end <= layer.panels().end);
    let last = positions.saturating_sub(1);
    for s in segments {
        assert!(s.len.is_multiple_of(2) && s.k.is_multiple_of(2) && fits(s.k, 0, 0, s.len, layer.inputs()));
        assert!(positions == 0 || fits(s.start, last, s.stride, s.len, s.data.len()));
    }
    let width = panels.len() * PANEL
        - (layer.panels().end * PANEL - layer.outputs()) * usize::from(panels.end == layer.panels().end);
    assert!(positions == 0 || fits(target.start, last, target.stride, width, target.data.len()));
}

/// Whether `len` values from `start + last * stride` on lie inside `all`; nothing wraps.
fn fits(start: usize, last: usize, stride: usize, len: usize, all: usize) -> bool {
    let end =
        last.checked_mul(stride).and_then(|at| at.checked_add(start)).and_then(|at| at.checked_add(len));
    end.is_some_and(|end| end <= all)
}

/// Checks once what the kernels then rely on.
pub fn check_depthwise(taps: &PackedTaps, call: &Depthwise) {
    let c = taps.channels();
    assert!(call.count.checked_mul(c) == Some(call.out.len()));
    for row in call.rows {
        assert!(call.count == 0 || fits(row, call.count - 1, c, 3 * c, call.input.len()));
    }
}

/// See [`super::product`].
#[inline(always)]
pub fn product<L: Leaf>(
    layer: &Packed,
    panels: Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    target: Target,
) {
    let mut acc: Tile = [[0; PANEL]; ROWS];
    let mut from = 0;
    while from < positions {
        let to = (from + CHUNK).min(positions);
        for panel in panels.clone() {
            let bias: &[i32; PANEL] = layer.bias[panel * PANEL..][..PANEL].try_into().expect("a panel");
            let weights = &layer.weights[panel * PANEL * layer.inputs()..][..PANEL * layer.inputs()];
            let width = PANEL.min(layer.outputs() - panel * PANEL);
            let mut at = from;
            while at < to {
                let rows = ROWS.min(to - at);
                for row in &mut acc[..rows] {
                    *row = *bias;
                }
                for s in segments {
                    let x = s.data[s.start + at * s.stride..].as_ptr();
                    let w = weights[s.k * PANEL..].as_ptr();
                    // SAFETY: `check_product` has compared every extent with its slice, and the
                    // caller of this function has the leaf's features.
                    #[allow(unsafe_code)]
                    unsafe {
                        tile_of::<L>(rows, &mut acc, x, s.stride, w, s.len / 2);
                    }
                }
                let first = target.start + (panel - panels.start) * PANEL;
                for (r, acc) in acc[..rows].iter().enumerate() {
                    let out = &mut target.data[first + (at + r) * target.stride..][..width];
                    finish(acc, layer.shift, epilogue, out);
                }
                at += rows;
            }
        }
        from = to;
    }
}

/// # Safety
/// As for [`Leaf::tile`].
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn tile_of<L: Leaf>(
    rows: usize,
    acc: &mut Tile,
    x: *const i16,
    stride: usize,
    w: *const i16,
    pairs: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        match rows {
            12 => L::tile::<12>(acc, x, stride, w, pairs),
            11 => L::tile::<11>(acc, x, stride, w, pairs),
            10 => L::tile::<10>(acc, x, stride, w, pairs),
            9 => L::tile::<9>(acc, x, stride, w, pairs),
            8 => L::tile::<8>(acc, x, stride, w, pairs),
            7 => L::tile::<7>(acc, x, stride, w, pairs),
            6 => L::tile::<6>(acc, x, stride, w, pairs),
            5 => L::tile::<5>(acc, x, stride, w, pairs),
            4 => L::tile::<4>(acc, x, stride, w, pairs),
            3 => L::tile::<3>(acc, x, stride, w, pairs),
            2 => L::tile::<2>(acc, x, stride, w, pairs),
            _ => L::tile::<1>(acc, x, stride, w, pairs),
        }
    }
}

#[inline(always)]
fn finish(acc: &[i32; PANEL], shift: u32, epilogue: Epilogue, out: &mut [i16]) {
    match <&mut [i16; PANEL]>::try_from(&mut *out) {
        Ok(out) => finish_slice(acc, shift, epilogue, out),
        Err(_) => finish_slice(acc, shift, epilogue, out),
    }
}

#[inline(always)]
fn finish_slice(acc: &[i32; PANEL], shift: u32, epilogue: Epilogue, out: &mut [i16]) {
    match epilogue {
        Epilogue::Plain => {
            for (o, &a) in out.iter_mut().zip(acc) {
                *o = sat(rnd(a, shift));
            }
        }
        Epilogue::Leaky => {
            for (o, &a) in out.iter_mut().zip(acc) {
                *o = sat(rnd(a.max(a >> 3), shift));
            }
        }
        Epilogue::Residual => {
            for (o, &a) in out.iter_mut().zip(acc) {
                *o = sat(i32::from(*o).wrapping_add(rnd(a, shift)));
            }
        }
    }
}

/// See [`super::depthwise`].
#[inline(always)]
pub fn depthwise<L: Leaf>(taps: &PackedTaps, call: Depthwise) {
    let c = taps.channels();
    for (i, out) in call.out.chunks_exact_mut(c).enumerate() {
        let rows = call.rows.map(|r| &call.input[r + i * c..][..3 * c]);
        // SAFETY: each row holds 3 * C values, and the caller has the leaf's features.
        #[allow(unsafe_code)]
        let done = unsafe { L::depthwise(taps, rows.map(<[i16]>::as_ptr), out) };
        for (n, o) in out.iter_mut().enumerate().skip(done) {
            let mut acc = taps.bias[n];
            for tap in 0..9 {
                let w = taps.pairs[(tap / 2 * c + n) * 2 + tap % 2];
                acc = acc.wrapping_add(i32::from(w) * i32::from(rows[tap / 3][tap % 3 * c + n]));
            }
            *o = sat(rnd(acc, taps.shift));
        }
    }
}

/// See [`super::gate`].
#[inline(always)]
pub fn gate(uv: &[i16], hidden: usize, shift: u32, out: &mut [i16]) {
    for (uv, out) in uv.chunks_exact(2 * hidden).zip(out.chunks_exact_mut(hidden)) {
        let (u, v) = uv.split_at(hidden);
        for ((o, &u), &v) in out.iter_mut().zip(u).zip(v) {
            *o = sat(rnd(i32::from(u.max(0)) * i32::from(v), shift));
        }
    }
}

/// See [`super::scale`].
#[inline(always)]
pub fn scale(x: &mut [i16], gains: &[u16], shift: u32) {
    for x in x.chunks_exact_mut(gains.len()) {
        for (x, &g) in x.iter_mut().zip(gains) {
            *x = sat(rnd(i32::from(*x) * i32::from(g), shift));
        }
    }
}
