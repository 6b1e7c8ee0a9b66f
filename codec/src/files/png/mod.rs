//! PNG: reads the pixels, and the chunks around them.

mod colors;
mod profiles;
mod write;

use std::io::{BufRead, Cursor, ErrorKind, Read as _, Seek, SeekFrom};

use image::error::{DecodingError, LimitError, LimitErrorKind};
use image::{ImageError, ImageFormat};

use self::colors::Colors;
use self::profiles::Fault;
use self::write::XMP;
pub use self::write::{Depth, PIECE, begin, color, failed, write, write_deep};
use super::Notice;
use super::resolution::Resolution;
use super::unpacked::{self, SampleLayout, Unpacked, check, possible};
use crate::{Color, Error, Limits, Metadata, Result};

/// The beginning of the keywords of chunks that hold metadata as hexadecimal digits. ImageMagick writes such chunks.
const RAW_PROFILE: &[u8] = b"Raw profile type ";
const SIGNATURE_LENGTH: u64 = 8;
/// The longest keyword, including the zero after it.
const KEYWORD: u64 = 80;
/// The most bytes that deflate makes of one byte.
const EXPANSION: u64 = 1032;
/// A raw profile has two digits for each byte, and line breaks.
const DIGITS: u64 = 3;

/// Reads a file from memory.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Unpacked> {
    let found = walk(Cursor::new(bytes), limits.metadata)?;
    let damage = |error| damaged(error, bytes.len() as u64);
    let mut reader = decoder(Cursor::new(bytes), limits).map_err(damage)?;
    let (layout, (width, height)) = (layout(&reader)?, reader.info().size());
    let needed = layout.bytes(width, height);
    check(width, height, needed, limits)?;
    found.check(needed)?;
    let mut data = vec![0; needed as usize];
    reader.next_frame(&mut data).map_err(|error| damage(from_png(error)))?;
    let mut notices = found.notices;
    if found.animated {
        notices.push(Notice::FirstPicture);
    }
    let mut pixels = layout.split(data, u16::from_be_bytes);
    if let Some(bits) = found.significant {
        pixels.narrow(bits);
    }
    Ok(Unpacked {
        width,
        height,
        color: layout.color,
        pixels,
        metadata: found.metadata,
        orientation: 1,
        resolution: found.resolution,
        notices,
    })
}

/// A decoder at the first row. It allocates no memory for text and profiles, which [`walk`] finds.
pub fn decoder<R: BufRead + Seek>(
    file: R,
    limits: &Limits,
) -> std::result::Result<::png::Reader<R>, ImageError> {
    let bytes = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
    let mut decoder = ::png::Decoder::new_with_limits(file, ::png::Limits { bytes });
    decoder.set_transformations(::png::Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info().map_err(from_png)
}

/// The layout of a decoder's samples.
pub fn layout<R: BufRead + Seek>(reader: &::png::Reader<R>) -> Result<SampleLayout> {
    let (color, depth) = reader.output_color_type();
    let (color, alpha) = match color {
        ::png::ColorType::Grayscale => (Color::Gray, false),
        ::png::ColorType::GrayscaleAlpha => (Color::Gray, true),
        ::png::ColorType::Rgb => (Color::Rgb, false),
        ::png::ColorType::Rgba => (Color::Rgb, true),
        ::png::ColorType::Indexed => {
            return Err(Error::Invalid { what: "PNG", detail: "it has no palette".into() });
        }
    };
    Ok(SampleLayout { color, alpha, bits: if depth == ::png::BitDepth::Sixteen { 16 } else { 8 } })
}

/// Converts an error of PNG to an error of the `image` crate.
pub fn from_png(error: ::png::DecodingError) -> ImageError {
    match error {
        ::png::DecodingError::IoError(error) => ImageError::IoError(error),
        ::png::DecodingError::LimitsExceeded => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
        other => ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), other)),
    }
}

/// Converts an error of the `image` crate; missing data becomes [`Error::Truncated`].
pub fn damaged(error: ImageError, length: u64) -> Error {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::Truncated { what: "picture", offset: length, missing: 1 }
        }
        ImageError::IoError(io) => Error::Io(io),
        other => unpacked::failed(other),
    }
}

/// The result of a walk over the chunks.
#[derive(Default)]
pub struct Found {
    pub metadata: Metadata,
    pub resolution: Option<Resolution>,
    pub animated: bool,
    /// The rows are in order and have no transparency.
    pub plain: bool,
    pub notices: Vec<Notice>,
    /// Bits of each sample that mean something, if there are 9 to 15.
    significant: Option<u8>,
    colors: Colors,
    /// Metadata of raw profiles, used if there is no other chunk of its kind.
    raw: Metadata,
    /// Number of bytes of compressed pixels that are present.
    data: u64,
}

