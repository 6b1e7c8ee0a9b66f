//! Reads picture files: samples of any depth and layout become gray or RGB of 8 bits, or of up to 16, with separate alpha.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use image::codecs::pnm::PnmDecoder;
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use super::metadata::described;
use super::pnm::PnmHeader;
use super::resolution::Resolution;
use super::sniff::sniff;
use super::unpacked::{Pixels, SampleLayout, Unpacked, check, failed, possible};
use super::{Notice, jpeg, png, sequence, tiff};
use crate::deep;
use crate::{Color, DeepPicture, Error, Limits, Metadata, Picture, Result};

/// Reads a picture file from memory. Its format is detected from its content.
///
/// Samples of 16 bits become `round(v * 255 / 65535)`, and premultiplied alpha is divided out. The orientation is not applied
/// to the rows, but kept in [`Picture::orientation`]. A resolution is kept as EXIF. If a damaged file still gives a picture,
/// the result is that picture with [`Notice::Damaged`].
///
/// # Errors
/// Returns [`Error::Limit`], before any allocation, if the header asks for more than `limits`, [`Error::Truncated`] if there
/// are too few bytes for such a picture, [`Error::Invalid`] if this is not a picture that can be read, and [`Error::Image`]
/// if its data is damaged.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<(Picture, Vec<Notice>)> {
    let found = unpacked(bytes, limits)?;
    let mut notices = found.notices;
    let (samples, alpha, source_bits) = match found.pixels {
        Pixels::Narrow(samples, alpha) => (samples, alpha, 8),
        Pixels::Wide { maximum, samples, alpha } => {
            notices.push(Notice::SixteenBits);
            let rounded =
                |samples: &[u16]| -> Vec<u8> { samples.iter().map(|&v| deep::rounded(v, maximum)).collect() };
            (rounded(&samples), alpha.as_deref().map(rounded), 16)
        }
    };
    let mut picture = Picture::new(found.width, found.height, found.color, samples)?;
    (picture.alpha, picture.source_bits) = (alpha, source_bits);
    (picture.metadata, picture.orientation) =
        described(found.metadata, found.orientation, found.resolution, &mut notices);
    limits.check_metadata(&picture.metadata)?;
    Ok((picture, notices))
}

/// Reads a picture file of more than 8 bits per sample from memory, without rounding. The result is `None` if the samples have
/// at most 8 bits, for which [`read`] is made.
///
/// The samples of a PNG have 16 bits, or those that its `sBIT` names if the others only repeat them; those of a PNM are as in
/// the file. The rest is as for [`read`].
///
/// # Errors
/// Returns the errors of [`read`].
pub fn read_deep(bytes: &[u8], limits: &Limits) -> Result<Option<(DeepPicture, Vec<Notice>)>> {
    if !may_be_deep(sniff(bytes)?, bytes) {
        return Ok(None);
    }
    let found = unpacked(bytes, limits)?;
    let Pixels::Wide { maximum, samples, alpha } = found.pixels else { return Ok(None) };
    let mut notices = found.notices;
    let mut picture = DeepPicture::new(found.width, found.height, found.color, maximum, samples)?;
    picture.alpha = alpha;
    (picture.metadata, picture.orientation) =
        described(found.metadata, found.orientation, found.resolution, &mut notices);
    limits.check_metadata(&picture.metadata)?;
    Ok(Some((picture, notices)))
}

/// Whether a file may have samples of more than 8 bits.
fn may_be_deep(format: ImageFormat, mut bytes: &[u8]) -> bool {
    match format {
        // The depth in the first chunk.
        ImageFormat::Png => bytes.get(24) == Some(&16),
        ImageFormat::Tiff => true,
        ImageFormat::Pnm => {
            bytes.get(1) == Some(&b'7')
                || PnmHeader::read(&mut bytes).ok().flatten().is_some_and(|header| header.maximum > 255)
        }
        _ => false,
    }
}

fn unpacked(bytes: &[u8], limits: &Limits) -> Result<Unpacked> {
    match sniff(bytes)? {
        ImageFormat::Png => png::read(bytes, limits),
        ImageFormat::Tiff => tiff::read(bytes, limits),
        ImageFormat::Pnm => pnm(bytes, limits),
        format => other(format, bytes, limits),
    }
}

/// Reads PNM. The header is read here, so that comments end where they end in Netpbm.
fn pnm(bytes: &[u8], limits: &Limits) -> Result<Unpacked> {
    let mut rest = bytes;
    let mut most = None;
    let head = match PnmHeader::read(&mut rest)? {
        Some(mut header) => {
            if (256..=u16::MAX.into()).contains(&header.maximum) {
                // The decoder would scale them otherwise.
                most = Some(std::mem::replace(&mut header.maximum, u16::MAX.into()) as u16);
            }
            header.text()
        }
        None => {
            rest = bytes;
            String::new()
        }
    };
    let damage = |error| png::damaged(error, bytes.len() as u64);
    let decoder = PnmDecoder::new(Cursor::new(head).chain(rest)).map_err(damage)?;
    // Each byte of a bitmap holds eight samples.
    let mut found = unpack(decoder, bytes, Some(8), limits)?;
    if let (Some(most), Pixels::Wide { maximum, samples, .. }) = (most, &mut found.pixels) {
        *maximum = most;
        if let Some(above) = samples.iter().find(|&&sample| sample > most) {
            let detail = format!("a sample is {above}, but its header allows at most {most}");
            return Err(Error::Invalid { what: "PNM", detail });
        }
    }
    Ok(found)
}

