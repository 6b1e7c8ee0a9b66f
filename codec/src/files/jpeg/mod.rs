//! JPEG: reads the marker segments, finds damage, and writes files.

mod frame;
mod huffman;
mod scan;

use std::borrow::Cow;

use image::codecs::jpeg::{JpegEncoder, PixelDensity, PixelDensityUnit};
use image::{ExtendedColorType, ImageEncoder as _, ImageError};

use self::scan::{Share, Trouble};
use super::notice::CODE_POINTS;
use super::resolution::{Resolution, Unit};
use super::unpacked::failed;
use super::{Format, Notice, WriteOptions, exif};
use crate::{Color, Error, Metadata, Picture, Result};

/// The longest payload of a segment: its length field has 16 bits and counts itself.
const LONGEST_PAYLOAD: usize = 65533;
const END: [u8; 2] = [0xFF, 0xD9];
const JFIF: &[u8] = b"JFIF\0";
const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";

/// The result of a walk over the segments.
#[derive(Default)]
pub struct Found {
    pub extended_xmp: bool,
    pub resolution: Option<Resolution>,
    /// Width and height of a pixel, if they differ and the file gives no unit.
    pub aspect: Option<(u32, u32)>,
}

/// Walks the segments up to the pixels.
pub fn walk(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xFF, marker, tail @ ..] = rest {
        match marker {
            0xFF => rest = &rest[1..],
            0x01 | 0xD0..=0xD8 => rest = tail,
            0xD9 | 0xDA => break,
            _ => {
                let Some((length, _)) = tail.split_first_chunk::<2>() else { break };
                let length = usize::from(u16::from_be_bytes(*length));
                let Some(payload) = tail.get(2..length) else { break };
                found.extended_xmp |= *marker == 0xE1 && payload.starts_with(EXTENDED_XMP);
                if *marker == 0xE0 {
                    found.density(payload);
                }
                rest = &tail[length..];
            }
        }
    }
    found
}

impl Found {
    /// Reads the density of a JFIF segment.
    fn density(&mut self, payload: &[u8]) {
        let Some([_, _, unit, x1, x0, y1, y0, ..]) = payload.strip_prefix(JFIF) else { return };
        let (x, y) = (u32::from(*x1) << 8 | u32::from(*x0), u32::from(*y1) << 8 | u32::from(*y0));
        match unit {
            0 if x != y && x > 0 && y > 0 => self.aspect = Some((y, x)),
            1 => self.resolution = Resolution::new((x, 1), (y, 1), Unit::Inch),
            2 => self.resolution = Resolution::new((x, 1), (y, 1), Unit::Centimetre),
            _ => {}
        }
    }
}

/// Looks for damage of the coded data, which the decoder would hide, and returns the file with the end marker that the decoder
/// expects.
///
/// # Errors
/// Returns [`Error::Truncated`] if the file ends before its picture does, and [`Error::Limit`] if there are more scans than
/// any picture has.
pub fn inspect<'a>(bytes: &'a [u8], notices: &mut Vec<Notice>) -> Result<Cow<'a, [u8]>> {
    let coded = scan::check(bytes);
    let length = bytes.len() as u64;
    let cut = |missing| Err(Error::Truncated { what: "JPEG", offset: length, missing });
    match coded.trouble {
        Some(Trouble::Impossible { blocks }) => return cut(blocks.div_ceil(8) - length),
        Some(Trouble::Scattered) => {
            let (needed, limit) = (coded.scans as u64, scan::MOST_SCANS as u64);
            return Err(Error::Limit { what: "scans of a JPEG", needed, limit });
        }
        Some(trouble) if coded.ended => {
            notices.push(Notice::Damaged { what: "JPEG", detail: words(trouble) })
        }
        None if coded.ended => {}
        None if coded.scans > 0 => {
            notices.push(Notice::EndMissing);
            return Ok(Cow::Owned([bytes, &END].concat()));
        }
        _ => return cut(2),
    }
    Ok(Cow::Borrowed(bytes))
}

/// Describes what is wrong.
fn words(trouble: Trouble) -> String {
    let place = |scan: usize, share: Share| match scan {
        1 => format!("{} % of the picture", share.percent()),
        _ => format!("{} % of scan {scan}", share.percent()),
    };
    match trouble {
        Trouble::Short { scan, share } => format!("its data ends after {}", place(scan, share)),
        Trouble::Corrupt { scan, share } => {
            format!("its data cannot be read after {}", place(scan, share))
        }
        Trouble::Left { scan, bytes } => {
            format!("{bytes} bytes are left over behind scan {scan}, so that its data is not what was coded")
        }
        Trouble::Scans => "its last scans are missing, so that it is coarser than it was".into(),
        Trouble::Impossible { blocks } => format!("its data is too short for {blocks} blocks"),
        Trouble::Scattered => "it has more scans than any picture".into(),
    }
}

/// Leaves out metadata that does not fit a segment, with a notice for each kind.
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
    if kept.cicp.take().is_some() {
        drop(CODE_POINTS);
    }
    kept
}

/// Writes a file to memory. The picture must have no alpha, and its metadata must be [`fitting`].
pub fn write(picture: &Picture, options: &WriteOptions) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, options.jpeg_quality.clamp(1, 100));
    if let Some(icc) = &picture.metadata.icc {
        encoder.set_icc_profile(icc.clone()).map_err(|error| failed(ImageError::Unsupported(error)))?;
    }
    let resolution = picture.metadata.exif.as_deref().and_then(exif::resolution);
    if let Some((resolution, density)) = resolution.and_then(|found| Some((found, found.whole()?))) {
        let unit = match resolution.unit {
            Unit::Inch => PixelDensityUnit::Inches,
            Unit::Centimetre => PixelDensityUnit::Centimeters,
        };
        encoder.set_pixel_density(PixelDensity { density, unit });
    }
    let color = match picture.color {
        Color::Gray => ExtendedColorType::L8,
        Color::Rgb => ExtendedColorType::Rgb8,
    };
    encoder.encode(&picture.samples, picture.width, picture.height, color).map_err(failed)?;

    // They follow the start marker and the JFIF segment, where readers look for them.
    let at = out.get(4..6).map_or(2, |length| 4 + usize::from(u16::from_be_bytes([length[0], length[1]])));
    let mut segments = Vec::new();
    push_segment(&mut segments, EXIF, picture.metadata.exif.as_deref());
    push_segment(&mut segments, XMP, picture.metadata.xmp.as_deref());
    out.splice(at..at, segments);
    Ok(out)
}

/// Makes an APP1 segment.
fn push_segment(out: &mut Vec<u8>, name: &[u8], data: Option<&[u8]>) {
    let Some(data) = data else { return };
    let length = 2 + name.len() + data.len();
    debug_assert!(length <= LONGEST_PAYLOAD + 2, "longer data is left out before");
    out.extend_from_slice(&[0xFF, 0xE1]);
    out.extend_from_slice(&(length as u16).to_be_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(data);
}
