//! The table of chunks: finds every part of a stream, and what is left of it if the stream is damaged.

use super::header::SIZE;
use super::{Groups, Header, PASSES, backup};
use crate::{Error, Limits, Result};
use byteorder::{ByteOrder, LittleEndian};
use std::fmt;

/// Bytes of the longest encoded length, of seven bits each.
const LENGTH_BYTES: usize = 5;
/// The first length that does not fit an entry.
const LENGTH_END: u64 = 1 << (7 * LENGTH_BYTES);
/// Bytes of the shortest entry of the table: a length and a checksum.
const ENTRY: u64 = 5;

/// An entry of the table: kind, length, checksum.
type Entry = (ChunkKind, u64, u32);

/// A stream, divided into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stream<'a> {
    /// The fixed fields.
    pub header: Header,
    /// Every chunk of the table, in file order.
    pub chunks: Vec<Chunk<'a>>,
    /// Number of bytes after the last chunk, without those of a backup; a strict reader refuses them.
    pub trailing: u64,
    /// Whether the stream is damaged and a part of it was taken from its backup.
    pub mended: bool,
    bytes: &'a [u8],
}

impl<'a> Stream<'a> {
    /// The bytes of a chunk, if it is present.
    pub fn bytes(&self, kind: ChunkKind) -> Option<&'a [u8]> {
        match self.chunk(kind)?.state {
            ChunkState::Present(bytes) => Some(bytes),
            ChunkState::Truncated { .. } | ChunkState::Corrupt => None,
        }
    }

    /// The bytes of a chunk that the stream holds, even if it is truncated or corrupt.
    pub(crate) fn held(&self, kind: ChunkKind) -> &'a [u8] {
        let Some(chunk) = self.chunk(kind) else { return &[] };
        let length = match chunk.state {
            ChunkState::Truncated { have } => have,
            ChunkState::Present(_) | ChunkState::Corrupt => chunk.length,
        };
        let range = usize::try_from(chunk.offset).ok().zip(usize::try_from(length).ok());
        range.and_then(|(start, length)| self.bytes.get(start..)?.get(..length)).unwrap_or_default()
    }

    /// The entry of a chunk.
    pub(crate) fn chunk(&self, kind: ChunkKind) -> Option<&Chunk<'a>> {
        let before = front(&self.header);
        let groups = (self.chunks.len() as u64).saturating_sub(before) / substreams_of(&self.header);
        let index = match kind {
            ChunkKind::Metadata => 0,
            ChunkKind::Alpha => u64::from(self.header.metadata),
            ChunkKind::Hyper { group } | ChunkKind::Exact { group } => before + u64::from(group),
            ChunkKind::Pass { pass, group } => before + (1 + u64::from(pass)) * groups + u64::from(group),
        };
        // A kind that this stream lacks has the index of another chunk, or none.
        self.chunks.get(usize::try_from(index).ok()?).filter(|chunk| chunk.kind == kind)
    }

    /// The chunks that are truncated or corrupt.
    pub fn damaged(&self) -> impl Iterator<Item = &Chunk<'a>> {
        self.chunks.iter().filter(|chunk| !matches!(chunk.state, ChunkState::Present(_)))
    }
}

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// ICC, EXIF and XMP.
    Metadata,
    /// The alpha plane.
    Alpha,
    /// The hyper-latents of a group.
    Hyper {
        /// Index in raster order.
        group: u32,
    },
    /// One pass of the latents of a group.
    Pass {
        /// 0 to 3.
        pass: u8,
        /// Index in raster order.
        group: u32,
    },
    /// The samples of a group of an exact stream.
    Exact {
        /// Index in raster order.
        group: u32,
    },
}

impl fmt::Display for ChunkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata => write!(f, "metadata"),
            Self::Alpha => write!(f, "alpha"),
            Self::Hyper { group } => write!(f, "z of group {group}"),
            Self::Pass { pass, group } => write!(f, "pass {pass} of group {group}"),
            Self::Exact { group } => write!(f, "samples of group {group}"),
        }
    }
}

