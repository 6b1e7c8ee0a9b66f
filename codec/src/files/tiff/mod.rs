//! TIFF: reads and writes files. A decoder unpacks the samples. [`kind`] says which kinds of TIFF are read, and [`samples`] turns
//! their samples into gray or RGB.

mod kind;
mod samples;
mod write;

use std::borrow::Cow;
use std::io::{Cursor, Read, Seek, SeekFrom};

use ::tiff::TiffError;
use ::tiff::decoder::{Decoder, DecodingResult, Limits as TiffLimits};
use image::ImageFormat;
use image::error::{DecodingError, ImageError};

use self::kind::{ICC, Kind, XMP};
pub use self::write::{write, write_deep};
use super::directory::Directory;
use super::unpacked::{Unpacked, check, possible};
use super::{Notice, exif, png, sequence};
use crate::{Error, Limits, Metadata, Result};

const ORIENTATION: u16 = 274;
const EXIF_DIRECTORY: u16 = 34665;

/// Reads the first picture of a file, classic or big.
///
/// # Errors
/// Returns [`Error::Invalid`], with the name of the feature, if this kind of TIFF is not supported, and the errors of
/// [`super::read`].
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Unpacked> {
    let pages = sequence::pages(bytes);
    // A smaller copy may come before the page that it is made of.
    let found = match (pages.first(), Directory::start(bytes)) {
        (Some(&page), Some(first)) if page != first => Cow::Owned(sequence::page(bytes, page)),
        _ => Cow::Borrowed(bytes),
    };
    let bytes = &*found;
    let broken = || Error::Invalid { what: "TIFF", detail: "its first directory cannot be read".into() };
    let directory = Directory::first(bytes).ok_or_else(broken)?;
    let kind = Kind::of(&directory)?;
    // The decoder's samples, and those of the picture.
    let needed = kind.unpacked().saturating_add(u64::from(kind.width) * u64::from(kind.height) * 4);
    check(kind.width, kind.height, needed, limits)?;
    let present = kind.present(&directory, bytes.len() as u64);
    possible(kind.unpacked(), present, kind.expansion())?;
    // Otherwise the decoder would read unrelated bytes as samples.
    if let Some(missing) = kind.unpacked().checked_sub(present).filter(|&n| n > 0 && !kind.is_packed()) {
        return Err(Error::Truncated { what: "TIFF", offset: bytes.len() as u64, missing });
    }
    let metadata = Metadata {
        icc: directory.bytes(ICC).map(<[u8]>::to_vec),
        exif: None,
        xmp: directory.bytes(XMP).map(<[u8]>::to_vec),
        cicp: None,
    };
    limits.check_metadata(&metadata)?;

    let data = unpack(bytes, &directory, &kind, limits)?;
    let pixels = samples::picture(&kind, data);
    let mut notices = Vec::new();
    if directory.entry(EXIF_DIRECTORY).is_some() {
        notices.push(Notice::TiffExifDropped);
    }
    if pages.len() > 1 {
        notices.push(Notice::FirstPicture);
    }
    let orientation = directory.number(ORIENTATION).filter(|turn| (1..=8).contains(turn));
    Ok(Unpacked {
        width: kind.width,
        height: kind.height,
        color: kind.color(),
        pixels,
        metadata,
        orientation: orientation.map_or(1, |turn| turn as u8),
        resolution: exif::resolution_of(&directory),
        notices,
    })
}

/// The samples as stored, in the layout of the decoder.
fn unpack(bytes: &[u8], directory: &Directory, kind: &Kind, limits: &Limits) -> Result<DecodingResult> {
    let damage = |error| damaged(error, bytes.len() as u64);
    let mut decoder = Decoder::new(Plain::new(bytes, directory)).map_err(damage)?;
    let most = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
    let mut tiff_limits = TiffLimits::default();
    (tiff_limits.decoding_buffer_size, tiff_limits.intermediate_buffer_size) = (most, most);
    decoder = decoder.with_limits(tiff_limits);
    let mut data = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut data).map_err(damage)?;
    let length = data.as_buffer(0).as_bytes().len();
    if length < layout.complete_len || length as u64 != kind.unpacked() {
        let detail = format!("{length} bytes of samples, expected {}", kind.unpacked());
        return Err(Error::Invalid { what: "TIFF", detail });
    }
    Ok(data)
}

/// Converts an error of the decoder to an error of the `image` crate.
fn damaged(error: TiffError, length: u64) -> Error {
    let error = match error {
        TiffError::IoError(error) => ImageError::IoError(error),
        other => ImageError::Decoding(DecodingError::new(ImageFormat::Tiff.into(), other)),
    };
    png::damaged(error, length)
}

/// A file that declares all samples to be gray, so that the decoder returns them as stored: otherwise it refuses some kinds and
/// misinterprets others.
struct Plain<'a> {
    file: Cursor<&'a [u8]>,
    /// The position of the field that declares the kind of samples, and what is read there.
    place: u64,
    told: Vec<u8>,
}

impl<'a> Plain<'a> {
    fn new(bytes: &'a [u8], directory: &Directory) -> Self {
        let black_is_zero = 1;
        let entry = directory.entry(kind::PHOTOMETRIC);
        let (place, length) = entry.map_or((0, 0), |entry| (entry.values.start, entry.values.len()));
        let told = match length {
            2 => directory.short(black_is_zero).to_vec(),
            4 => directory.long(black_is_zero.into()).to_vec(),
            _ => Vec::new(),
        };
        Self { file: Cursor::new(bytes), place: place as u64, told }
    }
}

impl Read for Plain<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let start = self.file.position();
        let count = self.file.read(out)?;
        for (at, &byte) in (self.place..).zip(&self.told) {
            if let Some(place) = at.checked_sub(start).filter(|&place| place < count as u64) {
                out[place as usize] = byte;
            }
        }
        Ok(count)
    }
}

impl Seek for Plain<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests;
