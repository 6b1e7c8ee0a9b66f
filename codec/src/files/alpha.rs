//! Alpha of files that are written: interleaved with the colours, or replaced with a white background.

use crate::{Color, DeepPicture, Picture};
use std::borrow::Cow;

/// Interleaves colour samples and alpha: `[height, width, channels]`.
pub fn interleaved<'a, T: Copy>(samples: &'a [T], alpha: Option<&[T]>, color: Color) -> Cow<'a, [T]> {
    let Some(alpha) = alpha else { return Cow::Borrowed(samples) };
    let mut out = Vec::with_capacity(samples.len() + alpha.len());
    for (samples, &alpha) in samples.chunks_exact(color.channels()).zip(alpha) {
        out.extend_from_slice(samples);
        out.push(alpha);
    }
    Cow::Owned(out)
}

/// Puts the picture on a white background.
pub fn flatten(picture: &mut Picture) {
    let Some(alpha) = picture.alpha.take() else { return };
    for (samples, alpha) in picture.samples.chunks_exact_mut(picture.color.channels()).zip(alpha) {
        for sample in samples {
            *sample = over_white((*sample).into(), alpha.into(), 255) as u8;
        }
    }
}

/// Puts the picture on a white background.
pub fn flatten_deep(picture: &mut DeepPicture) {
    let Some(alpha) = picture.alpha.take() else { return };
    for (samples, alpha) in picture.samples.chunks_exact_mut(picture.color.channels()).zip(alpha) {
        for sample in samples {
            *sample = over_white((*sample).into(), alpha.into(), picture.maximum.into()) as u16;
        }
    }
}

/// A sample with alpha on white; all of them are at most `white`.
fn over_white(sample: u64, alpha: u64, white: u64) -> u64 {
    (sample * alpha + white * (white - alpha) + white / 2) / white
}
