//! A group on its own: the choice of a mode, and the walk over its pixels that encoder and decoder share.

use super::bits::{Coder, Decoder, Encoder, Whole};
use super::choose::{Shares, stripes};
use super::palette::{self, Indices};
use super::pixels::{self, Pixels};
use super::residual::NARROW;
use super::rows::PAD;
use super::samples::{self, Range, Samples};
use crate::{Error, Result};

/// The mode for graphics is chosen if it takes less than so many per cent of the bytes of that for photographs.
const WORTH: usize = 98;

/// How the pixels of an exact group are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupMode {
    /// The samples themselves, for noise.
    Stored,
    /// Predicted samples, for photographs.
    Samples,
    /// Pixels that equal others, and predicted samples for the rest, for graphics.
    Pixels,
    /// The same with indices of a palette.
    Palette,
}

impl GroupMode {
    /// The mode of a substream, or `None` if its first byte is missing or unknown.
    pub fn of(substream: &[u8]) -> Option<Self> {
        Some(match substream.first()? {
            0 => Self::Stored,
            1 => Self::Samples,
            2 => Self::Pixels,
            3 => Self::Palette,
            _ => return None,
        })
    }

    /// Bytes that coding a group of this shape takes, without its samples.
    pub(crate) fn bytes(self, shape: Shape) -> u64 {
        let Shape { width, height, channels, .. } = shape;
        let plane = if shape.maximum > 255 { samples::WIDE_BYTES } else { samples::BYTES };
        let planes = channels as u64 * (plane + 64 * (width as u64 + 8));
        match self {
            Self::Stored => 0,
            Self::Samples => planes,
            Self::Pixels => planes + pixels::bytes(width * height) + 40 * width as u64,
            Self::Palette => palette::BYTES + pixels::bytes(width * height) + 52 * width as u64,
        }
    }
}

/// The shape of a group, and how its samples are quantised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub width: usize,
    pub height: usize,
    /// Samples of a pixel, 1 to 4: alpha, then green, red and blue, or gray.
    pub channels: usize,
    /// Whether the first sample is alpha, which is always exact.
    pub alpha: bool,
    /// Largest error of the other samples.
    pub error: u16,
    /// The largest value of a sample; 255 for samples of 8 bits.
    pub maximum: u16,
}

impl Shape {
    pub(super) fn step(&self, k: usize) -> i32 {
        if self.alpha && k == 0 { 1 } else { 2 * i32::from(self.error) + 1 }
    }

    /// Whether a decoded pixel may stand for this one.
    fn allows(&self, pixel: &[u8], decoded: u32) -> bool {
        pixel.iter().enumerate().all(|(k, &sample)| {
            i32::from(sample.abs_diff(part(decoded, k, self.channels))) <= self.step(k) / 2
        })
    }
}

/// A pixel as a number; its last sample is in the lowest byte.
fn packed(pixel: &[u8]) -> u32 {
    pixel.iter().fold(0, |packed, &sample| packed << 8 | u32::from(sample))
}

/// Sample `k` of a packed pixel.
fn part(pixel: u32, k: usize, channels: usize) -> u8 {
    (pixel >> (8 * (channels - 1 - k))) as u8
}

