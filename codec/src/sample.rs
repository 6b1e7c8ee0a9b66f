//! The two kinds of samples that the network reads and paints: 8 bits, and the finer ones of pictures with more bits.
//!
//! The network is the same. Its first layer gets inputs with more fraction bits, and its last layer keeps fraction bits of its
//! accumulators that it drops for 8-bit samples, so that 8-bit samples follow from fine ones exactly.

use crate::deep;
use crate::kernel::Packed;
use crate::net::Net;
use crate::picture::Color;
use std::borrow::Cow;

/// Samples of an 8x8 patch.
const PATCH: usize = 192;
/// The most fraction bits of an input in 8-bit steps: 255 << 5 is below the largest activation.
const INPUT_BITS: u32 = 5;
/// Fraction bits of a painted fine sample in 8-bit steps.
const FINE_BITS: u32 = 6;

/// A sample of the picture that is encoded, or that the synthesis paints.
pub(crate) trait Sample: Copy + Default + Send + Sync + 'static {
    /// The value of a full sample.
    const PEAK: u16;

    /// Bytes of a painted pixel.
    fn pixel_bytes(color: Color) -> usize {
        Self::painted(color) * size_of::<Self>()
    }

    /// Samples of a painted pixel. Fine pixels of gray pictures are painted in colour, because the conversion to gray rounds.
    fn painted(color: Color) -> usize;

    /// The first layer of the analysis, and the fraction bits of its inputs.
    fn first(net: &Net) -> (Cow<'_, Packed>, u32);

    /// The input of the first layer that stands for the sample, with these fraction bits.
    fn input(self, bits: u32) -> i16;

    /// The last layer of the synthesis.
    fn last(net: &Net) -> Cow<'_, Packed>;

    /// Writes a row of 8x8 patches `[8, 8, 3]` of the last layer as eight rows of painted samples.
    fn paint(last: &Packed, patches: &[i16], color: Color, eight: &mut [Self]);

    /// Painted samples in 8 bits.
    fn eight(painted: &[Self], color: Color) -> Cow<'_, [u8]>;

    /// Samples of the source in 8 bits.
    fn rounded(samples: &[Self]) -> Cow<'_, [u8]>;

    /// The sum of the squared differences between samples of the source and painted ones.
    fn errors(samples: &[Self], painted: &[Self], color: Color) -> u64;
}

impl Sample for u8 {
    const PEAK: u16 = 255;

    fn painted(color: Color) -> usize {
        color.channels()
    }

    fn first(net: &Net) -> (Cow<'_, Packed>, u32) {
        (Cow::Borrowed(&net.e_in), 0)
    }

    fn input(self, _: u32) -> i16 {
        2 * i16::from(self) - 255
    }

    fn last(net: &Net) -> Cow<'_, Packed> {
        Cow::Borrowed(&net.d_out)
    }

    fn paint(_: &Packed, patches: &[i16], color: Color, eight: &mut [u8]) {
        let sample = |v: i16| (v + 128).clamp(0, 255) as u8;
        let stride = eight.len() / 8;
        for (i, row) in eight.chunks_exact_mut(stride).enumerate() {
            let patches = patches.chunks_exact(PATCH).map(|patch| &patch[24 * i..24 * i + 24]);
            match color {
                Color::Rgb => {
                    for (out, patch) in row.chunks_exact_mut(24).zip(patches) {
                        for (o, &v) in out.iter_mut().zip(patch) {
                            *o = sample(v);
                        }
                    }
                }
                Color::Gray => {
                    for (out, patch) in row.chunks_exact_mut(8).zip(patches) {
                        for (o, v) in out.iter_mut().zip(patch.chunks_exact(3)) {
                            *o = gray([v[0], v[1], v[2]].map(sample));
                        }
                    }
                }
            }
        }
    }

    fn eight(painted: &[u8], _: Color) -> Cow<'_, [u8]> {
        Cow::Borrowed(painted)
    }

    fn rounded(samples: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(samples)
    }

    fn errors(samples: &[u8], painted: &[u8], _: Color) -> u64 {
        squares(samples, painted)
    }
}

/// Samples of a source fill the 16 bits. Painted ones are fine samples t, 0 to 16383 (docs/format.md, section 3).
impl Sample for u16 {
    const PEAK: u16 = u16::MAX;

    fn painted(_: Color) -> usize {
        3
    }

    fn first(net: &Net) -> (Cow<'_, Packed>, u32) {
        let finer = |bits| Some((Cow::Owned(net.e_in.for_finer_inputs(bits, 255)?), bits));
        (1..=INPUT_BITS).rev().find_map(finer).unwrap_or((Cow::Borrowed(&net.e_in), 0))
    }

    fn input(self, bits: u32) -> i16 {
        // 257 steps of a sample are one 8-bit step.
        let scaled = (2 * i32::from(self) - 65535) << bits;
        ((scaled + 128).div_euclid(257)) as i16
    }

