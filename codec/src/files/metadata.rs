//! The metadata that is kept of a picture file.

use super::resolution::Resolution;
use super::{Notice, exif};
use crate::Metadata;

/// Returns the metadata that is kept, and the orientation: that of EXIF, or else `own`.
pub fn described(
    metadata: Metadata,
    own: u8,
    resolution: Option<Resolution>,
    notices: &mut Vec<Notice>,
) -> (Metadata, u8) {
    let exif = metadata.exif.map(exif::strip_prefix).filter(|exif| !exif.is_empty());
    let exif = exif.map(exif::with_short_orientation);
    let exif = match resolution.filter(|resolution| !resolution.is_usual()) {
        Some(resolution) => Some(exif::with_resolution(exif, &resolution)),
        None => exif,
    };
    let xmp = metadata.xmp.filter(|xmp| !xmp.is_empty());
    let orientation = match exif::orientation(exif.as_deref()) {
        1 => own,
        turned => turned,
    };
    let icc = fitting_profile(metadata.icc, notices);
    (Metadata { icc, exif, xmp, cicp: metadata.cicp }, orientation)
}

/// Drops a profile for CMYK and the like, because the samples were converted to RGB.
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
