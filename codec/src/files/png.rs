//! PNG: the chunks that are read behind the pixels, and the writer.

use std::borrow::Cow;
use std::io::{BufRead, Read as _, Seek, SeekFrom, Write};

use crate::{Color, Error, Head, Picture, Result};

/// Bytes of pixels in a chunk of a file that is written row by row.
pub const PIECE: usize = 1 << 20;
/// Keyword of the text chunk that holds XMP.
const XMP: &[u8] = b"XML:com.adobe.xmp\0";
const SIGNATURE_LENGTH: u64 = 8;

/// What a walk over the chunks found.
#[derive(Default)]
pub struct Found {
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    pub animated: bool,
    /// Its rows stand in order and have no transparency.
    pub plain: bool,
}

/// Finds EXIF and XMP, of up to `limit` bytes each, wherever they stand: some tools append them behind the pixels. A file that
/// ends too early has no more chunks.
pub fn walk(mut file: impl BufRead + Seek, limit: u64) -> std::io::Result<Found> {
    let mut found = Found::default();
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = SIGNATURE_LENGTH;
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        at += 8 + length;
        if at > end {
            break;
        }
        let wanted = matches!(&kind, b"IHDR" | b"eXIf" | b"iTXt") && length <= limit;
        let mut data = Vec::new();
        if wanted {
            file.by_ref().take(length).read_to_end(&mut data)?;
        }
        match &kind {
            // Neither alpha nor interlaced.
            b"IHDR" => {
                found.plain = data.get(9).is_some_and(|color| color & 4 == 0) && data.get(12) == Some(&0)
            }
            b"eXIf" if wanted => found.exif = found.exif.or(Some(data)),
            b"iTXt" => found.xmp = found.xmp.or_else(|| plain_xmp(&data)),
            b"acTL" => found.animated = true,
            b"tRNS" => found.plain = false,
            _ => {}
        }
        at += 4;
    }
    Ok(found)
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
    let mut out = Vec::new();
    let mut writer = begin(&mut out, &picture.head(), color(picture.color, picture.alpha.is_some()))?;
    writer.write_image_data(&super::write::interleaved(picture)).map_err(failed)?;
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

/// Everything before the pixels.
pub fn begin<W: Write>(out: W, head: &Head, color: ::png::ColorType) -> Result<::png::Writer<W>> {
    let metadata = &head.metadata;
    let mut info = ::png::Info::with_size(head.width, head.height);
    info.bit_depth = ::png::BitDepth::Eight;
    info.color_type = color;
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);

    let mut encoder = ::png::Encoder::with_info(out, info).map_err(failed)?;
    encoder.set_compression(::png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(failed)?;
    if let Some(xmp) = &metadata.xmp {
        let chunk = [XMP, &[0; 4], xmp].concat();
        writer.write_chunk(::png::chunk::iTXt, &chunk).map_err(failed)?;
    }
    Ok(writer)
}

/// Errors of the PNG writer in our words.
pub fn failed(error: ::png::EncodingError) -> Error {
    match error {
        ::png::EncodingError::IoError(error) => Error::Io(error),
        other => Error::Invalid { what: "PNG", detail: other.to_string() },
    }
}
