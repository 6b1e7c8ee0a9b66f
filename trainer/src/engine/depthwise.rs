//! The depthwise 3x3 convolution of cells `[h, w, c]`, with zeros outside, and the gradients of its taps.

use super::kernel::{LANES, Path, Work};
use std::marker::PhantomData;

/// Rows, columns and channels.
pub(super) type Plane = (usize, usize, usize);

/// Convolves. `taps` are `[9, c]`. With `flipped`, tap t is used as tap 8 - t, which gives the gradient of the input
/// from that of the output.
pub(super) fn convolve<P: Path>(
    path: P,
    (h, w, c): Plane,
    input: &[P::Cell],
    (taps, bias): (&[f32], Option<&[f32]>),
    flipped: bool,
    output: &mut [P::Cell],
) {
    assert!(input.len() == h * w * c && output.len() == h * w * c && taps.len() == 9 * c);
    let (shape, whole) = ((h, w, c), c / LANES * LANES);
    for first in (0..whole).step_by(LANES) {
        path.run::<Strip<P, LANES>, _>((shape, first, input, (taps, bias), flipped, &mut *output));
    }
    for first in whole..c {
        path.run::<Strip<P, 1>, _>((shape, first, input, (taps, bias), flipped, &mut *output));
    }
}

/// Convolves `N` neighbouring channels.
struct Strip<P, const N: usize>(PhantomData<P>);

type StripArguments<'a, C> = (Plane, usize, &'a [C], (&'a [f32], Option<&'a [f32]>), bool, &'a mut [C]);

impl<'a, P: Path, const N: usize> Work<StripArguments<'a, P::Cell>> for Strip<P, N> {
    type Output = ();

    #[inline(always)]
    fn perform(((h, w, c), first, input, (all_taps, bias), flipped, output): StripArguments<'a, P::Cell>) {
        let mut taps = [[0.0; N]; 9];
        for (t, taps) in taps.iter_mut().enumerate() {
            taps.copy_from_slice(&all_taps[(if flipped { 8 - t } else { t }) * c + first..][..N]);
        }
        let mut own_bias = [0.0; N];
        if let Some(bias) = bias {
            own_bias.copy_from_slice(&bias[first..][..N]);
        }
        for y in 0..h {
            let column = |x: usize| column::<P, N>((h, w, c), first, input, y, x);
            let (mut left, mut middle) = ([[0.0; N]; 3], column(0));
            for x in 0..w {
                let right = if x + 1 < w { column(x + 1) } else { [[0.0; N]; 3] };
                let mut sum = own_bias;
                for row in 0..3 {
                    for lane in 0..N {
                        sum[lane] = P::fused(left[row][lane], taps[3 * row][lane], sum[lane]);
                        sum[lane] = P::fused(middle[row][lane], taps[3 * row + 1][lane], sum[lane]);
                        sum[lane] = P::fused(right[row][lane], taps[3 * row + 2][lane], sum[lane]);
                    }
                }
                let to = &mut output[(y * w + x) * c + first..][..N];
                to.iter_mut().zip(sum).for_each(|(to, sum)| *to = P::cell(sum));
                (left, middle) = (middle, right);
            }
        }
    }
}

/// Adds the gradients of the taps `[9, c]` and of the bias, given those of the output.
pub(super) fn gradients<P: Path>(
    path: P,
    (h, w, c): Plane,
    input: &[P::Cell],
    of_output: &[P::Cell],
    of_taps: &mut [f32],
    of_bias: &mut [f32],
) {
    assert!(input.len() == h * w * c && of_output.len() == h * w * c && of_taps.len() == 9 * c);
    let (shape, whole) = ((h, w, c), c / LANES * LANES);
    for first in (0..whole).step_by(LANES) {
        path.run::<StripGradients<P, LANES>, _>((
            shape,
            first,
            input,
            of_output,
            &mut *of_taps,
            &mut *of_bias,
        ));
    }
    for first in whole..c {
        path.run::<StripGradients<P, 1>, _>((shape, first, input, of_output, &mut *of_taps, &mut *of_bias));
    }
}

struct StripGradients<P, const N: usize>(PhantomData<P>);

type StripGradientsArguments<'a, C> = (Plane, usize, &'a [C], &'a [C], &'a mut [f32], &'a mut [f32]);

impl<'a, P: Path, const N: usize> Work<StripGradientsArguments<'a, P::Cell>> for StripGradients<P, N> {
    type Output = ();

    #[inline(always)]
    fn perform(((h, w, c), first, input, of_output, of_taps, of_bias): StripGradientsArguments<'a, P::Cell>) {
        let (mut taps, mut bias) = ([[0.0f32; N]; 9], [0.0f32; N]);
        for y in 0..h {
            let column = |x: usize| column::<P, N>((h, w, c), first, input, y, x);
            let (mut left, mut middle) = ([[0.0; N]; 3], column(0));
            for x in 0..w {
                let right = if x + 1 < w { column(x + 1) } else { [[0.0; N]; 3] };
                let d = numbers::<P, N>(&of_output[(y * w + x) * c + first..]);
                for lane in 0..N {
                    bias[lane] += d[lane];
                }
                for row in 0..3 {
                    for lane in 0..N {
                        taps[3 * row][lane] = P::fused(left[row][lane], d[lane], taps[3 * row][lane]);
                        taps[3 * row + 1][lane] =
                            P::fused(middle[row][lane], d[lane], taps[3 * row + 1][lane]);
                        taps[3 * row + 2][lane] =
                            P::fused(right[row][lane], d[lane], taps[3 * row + 2][lane]);
                    }
                }
                (left, middle) = (middle, right);
            }
        }
        for (t, taps) in taps.iter().enumerate() {
            of_taps[t * c + first..][..N].iter_mut().zip(taps).for_each(|(sum, own)| *sum += own);
        }
        of_bias[first..][..N].iter_mut().zip(bias).for_each(|(sum, own)| *sum += own);
    }
}

/// The numbers above, at and below (y, x).
#[inline(always)]
fn column<P: Path, const N: usize>(
    (h, w, c): Plane,
    first: usize,
    input: &[P::Cell],
    y: usize,
    x: usize,
) -> [[f32; N]; 3] {
    let at = |y: usize| numbers::<P, N>(&input[(y * w + x) * c + first..]);
    let none = [0.0; N];
    [if y > 0 { at(y - 1) } else { none }, at(y), if y + 1 < h { at(y + 1) } else { none }]
}

#[inline(always)]
fn numbers<P: Path, const N: usize>(cells: &[P::Cell]) -> [f32; N] {
    let mut numbers = [0.0; N];
    numbers.iter_mut().zip(&cells[..N]).for_each(|(number, cell)| *number = P::value(*cell));
    numbers
}
