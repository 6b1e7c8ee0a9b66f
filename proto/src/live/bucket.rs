//! A token bucket: the promise of `max_bitrate`.

use std::time::Duration;

/// Bytes that may be sent: they grow with time, up to a store.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Bytes a second.
    rate: f64,
    /// Bytes it holds at most.
    depth: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket that holds what flows in during `store`.
    pub fn new(rate: f64, store: Duration) -> Self {
        let depth = rate * store.as_secs_f64();
        Self { rate, depth, level: depth, at: Duration::ZERO }
    }

    /// Bytes that may be sent at `now`.
    pub fn level(&mut self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + self.rate * passed).min(self.depth);
        self.level
    }

    /// Takes bytes out; no more than [`Bucket::level`] told.
    pub fn take(&mut self, now: Duration, bytes: f64) {
        self.level = self.level(now) - bytes;
    }

    /// Seconds until `bytes` may be sent, or as many as it can ever hold.
    pub fn wait(&mut self, now: Duration, bytes: f64) -> f64 {
        let missing = bytes.min(self.depth) - self.level(now);
        if missing > 0.0 { missing / self.rate.max(1.0) } else { 0.0 }
    }
}
