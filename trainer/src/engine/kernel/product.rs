//! The matrix product: positions times packed panels, summed over any number of segments.

use super::path::{LANES, Path, Strides, Sums, Work};
use std::marker::PhantomData;

/// A part of the contraction of a product.
pub(in crate::engine) struct Segment<'a, C> {
    /// The operand with the positions. Its first group of cells belongs to the first position and the first step.
    pub a: &'a [C],
    /// The distances within `a`.
    pub strides: Strides,
    /// The panels: `LANES` outputs with `GROUP` cells each in each step.
    pub b: &'a [C],
    /// The distance from one panel to the next in `b`, in cells.
    pub panel: usize,
    /// The number of steps.
    pub steps: usize,
}

/// Calls `each` with every position, the first output of every panel, and the sums of that panel's outputs.
///
/// # Panics
/// Panics if an operand is too short, which is a bug of the caller and no fault of its data.
pub(in crate::engine) fn product<P: Path>(
    path: P,
    (positions, outputs): (usize, usize),
    segments: &[Segment<P::Cell>],
    each: impl FnMut(usize, usize, &Sums),
) {
    let panels = outputs.div_ceil(LANES);
    if positions == 0 || panels == 0 {
        return;
    }
    for Segment { a, strides, b, panel, steps } in segments.iter().filter(|s| s.steps > 0) {
        assert!(a.len() >= (positions - 1) * strides.position + (steps - 1) * strides.step + P::GROUP);
        assert!(b.len() >= (panels - 1) * panel + steps * LANES * P::GROUP);
    }
    path.run::<Multiply<P, _>, _>((path, positions, panels, segments, each));
}

/// The product of operands that have been checked.
struct Multiply<P, E>(PhantomData<(P, E)>);

impl<P: Path, E: FnMut(usize, usize, &Sums)> Work<(P, usize, usize, &[Segment<'_, P::Cell>], E)>
    for Multiply<P, E>
{
    type Output = ();

    #[inline(always)]
    fn perform((path, positions, panels, segments, mut each): (P, usize, usize, &[Segment<'_, P::Cell>], E)) {
        let mut sums = [[[0.0; LANES]; 12]; 2];
        let mut first = 0;
        while first < positions {
            let rows = P::positions(positions - first);
            let mut panel = 0;
            while panel < panels {
                let both = P::PANELS == 2 && panel + 2 <= panels;
                match (rows, both) {
                    (12, true) => tiles::<P, 12, 2>(path, segments, first, panel, &mut sums),
                    (12, false) => tiles::<P, 12, 1>(path, segments, first, panel, &mut sums),
                    (8, true) => tiles::<P, 8, 2>(path, segments, first, panel, &mut sums),
                    (8, false) => tiles::<P, 8, 1>(path, segments, first, panel, &mut sums),
                    (6, _) => tiles::<P, 6, 1>(path, segments, first, panel, &mut sums),
                    (4, true) => tiles::<P, 4, 2>(path, segments, first, panel, &mut sums),
                    (4, false) => tiles::<P, 4, 1>(path, segments, first, panel, &mut sums),
                    (_, true) => tiles::<P, 1, 2>(path, segments, first, panel, &mut sums),
                    (_, false) => tiles::<P, 1, 1>(path, segments, first, panel, &mut sums),
                }
                let covered = if both { 2 } else { 1 };
                for (offset, sums) in sums[..covered].iter().enumerate() {
                    for (r, sums) in sums[..rows].iter().enumerate() {
                        each(first + r, (panel + offset) * LANES, sums);
                    }
                }
                panel += covered;
            }
            first += rows;
        }
    }
}

/// The sums of one tile over all segments.
#[inline(always)]
#[allow(unsafe_code)]
fn tiles<P: Path, const R: usize, const N: usize>(
    path: P,
    segments: &[Segment<P::Cell>],
    first: usize,
    panel: usize,
    sums: &mut [[Sums; 12]; 2],
) {
    let mut own = [[[0.0; LANES]; R]; N];
    for segment in segments {
        let b: [_; N] = std::array::from_fn(|p| segment.b[(panel + p) * segment.panel..].as_ptr());
        let a = segment.a[first * segment.strides.position..].as_ptr();
        // SAFETY: `product` checked that all positions, panels and steps of the segment are within its slices.
        unsafe { path.tile::<R, N>(a, segment.strides, segment.steps, b, &mut own) }
    }
    for (sums, own) in sums.iter_mut().zip(own) {
        sums[..R].copy_from_slice(&own);
    }
}
