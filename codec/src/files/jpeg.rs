//! JPEG: what the marker segments tell, and the writer.

use image::ExtendedColorType;
use image::ImageEncoder as _;
use image::codecs::jpeg::JpegEncoder;

use super::{Format, Notice, WriteOptions};
use crate::{Color, Metadata, Picture, Result};

/// A segment's length field counts itself and is 16 bits wide.
const LONGEST_PAYLOAD: usize = 65533;
const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";

/// What a walk over the segments found.
#[derive(Default)]
pub struct Found {
    pub extended_xmp: bool,
    /// Whether the coded pixels end with the end marker.
    pub complete: bool,
}

/// Walks the segments up to the pixels, and looks for the end behind them.
pub fn walk(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xFF, marker, tail @ ..] = rest {
        match marker {
            0xFF => rest = &rest[1..],
            0x01 | 0xD0..=0xD8 => rest = tail,
            0xD9 => break,
            _ => {
                let Some((length, _)) = tail.split_first_chunk::<2>() else { break };
                let length = usize::from(u16::from_be_bytes(*length));
                let Some(payload) = tail.get(2..length) else { break };
                found.extended_xmp |= *marker == 0xE1 && payload.starts_with(EXTENDED_XMP);
                rest = &tail[length..];
                if *marker == 0xDA {
                    found.complete = rest.windows(2).any(|pair| pair == [0xFF, 0xD9]);
                    break;
                }
            }
        }
    }
    found
}

/// Leaves out what fits into no segment, with a notice for each.
pub fn fitting(metadata: &Metadata, notices: &mut Vec<Notice>) -> Metadata {
    let mut drop = |kind| notices.push(Notice::MetadataDropped { format: Format::Jpeg, kind });
    let mut kept = metadata.clone();
    if kept.exif.as_ref().is_some_and(|exif| EXIF.len() + exif.len() > LONGEST_PAYLOAD) {
        kept.exif = None;
        drop("EXIF");
    }
    if kept.xmp.as_ref().is_some_and(|xmp| XMP.len() + xmp.len() > LONGEST_PAYLOAD) {
        kept.xmp = None;
        drop("XMP");
    }
    if kept.icc.as_ref().is_some_and(|icc| icc.len() > 255 * (LONGEST_PAYLOAD - 14)) {
        kept.icc = None;
        drop("ICC profile");
    }
    kept
}

/// The whole file; alpha has to be flattened and the metadata fitting.
pub fn write(picture: &Picture, options: &WriteOptions) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, options.jpeg_quality.clamp(1, 100));
    if let Some(icc) = &picture.metadata.icc {
        encoder.set_icc_profile(icc.clone()).map_err(image::ImageError::Unsupported)?;
    }
    let color = match picture.color {
        Color::Gray => ExtendedColorType::L8,
        Color::Rgb => ExtendedColorType::Rgb8,
    };
    encoder.encode(&picture.samples, picture.width, picture.height, color)?;

    // Right behind the start marker and the JFIF segment, where readers look for them.
    let at = out.get(4..6).map_or(2, |length| 4 + usize::from(u16::from_be_bytes([length[0], length[1]])));
    let mut segments = Vec::new();
    push_segment(&mut segments, EXIF, picture.metadata.exif.as_deref());
    push_segment(&mut segments, XMP, picture.metadata.xmp.as_deref());
    out.splice(at..at, segments);
    Ok(out)
}

/// One APP1 segment.
fn push_segment(out: &mut Vec<u8>, name: &[u8], data: Option<&[u8]>) {
    let Some(data) = data else { return };
    let length = 2 + name.len() + data.len();
    debug_assert!(length <= LONGEST_PAYLOAD + 2, "longer data is left out before");
    out.extend_from_slice(&[0xFF, 0xE1]);
    out.extend_from_slice(&(length as u16).to_be_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(data);
}
