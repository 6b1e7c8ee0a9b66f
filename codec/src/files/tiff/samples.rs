//! Turns the samples of a TIFF (gray, palette, CMYK and others) into gray or RGB.

use ::tiff::decoder::DecodingResult;

use super::kind::{Alpha, Kind, Meaning};
use crate::files::unpacked::Pixels;

/// Samples `[height, width, channels]` and alpha, from samples in the layout of the decoder.
pub fn picture(kind: &Kind, data: DecodingResult) -> Pixels {
    match data {
        DecodingResult::U16(wide) => wide_picture(kind, &interleaved(kind, wide)),
        DecodingResult::U8(bytes) => {
            let samples = interleaved(kind, spread(kind, bytes));
            // Most pictures need no conversion.
            if matches!(kind.meaning, Meaning::Rgb | Meaning::Gray { inverted: false })
                && kind.bits == 8
                && kind.samples == kind.meaning.samples()
            {
                return Pixels::Narrow(samples, None);
            }
            narrow_picture(kind, &samples)
        }
        // Other kinds of samples have been refused.
        _ => Pixels::Narrow(Vec::new(), None),
    }
}

/// Unpacks each sample to a byte, without scaling its value.
fn spread(kind: &Kind, bytes: Vec<u8>) -> Vec<u8> {
    if kind.bits >= 8 {
        return bytes;
    }
    let (bits, mask) = (usize::from(kind.bits), (1_u8 << kind.bits) - 1);
    let count = kind.width as usize * if kind.planar { 1 } else { kind.samples };
    let per_byte = 8 / bits;
    let mut out = Vec::with_capacity(bytes.len() * per_byte);
    for row in bytes.chunks_exact(kind.row() as usize) {
        let sample = |i: usize| row[i / per_byte] >> (8 - bits - i % per_byte * bits) & mask;
        out.extend((0..count).map(sample));
    }
    out
}

/// Interleaves the samples of each pixel.
fn interleaved<T: Copy>(kind: &Kind, samples: Vec<T>) -> Vec<T> {
    if !kind.planar {
        return samples;
    }
    let plane = samples.len() / kind.samples;
    (0..plane).flat_map(|i| (0..kind.samples).map(move |k| k * plane + i)).map(|at| samples[at]).collect()
}

fn narrow_picture(kind: &Kind, samples: &[u8]) -> Pixels {
    let most = u16::from(u8::MAX) >> (8 - kind.bits);
    let scaled = |v: u8| ((u16::from(v) * 255 + most / 2) / most) as u8;
    let mut pixels = Vec::with_capacity(samples.len() / kind.samples * kind.color().channels());
    for pixel in samples.chunks_exact(kind.samples) {
        match &kind.meaning {
            Meaning::Gray { inverted: false } => pixels.push(scaled(pixel[0])),
            Meaning::Gray { inverted: true } => pixels.push(255 - scaled(pixel[0])),
            Meaning::Rgb => pixels.extend_from_slice(&pixel[..3]),
            Meaning::Palette(entries) => pixels.extend(entries[usize::from(pixel[0])]),
            Meaning::Cmyk => {
                let ink = |c: u8| (255 - u32::from(c)) * (255 - u32::from(pixel[3]));
                pixels.extend([0, 1, 2].map(|i| ((ink(pixel[i]) + 127) / 255) as u8));
            }
            Meaning::YCbCr(shares) => pixels.extend(rgb(pixel, *shares)),
        }
    }
    let alpha = kind.alpha.map(|alpha| {
        let (Alpha::Apart(at) | Alpha::Multiplied(at)) = alpha;
        let plane: Vec<u8> = samples.chunks_exact(kind.samples).map(|pixel| scaled(pixel[at])).collect();
        // Indices into a palette cannot be scaled.
        if matches!(alpha, Alpha::Multiplied(_)) && !matches!(kind.meaning, Meaning::Palette(_)) {
            for (pixel, &alpha) in pixels.chunks_exact_mut(kind.color().channels()).zip(&plane) {
                pixel.iter_mut().for_each(|v| *v = divided((*v).into(), alpha.into(), 255) as u8);
            }
        }
        plane
    });
    Pixels::Narrow(pixels, alpha)
}

fn wide_picture(kind: &Kind, samples: &[u16]) -> Pixels {
    let mut pixels = Vec::with_capacity(samples.len() / kind.samples * kind.color().channels());
    for pixel in samples.chunks_exact(kind.samples) {
        let alpha = match kind.alpha {
            Some(Alpha::Multiplied(at)) => u64::from(pixel[at]),
            _ => 65535,
        };
        let mut put = |v: u64| pixels.push(divided(v, alpha, 65535) as u16);
        match kind.meaning {
            Meaning::Gray { inverted: true } => put(65535 - u64::from(pixel[0])),
            Meaning::Gray { inverted: false } => put(pixel[0].into()),
            Meaning::Cmyk => {
                let ink = |c: u16| (65535 - u64::from(c)) * (65535 - u64::from(pixel[3]));
                pixel[..3].iter().for_each(|&c| put((ink(c) + 32767) / 65535));
            }
            // The others have at most 8 bits.
            _ => pixel[..3].iter().for_each(|&v| put(v.into())),
        }
    }
    let alpha = kind.alpha.map(|(Alpha::Apart(at) | Alpha::Multiplied(at))| {
        samples.chunks_exact(kind.samples).map(|pixel| pixel[at]).collect()
    });
    Pixels::Wide { maximum: u16::MAX, samples: pixels, alpha }
}

/// Divides a colour by alpha; black if alpha is 0.
fn divided(v: u64, alpha: u64, most: u64) -> u64 {
    (v * most + alpha / 2).checked_div(alpha).unwrap_or(0).min(most)
}

/// Converts YCbCr of ITU-R BT.601 with these shares, in full range.
fn rgb(pixel: &[u8], [red, green, blue]: [f64; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f64::from(pixel[0]), f64::from(pixel[1]) - 128.0, f64::from(pixel[2]) - 128.0);
    let r = y + (2.0 - 2.0 * red) * cr;
    let b = y + (2.0 - 2.0 * blue) * cb;
    let g = (y - red * r - blue * b) / green;
    // Values outside of the range are clamped.
    [r, g, b].map(|v| v.round() as u8)
}