/// Encodes the samples `[height, width, channels]` of a group in the smallest way that is found. The samples become those that
/// a decoder gets.
pub(crate) fn encode(shape: Shape, samples: &mut [u8]) -> Vec<u8> {
    let mut best = [&[0][..], samples].concat();
    let mut decoded: Option<Vec<u8>> = None;
    let mut attempt = |mode: u8, head: &[u8], walk: &mut dyn FnMut(&mut Encoder, &mut [u8])| {
        let mut coder = Encoder::new([&[mode][..], head].concat());
        let mut trial = samples.to_vec();
        walk(&mut coder, &mut trial);
        let bytes = coder.finish();
        if bytes.len() < best.len() {
            (best, decoded) = (bytes, Some(trial));
        }
    };
    let shares = Shares::of(samples, shape.width, shape.channels);
    let palette = palette::of(samples.chunks_exact(shape.channels).map(packed));
    let photograph = shares.may_be_photograph() || palette.as_ref().is_none_or(|palette| palette.len() > 128);
    let (photograph, graphics) = match (photograph, shares.may_be_graphics()) {
        (true, true) if shares.are_alike_everywhere() => {
            let graphics = are_graphics(shape, samples);
            (!graphics, graphics)
        }
        both => both,
    };
    if photograph {
        attempt(1, &[], &mut |coder, samples| {
            of_samples(coder, shape, samples);
        });
    }
    if graphics {
        attempt(2, &[], &mut |coder, samples| {
            of_pixels(coder, shape, samples);
        });
    }
    if let Some(palette) = palette.filter(|palette| palette.len() <= 128 || shares.may_be_graphics()) {
        let mut head = vec![(palette.len() - 1) as u8];
        for &color in &palette {
            head.extend((0..shape.channels).map(|k| part(color, k, shape.channels)));
        }
        attempt(3, &head, &mut |coder, samples| {
            of_indices(coder, shape, &palette, samples);
        });
    }
    if let Some(decoded) = decoded {
        samples.copy_from_slice(&decoded);
    }
    best
}

/// Whether the mode for graphics is worth its time: on some rows, it takes clearly fewer bytes than that for photographs.
fn are_graphics(shape: Shape, samples: &[u8]) -> bool {
    let stride = shape.width * shape.channels;
    let mut rows = stripes(samples, stride);
    let shape = Shape { height: rows.len() / stride, ..shape };
    let mut trial = rows.clone();
    let (mut one, mut other) = (Encoder::new(Vec::new()), Encoder::new(Vec::new()));
    of_samples(&mut one, shape, &mut trial);
    of_pixels(&mut other, shape, &mut rows);
    other.finish().len() * 100 < one.finish().len() * WORTH
}

/// Decodes a group to `[height, width, channels]`, and returns the number of rows that its bytes give: all of them if they are
/// whole.
///
/// # Errors
/// Returns [`Error::Invalid`] if the bytes are not a group of this shape.
pub(crate) fn decode(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [u8]) -> Result<usize> {
    let Some((mode, rest)) = GroupMode::of(bytes).zip(bytes.get(1..)) else {
        return if bytes.is_empty() && whole == Whole::No { Ok(0) } else { invalid("an unknown mode") };
    };
    let mut coder = Decoder::new(rest, whole);
    let rows = match mode {
        GroupMode::Stored => return stored(shape, rest, whole, samples),
        GroupMode::Samples => of_samples(&mut coder, shape, samples),
        GroupMode::Pixels => of_pixels(&mut coder, shape, samples),
        GroupMode::Palette => {
            let count = rest.first().map_or(0, |&last| usize::from(last) + 1);
            let Some((colors, rest)) = rest.get(1..).and_then(|r| r.split_at_checked(count * shape.channels))
            else {
                return if whole == Whole::No { Ok(0) } else { invalid("a palette that is cut") };
            };
            let palette: Vec<u32> = colors.chunks_exact(shape.channels).map(packed).collect();
            coder = Decoder::new(rest, whole);
            of_indices(&mut coder, shape, &palette, samples)
        }
    };
    if whole == Whole::Yes && (rows < shape.height || coder.left() > 0) {
        return invalid(if coder.left() > 0 { "bytes after its last pixel" } else { "too few bytes" });
    }
    Ok(rows)
}

fn stored(shape: Shape, bytes: &[u8], whole: Whole, samples: &mut [u8]) -> Result<usize> {
    if bytes.len() != samples.len() && whole == Whole::Yes {
        return invalid("another number of stored samples");
    }
    let rows = (bytes.len() / (shape.width * shape.channels)).min(shape.height);
    let length = rows * shape.width * shape.channels;
    samples[..length].copy_from_slice(&bytes[..length]);
    Ok(rows)
}

pub(super) fn invalid<T>(detail: &str) -> Result<T> {
    Err(Error::Invalid { what: "substream", detail: detail.into() })
}

