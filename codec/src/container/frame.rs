//! A zstd frame whose output is bounded: the form of metadata, alpha and packed model files.

use crate::{Error, Result};
use std::io::Read;

/// The largest window that a frame may ask for, as in zstd's default.
const WINDOW_LOG2: u32 = 27;
/// The most bytes that a block of a frame decompresses to, and the fewest bytes of a block.
const BLOCK: (u64, u64) = (1 << 17, 4);

/// Compresses `bytes` into one frame.
pub(crate) fn pack(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(bytes, level).expect("zstd compresses any bytes in memory")
}

/// Decompresses one frame to at most `limit` bytes.
pub(crate) fn unpack(what: &'static str, bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
    let damaged = |error: std::io::Error| Error::Invalid { what, detail: error.to_string() };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(damaged)?.single_frame();
    decoder.window_log_max(WINDOW_LOG2).map_err(damaged)?;
    // This counts the output and does not trust the size in the frame. One byte above the limit is enough to refuse it.
    let mut output = Vec::new();
    decoder.by_ref().take(limit.saturating_add(1)).read_to_end(&mut output).map_err(damaged)?;
    if output.len() as u64 > limit {
        return Err(Error::Limit { what, needed: output.len() as u64, limit });
    }
    let rest = decoder.finish();
    if !rest.is_empty() {
        return Err(Error::Invalid { what, detail: format!("{} bytes after the zstd frame", rest.len()) });
    }
    Ok(output)
}

/// Decompresses one frame that holds exactly `length` bytes. This is faster than [`unpack`], because the output is
/// allocated once and zstd writes into it directly.
pub(crate) fn unpack_exact(what: &'static str, bytes: &[u8], length: usize) -> Result<Vec<u8>> {
    let invalid = |detail: String| Error::Invalid { what, detail };
    let frame = zstd::zstd_safe::find_frame_compressed_size(bytes)
        .map_err(|code| invalid(zstd::zstd_safe::get_error_name(code).into()))?;
    if let rest @ 1.. = bytes.len().saturating_sub(frame) {
        return Err(invalid(format!("{rest} bytes after the zstd frame")));
    }
    // No memory is allocated for a length that so few bytes cannot hold.
    let (most, fewest) = BLOCK;
    if (length as u64).div_ceil(most) * fewest > bytes.len() as u64 {
        return Err(invalid(format!("a frame of {} bytes cannot hold {length} bytes", bytes.len())));
    }
    let mut output = Vec::with_capacity(length);
    let found = zstd::bulk::Decompressor::new()
        .and_then(|mut decompressor| decompressor.decompress_to_buffer(bytes, &mut output))
        .map_err(|error| invalid(error.to_string()))?;
    if found != length {
        return Err(invalid(format!("{found} bytes in a frame, expected {length}")));
    }
    Ok(output)
}
