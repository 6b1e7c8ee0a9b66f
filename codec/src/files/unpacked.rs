//! What the readers of all formats have in common: their result, the layout of samples, and checks of what a header claims.

use super::Notice;
use super::resolution::Resolution;
use crate::{Color, Error, Limits, Metadata, Result};
use image::ImageError;

/// Memory that a header may ask for, no matter how little data follows it.
const FREE: u64 = 16 << 20;

/// What the reader of a format returns.
pub struct Unpacked {
    pub width: u32,
    pub height: u32,
    pub color: Color,
    pub pixels: Pixels,
    pub metadata: Metadata,
    /// The orientation that the file gives outside of EXIF.
    pub orientation: u8,
    /// The resolution that the file gives outside of EXIF.
    pub resolution: Option<Resolution>,
    pub notices: Vec<Notice>,
}

/// Samples `[height, width, channels]`, and alpha `[height, width]`.
pub enum Pixels {
    /// Of 8 bits.
    Narrow(Vec<u8>, Option<Vec<u8>>),
    /// Of more, with the largest value that they may have.
    Wide { maximum: u16, samples: Vec<u16>, alpha: Option<Vec<u16>> },
}

impl Pixels {
    /// Drops the lower bits of samples of 16 bits if they only repeat the upper ones.
    pub fn narrow(&mut self, bits: u8) {
        let Self::Wide { maximum: maximum @ u16::MAX, samples, alpha } = self else { return };
        let all = || samples.iter().chain(alpha.iter().flatten());
        if all().all(|&v| repeated(v >> (16 - bits), bits) == v) {
            samples.iter_mut().chain(alpha.iter_mut().flatten()).for_each(|v| *v >>= 16 - bits);
            *maximum = u16::MAX >> (16 - bits);
        }
    }
}

/// A sample of 9 to 16 bits as one of 16: its upper bits follow it.
pub fn repeated(sample: u16, bits: u8) -> u16 {
    let gap = 16 - bits;
    sample << gap | sample >> (bits - gap)
}

/// The layout of a decoder's samples, `[height, width, channels]`; alpha is the last channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleLayout {
    pub color: Color,
    pub alpha: bool,
    /// 8 or 16.
    pub bits: u8,
}

impl SampleLayout {
    /// Number of bytes of a picture.
    pub fn bytes(self, width: u32, height: u32) -> u64 {
        let pixel = (self.color.channels() + usize::from(self.alpha)) as u64 * u64::from(self.bits / 8);
        (u64::from(width) * u64::from(height)).saturating_mul(pixel)
    }

    /// Returns samples and separate alpha; `number` reads a sample of 16 bits.
    pub fn split(self, data: Vec<u8>, number: fn([u8; 2]) -> u16) -> Pixels {
        if self.bits == 16 {
            let wide = data.as_chunks::<2>().0.iter().map(|&pair| number(pair)).collect();
            let (samples, alpha) = self.apart(wide);
            return Pixels::Wide { maximum: u16::MAX, samples, alpha };
        }
        let (samples, alpha) = self.apart(data);
        Pixels::Narrow(samples, alpha)
    }

    /// Separates alpha from the colours.
    fn apart<T: Copy>(self, data: Vec<T>) -> (Vec<T>, Option<Vec<T>>) {
        if !self.alpha {
            return (data, None);
        }
        let channels = self.color.channels();
        let pixels = data.len() / (channels + 1);
        let (mut samples, mut alpha) = (Vec::with_capacity(pixels * channels), Vec::with_capacity(pixels));
        for pixel in data.chunks_exact(channels + 1) {
            samples.extend_from_slice(&pixel[..channels]);
            alpha.push(pixel[channels]);
        }
        (samples, Some(alpha))
    }
}

/// Refuses a picture that is above the limits.
///
/// # Errors
/// Returns [`Error::Limit`] if it is, and [`Error::Invalid`] if it has no pixels.
pub fn check(width: u32, height: u32, bytes: u64, limits: &Limits) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(Error::Limit { what: "pixels", needed: pixels, limit: limits.pixels });
    }
    let limit = limits.bytes.min(isize::MAX as u64);
    if bytes > limit {
        return Err(Error::Limit { what: "bytes", needed: bytes, limit });
    }
    if pixels == 0 {
        return Err(Error::Invalid { what: "picture", detail: format!("its size is {width}x{height}") });
    }
    Ok(())
}

/// Refuses a picture that needs more memory than the bytes that are present can fill, if each gives at most `expansion` bytes.
/// So a header cannot make the reader allocate much more memory than the file fills.
///
/// # Errors
/// Returns [`Error::Truncated`] if there are too few bytes.
pub fn possible(needed: u64, present: u64, expansion: u64) -> Result<()> {
    match needed.saturating_sub(FREE).div_ceil(expansion).checked_sub(present) {
        None | Some(0) => Ok(()),
        Some(missing) => Err(Error::Truncated { what: "picture", offset: present, missing }),
    }
}

/// Converts an error of the `image` crate.
pub fn failed(error: ImageError) -> Error {
    Error::Image(Box::new(error))
}

/// Rounds a sample of 16 bits to 8.
pub fn reduced(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32767) / 65535) as u8
}
