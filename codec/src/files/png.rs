//! PNG: the chunks that are read behind the pixels, and the writer.

use std::borrow::Cow;

use crate::{Color, Error, Picture, Result};

/// Keyword of the text chunk that holds XMP.
const XMP: &[u8] = b"XML:com.adobe.xmp\0";
const SIGNATURE_LENGTH: usize = 8;

/// What a walk over the chunks found.
#[derive(Default)]
pub struct Found {
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    pub animated: bool,
}

/// Finds EXIF and XMP wherever they stand: some tools append them behind the pixels.
pub fn walk(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut rest = bytes.get(SIGNATURE_LENGTH..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(data) = tail.get(..length) else { break };
        match &kind {
            b"eXIf" => found.exif = found.exif.or_else(|| Some(data.to_vec())),
            b"iTXt" => found.xmp = found.xmp.or_else(|| plain_xmp(data)),
            b"acTL" => found.animated = true,
            _ => {}
        }
        rest = tail.get(length + 4..).unwrap_or_default();
    }
    found
}

/// The packet of an uncompressed XMP chunk, byte for byte.
fn plain_xmp(data: &[u8]) -> Option<Vec<u8>> {
    let rest = data.strip_prefix(XMP)?.strip_prefix(&[0, 0])?;
    let mut parts = rest.splitn(3, |&byte| byte == 0);
    let (_language, _translated) = (parts.next()?, parts.next()?);
    Some(parts.next()?.to_vec())
}

/// The whole file.
pub fn write(picture: &Picture) -> Result<Vec<u8>> {
    let metadata = &picture.metadata;
    let mut info = ::png::Info::with_size(picture.width, picture.height);
    info.bit_depth = ::png::BitDepth::Eight;
    info.color_type = match (picture.color, &picture.alpha) {
        (Color::Gray, None) => ::png::ColorType::Grayscale,
        (Color::Gray, Some(_)) => ::png::ColorType::GrayscaleAlpha,
        (Color::Rgb, None) => ::png::ColorType::Rgb,
        (Color::Rgb, Some(_)) => ::png::ColorType::Rgba,
    };
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);

    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::with_info(&mut out, info).map_err(failed)?;
    encoder.set_compression(::png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(failed)?;
    if let Some(xmp) = &metadata.xmp {
        let chunk = [XMP, &[0; 4], xmp].concat();
        writer.write_chunk(::png::chunk::iTXt, &chunk).map_err(failed)?;
    }
    writer.write_image_data(&super::write::interleaved(picture)).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

fn failed(error: ::png::EncodingError) -> Error {
    match error {
        ::png::EncodingError::IoError(error) => Error::Io(error),
        other => Error::Invalid { what: "PNG", detail: other.to_string() },
    }
}
