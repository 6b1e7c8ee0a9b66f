//! Writes picture files, with all metadata that the format can hold.

use std::borrow::Cow;

use super::alpha::{flatten, flatten_deep, interleaved};
use super::notice::CODE_POINTS;
use super::turn::upright_deep;
use super::unpacked::repeated;
use super::{Format, Notice, WriteOptions, exif, jpeg, png, tiff, upright};
use crate::{Color, DeepPicture, Error, Metadata, Picture, Result};

/// Longest side of a WebP picture.
const WEBP_SIDE: u32 = 16383;

/// Writes a picture file to memory, and returns it with notices of what the format could not hold.
///
/// EXIF is written unchanged, so viewers turn the picture. If the file holds no EXIF with an orientation, the rows are turned
/// upright instead.
///
/// # Errors
/// Returns [`Error::Limit`] if a side is too long for the format, and [`Error::Invalid`] or [`Error::Image`] if the format
/// cannot hold the picture.
pub fn write(picture: &Picture, format: Format, options: &WriteOptions) -> Result<(Vec<u8>, Vec<Notice>)> {
    let mut notices = Vec::new();
    let metadata = fitting(&picture.metadata, format, &mut notices);
    let turned_by_viewers = turned_by_viewers(&metadata, format);
    let mut page = if turned_by_viewers { Cow::Borrowed(picture) } else { upright(picture) };
    if page.metadata != metadata {
        page.to_mut().metadata = metadata;
    }
    if page.alpha.is_some() && matches!(format, Format::Jpeg | Format::Pnm) {
        flatten(page.to_mut());
        notices.push(Notice::AlphaFlattened { format });
    }
    let bytes = match format {
        Format::Png => png::write(&page, options.png)?,
        Format::Jpeg => jpeg::write(&page, options)?,
        Format::WebP => webp(&page)?,
        Format::Pnm => pnm(&page),
        Format::Tiff => tiff::write(&page)?,
    };
    Ok((bytes, notices))
}

/// Writes a picture file of more than 8 bits per sample to memory, like [`write()`].
///
/// A PNM holds the samples as they are. PNG and TIFF hold 16 bits; samples of fewer bits are followed by their upper bits, and
/// a PNG says in `sBIT` how many bits mean something, so that [`super::read_deep`] returns the same samples. Other formats hold
/// samples that are rounded to 8 bits.
///
/// # Errors
/// Returns the errors of [`write()`].
pub fn write_deep(
    picture: &DeepPicture,
    format: Format,
    options: &WriteOptions,
) -> Result<(Vec<u8>, Vec<Notice>)> {
    picture.check()?;
    if !format.is_deep() {
        let (bytes, mut notices) = write(&picture.rounded(), format, options)?;
        notices.push(Notice::Rounded { format });
        return Ok((bytes, notices));
    }
    let mut notices = Vec::new();
    let metadata = fitting(&picture.metadata, format, &mut notices);
    let turned_by_viewers = turned_by_viewers(&metadata, format);
    let mut page = if turned_by_viewers { Cow::Borrowed(picture) } else { upright_deep(picture) };
    if page.metadata != metadata {
        page.to_mut().metadata = metadata;
    }
    let bytes = match format {
        Format::Pnm => {
            if page.alpha.is_some() {
                flatten_deep(page.to_mut());
                notices.push(Notice::AlphaFlattened { format });
            }
            let mut out = pnm_head(page.color, (page.width, page.height), page.maximum).into_bytes();
            out.extend(page.samples.iter().flat_map(|sample| sample.to_be_bytes()));
            out
        }
        Format::Png => {
            let bits = spread(&mut page);
            png::write_deep(&page, bits, options.png)?
        }
        _ => {
            spread(&mut page);
            tiff::write_deep(&page)?
        }
    };
    Ok((bytes, notices))
}