    fn last(net: &Net) -> Cow<'_, Packed> {
        Cow::Owned(net.d_out.with_finer_outputs(FINE_BITS))
    }

    fn paint(last: &Packed, patches: &[i16], _: Color, eight: &mut [u16]) {
        let bits = last.fraction_bits();
        let stride = eight.len() / 8;
        for (i, row) in eight.chunks_exact_mut(stride).enumerate() {
            let patches = patches.chunks_exact(PATCH).map(|patch| &patch[24 * i..24 * i + 24]);
            for (out, patch) in row.chunks_exact_mut(24).zip(patches) {
                for (o, &v) in out.iter_mut().zip(patch) {
                    *o = fine(v, bits);
                }
            }
        }
    }

    fn eight(painted: &[u16], color: Color) -> Cow<'_, [u8]> {
        let eight = |t: u16| (t >> FINE_BITS) as u8;
        Cow::Owned(match color {
            Color::Rgb => painted.iter().map(|&t| eight(t)).collect(),
            Color::Gray => painted.as_chunks::<3>().0.iter().map(|pixel| gray(pixel.map(eight))).collect(),
        })
    }

    fn rounded(samples: &[u16]) -> Cow<'_, [u8]> {
        Cow::Owned(samples.iter().map(|&sample| deep::rounded(sample, u16::MAX)).collect())
    }

    fn errors(samples: &[u16], painted: &[u16], color: Color) -> u64 {
        let painted = sixteen(painted, color);
        samples.iter().zip(&painted).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
    }
}

/// Sum of squared differences.
pub(crate) fn squares(a: &[u8], b: &[u8]) -> u64 {
    a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
}

/// A gray sample of red, green and blue.
fn gray(rgb: [u8; 3]) -> u8 {
    let [r, g, b] = rgb.map(u16::from);
    ((r + 2 * g + b + 2) >> 2) as u8
}

/// The fine sample for an output of the last layer with `bits` fraction bits: 64 of them make an 8-bit step.
fn fine(v: i16, bits: u32) -> u16 {
    let t = (i32::from(v) + (128 << bits)).clamp(0, (256 << bits) - 1);
    // If the layer has fewer fraction bits, the sample is in the middle of those that it stands for.
    let rest = FINE_BITS - bits;
    ((t << rest) + (1 << rest >> 1)) as u16
}

/// Painted fine samples in 16 bits. The mean of the 64 that make an 8-bit sample p becomes 257 p.
pub(crate) fn sixteen(painted: &[u16], color: Color) -> Vec<u16> {
    let full = |v: i32| v.clamp(0, 65535) as u16;
    match color {
        Color::Rgb => painted.iter().map(|&t| full(((2 * i32::from(t) - 63) * 257 + 64) >> 7)).collect(),
        Color::Gray => {
            let gray = |[r, g, b]: [i32; 3]| full(((2 * (r + 2 * g + b) - 252) * 257 + 256) >> 9);
            painted.as_chunks::<3>().0.iter().map(|pixel| gray(pixel.map(i32::from))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_samples_are_around_those_of_8_bits() {
        for p in 0..=255u16 {
            let painted: Vec<u16> = (64 * p..64 * p + 64).collect();
            assert!(u16::eight(&painted, Color::Rgb).iter().all(|&v| u16::from(v) == p));
            let wide = sixteen(&painted, Color::Rgb);
            assert!(wide.is_sorted() && wide.iter().all(|&v| v.abs_diff(257 * p) <= 127));
            assert_eq!(u16::from(deep::rounded(wide[32], u16::MAX)), p);
            let gray: Vec<u16> = painted.iter().flat_map(|&t| [t; 3]).collect();
            assert!(u16::eight(&gray, Color::Gray).iter().all(|&v| u16::from(v) == p));
            assert!(sixteen(&gray, Color::Gray).iter().zip(&wide).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }

    /// The last layer gives the same 8-bit samples, with any number of fraction bits that it has.
    #[test]
    fn eight_bits_follow_from_fine_outputs() {
        for shift in [0, 1, 3, 5, 6, 7, 13] {
            let layer = Packed::new(2, shift, &[0], &[1, 0]);
            let finer = layer.with_finer_outputs(FINE_BITS);
            let bits = finer.fraction_bits();
            assert_eq!(bits, shift.min(FINE_BITS));
            for acc in (-(140 << shift)..140 << shift).step_by(1 << shift.saturating_sub(7)) {
                let half = (1 << shift) >> 1;
                let whole = ((acc + half) >> shift).clamp(-8191, 8191) as i16;
                let (bias, shift_left) = finer.rounding();
                let out = ((acc + bias + ((1 << shift_left) >> 1)) >> shift_left).clamp(-8191, 8191) as i16;
                let t = fine(out, bits);
                assert_eq!(t >> FINE_BITS, (whole + 128).clamp(0, 255) as u16, "{acc} >> {shift}");
            }
        }
    }

    #[test]
    fn inputs_are_the_same_for_samples_that_8_bits_hold() {
        for p in 0..=255u8 {
            for bits in 0..=INPUT_BITS {
                assert_eq!(i32::from((257 * u16::from(p)).input(bits)), i32::from(p.input(0)) << bits);
            }
        }
    }
}
