//! What each instruction set implements: a few vector steps, from which `generic` builds every kernel.

/// The vector steps of an instruction set. `LANES` neighbouring outputs are one vector of `i32`.
///
/// # Safety
/// Every function needs a processor with the features of the leaf, and every pointer must be valid for as many values as
/// its function says. No pointer needs to be aligned.
#[allow(unsafe_code)]
pub trait Leaf {
    /// `i32` accumulators of `LANES` outputs, in order.
    type Lanes: Copy;
    /// Two neighbouring inputs of a position, ready to be multiplied by weights.
    type Pair: Copy;
    /// Weights from two neighbouring inputs to `LANES` outputs.
    type Weights: Copy;
    /// Accumulators of `2 * LANES` channels of a depthwise layer, in an order that the leaf chooses.
    type Channels: Copy;
    /// Two activations of each of `2 * LANES` channels, in that order.
    type Couple: Copy;
    /// Weights of two taps for `2 * LANES` channels, in that order.
    type Taps: Copy;

    /// Outputs of a vector; divides 16.
    const LANES: usize;
    /// Positions of a tile, at most 12: as many as the registers hold, with two vectors per position.
    const ROWS: usize;

    /// `LANES` numbers.
    unsafe fn load(at: *const i32) -> Self::Lanes;
    /// Two activations.
    unsafe fn pair(at: *const i16) -> Self::Pair;
    /// `2 * LANES` weights, the two of an output side by side.
    unsafe fn weights(at: *const i16) -> Self::Weights;
    /// `sum + x[0] * w[0] + x[1] * w[1]`, wrapping.
    unsafe fn dot(sum: Self::Lanes, x: Self::Pair, w: Self::Weights) -> Self::Lanes;

    /// `max(v, v >> 3)`.
    unsafe fn leaky(v: Self::Lanes) -> Self::Lanes;
    /// [`rnd`](super::number::rnd).
    unsafe fn round(v: Self::Lanes, shift: u32) -> Self::Lanes;
    /// `v` plus the `LANES` activations at `x`, wrapping.
    unsafe fn add(v: Self::Lanes, x: *const i16) -> Self::Lanes;
    /// [`sat`](super::number::sat) of `2 * LANES` outputs.
    unsafe fn store(low: Self::Lanes, high: Self::Lanes, to: *mut i16);
    /// ReGLU of `LANES` outputs: `sat(rnd(max(sat(u), 0) * sat(v), shift))`.
    unsafe fn store_gated(u: Self::Lanes, v: Self::Lanes, shift: u32, to: *mut i16);

    /// `2 * LANES` numbers.
    unsafe fn channels(at: *const i32) -> Self::Channels;
    /// `4 * LANES` weights, the two of a channel side by side.
    unsafe fn taps(at: *const i16) -> Self::Taps;
    /// `2 * LANES` activations at `a` and as many at `b`.
    unsafe fn couple(a: *const i16, b: *const i16) -> Self::Couple;
    /// `sum + a * w[0] + b * w[1]` in each channel, wrapping.
    unsafe fn tap(sum: Self::Channels, ab: Self::Couple, w: Self::Taps) -> Self::Channels;
    /// [`sat`](super::number::sat) of [`rnd`](super::number::rnd) of `2 * LANES` channels.
    unsafe fn store_channels(sum: Self::Channels, shift: u32, to: *mut i16);
}
