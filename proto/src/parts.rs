//! Cuts an `.aec` into the parts in which it travels, and names the streams that carry them.
//!
//! Parts follow the passes, so that a coarse picture is complete early. They are small enough that little is
//! repeated after a cut. A small picture travels in one part, because a stream for each pass would only add
//! overhead.

use aecodec::Limits;
use aecodec::container::{self, ChunkKind};

use crate::{Hash, varint};

/// A pass is cut into parts of at most this many bytes if its substreams allow it.
const LARGEST: u64 = 128 << 10;
/// The largest part, in bytes. A receiver may hold one part in memory for each stream.
pub const PART_MAX: u32 = 2 * LARGEST as u32;
/// Neighbouring passes share a part as long as it stays below this size.
const SMALLEST: u64 = 16 << 10;

/// Lengths of the parts of an `.aec`, in file order. A part never spans several passes of a large picture. If the
/// stream was cut, the parts cover the bytes that are there.
///
/// # Errors
/// Returns the codec's error if the bytes are not an `.aec`.
pub fn cut(bytes: &[u8], limits: &Limits) -> aecodec::Result<Vec<u32>> {
    let stream = container::read(bytes, limits)?;
    let length = bytes.len() as u64;
    let mut ends: Vec<(u64, bool)> = Vec::new(); // end of each piece; whether a pass ends there
    let level = |kind: ChunkKind| match kind {
        ChunkKind::Metadata | ChunkKind::Alpha | ChunkKind::Hyper { .. } => 0,
        ChunkKind::Pass { pass, .. } => pass + 1,
        ChunkKind::Exact { .. } => 1,
    };
    for (i, chunk) in stream.chunks.iter().enumerate() {
        let last = stream.chunks.get(i + 1).is_none_or(|next| level(next.kind) != level(chunk.kind));
        ends.push((chunk.offset.saturating_add(chunk.length).min(length), last));
    }
    let mut parts = Vec::new();
    let (mut start, mut end) = (0, 0);
    for (next, closes) in ends {
        if next - start > LARGEST && end > start {
            push(&mut parts, end - start);
            start = end;
        }
        end = next;
        if closes && end - start >= SMALLEST {
            push(&mut parts, end - start);
            start = end;
        }
    }
    // The rest, including anything after the last chunk.
    let rest = length - start;
    if rest > 0 {
        push(&mut parts, rest);
    }
    Ok(parts)
}

/// Adds a piece, in several parts if one substream alone is larger than a part may be.
fn push(parts: &mut Vec<u32>, mut length: u64) {
    while length > 2 * LARGEST {
        parts.push(LARGEST as u32);
        length -= LARGEST;
    }
    parts.push(length as u32);
}

/// Lengths of the five parts of a live frame: header with hyper-latents, then each pass. If the stream was cut, the
/// parts cover the bytes that are there.
///
/// # Errors
/// Returns the codec's error if the bytes are not an `.aec`.
pub fn passes(bytes: &[u8], limits: &Limits) -> aecodec::Result<Vec<u32>> {
    let stream = container::read(bytes, limits)?;
    // An exact stream has no passes, so all of it is the first part.
    let length = (bytes.len() as u64).saturating_sub(stream.trailing);
    let mut ends = vec![length; 1 + usize::from(container::PASSES)];
    for chunk in &stream.chunks {
        if let ChunkKind::Pass { pass, .. } = chunk.kind {
            ends[usize::from(pass) + 1] = chunk.offset.saturating_add(chunk.length).min(length);
            ends[usize::from(pass)] = ends[usize::from(pass)].min(chunk.offset);
        }
    }
    let mut start = 0;
    let lengths = ends.into_iter().map(|end| {
        let length = end.saturating_sub(start);
        start = start.max(end);
        u32::try_from(length).unwrap_or(u32::MAX)
    });
    Ok(lengths.collect())
}

/// The first bytes of a unidirectional stream: what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamHeader {
    /// A part of an offered picture.
    Part {
        /// The offer.
        id: u64,
        /// Index of the part.
        part: u32,
    },
    /// A part of a live frame.
    Frame {
        /// The frame.
        seq: u64,
        /// 0 for header and hyper-latents, then the passes.
        part: u32,
    },
    /// A model that was asked for.
    Model {
        /// Its hash.
        hash: Hash,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// Bytes of the longest stream header.
pub const STREAM_HEADER_MAX: usize = 1 + 32 + varint::MAX;

impl StreamHeader {
    /// The bytes at the beginning of the stream.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(STREAM_HEADER_MAX);
        match *self {
            Self::Part { id: number, part } | Self::Frame { seq: number, part } => {
                out.push(if matches!(self, Self::Part { .. }) { 1 } else { 2 });
                varint::put(&mut out, number);
                varint::put(&mut out, part.into());
            }
            Self::Model { hash, bytes } => {
                out.push(3);
                out.extend_from_slice(&hash.0);
                varint::put(&mut out, bytes);
            }
        }
        out
    }

    /// Reads a header and returns how many bytes it took, or `Ok(None)` if more bytes are needed.
    ///
    /// # Errors
    /// Returns a description of the fault if the bytes are not a header.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, &'static str> {
        let Some(&kind) = bytes.first() else { return Ok(None) };
        if kind == 3 {
            let Some((hash, rest)) = bytes[1..].split_first_chunk() else { return Ok(None) };
            let Some((length, read)) = varint::take(rest)? else { return Ok(None) };
            return Ok(Some((Self::Model { hash: Hash(*hash), bytes: length }, 1 + 32 + read)));
        }
        if !(1..=2).contains(&kind) {
            return Err("a stream of an unknown kind");
        }
        let Some((number, a)) = varint::take(&bytes[1..])? else { return Ok(None) };
        let Some((part, b)) = varint::take(&bytes[1 + a..])? else { return Ok(None) };
        let part = u32::try_from(part).map_err(|_| "the number of a part is above 2^32")?;
        let header =
            if kind == 1 { Self::Part { id: number, part } } else { Self::Frame { seq: number, part } };
        Ok(Some((header, 1 + a + b)))
    }
}

#[cfg(test)]
mod tests;
