//! Describes and decodes streams.

use aecodec::container::{self, NO_PIXEL_HASH, Stream};
use aecodec::{DecodeOptions, ModelRegistry, Profile, Region, Result};
use serde_json::{Value, json};

use crate::{limits, rgba};

/// Describes a stream without decoding it. The sizes are in pixels; `length` is the number of bytes that the table of the
/// stream announces, and `passes` says after how many bytes each pass is complete.
///
/// # Errors
/// Returns the errors of [`container::read`].
pub fn info(bytes: &[u8]) -> Result<Value> {
    let stream = container::read(bytes, &limits())?;
    let header = &stream.header;
    let groups = header.groups();
    Ok(json!({
        "width": header.width,
        "height": header.height,
        "gray": header.gray,
        "alpha": header.alpha,
        "orientation": header.orientation,
        "exact": header.exact,
        "maximum": header.maximum,
        "quality": f64::from(header.quality) / 64.0,
        "profile": Profile::from_raw(header.profile).name(),
        "model": hex(&header.model),
        "hash": (header.pixel_hash != NO_PIXEL_HASH).then(|| hex(&header.pixel_hash)),
        "group": groups.side,
        "groups": [groups.columns, groups.rows],
        "length": ends(&stream).last(),
        "passes": ends(&stream),
        "damaged": stream.damaged().count(),
    }))
}

/// The number of bytes after which each of the four passes, or the samples of an exact stream, are complete.
fn ends(stream: &Stream<'_>) -> Vec<u64> {
    let mut ends: Vec<u64> = Vec::new();
    let groups = stream.header.groups().count() as usize;
    let passes = if stream.header.exact.is_some() { 1 } else { usize::from(container::PASSES) };
    let first = stream.chunks.len().saturating_sub(passes * groups);
    for chunks in stream.chunks[first..].chunks(groups.max(1)) {
        ends.extend(chunks.last().map(|chunk| chunk.offset + chunk.length));
    }
    ends
}

/// Decodes a stream, or a region of it, and returns RGBA `[height, width, 4]` and a report.
///
/// # Errors
/// Returns the errors of [`aecodec::decode`].
pub fn decode(
    models: &ModelRegistry,
    bytes: &[u8],
    passes: u8,
    region: Option<Region>,
) -> Result<(Vec<u8>, Value)> {
    let mut options = DecodeOptions::default();
    (options.passes, options.region, options.limits) = (passes, region, limits());
    let decoded = models.decode(bytes, &options)?;
    let picture = &decoded.picture;
    let report = json!({
        "width": picture.width,
        "height": picture.height,
        "orientation": picture.orientation,
        "hash": hex(&decoded.pixel_hash),
        "matches": decoded.hash_matches,
        "damaged": decoded.damage.len(),
    });
    Ok((rgba::of(picture), report))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
