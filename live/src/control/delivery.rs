//! Estimates what the path delivers, in bytes per second, from acknowledgements of bursts.
//!
//! A live sender is idle between frames, so bytes over wall time say how much it sent, not what the path can carry
//! (BBR calls such samples application-limited). Samples are therefore taken over busy time only: from the moment
//! when a burst could first have been acknowledged, or from the previous acknowledgement, to the last one. The
//! estimate falls at once and rises by one step per frame.

use std::time::Duration;

/// The lowest rate that is ever assumed, in bytes per second: enough for the smallest frames to find out more.
pub(super) const LEAST: f64 = 4_000.0;
/// The rate that is assumed before anything is known.
const FIRST: f64 = 125_000.0;
/// A sample is taken over at least this many bytes, because one packet says nothing.
const ENOUGH: f64 = 2_400.0;
/// Time between acknowledgements below which their order is chance.
const INSTANT: Duration = Duration::from_millis(2);

/// The estimate.
#[derive(Debug)]
pub(super) struct Delivery {
    rate: f64,
    period: Duration,
    /// The last acknowledgement.
    last: Duration,
    /// The busy time that is being measured: its start, and the bytes of it.
    busy: Option<(Duration, f64)>,
    /// The previous sample: a rise counts only if two samples show it.
    before: f64,
    raised: Option<Duration>,
}

impl Delivery {
    pub fn new(period: Duration) -> Self {
        Self { rate: FIRST, period, last: Duration::ZERO, busy: None, before: 0.0, raised: None }
    }

    /// A first guess.
    pub fn begin(&mut self, rate: f64) {
        self.rate = rate.clamp(LEAST, 4.0 * FIRST);
    }

    /// A part of `bytes` was acknowledged, which could not have been before `earliest`.
    pub fn acknowledged(&mut self, now: Duration, earliest: Duration, bytes: f64) {
        let (start, before) = match self.busy {
            // The path was idle in between: what was measured before is over.
            Some(busy) if earliest <= self.last.max(busy.0) => busy,
            _ => (earliest.max(self.last), 0.0),
        };
        self.last = self.last.max(now);
        let bytes = before + bytes;
        let passed = now.saturating_sub(start);
        if bytes < ENOUGH || passed < INSTANT {
            self.busy = Some((start.min(now), bytes));
            // This is too little for a measurement. But bytes that come at once show that there is room, and if
            // frames are tiny, nothing else shows it.
            self.raise(now, bytes / passed.max(INSTANT).as_secs_f64(), 1.25);
            return;
        }
        self.busy = Some((now, 0.0));
        self.sample(now, bytes / passed.as_secs_f64());
    }

    /// A measured rate, in bytes per second of busy time.
    pub fn sample(&mut self, now: Duration, rate: f64) {
        let agreed = rate.min(self.before);
        self.before = rate;
        if rate < self.rate {
            self.rate += 0.4 * (rate - self.rate);
        } else {
            self.raise(now, agreed, 1.5);
        }
        self.rate = self.rate.max(LEAST);
    }

    /// Rises towards `rate`, by a factor of at most `step` and at most once per period.
    fn raise(&mut self, now: Duration, rate: f64, step: f64) {
        let due = self.raised.is_none_or(|at| now.saturating_sub(at) >= self.period.mul_f64(0.9));
        if rate > self.rate && due {
            self.raised = Some(now);
            self.rate = rate.min(step * self.rate);
        }
    }

    /// While something is under way, time without acknowledgements lowers the estimate before any sample can.
    /// `since` is the time at which the oldest bytes could have been acknowledged, and `next` is the length of the
    /// next part in bytes.
    pub fn silence(&mut self, now: Duration, since: Duration, next: f64, rtt: Duration) {
        // A lost packet takes time to repair, which says nothing about the rate.
        let silent = now.saturating_sub(since.max(self.last));
        let counted = silent.saturating_sub(rtt / 4 + Duration::from_millis(10)).as_secs_f64();
        if counted > 0.0 {
            self.rate = self.rate.min(next.max(ENOUGH) / counted).max(LEAST);
        }
    }

    /// The rate in bytes per second.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}
