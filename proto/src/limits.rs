//! What a receiver accepts from one sender, so that a hostile one costs bounded memory and disk.

use std::time::Duration;

/// Bounds on one connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Offers that may be unsettled at a time. More hide the round trip of small pictures; each costs about a
    /// kilobyte.
    pub window: u32,
    /// Bytes of one `.aec`.
    pub picture_bytes: u64,
    /// Pixels of one picture.
    pub pixels: u64,
    /// Bytes of a name.
    pub name: usize,
    /// Parts of one picture.
    pub parts: usize,
    /// Bytes of a model.
    pub model_bytes: u64,
    /// Bytes of one live frame.
    pub frame_bytes: u64,
    /// Time for the first message.
    pub hello: Duration,
    /// Time in which a stream that has begun must bring further bytes.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 256,
            picture_bytes: 1 << 30,
            pixels: 1 << 31,
            name: 1024,
            parts: 16 << 10,
            model_bytes: 256 << 20,
            frame_bytes: 16 << 20,
            hello: Duration::from_secs(10),
            stall: Duration::from_secs(60),
        }
    }
}
