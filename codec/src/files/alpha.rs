//! Alpha of files that are written: interleaved with the colours, or replaced with a white background.

use crate::Picture;
use std::borrow::Cow;

/// Interleaves colour samples and alpha: `[height, width, channels]`.
pub fn interleaved(picture: &Picture) -> Cow<'_, [u8]> {
    let Some(alpha) = &picture.alpha else { return Cow::Borrowed(&picture.samples) };
    let mut out = Vec::with_capacity(picture.samples.len() + alpha.len());
    for (samples, &alpha) in picture.samples.chunks_exact(picture.color.channels()).zip(alpha) {
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
            *sample =
                ((u32::from(*sample) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
        }
    }
}
