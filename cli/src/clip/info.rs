//! Shows what a clip contains.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use aecodec::clip::{ClipReader, Entry, FrameKind};
use aecodec::container;
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::failure::Exit;
use crate::flags::Common;
use crate::printable::printable;
use crate::report::{bits_per_pixel, field, grouped, warn};

/// Prints the frames, their kinds and their bytes.
pub fn info(path: &Path, common: &Common) -> Result<Exit> {
    let name = printable(path);
    let file = File::open(path).with_context(|| name.clone())?;
    let length = file.metadata()?.len();
    let mut reader = ClipReader::new(BufReader::new(file)).with_context(|| name.clone())?;
    let entries = reader.entries()?;
    let first = reader.next()?;
    let header = match &first {
        Some(record) => Some(container::read(&record.bytes, &common.limits())?.header),
        None => None,
    };
    let (width, height) = header.as_ref().map_or((0, 0), |header| (header.width, header.height));
    let pixels = u64::from(width) * u64::from(height) * entries.len() as u64;
    let complete = entries.last().map_or(reader.offset(), Entry::end);
    let of = |kind: FrameKind| {
        let lengths =
            entries.iter().filter(move |entry| entry.kind == kind).map(|entry| u64::from(entry.length));
        (lengths.clone().count() as u64, lengths.sum::<u64>())
    };
    let ((intra, intra_bytes), (predicted, predicted_bytes)) =
        (of(FrameKind::Intra), of(FrameKind::Predicted));
    let rate = reader.rate().map(|(frames, seconds)| f64::from(frames) / f64::from(seconds));
    let mut lines = vec![
        name.clone(),
        format!("  picture        {width} x {height} pixels"),
        format!("  frames         {}", grouped(entries.len() as u64)),
    ];
    if let Some(rate) = rate {
        lines.push(format!(
            "  rate           {rate:.3} frames per second, {:.1} s",
            entries.len() as f64 / rate
        ));
    }
    lines.push(format!(
        "  size           {} bytes, {:.4} bpp",
        grouped(length),
        bits_per_pixel(length, pixels)
    ));
    for (kind, count, bytes) in [("I-frames", intra, intra_bytes), ("P-frames", predicted, predicted_bytes)] {
        let mean =
            bytes.checked_div(count).map_or_else(String::new, |mean| format!(", {} each", grouped(mean)));
        lines.push(format!("    {kind:<13}{:>12} bytes in {} frames{mean}", grouped(bytes), grouped(count)));
    }
    let frames: Vec<_> = entries
        .iter()
        .map(|entry| json!({ "kind": entry.kind.letter().to_string(), "bytes": entry.length }))
        .collect();
    let line = json!({
        "input": field(path),
        "bytes": length,
        "width": width,
        "height": height,
        "rate": rate,
        "bpp": bits_per_pixel(length, pixels),
        "intra": { "frames": intra, "bytes": intra_bytes },
        "predicted": { "frames": predicted, "bytes": predicted_bytes },
        "frames": frames,
    });
    common.reporter(false).result(&lines.join("\n"), &line)?;
    if complete < length {
        warn(
            "notice",
            &format!("{name}: {} bytes after its last complete frame", grouped(length - complete)),
        );
        return Ok(Exit::Partly);
    }
    Ok(Exit::Done)
}
