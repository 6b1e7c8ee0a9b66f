//! Encodes RGBA as a whole.

use aecodec::{Coding, EncodeOptions, Encoded, Error, Mode, Model, Quality, Result, Target};
use serde_json::{Value, json};

use crate::{limits, rgba};

/// The numbers of the modes in the exports.
///
/// # Errors
/// Returns [`Error::Invalid`] for a number that is none of them.
pub fn mode(number: u8) -> Result<Mode> {
    match number {
        0 => Ok(Mode::Learned),
        1 => Ok(Mode::Auto),
        2 => Ok(Mode::Exact { error: 0 }),
        _ => Err(Error::Invalid { what: "mode", detail: format!("{number}, expected 0, 1 or 2") }),
    }
}

/// The quality with this number of 64ths.
///
/// # Errors
/// Returns [`Error::Invalid`] if it is more than 100.
pub fn quality(raw: u32) -> Result<Quality> {
    let quality = u16::try_from(raw).ok().and_then(Quality::from_raw);
    quality.ok_or_else(|| Error::Invalid {
        what: "quality",
        detail: format!("{raw} 64ths, expected at most 6400"),
    })
}

/// Options for a mode, a quality and a size of groups.
pub(crate) fn options(mode: Mode, quality: Quality, group_log2: u8) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    (options.mode, options.target, options.limits) = (mode, Target::Quality(quality), limits());
    options.group_log2 = group_log2;
    options
}

/// Encodes `[height, width, 4]`, and returns the stream and a report. Alpha is dropped if every pixel is opaque, and colour
/// if every pixel is gray.
///
/// # Errors
/// Returns the errors of [`aecodec::encode`].
pub fn encode(
    pixels: &[u8],
    (width, height): (u32, u32),
    model: &Model,
    options: &EncodeOptions,
) -> Result<(Vec<u8>, Value)> {
    let picture = rgba::picture(pixels, width, height, rgba::kind(pixels))?;
    let encoded = aecodec::encode(&picture, model, options)?;
    let report = report(&encoded);
    Ok((encoded.bytes, report))
}

fn report(encoded: &Encoded) -> Value {
    json!({
        "exact": matches!(encoded.coding, Coding::Exact { .. }),
        "quality": encoded.quality.value(),
        "psnr": encoded.psnr,
        "broken": encoded.is_broken(),
    })
}
