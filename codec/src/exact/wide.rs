//! Groups of samples of more than 8 bits: stored, or predicted.

use super::bits::{Coder, Decoder, Encoder, Whole};
use super::group::{GroupMode, Shape, each_row, invalid};
use super::residual::WIDE;
use super::rows::PAD;
use super::samples::{Range, Samples};
use crate::Result;

/// The largest scale of the contexts.
const SCALE_MOST: u32 = 12;
/// A mean difference of neighbours for which the contexts are made, as a power of two.
const USUAL_LOG2: u32 = 2;

/// Encodes the samples `[height, width, channels]` of a group in the smallest way that is found. The samples become those that
/// a decoder gets.
pub(crate) fn encode(shape: Shape, samples: &mut [u16]) -> Vec<u8> {
    let scale = scale(shape, samples);
    let mut coder = Encoder::new(vec![1, scale as u8]);
    let mut decoded = samples.to_vec();
    predicted(&mut coder, shape, scale, &mut decoded);
    let bytes = coder.finish();
    if bytes.len() > 2 * samples.len() {
        return std::iter::once(0).chain(samples.iter().flat_map(|sample| sample.to_le_bytes())).collect();
    }
    samples.copy_from_slice(&decoded);
    bytes
}

/// The scale that suits the differences of neighbours in a row.
fn scale(shape: Shape, samples: &[u16]) -> u32 {
    let own = shape.channels - usize::from(shape.alpha);
    let (mut sum, mut count) = (0_u64, 1_u64);
    for row in samples.chunks_exact(shape.width * shape.channels) {
        let colors = |x: usize| &row[x * shape.channels..][..shape.channels][shape.channels - own..];
        for x in 1..shape.width {
            sum += colors(x).iter().zip(colors(x - 1)).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        }
        count += (own * (shape.width - 1)) as u64;
    }
    (sum / count).max(1).ilog2().saturating_sub(USUAL_LOG2).min(SCALE_MOST)
}

/// Decodes a group to `[height, width, channels]`, and returns the number of rows that its bytes give: all of them if they are
/// whole.
///
/// # Errors
/// Returns [`crate::Error::Invalid`] if the bytes are not a group of this shape.
pub(crate) fn decode(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [u16]) -> Result<usize> {
    let Some((mode, rest)) = GroupMode::of(bytes).zip(bytes.get(1..)) else {
        return if bytes.is_empty() && whole == Whole::No { Ok(0) } else { invalid("an unknown mode") };
    };
    match mode {
        GroupMode::Stored => stored(shape, rest, whole, samples),
        GroupMode::Samples => {
            let Some((&scale, rest)) = rest.split_first() else {
                return if whole == Whole::No { Ok(0) } else { invalid("no scale") };
            };
            if u32::from(scale) > SCALE_MOST {
                return invalid("a scale that is out of range");
            }
            let mut coder = Decoder::new(rest, whole);
            let rows = predicted(&mut coder, shape, scale.into(), samples);
            if whole == Whole::Yes && (rows < shape.height || coder.left() > 0) {
                return invalid(if coder.left() > 0 {
                    "bytes after its last pixel"
                } else {
                    "too few bytes"
                });
            }
            Ok(rows)
        }
        _ => invalid("a mode for samples of 8 bits"),
    }
}

fn stored(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [u16]) -> Result<usize> {
    if bytes.len() != 2 * samples.len() && whole == Whole::Yes {
        return invalid("another number of stored samples");
    }
    let stride = shape.width * shape.channels;
    let rows = (bytes.len() / 2 / stride).min(shape.height);
    for (sample, &pair) in samples[..rows * stride].iter_mut().zip(bytes.as_chunks::<2>().0) {
        *sample = u16::from_le_bytes(pair);
        if *sample > shape.maximum {
            return invalid("a stored sample above the largest value");
        }
    }
    Ok(rows)
}

fn predicted<C: Coder>(coder: &mut C, shape: Shape, scale: u32, samples: &mut [u16]) -> usize {
    let range = Range { maximum: shape.maximum.into(), scale };
    let mut model = Samples::<WIDE>::new(shape.width, shape.channels, range);
    each_row(coder, shape, samples, |coder, y, row| {
        model.next_row();
        for (x, pixel) in row.chunks_exact_mut(shape.channels).enumerate() {
            for (k, sample) in pixel.iter_mut().enumerate() {
                let coded = model.code(coder, (k, x + PAD), shape.step(k), (*sample).into());
                model.planes[k].samples.put(x + PAD, coded, y);
                *sample = coded as u16;
            }
        }
    })
}