/// A chunk, as the table describes it and as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// What it holds.
    pub kind: ChunkKind,
    /// Where it begins in the stream.
    pub offset: u64,
    /// Its length in the table.
    pub length: u64,
    /// Whether it is present.
    pub state: ChunkState<'a>,
}

/// Whether a chunk is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState<'a> {
    /// All of it is there, and the checksum matches.
    Present(&'a [u8]),
    /// The stream ends within or before it.
    Truncated {
        /// Number of bytes that are there.
        have: u64,
    },
    /// All of it is there, but the checksum does not match.
    Corrupt,
}

/// Divides a stream into its parts. Damaged chunks are not an error, but a damaged header or table is.
///
/// # Errors
/// Returns [`Error::Signature`], [`Error::Version`], [`Error::Invalid`] or [`Error::Checksum`] if the header is not a sound
/// one, [`Error::Truncated`] if the stream ends before the table does, and [`Error::Limit`] if the picture is larger than
/// allowed.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Stream<'a>> {
    let backup = backup::find(bytes);
    let found = read_head(bytes, limits);
    let from_backup = found.is_err();
    let head =
        found.or_else(|error| backup.and_then(|backup| read_head(backup, limits).ok()).ok_or(error))?;
    let Head { header, entries, end } = head;

    let mut mended = from_backup;
    let (mut offset, mut copied) = (end, backup.unwrap_or_default().get(end as usize..).unwrap_or_default());
    let mut chunks = Vec::with_capacity(entries.len());
    for (kind, length, checksum) in entries {
        // An empty chunk is present even beyond the end.
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
        let take =
            |from: &'a [u8]| usize::try_from(length).ok().and_then(|length| from.split_at_checked(length));
        let mut state = match take(rest) {
            None => ChunkState::Truncated { have: rest.len() as u64 },
            Some((found, _)) if crc32fast::hash(found) != checksum => ChunkState::Corrupt,
            Some((found, _)) => ChunkState::Present(found),
        };
        if let (ChunkKind::Hyper { .. }, Some((copy, rest))) = (kind, take(copied)) {
            copied = rest;
            if !matches!(state, ChunkState::Present(_)) && crc32fast::hash(copy) == checksum {
                state = ChunkState::Present(copy);
                mended = true;
            }
        }
        chunks.push(Chunk { kind, offset, length, state });
        offset = offset.saturating_add(length);
    }
    let trailing = (bytes.len() as u64).saturating_sub(offset);
    let ends = backup.filter(|backup| backup::size(backup) == trailing && copied.is_empty());
    let trailing = if ends.is_some_and(|backup| mended || bytes.starts_with(&backup[..end as usize])) {
        0
    } else {
        trailing
    };
    Ok(Stream { header, chunks, trailing, mended, bytes })
}

/// What comes before the chunks.
struct Head {
    header: Header,
    entries: Vec<Entry>,
    /// The offset of the first chunk.
    end: u64,
}

fn read_head(bytes: &[u8], limits: &Limits) -> Result<Head> {
    let header = Header::parse(bytes, limits)?;
    let count = chunk_count(&header);
    let end = count.saturating_mul(ENTRY).saturating_add(SIZE as u64 + 4);
    if let Some(missing) = end.checked_sub(bytes.len() as u64).filter(|&n| n > 0) {
        return Err(Error::Truncated { what: TABLE, offset: bytes.len() as u64, missing });
    }
    // The entries are in memory until the chunks have been made from them.
    limits.check_bytes(count.saturating_mul((size_of::<Chunk>() + size_of::<Entry>()) as u64))?;

    let mut table = Table { bytes, offset: SIZE };
    let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
    for kind in kinds(&header)? {
        entries.push((kind, table.length()?, LittleEndian::read_u32(table.take(4)?)));
    }
    let computed = crc32fast::hash(&bytes[..table.offset]);
    let stored = LittleEndian::read_u32(table.take(4)?);
    if stored != computed {
        return Err(Error::Checksum { what: "header", stored, computed });
    }

    Ok(Head { header, entries, end: table.offset as u64 })
}

