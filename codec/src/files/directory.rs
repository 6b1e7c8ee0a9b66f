//! Directories of TIFF files, classic and big, and of EXIF: finds their entries by tag.

use std::ops::Range;

/// An unsigned byte.
const BYTE: u16 = 1;
/// Text.
const ASCII: u16 = 2;
/// An unsigned number of 16 bits.
pub const SHORT: u16 = 3;
/// An unsigned number of 32 bits.
pub const LONG: u16 = 4;
/// Two unsigned numbers of 32 bits: numerator and denominator.
pub const RATIONAL: u16 = 5;
/// Bytes of any meaning.
const UNDEFINED: u16 = 7;
/// An unsigned number of 64 bits.
const LONG8: u16 = 16;

/// A directory of a file.
pub struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    big: bool,
    entries: Vec<Entry>,
    /// Where the next directory begins; 0 if this is the last.
    pub next: u64,
    /// The position of the field that says so.
    link: usize,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    pub tag: u16,
    pub kind: u16,
    /// Where the twelve (of a big file: twenty) bytes of the entry begin.
    pub at: usize,
    /// Where its values lie.
    pub values: Range<usize>,
}

impl<'a> Directory<'a> {
    /// The first directory, or `None` if the bytes are not such a file. An entry whose values lie outside of the file is left
    /// out.
    pub fn first(bytes: &'a [u8]) -> Option<Self> {
        Self::at(bytes, Self::start(bytes)?)
    }

    /// The position of the first directory, or `None` if the bytes are not such a file.
    pub fn start(bytes: &'a [u8]) -> Option<u64> {
        let header = Self::header(bytes)?;
        header.int(header.link, header.link)
    }

    /// A file without directories, whose link is the field that says where the first one begins.
    fn header(bytes: &'a [u8]) -> Option<Self> {
        let (little, big) = match bytes.get(..4)? {
            b"II\x2A\0" => (true, false),
            b"MM\0\x2A" => (false, false),
            b"II\x2B\0" => (true, true),
            b"MM\0\x2B" => (false, true),
            _ => return None,
        };
        let link = if big { 8 } else { 4 };
        Some(Self { bytes, little, big, entries: Vec::new(), next: 0, link })
    }

    /// The fields that a file with the directory at `start` as its only one has otherwise: their places, and what they hold.
    pub fn links(bytes: &'a [u8], start: u64) -> Vec<(usize, Vec<u8>)> {
        let Some((header, directory)) = Self::header(bytes).zip(Self::at(bytes, start)) else {
            return Vec::new();
        };
        let field = |value: u64| {
            let bytes = if header.little { value.to_le_bytes() } else { value.to_be_bytes() };
            if header.little { bytes[..header.link].to_vec() } else { bytes[8 - header.link..].to_vec() }
        };
        vec![(header.link, field(start)), (directory.link, field(0))]
    }

    /// The directory that begins at `start`.
    pub fn at(bytes: &'a [u8], start: u64) -> Option<Self> {
        let mut found = Self::header(bytes)?;
        let (start, width) = (usize::try_from(start).ok()?, if found.big { 8 } else { 2 });
        let (count, first) = (found.int(start, width)?, start.checked_add(width)?);
        let length = found.entry_length();
        for i in 0..usize::try_from(count).ok()? {
            let at = first.checked_add(i.checked_mul(length)?)?;
            // The count may claim more than there is.
            if bytes.get(at..at.checked_add(length)?).is_none() {
                found.link = bytes.len();
                return Some(found);
            }
            let entry = found.parse(at);
            found.entries.extend(entry);
        }
        let end = first.checked_add(usize::try_from(count).ok()?.checked_mul(length)?)?;
        (found.next, found.link) = (found.int(end, found.link).unwrap_or(0), end);
        Some(found)
    }

    /// The entry of this tag.
    pub fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The bytes of all entries of a classic directory, twelve for each.
    pub fn raw_entries(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries.iter().map(|entry| &self.bytes[entry.at..entry.at + self.entry_length()])
    }

    /// The first whole number of an entry.
    pub fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.next()
    }

    /// The whole numbers of an entry.
    pub fn numbers(&self, tag: u16) -> Option<impl Iterator<Item = u64>> {
        let Entry { kind, values, .. } = self.entry(tag)?.clone();
        let width = match kind {
            BYTE | UNDEFINED | SHORT | LONG | LONG8 => width(kind)?,
            _ => return None,
        };
        Some(values.step_by(width).map_while(move |at| self.int(at, width)))
    }

    /// The fractions of an entry.
    pub fn ratios(&self, tag: u16) -> Option<impl Iterator<Item = (u32, u32)>> {
        let Entry { kind, values, .. } = self.entry(tag)?.clone();
        let ratio = |at| Some((self.int(at, 4)? as u32, self.int(at + 4, 4)? as u32));
        (kind == RATIONAL).then(|| values.step_by(8).map_while(ratio))
    }

    /// The bytes of an entry whose type is bytes or text.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        matches!(entry.kind, BYTE | ASCII | UNDEFINED).then(|| &self.bytes[entry.values.clone()])
    }

    /// The bytes of a number in the byte order of the file.
    pub fn short(&self, value: u16) -> [u8; 2] {
        if self.little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    /// The bytes of a number in the byte order of the file.
    pub fn long(&self, value: u32) -> [u8; 4] {
        if self.little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn entry_length(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// Reads an entry, or `None` if its values lie outside of the file.
    fn parse(&self, at: usize) -> Option<Entry> {
        let (tag, kind) = (self.int(at, 2)? as u16, self.int(at + 2, 2)? as u16);
        let field = if self.big { 8 } else { 4 };
        let count = usize::try_from(self.int(at + 4, field)?).ok()?;
        let length = count.checked_mul(width(kind)?)?;
        let own = at + 4 + field;
        let start = if length <= field { own } else { usize::try_from(self.int(own, field)?).ok()? };
        let values = start..start.checked_add(length)?;
        (values.end <= self.bytes.len()).then_some(Entry { tag, kind, at, values })
    }

    fn int(&self, at: usize, width: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        let add = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(if self.little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    }
}

/// Number of bytes of a value of this type.
fn width(kind: u16) -> Option<usize> {
    match kind {
        BYTE | ASCII | UNDEFINED | 6 => Some(1),
        SHORT | 8 => Some(2),
        LONG | 9 | 11 | 13 => Some(4),
        RATIONAL | 10 | 12 | LONG8 | 17 | 18 => Some(8),
        _ => None,
    }
}