/// Scales the samples to 16 bits, and returns how many of these mean something, if all of the fewer bits are in use.
fn spread(page: &mut Cow<DeepPicture>) -> Option<u8> {
    let (maximum, bits) = (page.maximum, page.bits());
    if maximum == u16::MAX {
        return None;
    }
    let full = maximum == u16::MAX >> (16 - bits);
    let most = u32::from(maximum);
    let page = page.to_mut();
    for sample in page.samples.iter_mut().chain(page.alpha.iter_mut().flatten()) {
        *sample = match full {
            true => repeated(*sample, bits),
            false => ((u32::from(*sample) * 65535 + most / 2) / most) as u16,
        };
    }
    page.maximum = u16::MAX;
    full.then_some(bits)
}

/// Whether viewers turn the picture, because the file holds EXIF with an orientation.
fn turned_by_viewers(metadata: &Metadata, format: Format) -> bool {
    format != Format::Tiff && exif::orientation(metadata.exif.as_deref()) != 1
}

/// The metadata that a format can hold, with a notice for each kind that it cannot.
fn fitting(metadata: &Metadata, format: Format, notices: &mut Vec<Notice>) -> Metadata {
    let mut kept = match format {
        Format::Png | Format::WebP => metadata.clone(),
        Format::Jpeg => return jpeg::fitting(metadata, notices),
        Format::Pnm => return nothing(metadata, notices),
        Format::Tiff => {
            let kept = metadata.clone();
            // The resolution is written as TIFF has it, and the rows are turned; nothing else of EXIF is kept.
            if kept.exif.as_deref().is_some_and(exif::holds_more) {
                notices.push(Notice::MetadataDropped { format, kind: "EXIF" });
            }
            kept
        }
    };
    if format != Format::Png && kept.cicp.take().is_some() {
        notices.push(Notice::MetadataDropped { format, kind: CODE_POINTS });
    }
    kept
}

/// Adds a notice for each kind of metadata, because PNM holds none.
pub fn nothing(metadata: &Metadata, notices: &mut Vec<Notice>) -> Metadata {
    let Metadata { icc, exif, xmp, cicp } = metadata;
    let kinds = [
        (icc.is_some(), "ICC profile"),
        (exif.is_some(), "EXIF"),
        (xmp.is_some(), "XMP"),
        (cicp.is_some(), CODE_POINTS),
    ];
    let dropped = kinds.into_iter().filter(|(present, _)| *present);
    notices.extend(dropped.map(|(_, kind)| Notice::MetadataDropped { format: Format::Pnm, kind }));
    Metadata::default()
}

fn webp(picture: &Picture) -> Result<Vec<u8>> {
    let longest = picture.width.max(picture.height);
    if longest > WEBP_SIDE {
        return Err(Error::Limit { what: "WebP side", needed: longest.into(), limit: WEBP_SIDE.into() });
    }
    let color = match (picture.color, &picture.alpha) {
        (Color::Gray, None) => image_webp::ColorType::L8,
        (Color::Gray, Some(_)) => image_webp::ColorType::La8,
        (Color::Rgb, None) => image_webp::ColorType::Rgb8,
        (Color::Rgb, Some(_)) => image_webp::ColorType::Rgba8,
    };
    let mut out = Vec::new();
    let mut encoder = image_webp::WebPEncoder::new(&mut out);
    let Metadata { icc, exif, xmp, .. } = &picture.metadata;
    encoder.set_icc_profile(icc.clone().unwrap_or_default());
    encoder.set_exif_metadata(exif.clone().unwrap_or_default());
    encoder.set_xmp_metadata(xmp.clone().unwrap_or_default());
    let samples = interleaved(&picture.samples, picture.alpha.as_deref(), picture.color);
    encoder
        .encode(&samples, picture.width, picture.height, color)
        .map_err(|error| Error::Invalid { what: "WebP", detail: error.to_string() })?;
    Ok(out)
}

fn pnm(picture: &Picture) -> Vec<u8> {
    let mut out = pnm_head(picture.color, (picture.width, picture.height), 255).into_bytes();
    out.extend_from_slice(&picture.samples);
    out
}

/// The header of a PNM file.
pub fn pnm_head(color: Color, (width, height): (u32, u32), maximum: u16) -> String {
    let magic = match color {
        Color::Gray => "P5",
        Color::Rgb => "P6",
    };
    format!("{magic}\n{width} {height}\n{maximum}\n")
}
