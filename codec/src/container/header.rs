//! The fixed fields of a stream, and the grid of groups that follows from them.

use crate::{Error, Limits, Result};
use byteorder::{ByteOrder, LittleEndian};
use std::ops::RangeInclusive;

/// The first bytes of every stream. As in PNG, they reveal transfers that alter line ends or the eighth bit.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89AEC\r\n\x1a\n";
/// Number of bytes of the fixed fields.
pub(super) const SIZE: usize = 35;

/// The version of streams that a model decodes, and that of exact ones.
const LEARNED: u8 = 1;
const EXACT: u8 = 2;
const FORMAT: &str = ".aec";
const GRAY: u8 = 1;
const ALPHA: u8 = 2;
const METADATA: u8 = 4;
const SOURCE_16BIT: u8 = 8;
/// The largest sample of 8 bits.
const BYTE: u16 = 255;
/// Side of a latent in pixels, as a power of two.
const LATENT_LOG2: u8 = 4;
/// The allowed sides of a group in pixels, as powers of two.
pub(crate) const GROUP_LOG2: RangeInclusive<u8> = 6..=14;

/// The model of an exact stream, which needs none.
pub const NO_MODEL: [u8; 8] = [0; 8];

/// Pixel hash of a stream whose encoder recorded none.
pub const NO_PIXEL_HASH: [u8; 4] = [0; 4];

/// The part of a hash over the colour samples that the header records. It is never [`NO_PIXEL_HASH`].
pub fn recorded_hash(hash: &blake3::Hash) -> [u8; 4] {
    match *hash.as_bytes() {
        [0, 0, 0, 0, ..] => [0, 0, 0, 1],
        [a, b, c, d, ..] => [a, b, c, d],
    }
}

/// The fixed fields of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// There is one colour sample per pixel instead of three.
    pub gray: bool,
    /// The picture has alpha: in a chunk of its own, or in the substreams of an exact stream.
    pub alpha: bool,
    /// There is a metadata chunk.
    pub metadata: bool,
    /// The source had 16 bits per sample (information only).
    pub source_16bit: bool,
    /// EXIF orientation of the stored rows, 1 to 8.
    pub orientation: u8,
    /// 0 other, 1 `fast`, 2 `best`, 3 perceptual (information only).
    pub profile: u8,
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Quality, 0 to 6400: 64 steps for each unit of the scale from 0 to 100.
    pub quality: u16,
    /// Side of a group in pixels as a power of two, 6 to 14.
    pub group_log2: u8,
    /// First bytes of the model's BLAKE3.
    pub model: [u8; 8],
    /// First bytes of the BLAKE3 of the decoded colour samples, as [`recorded_hash`] returns them, or [`NO_PIXEL_HASH`].
    pub pixel_hash: [u8; 4],
    /// The largest error of a colour sample if the stream is exact. Quality, profile and model are then 0.
    pub exact: Option<u16>,
    /// The value of a full sample, at least 255; more than that only if the stream is exact.
    pub maximum: u16,
}

impl Header {
    /// Whether [`decode_deep`](crate::decode_deep) gives samples of more than 8 bits: the stream is exact and holds them, or it
    /// is learned and the picture had them.
    pub fn is_deep(&self) -> bool {
        match self.exact {
            Some(_) => self.maximum > 255,
            None => self.source_16bit,
        }
    }

    /// The grid of groups. If `group_log2` is out of range, the nearest allowed value is used.
    pub fn groups(&self) -> Groups {
        Groups::of(self.width, self.height, self.group_log2)
    }

