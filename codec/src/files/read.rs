//! Reads picture files: any bit depth and layout becomes 8-bit gray or RGB, with alpha apart.

use std::io::{Cursor, ErrorKind};
use std::path::Path;

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::{Notice, exif, jpeg, png, tiff};
use crate::{Color, Error, Limits, Metadata, Picture, Result};

const FORMATS: [ImageFormat; 7] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Bmp,
    ImageFormat::Pnm,
    ImageFormat::Qoi,
];

/// Whether a file of this name is one that [`read`] understands; only the extension counts.
pub fn readable(path: &Path) -> bool {
    path.extension().and_then(ImageFormat::from_extension).is_some_and(|format| FORMATS.contains(&format))
}

/// Reads a picture file from memory; its content says which format it has.
///
/// Samples of 16 bits become `round(v * 255 / 65535)`. Orientation is kept beside the rows and not applied.
///
/// # Errors
/// [`Error::Limit`] before any allocation where the header asks for more than `limits`, [`Error::Invalid`]
/// where the bytes are no picture that can be read, [`Error::Image`] where its data is damaged.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<(Picture, Vec<Notice>)> {
    let format = sniff(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut image_limits = image::Limits::no_limits();
    image_limits.max_alloc = Some(limits.bytes);
    reader.limits(image_limits);
    let damaged = |error| ended_early(error, bytes.len());
    let mut decoder = reader.into_decoder().map_err(damaged)?;

    let (width, height) = decoder.dimensions();
    check(width, height, decoder.total_bytes(), limits)?;

    let mut notices = Vec::new();
    let mut metadata = Metadata {
        icc: decoder.icc_profile()?,
        exif: decoder.exif_metadata()?,
        xmp: decoder.xmp_metadata().unwrap_or_default(),
    };
    let own_orientation = decoder.orientation().map_or(1, Orientation::to_exif);
    inspect(format, bytes, &mut metadata, &mut notices)?;

    let layout = decoder.color_type();
    let mut data = vec![0; usize::try_from(decoder.total_bytes()).map_err(|_| too_large(limits))?];
    decoder.read_image(&mut data).map_err(damaged)?;

    let sixteen = match layout {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => false,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => true,
        other => {
            let detail = format!("samples of {other:?} are not supported; convert to 8 or 16 bits first");
            return Err(Error::Invalid { what: "picture", detail });
        }
    };
    if sixteen {
        let (pairs, _) = data.as_chunks::<2>();
        data = pairs.iter().map(|&pair| reduced(u16::from_ne_bytes(pair))).collect();
        notices.push(Notice::SixteenBits);
    }
    let color = if layout.has_color() { Color::Rgb } else { Color::Gray };
    let (samples, alpha) = if layout.has_alpha() { split(&data, color) } else { (data, None) };
    let mut picture = Picture::new(width, height, color, samples)?;
    picture.alpha = alpha;
    (picture.metadata, picture.orientation) = described(metadata, own_orientation, &mut notices);
    picture.source_bits = if sixteen { 16 } else { 8 };
    Ok((picture, notices))
}

/// The metadata that is kept, and the orientation that it asks for, else the file's own.
pub fn described(metadata: Metadata, own: u8, notices: &mut Vec<Notice>) -> (Metadata, u8) {
    let exif = metadata.exif.map(exif::strip_prefix).filter(|exif| !exif.is_empty());
    let xmp = metadata.xmp.filter(|xmp| !xmp.is_empty());
    let orientation = match exif::orientation(exif.as_deref()) {
        1 => own,
        turned => turned,
    };
    (Metadata { icc: fitting_profile(metadata.icc, notices), exif, xmp }, orientation)
}