/// Calls `each(row, samples)` for every row until the coder has no more bytes, and returns the number of rows before that.
pub(super) fn each_row<C: Coder, T>(
    coder: &mut C,
    shape: Shape,
    samples: &mut [T],
    mut each: impl FnMut(&mut C, usize, &mut [T]),
) -> usize {
    for (y, row) in samples.chunks_exact_mut(shape.width * shape.channels).enumerate() {
        each(coder, y, row);
        if coder.is_spent() {
            return y;
        }
    }
    shape.height
}

fn of_samples<C: Coder>(coder: &mut C, shape: Shape, samples: &mut [u8]) -> usize {
    let mut model = Samples::<NARROW>::new(shape.width, shape.channels, Range::BYTE);
    each_row(coder, shape, samples, |coder, y, row| {
        model.next_row();
        for (x, pixel) in row.chunks_exact_mut(shape.channels).enumerate() {
            predicted(coder, &mut model, shape, (x + PAD, y), 0, pixel);
        }
    })
}

/// Codes the samples of a pixel from the one of plane `from` on.
#[inline(always)]
fn predicted<C: Coder>(
    coder: &mut C,
    model: &mut Samples<NARROW>,
    shape: Shape,
    (x, y): (usize, usize),
    from: usize,
    pixel: &mut [u8],
) {
    for (k, sample) in pixel.iter_mut().enumerate().skip(from) {
        let coded = model.code(coder, (k, x), shape.step(k), (*sample).into());
        model.planes[k].samples.put(x, coded, y);
        *sample = coded as u8;
    }
}

fn of_pixels<C: Coder>(coder: &mut C, shape: Shape, samples: &mut [u8]) -> usize {
    let channels = shape.channels;
    let mut model = Samples::<NARROW>::new(shape.width, channels, Range::BYTE);
    let mut pixels = Pixels::new(shape.width, shape.width * shape.height);
    each_row(coder, shape, samples, |coder, y, row| {
        model.next_row();
        pixels.rows.next();
        for (x, pixel) in row.chunks_exact_mut(channels).enumerate() {
            let at = (x + PAD, y);
            let mut found = pixels.candidate(coder, at.0, |candidate| shape.allows(pixel, candidate));
            let whole = found.is_some();
            if !whole {
                predicted(coder, &mut model, Shape { channels: 1, ..shape }, at, 0, &mut pixel[..1]);
                if channels > 1 {
                    let first = pixel[0];
                    let equals = |last| part(last, 0, channels) == first && shape.allows(pixel, last);
                    found = pixels.rest(coder, first, equals);
                }
            }
            match found {
                None => predicted(coder, &mut model, shape, at, 1, pixel),
                Some(color) => {
                    for (k, sample) in pixel.iter_mut().enumerate().skip(usize::from(!whole)) {
                        *sample = part(color, k, channels);
                        model.planes[k].samples.put(at.0, (*sample).into(), y);
                        model.planes[k].errors[0][at.0] = 0;
                    }
                }
            }
            pixels.learn(at, packed(pixel), pixel[0]);
        }
    })
}

fn of_indices<C: Coder>(coder: &mut C, shape: Shape, palette: &[u32], samples: &mut [u8]) -> usize {
    let mut indices = Indices::new(shape.width, palette.len());
    let mut pixels = Pixels::new(shape.width, shape.width * shape.height);
    let index_of: std::collections::HashMap<u32, u32> = palette.iter().copied().zip(0..).collect();
    each_row(coder, shape, samples, |coder, y, row| {
        indices.rows.next();
        pixels.rows.next();
        for (x, pixel) in row.chunks_exact_mut(shape.channels).enumerate() {
            let x = x + PAD;
            // A decoder has no pixel yet; what stands in its place has no effect.
            let index = index_of.get(&packed(pixel)).copied().unwrap_or(0);
            let found = pixels.candidate(coder, x, |candidate| candidate == index);
            let index = found.unwrap_or_else(|| indices.code(coder, x, index));
            let color = palette[index as usize];
            for (k, sample) in pixel.iter_mut().enumerate() {
                *sample = part(color, k, shape.channels);
            }
            indices.rows.put(x, index, y);
            pixels.learn((x, y), index, index as u8);
        }
    })
}
