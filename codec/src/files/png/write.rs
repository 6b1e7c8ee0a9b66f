//! PNG: writes files.

use std::borrow::Cow;
use std::io::Write;

use crate::files::alpha::interleaved;
use crate::files::{PngEffort, exif};
use crate::{Color, Error, Picture, PictureInfo, Result};

/// Keyword of the text chunk that holds XMP.
pub const XMP: &[u8] = b"XML:com.adobe.xmp\0";
/// Bytes of compressed pixels per chunk in a file that is written row by row.
pub const PIECE: usize = 1 << 20;

/// Writes a file to memory.
pub fn write(picture: &Picture, effort: PngEffort) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let color = color(picture.color, picture.alpha.is_some());
    let mut writer = begin(&mut out, &picture.head(), color, effort)?;
    writer.write_image_data(&interleaved(picture)).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// The colour type of such samples.
pub fn color(color: Color, alpha: bool) -> ::png::ColorType {
    match (color, alpha) {
        (Color::Gray, false) => ::png::ColorType::Grayscale,
        (Color::Gray, true) => ::png::ColorType::GrayscaleAlpha,
        (Color::Rgb, false) => ::png::ColorType::Rgb,
        (Color::Rgb, true) => ::png::ColorType::Rgba,
    }
}

/// Writes everything before the pixels.
pub fn begin<W: Write>(
    out: W,
    head: &PictureInfo,
    color: ::png::ColorType,
    effort: PngEffort,
) -> Result<::png::Writer<W>> {
    let metadata = &head.metadata;
    let mut info = ::png::Info::with_size(head.width, head.height);
    info.bit_depth = ::png::BitDepth::Eight;
    info.color_type = color;
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    // Few viewers read it from EXIF.
    let resolution = metadata.exif.as_deref().and_then(exif::resolution);
    info.pixel_dims = resolution
        .and_then(|found| found.per_metre())
        .map(|(xppu, yppu)| ::png::PixelDimensions { xppu, yppu, unit: ::png::Unit::Meter });

    let mut encoder = ::png::Encoder::with_info(out, info).map_err(failed)?;
    encoder.set_compression(match effort {
        PngEffort::Fast => ::png::Compression::Fast,
        PngEffort::Balanced => ::png::Compression::Balanced,
        PngEffort::Small => ::png::Compression::High,
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    if let Some(xmp) = &metadata.xmp {
        let chunk = [XMP, &[0; 4], xmp].concat();
        writer.write_chunk(::png::chunk::iTXt, &chunk).map_err(failed)?;
    }
    Ok(writer)
}

/// Converts an error of the PNG writer.
pub fn failed(error: ::png::EncodingError) -> Error {
    match error {
        ::png::EncodingError::IoError(error) => Error::Io(error),
        other => Error::Invalid { what: "PNG", detail: other.to_string() },
    }
}
