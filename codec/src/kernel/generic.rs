//! The algorithms, written once with the vector steps of a [`Leaf`] and compiled for each instruction set.

use super::leaf::Leaf;
use super::number::{rnd, sat};
use super::packed::{COUPLES, PANEL, Packed, PackedTaps};
use std::ops::Range;

/// The most positions of a product tile: with 32 outputs, 24 accumulators of 512 bits.
pub const ROWS: usize = 12;
/// Positions that go through all panels together: their inputs and a panel of weights fit the first-level cache.
const POSITIONS_AT_ONCE: usize = 4 * ROWS;
/// Positions that go through all channels of a depthwise layer together, for the same reason.
const RUN: usize = 16;

/// A part of the input vector: `len` channels at `data[start + position * stride..]`, which are
/// multiplied by the weights from input `k` on.
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

/// Where outputs are written: channel n of a position to `data[start + position * stride + n]`, if n
/// counts from the first channel of the first panel.
#[derive(Debug)]
pub struct Destination<'a> {
    /// Activations.
    pub data: &'a mut [i16],
    /// Offset of the first position.
    pub start: usize,
    /// Distance between positions.
    pub stride: usize,
}

/// What is done to an accumulator before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// Round, saturate.
    Plain,
    /// Leaky ReLU of slope 1/8 on the accumulator, then as [`Self::Plain`].
    Leaky,
    /// Round, add to the value at the destination, saturate.
    Residual,
    /// ReGLU of the given shift: the first half of all outputs are u, the other half are v, both rounded and saturated as by
    /// [`Self::Plain`]. The result is `sat(rnd(max(u, 0) * v, shift))`, half as many channels. `panels` counts only u.
    Gate(u32),
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

/// Checks once what the product kernels rely on.
///
/// # Panics
/// Panics if an argument does not fit another.
pub fn check_product(
    layer: &Packed,
    panels: &Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    destination: &Destination,
) {
    let outputs = match epilogue {
        Epilogue::Gate(shift) => {
            assert!(shift < 31 && layer.outputs().is_multiple_of(2 * PANEL));
            layer.outputs() / 2
        }
        _ => layer.outputs(),
    };
    assert!(panels.start <= panels.end && panels.end <= outputs.div_ceil(PANEL));
    let last = positions.saturating_sub(1);
    for s in segments {
        assert!(s.len.is_multiple_of(2) && s.k.is_multiple_of(2) && fits(s.k, 0, 0, s.len, layer.inputs()));
        assert!(positions == 0 || fits(s.start, last, s.stride, s.len, s.data.len()));
    }
    let width = outputs.min(panels.end * PANEL).saturating_sub(panels.start * PANEL);
    assert!(
        positions == 0 || fits(destination.start, last, destination.stride, width, destination.data.len())
    );
}

/// Whether `len` values from `start + last * stride` on lie inside `all`, computed without overflow.
fn fits(start: usize, last: usize, stride: usize, len: usize, all: usize) -> bool {
    let end =
        last.checked_mul(stride).and_then(|at| at.checked_add(start)).and_then(|at| at.checked_add(len));
    end.is_some_and(|end| end <= all)
}

/// Checks once what the depthwise kernels rely on.
///
/// # Panics
/// Panics if the input or the output is too short.
pub fn check_depthwise(taps: &PackedTaps, call: &Depthwise) {
    let c = taps.channels();
    assert!(call.count.checked_mul(c) == Some(call.out.len()));
    for row in call.rows {
        assert!(call.count == 0 || fits(row, call.count - 1, c, 3 * c, call.input.len()));
    }
}

/// Two vectors of outputs that are computed together: neighbours, or the u and the v of a gate.
#[derive(Clone, Copy)]
struct OutputPair {
    weights: [*const i16; 2],
    bias: [*const i32; 2],
}