    /// Reads the fields from the first 35 bytes of a stream, without its table and chunks. The checksum follows the
    /// table, so it is not checked here; [`read`](super::read) checks it.
    ///
    /// # Errors
    /// Returns [`Error::Signature`], [`Error::Version`] or [`Error::Invalid`] if the fields are not those of a stream that
    /// this library reads, [`Error::Truncated`] if bytes are missing, and [`Error::Limit`] if the picture is larger than
    /// allowed.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let start = &bytes[..bytes.len().min(SIGNATURE.len())];
        if start.is_empty() || !SIGNATURE.starts_with(start) {
            return Err(Error::Signature { format: FORMAT, found: start.to_vec() });
        }
        if let Some(&found) = bytes.get(8).filter(|version| ![LEARNED, EXACT].contains(version)) {
            return Err(Error::Version { format: FORMAT, found, expected: EXACT });
        }
        let Some(b) = bytes.first_chunk::<SIZE>() else {
            let (offset, missing) = (bytes.len() as u64, (SIZE - bytes.len()) as u64);
            return Err(Error::Truncated { what: "header", offset, missing });
        };
        let flags = b[9];
        if flags & !(GRAY | ALPHA | METADATA | SOURCE_16BIT) != 0 {
            return Err(invalid(
                "flags",
                format!("{flags:#010b} has bits that version {} does not know", b[8]),
            ));
        }
        let number = LittleEndian::read_u16(&b[20..22]);
        let exact = b[8] == EXACT;
        let maximum = match LittleEndian::read_u16(&b[23..25]) {
            maximum @ 1.. if exact => maximum,
            _ => BYTE,
        };
        let header = Self {
            gray: flags & GRAY != 0,
            alpha: flags & ALPHA != 0,
            metadata: flags & METADATA != 0,
            source_16bit: flags & SOURCE_16BIT != 0,
            orientation: b[10],
            profile: b[11],
            width: LittleEndian::read_u32(&b[12..16]),
            height: LittleEndian::read_u32(&b[16..20]),
            quality: if exact { 0 } else { number },
            group_log2: b[22],
            model: std::array::from_fn(|i| if exact && i < 2 { 0 } else { b[23 + i] }),
            pixel_hash: std::array::from_fn(|i| b[31 + i]),
            exact: exact.then_some(number),
            maximum,
        };
        header.check()?;
        limits.check_pixels(header.width, header.height)?;
        Ok(header)
    }

    /// The fields as a stream holds them.
    pub(super) fn bytes(&self) -> [u8; SIZE] {
        let mut b = [0; SIZE];
        b[..8].copy_from_slice(&SIGNATURE);
        b[8] = if self.exact.is_some() { EXACT } else { LEARNED };
        for (set, flag) in [
            (self.gray, GRAY),
            (self.alpha, ALPHA),
            (self.metadata, METADATA),
            (self.source_16bit, SOURCE_16BIT),
        ] {
            b[9] |= if set { flag } else { 0 };
        }
        b[10] = self.orientation;
        b[11] = self.profile;
        LittleEndian::write_u32(&mut b[12..16], self.width);
        LittleEndian::write_u32(&mut b[16..20], self.height);
        LittleEndian::write_u16(&mut b[20..22], self.exact.unwrap_or(self.quality));
        b[22] = self.group_log2;
        b[23..31].copy_from_slice(&self.model);
        if self.maximum > BYTE {
            LittleEndian::write_u16(&mut b[23..25], self.maximum);
        }
        b[31..].copy_from_slice(&self.pixel_hash);
        b
    }

    /// Checks that every field is in its range.
    pub(super) fn check(&self) -> Result<()> {
        if self.width == 0 || self.height == 0 {
            return Err(invalid(
                "size",
                format!("{}x{}, expected sides of at least 1", self.width, self.height),
            ));
        }
        if self.exact.is_some() && (self.quality != 0 || self.profile != 0 || self.model != NO_MODEL) {
            return Err(invalid("exact stream", "it names a quality, a profile or a model".into()));
        }
        let most = if self.exact.is_some() { u16::MAX } else { BYTE };
        for (what, value, low, high) in [
            ("largest error", self.exact.unwrap_or(0), 0, self.maximum),
            ("largest sample", self.maximum, BYTE, most),
            ("orientation", u16::from(self.orientation), 1, 8),
            ("quality", self.quality, 0, 6400),
            (
                "group_log2",
                u16::from(self.group_log2),
                u16::from(*GROUP_LOG2.start()),
                u16::from(*GROUP_LOG2.end()),
            ),
        ] {
            if !(low..=high).contains(&value) {
                return Err(invalid(what, format!("{value}, expected {low} to {high}")));
            }
        }
        Ok(())
    }
}

fn invalid(what: &'static str, detail: String) -> Error {
    Error::Invalid { what, detail }
}

/// The grid of groups of a picture, in raster order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    /// Number of groups in a row.
    pub columns: u32,
    /// Number of rows of groups.
    pub rows: u32,
    /// Side of a whole group in latents.
    pub side: u32,
    /// Width of the picture in latents.
    pub width: u32,
    /// Height of the picture in latents.
    pub height: u32,
}

impl Groups {
    /// The grid of a picture of this size in pixels.
    pub(crate) fn of(width: u32, height: u32, group_log2: u8) -> Self {
        let [width, height] = [width, height].map(|side| side.div_ceil(1 << LATENT_LOG2));
        let side = 1 << (group_log2.clamp(*GROUP_LOG2.start(), *GROUP_LOG2.end()) - LATENT_LOG2);
        Self { columns: width.div_ceil(side), rows: height.div_ceil(side), side, width, height }
    }

    /// Number of groups.
    pub fn count(&self) -> u64 {
        u64::from(self.columns) * u64::from(self.rows)
    }

    /// The latents of a group; groups at the right and lower edge are smaller. The rectangle is empty if there is no such
    /// group.
    pub fn rect(&self, group: u32) -> LatentRect {
        if u64::from(group) >= self.count() {
            return LatentRect { x: 0, y: 0, w: 0, h: 0 };
        }
        let place = |index: u32, all: u32| {
            let from = index.saturating_mul(self.side).min(all);
            (from, self.side.min(all - from))
        };
        let (x, w) = place(group % self.columns, self.width);
        let (y, h) = place(group / self.columns, self.height);
        LatentRect { x, y, w, h }
    }
}

/// A rectangle of the picture's grid of latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatentRect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Width, at least 1 for a group of the grid.
    pub w: u32,
    /// Height, at least 1 for a group of the grid.
    pub h: u32,
}
