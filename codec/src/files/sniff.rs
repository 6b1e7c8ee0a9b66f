//! Detects the formats that are read, by content or name.

use std::path::Path;

use image::ImageFormat;

use crate::{Error, Result};

const FORMATS: [ImageFormat; 8] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
    ImageFormat::Pnm,
    ImageFormat::Qoi,
    ImageFormat::Gif,
];
/// Other extensions of these formats.
const EXTENSIONS: [&str; 6] = ["jpe", "jif", "jfi", "pjpeg", "pjp", "dib"];

/// Whether [`super::read`] understands a file of this name. Only the extension counts.
pub fn readable(path: &Path) -> bool {
    let Some(extension) = path.extension() else { return false };
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
        || ImageFormat::from_extension(extension).is_some_and(|format| FORMATS.contains(&format))
}

/// Detects the format from the first bytes.
pub fn sniff(bytes: &[u8]) -> Result<ImageFormat> {
    let invalid = |detail: String| Err(Error::Invalid { what: "picture", detail });
    let known = "PNG, JPEG, WebP, TIFF, BMP, PNM, QOI and GIF are read";
    if bytes.is_empty() {
        return invalid("the file is empty".into());
    }
    if bytes.starts_with(b"\x89AEC") {
        return invalid("this is an .aec file already".into());
    }
    if bytes.starts_with(b"II\x2B\0") || bytes.starts_with(b"MM\0\x2B") {
        return Ok(ImageFormat::Tiff);
    }
    if let Some(name) = unread(bytes) {
        return invalid(format!("{name} is not supported; {known}"));
    }
    match image::guess_format(bytes) {
        Ok(format) if FORMATS.contains(&format) => Ok(format),
        Ok(format @ (ImageFormat::OpenExr | ImageFormat::Hdr)) => {
            let name = if format == ImageFormat::Hdr { "Radiance HDR" } else { "EXR" };
            invalid(format!(
                "{name} holds floating-point samples, which are not supported; convert it to 16 bits first, such as with \
                 `magick in.exr -depth 16 out.png`"
            ))
        }
        Ok(format) => {
            let name = format.extensions_str().first().copied().unwrap_or("unknown").to_ascii_uppercase();
            invalid(format!("{name} is not supported; {known}"))
        }
        Err(_) => invalid(format!("not a picture; {known}")),
    }
}

/// The name of a format that cameras and phones write, but that the `image` crate does not know.
fn unread(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Some("JPEG XL"),
        [0xFF, 0x4F, 0xFF, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => Some("JPEG 2000"),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.first_chunk()? {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Some("HEIC"),
            _ => None,
        },
        _ => None,
    }
}