/// Finds metadata of up to `limit` bytes anywhere in the file, because some tools append it after the pixels. A file that
/// ends too early is read as far as it goes.
///
/// # Errors
/// Returns [`Error::Limit`] if there is more metadata, and [`Error::Io`] if the file cannot be read.
pub fn walk(mut file: impl BufRead + Seek, limit: u64) -> Result<Found> {
    let mut found = Found::default();
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = SIGNATURE_LENGTH;
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        if &kind == b"IDAT" {
            found.data += length.min(end - at - 8);
        }
        at += 8 + length;
        if at > end {
            break;
        }
        let mut data = Vec::new();
        file.by_ref().take(length.min(KEYWORD)).read_to_end(&mut data)?;
        if wanted(&kind, &data) {
            if length > limit.max(KEYWORD) {
                return Err(profiles::above(length, limit));
            }
            file.by_ref().take(length - data.len() as u64).read_to_end(&mut data)?;
            let mut stored = [0; 4];
            let whole = file.read_exact(&mut stored).is_ok()
                && u32::from_be_bytes(stored) == crc32fast::hash(&[&kind[..], &data].concat());
            found.take(&kind, &data, limit, whole)?;
        }
        at += 4;
    }
    let Metadata { icc, exif, xmp, .. } = std::mem::take(&mut found.raw);
    let own = &mut found.metadata;
    *own = Metadata {
        icc: own.icc.take().or(icc),
        exif: own.exif.take().or(exif),
        xmp: own.xmp.take().or(xmp),
        cicp: found.colors.code_points,
    };
    if found.metadata.icc.is_none() && found.colors.are_other() {
        found.notices.push(Notice::ColorsDropped);
    }
    Ok(found)
}

/// Whether a chunk that begins with `start` is read.
fn wanted(kind: &[u8; 4], start: &[u8]) -> bool {
    match kind {
        b"IHDR" | b"eXIf" | b"iCCP" | b"acTL" | b"tRNS" | b"pHYs" | b"sBIT" => true,
        b"sRGB" | b"gAMA" | b"cHRM" | b"cICP" => true,
        b"iTXt" => start.starts_with(XMP),
        b"tEXt" | b"zTXt" => start.starts_with(RAW_PROFILE),
        _ => false,
    }
}

impl Found {
    /// Refuses a picture that is too large for the compressed data.
    ///
    /// # Errors
    /// Returns [`Error::Truncated`] if there is too little data.
    pub fn check(&self, needed: u64) -> Result<()> {
        possible(needed, self.data, EXPANSION)
    }

    /// Reads a chunk.
    fn take(&mut self, kind: &[u8; 4], data: &[u8], limit: u64, whole: bool) -> Result<()> {
        match kind {
            // Neither alpha nor interlaced.
            b"IHDR" => {
                self.plain = data.get(9).is_some_and(|color| color & 4 == 0) && data.get(12) == Some(&0);
            }
            b"acTL" => self.animated = data.first_chunk().is_some_and(|count| u32::from_be_bytes(*count) > 1),
            b"tRNS" => self.plain = false,
            b"pHYs" if whole => self.density(data),
            b"sBIT" if whole => {
                let bits = data.first().copied().filter(|first| data.iter().all(|bits| bits == first));
                self.significant = bits.filter(|bits| (9..16).contains(bits));
            }
            b"sRGB" | b"gAMA" | b"cHRM" | b"cICP" if whole => self.colors.take(kind, data),
            b"pHYs" | b"sBIT" | b"sRGB" | b"gAMA" | b"cHRM" | b"cICP" => {}
            _ => {
                let name = match kind {
                    b"eXIf" => "EXIF",
                    b"iCCP" => "ICC profile",
                    b"iTXt" => "XMP",
                    _ => "raw profile",
                };
                let taken = if whole { self.metadata(kind, data, limit) } else { Err(Fault::Damaged) };
                match taken {
                    Err(Fault::Limit(error)) => return Err(error),
                    Err(Fault::Damaged) => self.notices.push(Notice::MetadataDamaged { kind: name }),
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    /// Reads a chunk of metadata; the first one of each kind counts.
    fn metadata(&mut self, kind: &[u8; 4], data: &[u8], limit: u64) -> std::result::Result<(), Fault> {
        let (place, bytes) = match kind {
            b"eXIf" => (&mut self.metadata.exif, data.to_vec()),
            b"iCCP" => {
                let (_, rest) = profiles::keyword(data).ok_or(Fault::Damaged)?;
                let [0, packed @ ..] = rest else { return Err(Fault::Damaged) };
                (&mut self.metadata.icc, profiles::inflate(packed, limit)?)
            }
            b"iTXt" => (&mut self.metadata.xmp, profiles::international(&data[XMP.len()..], limit)?),
            _ => {
                let (keyword, rest) = profiles::keyword(data).ok_or(Fault::Damaged)?;
                let text: &[u8] = match (kind, rest) {
                    (b"zTXt", [0, packed @ ..]) => &profiles::inflate(packed, limit.saturating_mul(DIGITS))?,
                    (b"zTXt", _) => return Err(Fault::Damaged),
                    _ => rest,
                };
                let place = match &keyword[RAW_PROFILE.len()..] {
                    b"exif" => &mut self.raw.exif,
                    b"icc" | b"icm" => &mut self.raw.icc,
                    b"xmp" => &mut self.raw.xmp,
                    b"APP1" | b"app1" => &mut self.raw.exif,
                    // For example IPTC, which a stream cannot hold.
                    _ => return Ok(()),
                };
                let bytes = profiles::raw(text).ok_or(Fault::Damaged)?;
                // This is a segment of a JPEG, which holds either EXIF or XMP.
                match bytes.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    Some(packet) => (&mut self.raw.xmp, packet.to_vec()),
                    None => (place, bytes),
                }
            }
        };
        if place.is_none() {
            *place = Some(bytes);
        }
        Ok(())
    }

    fn density(&mut self, data: &[u8]) {
        let [x3, x2, x1, x0, y3, y2, y1, y0, unit] = *data else { return };
        let (x, y) = (u32::from_be_bytes([x3, x2, x1, x0]), u32::from_be_bytes([y3, y2, y1, y0]));
        match unit {
            1 => self.resolution = Resolution::from_metre(x, y),
            0 if x != y && x > 0 && y > 0 => self.notices.push(Notice::AspectDropped { aspect: (y, x) }),
            _ => {}
        }
    }
}
