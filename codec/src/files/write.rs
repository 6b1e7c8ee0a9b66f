//! Writes picture files, with all metadata that the format can hold.

use std::borrow::Cow;

use super::alpha::{flatten, interleaved};
use super::{Format, Notice, WriteOptions, exif, jpeg, png, upright};
use crate::{Color, Error, Metadata, Picture, Result};

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
    let metadata = match format {
        Format::Png | Format::WebP => picture.metadata.clone(),
        Format::Jpeg => jpeg::fitting(&picture.metadata, &mut notices),
        Format::Pnm => nothing(&picture.metadata, &mut notices),
    };
    let turned_by_viewers = exif::orientation(metadata.exif.as_deref()) != 1;
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
    };
    Ok((bytes, notices))
}

/// Adds a notice for each kind of metadata, because PNM holds none.
pub fn nothing(metadata: &Metadata, notices: &mut Vec<Notice>) -> Metadata {
    if metadata.icc.is_some() {
        notices.push(Notice::MetadataDropped { format: Format::Pnm, kind: "ICC profile" });
    }
    if metadata.exif.is_some() {
        notices.push(Notice::MetadataDropped { format: Format::Pnm, kind: "EXIF" });
    }
    if metadata.xmp.is_some() {
        notices.push(Notice::MetadataDropped { format: Format::Pnm, kind: "XMP" });
    }
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
    let Metadata { icc, exif, xmp } = &picture.metadata;
    encoder.set_icc_profile(icc.clone().unwrap_or_default());
    encoder.set_exif_metadata(exif.clone().unwrap_or_default());
    encoder.set_xmp_metadata(xmp.clone().unwrap_or_default());
    encoder
        .encode(&interleaved(picture), picture.width, picture.height, color)
        .map_err(|error| Error::Invalid { what: "WebP", detail: error.to_string() })?;
    Ok(out)
}

fn pnm(picture: &Picture) -> Vec<u8> {
    let mut out = pnm_head(picture.color, picture.width, picture.height).into_bytes();
    out.extend_from_slice(&picture.samples);
    out
}

/// The header of a PNM file.
pub fn pnm_head(color: Color, width: u32, height: u32) -> String {
    let magic = match color {
        Color::Gray => "P5",
        Color::Rgb => "P6",
    };
    format!("{magic}\n{width} {height}\n255\n")
}
