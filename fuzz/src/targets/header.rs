//! Reads headers, tables, metadata and alpha, and writes them back.

use crate::input::Input;
use crate::streams::limits;
use aecodec::container::{self, ChunkKind, ChunkState, alpha, metadata};

/// Bytes of the fixed fields, and the place of their sides and of `group_log2`.
const FIELDS: usize = 35;

pub fn header(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    let Ok(stream) = container::read(&bytes, &limits()) else { return };
    let end = bytes.len() - stream.trailing as usize;
    let mut offset = stream.chunks.first().map_or(end as u64, |chunk| chunk.offset);
    for chunk in &stream.chunks {
        assert_eq!(chunk.offset, offset, "{}: chunks lie back to back", chunk.kind);
        offset = offset.saturating_add(chunk.length);
    }
    let present = |state: &ChunkState| match state {
        ChunkState::Present(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    let before = usize::from(stream.header.metadata) + usize::from(stream.header.alpha);
    let substreams: Option<Vec<Vec<u8>>> =
        stream.chunks[before..].iter().map(|chunk| present(&chunk.state)).collect();
    let optional = |has: bool, kind| (!has).then_some(None).or_else(|| stream.bytes(kind).map(Some));
    let metadata = optional(stream.header.metadata, ChunkKind::Metadata);
    let alpha = optional(stream.header.alpha, ChunkKind::Alpha);
    if let (Some(substreams), Some(metadata), Some(alpha)) = (substreams, metadata, alpha) {
        let again = container::write(&stream.header, metadata, alpha, &substreams).expect("what was read");
        assert!(again == bytes[..end], "another stream than the one that was read");
    }
}

/// Writes the right checksum behind a table of as many entries as the header asks for.
fn seal(bytes: &mut [u8]) {
    let Some(fields) = bytes.first_chunk::<FIELDS>() else { return };
    let side = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| fields[at + i])).max(1).div_ceil(16);
    let group = 1_u32 << (fields[22].clamp(6, 14) - 4);
    let groups = u64::from(side(12).div_ceil(group)) * u64::from(side(16).div_ceil(group));
    let entries = 5 * groups + u64::from(fields[9] >> 1 & 1) + u64::from(fields[9] >> 2 & 1);
    let mut end = FIELDS;
    for _ in 0..entries {
        while bytes.get(end).is_some_and(|&byte| byte >= 0x80) {
            end += 1;
        }
        end += 5;
        if end > bytes.len() {
            return;
        }
    }
    let checksum = crc32fast::hash(&bytes[..end]);
    if let Some(place) = bytes.get_mut(end..end + 4) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

pub fn frames(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.below(4);
    let size = [1 + input.below(300) as u32, 1 + input.below(300) as u32];
    // Half of the cases are valid frames of any content.
    let content = input.rest();
    let chunk = if choice < 2 {
        zstd::bulk::compress(content, 1).expect("zstd compresses any bytes")
    } else {
        content.to_vec()
    };
    if choice.is_multiple_of(2) {
        check_metadata(&chunk);
    } else {
        check_alpha(&chunk, size);
    }
}

fn check_metadata(chunk: &[u8]) {
    let limits = limits();
    let Ok(found) = metadata::unpack(chunk, &limits) else { return };
    let all = [&found.icc, &found.exif, &found.xmp].into_iter().flatten().map(Vec::len).sum::<usize>();
    assert!(all as u64 <= limits.metadata, "{all} bytes");
    let packed = metadata::pack(&found).expect("short records");
    assert_eq!(metadata::unpack(&packed, &limits).expect("a sound chunk"), found);
}

fn check_alpha(chunk: &[u8], [width, height]: [u32; 2]) {
    let Ok(found) = alpha::unpack(chunk, width, height) else { return };
    assert_eq!(found.len(), (width * height) as usize);
    let packed = alpha::pack(&found, width, height).expect("a plane of this size");
    assert!(alpha::unpack(&packed, width, height).expect("a sound chunk") == found);
}
