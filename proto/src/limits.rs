//! Limits on what a receiver accepts from one sender, so that a hostile sender costs bounded memory and disk space.

use std::time::Duration;

/// The most parts that all unsettled offers of a connection may have together.
pub const OPEN_PARTS: usize = 1 << 16;

/// Bounds on one connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The number of offers that may be unsettled at a time. More offers hide the round trip of small pictures;
    /// each costs about a kilobyte, plus the memory for its parts and its thumbnail.
    pub window: u32,
    /// Parts of all unsettled offers together. Senders know `OPEN_PARTS` and wait. Each part costs about ten bytes.
    pub open_parts: usize,
    /// Bytes of one `.aec`.
    pub picture_bytes: u64,
    /// Pixels of one picture.
    pub pixels: u64,
    /// Bytes of a name.
    pub name: usize,
    /// Bytes of a thumbnail.
    pub thumbnail: usize,
    /// Parts of one picture.
    pub parts: usize,
    /// Bytes of a model.
    pub model_bytes: u64,
    /// The number of models that are asked for on one connection.
    pub models: usize,
    /// Pixels of one live frame.
    pub frame_pixels: u64,
    /// Bytes of one live frame.
    pub frame_bytes: u64,
    /// Time for the first message.
    pub hello: Duration,
    /// The longest time without further bytes on a stream that has begun.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 256,
            open_parts: OPEN_PARTS,
            picture_bytes: 1 << 30,
            pixels: 1 << 30,
            name: 1024,
            thumbnail: 32 << 10,
            parts: 16 << 10,
            model_bytes: 256 << 20,
            models: 16,
            frame_pixels: 1 << 25,
            frame_bytes: 16 << 20,
            hello: Duration::from_secs(10),
            stall: Duration::from_secs(60),
        }
    }
}