/// Puts a stream together. `substreams` are z of every group, then pass 0 of every group, up to pass 3; those of an exact
/// stream are the samples of every group. The flags for metadata and alpha follow from the arguments, not from `header`,
/// except that alpha of an exact stream is in its substreams.
///
/// # Errors
/// Returns [`Error::Invalid`] if a field of the header is out of its range, if there are not five substreams (one in an
/// exact stream) for each group, if alpha is given for an exact stream, or if one of them is too long for its entry in the table (32 GiB).
pub fn write(
    header: &Header,
    metadata: Option<&[u8]>,
    alpha: Option<&[u8]>,
    substreams: &[Vec<u8>],
) -> Result<Vec<u8>> {
    let mut bytes = begin(header, metadata, alpha, substreams)?;
    for chunk in substreams {
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}

/// [`write`], but frees each substream as soon as it is in the stream.
pub(crate) fn write_all(
    header: &Header,
    metadata: Option<&[u8]>,
    alpha: Option<&[u8]>,
    substreams: Vec<Vec<u8>>,
) -> Result<Vec<u8>> {
    let mut bytes = begin(header, metadata, alpha, &substreams)?;
    for chunk in substreams {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Appends a backup to an intact stream. A decoder uses it only if the stream is damaged.
///
/// # Errors
/// Returns the errors of [`read`] if the header or the table is damaged.
pub fn protect(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let stream = read(&bytes, &Limits::NONE)?;
    let head = stream.chunks.first().map_or(0, |chunk| chunk.offset as usize);
    let hyper = stream.chunks.iter().filter_map(|chunk| match (chunk.kind, chunk.state) {
        (ChunkKind::Hyper { .. }, ChunkState::Present(bytes)) => Some(bytes),
        _ => None,
    });
    let mut backup = backup::of(&bytes[..head], hyper);
    bytes.append(&mut backup);
    Ok(bytes)
}

/// A stream up to its first substream.
fn begin(
    header: &Header,
    metadata: Option<&[u8]>,
    alpha: Option<&[u8]>,
    substreams: &[Vec<u8>],
) -> Result<Vec<u8>> {
    let exact = header.exact.is_some();
    let has_alpha = if exact { header.alpha } else { alpha.is_some() };
    let header = Header { metadata: metadata.is_some(), alpha: has_alpha, ..header.clone() };
    header.check()?;
    if exact && alpha.is_some() {
        let detail = "an exact stream has none; alpha is in its substreams".into();
        return Err(Error::Invalid { what: "alpha chunk", detail });
    }
    let each = substreams_of(&header);
    let expected = header.groups().count().saturating_mul(each);
    if substreams.len() as u64 != expected {
        let detail = format!("{}, expected {expected}: {each} for each group", substreams.len());
        return Err(Error::Invalid { what: "number of substreams", detail });
    }
    let chunks = || metadata.into_iter().chain(alpha).chain(substreams.iter().map(Vec::as_slice));
    if let Some(chunk) = chunks().find(|chunk| chunk.len() as u64 >= LENGTH_END) {
        let detail = format!("{} bytes, expected fewer than {LENGTH_END}", chunk.len());
        return Err(Error::Invalid { what: "chunk", detail });
    }

    let mut bytes = header.bytes().to_vec();
    let all = length(metadata, alpha, substreams) - SIZE as u64;
    // If this is more memory than there is, an allocation below fails.
    bytes.reserve(usize::try_from(all).unwrap_or(0));
    for chunk in chunks() {
        write_length(&mut bytes, chunk.len() as u64);
        bytes.extend(crc32fast::hash(chunk).to_le_bytes());
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    for chunk in metadata.into_iter().chain(alpha) {
        bytes.extend_from_slice(chunk);
    }
    Ok(bytes)
}

/// Number of bytes of the stream that [`write`] makes of these chunks.
pub(crate) fn length(metadata: Option<&[u8]>, alpha: Option<&[u8]>, substreams: &[Vec<u8>]) -> u64 {
    let chunks = metadata.into_iter().chain(alpha).chain(substreams.iter().map(Vec::as_slice));
    let entry = |length: usize| (length.max(1).ilog2() / 7 + 1) as usize + 4;
    SIZE as u64 + 4 + chunks.map(|chunk| (entry(chunk.len()) + chunk.len()) as u64).sum::<u64>()
}

/// Sets the pixel hash of an undamaged stream.
pub(crate) fn record(bytes: &mut [u8], pixel_hash: [u8; 4]) -> Result<()> {
    let stream = read(bytes, &Limits::NONE)?;
    let end = stream.chunks.first().map_or(0, |chunk| chunk.offset as usize);
    bytes[SIZE - 4..SIZE].copy_from_slice(&pixel_hash);
    let checksum = crc32fast::hash(&bytes[..end - 4]);
    bytes[end - 4..end].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

const TABLE: &str = "table of chunks";

/// Number of chunks that a header announces.
fn chunk_count(header: &Header) -> u64 {
    header.groups().count().saturating_mul(substreams_of(header)).saturating_add(front(header))
}

/// Number of chunks before the substreams.
fn front(header: &Header) -> u64 {
    u64::from(header.metadata) + u64::from(header.alpha && header.exact.is_none())
}

/// Number of substreams of a group.
fn substreams_of(header: &Header) -> u64 {
    if header.exact.is_some() { 1 } else { 1 + u64::from(PASSES) }
}

/// Checks that the number of groups fits 32 bits, and that a list of their substreams may be allocated.
pub(crate) fn check_groups(groups: &Groups, limits: &Limits) -> Result<u32> {
    let (count, limit) = (groups.count(), u64::from(u32::MAX));
    let number = u32::try_from(count).map_err(|_| Error::Limit { what: "groups", needed: count, limit })?;
    limits.check_bytes(count.saturating_mul((1 + u64::from(PASSES)) * size_of::<Vec<u8>>() as u64))?;
    Ok(number)
}

/// The kinds of the chunks, in file order.
fn kinds(header: &Header) -> Result<impl Iterator<Item = ChunkKind> + use<>> {
    let groups = check_groups(&header.groups(), &Limits::NONE)?;
    let (learned, exact) = if header.exact.is_some() { (0, groups) } else { (groups, 0) };
    let hyper = (0..learned).map(|group| ChunkKind::Hyper { group });
    let passes =
        (0..PASSES).flat_map(move |pass| (0..learned).map(move |group| ChunkKind::Pass { pass, group }));
    let samples = (0..exact).map(|group| ChunkKind::Exact { group });
    let metadata = header.metadata.then_some(ChunkKind::Metadata);
    let alpha = (header.alpha && header.exact.is_none()).then_some(ChunkKind::Alpha);
    Ok(metadata.into_iter().chain(alpha).chain(hyper).chain(passes).chain(samples))
}

/// A position in the table.
struct Table<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Table<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.offset..];
        let taken = rest.get(..count).ok_or(Error::Truncated {
            what: TABLE,
            offset: self.bytes.len() as u64,
            missing: count.saturating_sub(rest.len()) as u64,
        })?;
        self.offset += count;
        Ok(taken)
    }

    /// An unsigned LEB128 number in its shortest form.
    fn length(&mut self) -> Result<u64> {
        let offset = self.offset;
        let mut length = 0;
        for i in 0..LENGTH_BYTES {
            let byte = self.take(1)?[0];
            length |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                if byte == 0 && i > 0 {
                    let detail = format!("length at byte {offset} is not in its shortest form");
                    return Err(Error::Invalid { what: TABLE, detail });
                }
                return Ok(length);
            }
        }
        let detail = format!("length at byte {offset} is longer than {LENGTH_BYTES} bytes");
        Err(Error::Invalid { what: TABLE, detail })
    }
}

fn write_length(bytes: &mut Vec<u8>, mut length: u64) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}