/// See [`super::product`].
///
/// # Safety
/// The processor has the leaf's features; the arguments passed [`check_product`].
#[inline(always)]
#[allow(unsafe_code)]
pub unsafe fn product<L: Leaf>(
    layer: &Packed,
    panels: Range<usize>,
    segments: &[Segment],
    positions: usize,
    epilogue: Epilogue,
    destination: Destination,
) {
    let gated = matches!(epilogue, Epilogue::Gate(_));
    let outputs = if gated { layer.outputs() / 2 } else { layer.outputs() };
    // The distance in outputs from the first vector of a pair to the second, and to the next pair.
    let (second, step) = if gated { (outputs, L::LANES) } else { (L::LANES, 2 * L::LANES) };
    let first = panels.start * PANEL;
    let end = outputs.min(panels.end * PANEL);
    for from in (0..positions).step_by(POSITIONS_AT_ONCE) {
        let to = (from + POSITIONS_AT_ONCE).min(positions);
        for n in (first..end).step_by(step) {
            let weights = [n, n + second].map(|n| layer.vector(n));
            let bias = [n, n + second].map(|n| layer.bias[n..].as_ptr());
            let pair = OutputPair { weights, bias };
            let mut at = from;
            while at < to {
                let left = to - at;
                // Tiles of about the same height: a low one does not keep the multipliers busy.
                let rows = left.div_ceil(left.div_ceil(L::ROWS));
                let out = &mut destination.data[destination.start + at * destination.stride + n - first..];
                // SAFETY: `check_product` has compared every extent with its slice: the tile reads
                // `rows` positions from `at` on, and writes a pair of each; a pair that reaches
                // beyond the last output goes through `spare`.
                unsafe {
                    if n + step <= end {
                        let to = out.as_mut_ptr();
                        tile_of::<L>(rows, layer, pair, segments, at, epilogue, to, destination.stride);
                    } else {
                        let (mut spare, width) = ([0; ROWS * PANEL], end - n);
                        for (r, spare) in spare.chunks_exact_mut(PANEL).take(rows).enumerate() {
                            spare[..width].copy_from_slice(&out[r * destination.stride..][..width]);
                        }
                        let to = spare.as_mut_ptr();
                        tile_of::<L>(rows, layer, pair, segments, at, epilogue, to, PANEL);
                        for (r, spare) in spare.chunks_exact(PANEL).take(rows).enumerate() {
                            out[r * destination.stride..][..width].copy_from_slice(&spare[..width]);
                        }
                    }
                }
                at += rows;
            }
        }
    }
}

/// # Safety
/// As for [`tile`].
#[inline(always)]
#[allow(unsafe_code, clippy::too_many_arguments)]
unsafe fn tile_of<L: Leaf>(
    rows: usize,
    layer: &Packed,
    pair: OutputPair,
    segments: &[Segment],
    at: usize,
    epilogue: Epilogue,
    out: *mut i16,
    stride: usize,
) {
    macro_rules! heights {
        ($($r:literal)*) => {
            match rows {
                $($r if $r <= L::ROWS => tile::<L, $r>(layer, pair, segments, at, epilogue, out, stride),)*
                _ => unreachable!("at most ROWS"),
            }
        };
    }
    // SAFETY: passed on from the caller.
    unsafe { heights!(12 11 10 9 8 7 6 5 4 3 2 1) }
}

/// `R` positions of a pair. The accumulators stay in registers from the bias to the stored activation.
///
/// # Safety
/// The processor has the leaf's features; segments are readable for the positions from `at` on, `pair` for
/// all inputs, `out` writable for `R` pairs that are `stride` apart.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn tile<L: Leaf, const R: usize>(
    layer: &Packed,
    pair: OutputPair,
    segments: &[Segment],
    at: usize,
    epilogue: Epilogue,
    out: *mut i16,
    stride: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [[L::load(pair.bias[0]), L::load(pair.bias[1])]; R];
        for s in segments {
            let x = s.data.as_ptr().add(s.start + at * s.stride);
            let w = pair.weights.map(|w| w.add(s.k * PANEL));
            for p in 0..s.len / 2 {
                let w0 = L::weights(w[0].add(2 * PANEL * p));
                let w1 = L::weights(w[1].add(2 * PANEL * p));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let x = L::pair(x.add(r * s.stride + 2 * p));
                    *sum = [L::dot(sum[0], x, w0), L::dot(sum[1], x, w1)];
                }
            }
        }
        let shift = layer.shift;
        match epilogue {
            Epilogue::Plain => {
                for (r, [a, b]) in sums.into_iter().enumerate() {
                    L::store(L::round(a, shift), L::round(b, shift), out.add(r * stride));
                }
            }
            Epilogue::Leaky => {
                for (r, [a, b]) in sums.into_iter().enumerate() {
                    let (a, b) = (L::leaky(a), L::leaky(b));
                    L::store(L::round(a, shift), L::round(b, shift), out.add(r * stride));
                }
            }
            Epilogue::Residual => {
                for (r, [a, b]) in sums.into_iter().enumerate() {
                    let out = out.add(r * stride);
                    let a = L::add(L::round(a, shift), out);
                    let b = L::add(L::round(b, shift), out.add(L::LANES));
                    L::store(a, b, out);
                }
            }
            Epilogue::Gate(gate) => {
                for (r, [u, v]) in sums.into_iter().enumerate() {
                    L::store_gated(L::round(u, shift), L::round(v, shift), gate, out.add(r * stride));
                }
            }
        }
    }
}