/// Reads the formats that the `image` crate reads without help, and finds what the crate does not report.
fn other(format: ImageFormat, bytes: &[u8], limits: &Limits) -> Result<Unpacked> {
    let mut notices = Vec::new();
    let (mut resolution, mut expansion) = (None, None);
    let mut file = Cow::Borrowed(bytes);
    match format {
        ImageFormat::Jpeg => {
            file = jpeg::inspect(bytes, &mut notices)?;
            let found = jpeg::walk(bytes);
            if found.extended_xmp {
                notices.push(Notice::ExtendedXmpDropped);
            }
            notices.extend(found.aspect.map(|aspect| Notice::AspectDropped { aspect }));
            resolution = found.resolution;
        }
        ImageFormat::WebP => {
            whole_webp(bytes)?;
            // The animation flag of the extended header.
            if bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0) {
                notices.push(Notice::FirstPicture);
            }
        }
        ImageFormat::Bmp => {
            let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
            let long = number(14).is_some_and(|length| length >= 40);
            if let (true, Some(x), Some(y)) = (long, number(38), number(42)) {
                resolution = Resolution::from_metre(x, y);
            }
            // With run lengths, two bytes give up to 255 pixels; without, one byte gives up to eight.
            let runs = long && matches!(number(30), Some(1 | 2));
            expansion = Some(if runs { 512 } else { 32 });
        }
        ImageFormat::Gif => {
            if sequence::count(bytes)? > 1 {
                notices.push(Notice::FirstPicture);
            }
            // The longest string of a full table, of four samples per pixel.
            expansion = Some(4 * 4096);
        }
        // A byte gives a run of up to 62 pixels.
        ImageFormat::Qoi => expansion = Some(62 * 4),
        _ => {}
    }
    let mut reader = ImageReader::with_format(Cursor::new(&*file), format);
    let mut image_limits = image::Limits::no_limits();
    image_limits.max_alloc = Some(limits.bytes);
    reader.limits(image_limits);
    let decoder = reader.into_decoder().map_err(|error| png::damaged(error, bytes.len() as u64))?;
    let mut found = unpack(decoder, bytes, expansion, limits)?;
    if let (ImageFormat::Gif, Pixels::Narrow(_, alpha)) = (format, &mut found.pixels) {
        // The decoder always adds it.
        *alpha = alpha.take().filter(|alpha| alpha.iter().any(|&alpha| alpha < 255));
    }
    Ok(Unpacked { resolution, notices, ..found })
}

/// Checks that a RIFF file is as long as its header says, because its reader takes missing data for the end.
///
/// # Errors
/// Returns [`Error::Truncated`] if it is shorter.
fn whole_webp(bytes: &[u8]) -> Result<()> {
    let Some(length) = bytes.get(4..).and_then(<[u8]>::first_chunk) else { return Ok(()) };
    let (needed, length) = (8 + u64::from(u32::from_le_bytes(*length)), bytes.len() as u64);
    match needed.checked_sub(length) {
        // Some writers forget the last byte, which makes the length even.
        None | Some(0 | 1) => Ok(()),
        Some(missing) => Err(Error::Truncated { what: "WebP", offset: length, missing }),
    }
}

/// Reads the samples with a decoder of the `image` crate.
fn unpack(
    mut decoder: impl ImageDecoder,
    bytes: &[u8],
    expansion: Option<u64>,
    limits: &Limits,
) -> Result<Unpacked> {
    let (width, height) = decoder.dimensions();
    let needed = decoder.total_bytes();
    check(width, height, needed, limits)?;
    if let Some(expansion) = expansion {
        possible(needed, bytes.len() as u64, expansion)?;
    }
    let metadata = Metadata {
        icc: decoder.icc_profile().map_err(failed)?,
        exif: decoder.exif_metadata().map_err(failed)?,
        xmp: decoder.xmp_metadata().unwrap_or_default(),
        cicp: None,
    };
    let (color, alpha, bits) = match decoder.color_type() {
        ColorType::L8 => (Color::Gray, false, 8),
        ColorType::La8 => (Color::Gray, true, 8),
        ColorType::Rgb8 => (Color::Rgb, false, 8),
        ColorType::Rgba8 => (Color::Rgb, true, 8),
        ColorType::L16 => (Color::Gray, false, 16),
        ColorType::La16 => (Color::Gray, true, 16),
        ColorType::Rgb16 => (Color::Rgb, false, 16),
        ColorType::Rgba16 => (Color::Rgb, true, 16),
        other => {
            let detail = format!("samples of {other:?} are not supported; convert to 8 or 16 bits first");
            return Err(Error::Invalid { what: "picture", detail });
        }
    };
    let layout = SampleLayout { color, alpha, bits };
    let mut data = vec![0; needed as usize];
    decoder.read_image(&mut data).map_err(|error| png::damaged(error, bytes.len() as u64))?;
    let pixels = layout.split(data, u16::from_ne_bytes);
    Ok(Unpacked {
        width,
        height,
        color,
        pixels,
        metadata,
        orientation: 1,
        resolution: None,
        notices: Vec::new(),
    })
}