/// The format that the first bytes tell.
fn sniff(bytes: &[u8]) -> Result<ImageFormat> {
    let invalid = |detail: String| Err(Error::Invalid { what: "picture", detail });
    let known = "PNG, JPEG, WebP, TIFF, BMP, PNM and QOI are read";
    if bytes.is_empty() {
        return invalid("the file is empty".into());
    }
    if bytes.starts_with(b"\x89AEC") {
        return invalid("this is an .aec file already".into());
    }
    match image::guess_format(bytes) {
        Ok(format) if FORMATS.contains(&format) => Ok(format),
        Ok(format) => {
            let name = format.extensions_str().first().copied().unwrap_or("unknown").to_ascii_uppercase();
            invalid(format!("{name} is not supported; {known}"))
        }
        Err(_) => invalid(format!("not a picture; {known}")),
    }
}

/// What the `image` crate does not tell: metadata in odd places, further pictures, missing data.
fn inspect(
    format: ImageFormat,
    bytes: &[u8],
    metadata: &mut Metadata,
    notices: &mut Vec<Notice>,
) -> Result<()> {
    let mut several = false;
    match format {
        ImageFormat::Png => {
            let found = png::walk(Cursor::new(bytes), u64::MAX)?;
            metadata.exif = metadata.exif.take().or(found.exif);
            metadata.xmp = found.xmp.or(metadata.xmp.take());
            several = found.animated;
        }
        ImageFormat::Jpeg => {
            let found = jpeg::walk(bytes);
            if !found.complete {
                return Err(Error::Truncated { what: "JPEG", offset: bytes.len() as u64, missing: 2 });
            }
            if found.extended_xmp {
                notices.push(Notice::ExtendedXmpDropped);
            }
        }
        ImageFormat::Tiff => {
            let found = tiff::walk(bytes);
            several = found.more_pages;
            if found.exif {
                notices.push(Notice::TiffExifDropped);
            }
        }
        // The animation flag of the extended header.
        ImageFormat::WebP => {
            several = bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|f| f & 2 != 0)
        }
        _ => {}
    }
    if several {
        notices.push(Notice::FirstPicture);
    }
    Ok(())
}

/// The image crate says of missing data only that a buffer could not be filled.
fn ended_early(error: ImageError, length: usize) -> Error {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::Truncated { what: "picture", offset: length as u64, missing: 1 }
        }
        other => other.into(),
    }
}

fn check(width: u32, height: u32, bytes: u64, limits: &Limits) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(Error::Limit { what: "pixels", needed: pixels, limit: limits.pixels });
    }
    if bytes > limits.bytes {
        return Err(Error::Limit { what: "bytes", needed: bytes, limit: limits.bytes });
    }
    if pixels == 0 {
        return Err(Error::Invalid { what: "picture", detail: format!("its size is {width}x{height}") });
    }
    Ok(())
}

fn too_large(limits: &Limits) -> Error {
    Error::Limit { what: "bytes", needed: usize::MAX as u64, limit: limits.bytes }
}

/// A sample of 16 bits as one of 8, rounded.
pub fn reduced(sample: u16) -> u8 {
    ((u32::from(sample) * 255 + 32767) / 65535) as u8
}

/// Colour samples and alpha apart.
fn split(data: &[u8], color: Color) -> (Vec<u8>, Option<Vec<u8>>) {
    let channels = color.channels();
    let pixels = data.len() / (channels + 1);
    let (mut samples, mut alpha) = (Vec::with_capacity(pixels * channels), Vec::with_capacity(pixels));
    for pixel in data.chunks_exact(channels + 1) {
        samples.extend_from_slice(&pixel[..channels]);
        alpha.push(pixel[channels]);
    }
    (samples, Some(alpha))
}

/// Drops a profile of CMYK and the like: the samples were converted to RGB on reading.
fn fitting_profile(icc: Option<Vec<u8>>, notices: &mut Vec<Notice>) -> Option<Vec<u8>> {
    let icc = icc.filter(|icc| !icc.is_empty())?;
    match icc.get(16..20) {
        Some(b"CMYK" | b"Lab " | b"YCbr" | b"CMY ") => {
            let space = String::from_utf8_lossy(&icc[16..20]).trim_end().to_owned();
            notices.push(Notice::ProfileDropped { space });
            None
        }
        _ => Some(icc),
    }
}