/// See [`super::depthwise`]. Two vectors of channels are computed along some positions with their weights in registers:
/// so few positions that their inputs are still in the first-level cache for the next channels.
///
/// # Safety
/// The processor has the leaf's features; the arguments passed [`check_depthwise`].
#[inline(always)]
#[allow(unsafe_code)]
pub unsafe fn depthwise<L: Leaf>(taps: &PackedTaps, call: Depthwise) {
    let c = taps.channels();
    let whole = c - c % (2 * L::LANES);
    for from in (0..call.count).step_by(RUN) {
        let to = (from + RUN).min(call.count);
        for n in (0..whole).step_by(2 * L::LANES) {
            // SAFETY: `check_depthwise` has compared every extent with its slice, and `n` is a whole pair of vectors below C.
            unsafe { depthwise_run::<L>(taps, call.input, call.rows, n, from..to, call.out.as_mut_ptr()) }
        }
    }
    for (i, out) in call.out.chunks_exact_mut(c).enumerate().filter(|_| whole < c) {
        for (n, out) in out.iter_mut().enumerate().skip(whole) {
            let mut acc = taps.bias[n];
            for (pair, tap) in COUPLES.as_flattened().iter().enumerate() {
                let Some((y, x)) = *tap else { continue };
                let w = taps.pairs[(pair / 2 * c + n) * 2 + pair % 2];
                acc = acc.wrapping_add(i32::from(w) * i32::from(call.input[call.rows[y] + (i + x) * c + n]));
            }
            *out = sat(rnd(acc, taps.shift));
        }
    }
}

/// `2 * LANES` channels from `n` on, at the positions of `run`.
///
/// # Safety
/// As for [`depthwise`]; the channels and the run lie inside, and the run is not empty.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn depthwise_run<L: Leaf>(
    taps: &PackedTaps,
    input: &[i16],
    rows: [usize; 3],
    n: usize,
    run: Range<usize>,
    out: *mut i16,
) {
    let c = taps.channels();
    // SAFETY: passed on from the caller.
    unsafe {
        let bias = L::channels(taps.bias.as_ptr().add(n));
        let mut w = [L::taps(taps.pairs.as_ptr().add(2 * n)); 5];
        for (p, w) in w.iter_mut().enumerate() {
            *w = L::taps(taps.pairs.as_ptr().add((p * c + n) * 2));
        }
        let at = run.start * c + n;
        let (mut top, mut middle) = (input.as_ptr().add(rows[0] + at), input.as_ptr().add(rows[1] + at));
        let (mut bottom, mut out) = (input.as_ptr().add(rows[2] + at), out.add(at));
        // Inputs that the next position needs too stay in registers: two columns of the upper rows, a pair of the lower.
        let mut columns = [L::couple(top, middle), L::couple(top.add(c), middle.add(c))];
        let mut lower = L::couple(bottom, bottom.add(c));
        for _ in run {
            let column = L::couple(top.add(2 * c), middle.add(2 * c));
            let next = L::couple(bottom.add(c), bottom.add(2 * c));
            let sum = L::tap(L::tap(bias, columns[0], w[0]), columns[1], w[1]);
            let sum = L::tap(L::tap(L::tap(sum, column, w[2]), lower, w[3]), next, w[4]);
            L::store_channels(sum, taps.shift, out);
            (columns, lower) = ([columns[1], column], next);
            (top, middle, bottom) = (top.add(c), middle.add(c), bottom.add(c));
            out = out.wrapping_add(c);
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
