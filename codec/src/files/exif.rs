//! What is read of EXIF: where it begins, and the orientation in it.

use image::metadata::Orientation;

/// EXIF from its TIFF header on: some writers put JPEG's `Exif\0\0` before it in other formats too.
pub fn strip_prefix(mut exif: Vec<u8>) -> Vec<u8> {
    if exif.starts_with(b"Exif\0\0") {
        exif.drain(..6);
    }
    exif
}

/// The orientation that it asks for, 1 where it says nothing.
pub fn orientation(exif: Option<&[u8]>) -> u8 {
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms).to_exif()
}
