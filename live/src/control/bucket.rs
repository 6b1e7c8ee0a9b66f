//! A token bucket, which keeps the promise of `max_bitrate`.

use std::time::Duration;

/// The bytes that may be sent. They grow with time, up to a limit.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Rate in bytes per second.
    rate: f64,
    /// The most bytes that it holds.
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

    /// Takes out bytes, at most as many as [`Bucket::level`] has returned.
    pub fn take(&mut self, now: Duration, bytes: f64) {
        self.level = self.level(now) - bytes;
    }

    /// Seconds until `bytes` may be sent, or until the bucket is full if it cannot hold as many.
    pub fn wait(&mut self, now: Duration, bytes: f64) -> f64 {
        let missing = bytes.min(self.depth) - self.level(now);
        if missing > 0.0 { missing / self.rate.max(1.0) } else { 0.0 }
    }
}
