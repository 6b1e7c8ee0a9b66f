//! PNG: writes files.

use std::borrow::Cow;
use std::io::Write;

use crate::files::alpha::interleaved;
use crate::files::{PngEffort, exif};
use crate::{Color, DeepPicture, Error, Picture, PictureInfo, Result};
use ::png::chunk::ChunkType;

/// Keyword of the text chunk that holds XMP.
pub const XMP: &[u8] = b"XML:com.adobe.xmp\0";
/// Bytes of compressed pixels per chunk in a file that is written row by row.
pub const PIECE: usize = 1 << 20;

/// Writes a file to memory.
pub fn write(picture: &Picture, effort: PngEffort) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let color = color(picture.color, picture.alpha.is_some());
    let mut writer = begin(&mut out, &picture.head(), (color, Depth::Byte), effort)?;
    let samples = interleaved(&picture.samples, picture.alpha.as_deref(), picture.color);
    writer.write_image_data(&samples).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// Writes a file of 16 bits per sample to memory. The picture has samples of 16 bits, of which `bits` mean something.
pub fn write_deep(picture: &DeepPicture, bits: Option<u8>, effort: PngEffort) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let color = color(picture.color, picture.alpha.is_some());
    let mut writer = begin(&mut out, &picture.head(), (color, Depth::Deep(bits)), effort)?;
    let samples = interleaved(&picture.samples, picture.alpha.as_deref(), picture.color);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    writer.write_image_data(&bytes).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

/// The depth of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits.
    Byte,
    /// 16 bits, and how many of them mean something.
    Deep(Option<u8>),
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
    (color, depth): (::png::ColorType, Depth),
    effort: PngEffort,
) -> Result<::png::Writer<W>> {
    let metadata = &head.metadata;
    let mut info = ::png::Info::with_size(head.width, head.height);
    info.bit_depth = match depth {
        Depth::Byte => ::png::BitDepth::Eight,
        Depth::Deep(_) => ::png::BitDepth::Sixteen,
    };
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
    if let Some(points) = &metadata.cicp {
        writer.write_chunk(ChunkType(*b"cICP"), points).map_err(failed)?;
    }
    if let Depth::Deep(Some(bits)) = depth {
        writer.write_chunk(::png::chunk::sBIT, &vec![bits; color.samples()]).map_err(failed)?;
    }
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
