//! Makes what browsers can show of a picture: a thumbnail, or all of it as PNG.

use std::fs;
use std::path::Path;

use aecodec::files::{self, Format, WriteOptions};
use aecodec::resize::{Filter, resize};
use aecodec::{DecodeOptions, Limits, Picture};
use aecodec_receiver::Models;

/// The longest side of a thumbnail in pixels.
const SIDE: u32 = 480;
/// Quality of the JPEG of a thumbnail.
const QUALITY: u8 = 85;
/// The most pixels of a picture that is decoded for a browser.
const PIXELS: u64 = 1 << 27;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A small JPEG of the picture in a file, on white.
pub(crate) fn thumbnail(file: &Path, models: &Models) -> Result<Vec<u8>> {
    let picture = on_white(decoded(file, models)?);
    let longest = picture.width.max(picture.height);
    let scaled = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longest)).max(1) as u32;
    let small = if longest > SIDE {
        let small = resize(&picture, (scaled(picture.width), scaled(picture.height)), Filter::Hamming)?;
        Picture { orientation: picture.orientation, ..small }
    } else {
        Picture { metadata: Default::default(), ..picture }
    };
    let mut options = WriteOptions::default();
    options.jpeg_quality = QUALITY;
    Ok(files::write(&small, Format::Jpeg, &options)?.0)
}

/// An opaque picture: its colours over white.
fn on_white(mut picture: Picture) -> Picture {
    if let Some(alpha) = picture.alpha.take() {
        let pixels = picture.samples.chunks_exact_mut(picture.color.channels());
        for (pixel, &alpha) in pixels.zip(&alpha) {
            for sample in pixel {
                let sum = u32::from(*sample) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
                *sample = ((sum + 127) / 255) as u8;
            }
        }
    }
    picture
}

/// The picture in a file as PNG.
pub(crate) fn png(file: &Path, models: &Models) -> Result<Vec<u8>> {
    Ok(files::write(&decoded(file, models)?, Format::Png, &WriteOptions::default())?.0)
}

fn decoded(file: &Path, models: &Models) -> Result<Picture> {
    let bytes = fs::read(file)?;
    let mut limits = Limits::default();
    limits.pixels = PIXELS;
    let limits = limits.for_input(bytes.len() as u64);
    let model = models.of(&bytes, &limits)?;
    let mut options = DecodeOptions::default();
    options.limits = limits;
    Ok(aecodec::decode(&bytes, &model, &options)?.picture)
}
