//! Live mode: decides what each frame may cost so that it is shown in time, and what to give up if the path gets
//! slower.
//!
//! [`Controller`] reads no clock and sends nothing. Its driver reports when a frame was captured, how long coding
//! took, which parts were acknowledged and what the receiver showed. It answers with a quality and a size for the
//! next frame. Times are on the sender's clock, from any fixed start. The idea is Salsify's (Fouladi et al., NSDI
//! 2018): choose each frame's size from the path as it is now, not from a target that an encoder approaches over
//! seconds.
//!
//! ```
//! use aecodec_live::control::{Config, Controller, Decision, Path};
//! use std::time::Duration;
//!
//! let mut controller = Controller::new(Config::default());
//! controller.path(Path { window: 14_720, rtt: Duration::from_millis(40) });
//! let now = Duration::from_millis(5);
//! if let Decision::Encode { quality, scale } = controller.frame(now, Duration::ZERO, (1280, 720)) {
//!     assert!(scale.of(1280) <= 1280 && quality.value() < 90.0);
//!     // After the encode, ask how many of its parts to send:
//!     let encoded = Duration::from_millis(60);
//!     let send = controller.encoded(encoded, 0, Duration::ZERO, Duration::from_millis(55), &[400, 900, 700, 500, 300]);
//!     assert_eq!(send, 5);
//! }
//! ```

mod bucket;
mod cpu;
mod delivery;
mod size;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use aecodec::Quality;

use aecodec_proto::message::FrameReport;

use bucket::Bucket;
use cpu::Cpu;
pub use cpu::Scale;
use delivery::Delivery;
use size::Sizes;

/// Share of the path that frames fill. The rest is a margin for errors of the estimate. If the rate of the path
/// falls to a tenth, the data in the network keeps it busy for ten times as long, so that more data would be a
/// stall.
const USED: f64 = 0.65;
/// One frame in [`PROBE_EVERY`] fills this share, to find out whether the path carries more.
const PROBED: f64 = 0.85;
const PROBE_EVERY: u64 = 8;
/// Approximate share of a frame's bytes that its coarse picture takes.
const COARSE: f64 = 0.4;
/// Margin between the moment at which a frame should be decoded and its deadline.
const MARGIN: Duration = Duration::from_millis(15);
/// After this long without a frame, one is sent even if the estimate is poor, because only a frame can improve it.
const SILENCE: Duration = Duration::from_millis(250);
/// The number of frames that are tracked after they were sent.
const FLIGHTS: usize = 256;

/// What to do if the path, or either end, cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// The source waits; no frame is lost or lowered. For sources that can wait, such as a file.
    Block,
    /// Quality and size stay the same; late frames are dropped for newer ones.
    DropOldest,
    /// Each frame is sent at the best quality that arrives in time.
    #[default]
    LowerQuality,
}

/// Options of a live session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Time from frame to frame. The default is 100 ms.
    pub period: Duration,
    /// A frame has to be shown this long after its capture. A longer time allows better but older frames. The
    /// default is 300 ms.
    pub deadline: Duration,
    /// The most bits per second for frames, over any time longer than two periods. By default there is no limit.
    pub max_bitrate: Option<u64>,
    /// What gives way. The default is quality.
    pub on_full: OnFull,
    /// The best quality to send, and the only one unless [`OnFull::LowerQuality`] is set. The default is 80.
    pub best: Quality,
    /// Below this quality, frames become smaller instead. The default is 8.
    pub worst: Quality,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Duration::from_millis(100),
            deadline: Duration::from_millis(300),
            max_bitrate: None,
            on_full: OnFull::LowerQuality,
            best: Quality::new(80.0).unwrap_or_default(),
            worst: Quality::new(8.0).unwrap_or_default(),
        }
    }
}

/// The path as the transport sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Congestion window in bytes.
    pub window: u64,
    /// Smoothed round-trip time.
    pub rtt: Duration,
}

/// What to do with a captured frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Encode it with these values, then ask [`Controller::encoded`].
    Encode {
        /// Quality.
        quality: Quality,
        /// Size at which to code it.
        scale: Scale,
    },
    /// Leave it out.
    Drop,
    /// Ask again after this long, and read no further frame until then. Only with [`OnFull::Block`].
    Wait(Duration),
}

/// Parts that will not arrive in time: reset their streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveUp {
    /// The frame.
    pub seq: u64,
    /// This part and all after it.
    pub from: usize,
}

/// Figures for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimated rate of the path in bytes per second.
    pub rate: f64,
    /// Bytes sent and not yet acknowledged or given up.
    pub outstanding: u64,
    /// Time that an encode of the present size takes.
    pub encode: Duration,
    /// Time that the receiver's decode of the present size takes.
    pub decode: Duration,
}

/// A frame that was sent.
#[derive(Debug)]
struct Flight {
    seq: u64,
    captured: Duration,
    sent: Duration,
    /// Bytes of each part that is under way; 0 once it has arrived or was given up.
    parts: Vec<u32>,
    /// The number of pixels with which it was coded.
    pixels: f64,
    /// Bytes that were sent of it.
    bytes: u64,
}

/// Chooses the quality and size of live frames, and which parts to give up.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    path: Option<Path>,
    delivery: Delivery,
    sizes: Sizes,
    cpu: Cpu,
    bucket: Option<Bucket>,
    flights: VecDeque<Flight>,
    /// Quality and coded pixels of the frame that is being encoded.
    coding: Option<(Quality, f64)>,
    last_sent: Option<Duration>,
    frames: u64,
}

impl Controller {
    /// A controller that knows nothing about the path and the machines yet, and so begins with small frames.
    pub fn new(config: Config) -> Self {
        let period = config.period.clamp(Duration::from_millis(1), Duration::from_secs(60));
        let bucket = config.max_bitrate.map(|bits| Bucket::new(bits as f64 / 8.0, 2 * period));
        let config = Config { period, worst: config.worst.min(config.best), ..config };
        Self {
            delivery: Delivery::new(period),
            sizes: Sizes::default(),
            cpu: Cpu::default(),
            bucket,
            flights: VecDeque::new(),
            coding: None,
            last_sent: None,
            frames: 0,
            path: None,
            config,
        }
    }

    /// Takes the transport's view of the path. Call it at least once per frame.
    pub fn path(&mut self, path: Path) {
        let first = self.path.is_none();
        self.path = Some(path);
        if first {
            self.delivery.begin(path.window as f64 / self.rtt().as_secs_f64().max(0.001));
        }
    }

    /// Decides about a frame of `size` (width, height), captured at `captured`. The time that a frame has already
    /// waited counts.
    pub fn frame(&mut self, now: Duration, captured: Duration, size: (u32, u32)) -> Decision {
        let pixels = (f64::from(size.0) * f64::from(size.1)).max(1.0);
        let rate = self.rate(now);
        if self.config.on_full != OnFull::LowerQuality {
            return self.frame_at_best(now, captured, pixels, rate);
        }
        let rtt = self.rtt();
        let scale = self.cpu.choose(now, pixels, self.config.period, self.spare());
        let used = now.saturating_sub(captured) + rtt / 2 + MARGIN;
        let coding = self.cpu.encode(pixels * scale.area()) + self.cpu.decode(pixels * scale.area());
        let left = self.config.deadline.saturating_sub(used).saturating_sub(coding).as_secs_f64();
        // Bytes that drain while this frame is encoded do not delay it.
        let encode = self.cpu.encode(pixels * scale.area()).as_secs_f64();
        let backlog = (self.backlog(rate) - rate * encode).max(0.0);
        self.frames += 1;
        let probe = self.frames.is_multiple_of(PROBE_EVERY) && backlog == 0.0;
        let share = if probe { PROBED } else { USED };
        let mut budget = (share * rate * self.config.period.as_secs_f64()).min(0.9 * rate * left) - backlog;
        if let Some(bucket) = &mut self.bucket {
            budget = budget.min(bucket.level(now));
        }

        // As large as the machines manage, and smaller only if quality would fall below its floor.
        let mut chosen = (self.config.worst, Scale::SMALLEST);
        for scale in Scale::ALL.into_iter().filter(|&s| s <= scale) {
            let quality = self.sizes.quality(budget, pixels * scale.area());
            if quality >= self.config.worst.value() {
                let best = self.config.best.value();
                chosen = (Quality::new(quality.min(best)).unwrap_or(self.config.worst), scale);
                break;
            }
        }
        let (quality, scale) = chosen;
        let least = self.sizes.bytes(self.config.worst, pixels * Scale::SMALLEST.area());
        if budget < 0.5 * least && !self.silent(now) {
            return Decision::Drop;
        }
        self.coding = Some((quality, pixels * scale.area()));
        Decision::Encode { quality, scale }
    }

    /// The decision if quality and size are fixed.
    fn frame_at_best(&mut self, now: Duration, captured: Duration, pixels: f64, rate: f64) -> Decision {
        let quality = self.config.best;
        let bytes = self.sizes.bytes(quality, pixels);
        if self.config.on_full == OnFull::Block {
            // One frame may be under way while the next is sent; a third would only wait in a buffer.
            let excess = self.backlog(rate) - bytes;
            let short = self.bucket.as_mut().map_or(0.0, |bucket| bucket.wait(now, bytes));
            let wait = (excess.max(0.0) / rate).max(short).min(1.0);
            if wait > 0.001 && !self.flights.is_empty() {
                return Decision::Wait(Duration::from_secs_f64(wait));
            }
        } else {
            // A frame that is partly sent is kept; frames that wait at the source make room for newer ones.
            let used = now.saturating_sub(captured) + self.rtt() / 2 + MARGIN;
            let coding = self.cpu.encode(pixels) + self.cpu.decode(pixels);
            let left = self.config.deadline.saturating_sub(used).saturating_sub(coding).as_secs_f64();
            if self.outstanding() > 0 && self.backlog(rate) + COARSE * bytes > rate * left {
                return Decision::Drop;
            }
        }
        self.coding = Some((quality, pixels));
        Decision::Encode { quality, scale: Scale::FULL }
    }

    /// A frame was encoded. Returns how many of its parts to send, from the first on; 0 means none. `parts` are
    /// lengths in bytes, and `encode` is the time that the encode took.
    pub fn encoded(
        &mut self,
        now: Duration,
        seq: u64,
        captured: Duration,
        encode: Duration,
        parts: &[u32],
    ) -> usize {
        let bytes: u64 = parts.iter().map(|&part| u64::from(part)).sum();
        let pixels = self.coding.take().map_or(0.0, |(quality, pixels)| {
            self.sizes.learn(quality, pixels, bytes as f64);
            self.cpu.encoded(pixels, encode);
            pixels
        });
        let mut count = parts.len();
        if self.config.on_full == OnFull::LowerQuality {
            let used = now.saturating_sub(captured) + self.rtt() / 2 + self.cpu.decode(pixels) + MARGIN;
            let left = self.config.deadline.saturating_sub(used).as_secs_f64();
            let rate = self.rate(now);
            let fits = (rate * left - self.backlog(rate)).max(0.0);
            let late = self.outstanding() > 0 && !self.silent(now);
            count = prefix(parts, fits);
            if count < 2 {
                // A coarse picture that arrives late only delays the next one.
                count = if late { 0 } else { parts.len().min(2) };
            }
        }
        if let Some(bucket) = &mut self.bucket {
            // Blocking has waited for room already; the guess that it waited for may have been too small.
            count = count.min(prefix(parts, bucket.level(now)));
            bucket.take(now, parts[..count].iter().map(|&part| f64::from(part)).sum());
        }
        if count == 0 {
            return 0;
        }
        let sent = &parts[..count];
        self.last_sent = Some(now);
        if self.flights.len() == FLIGHTS {
            self.flights.pop_front();
        }
        let bytes = sent.iter().map(|&part| u64::from(part)).sum();
        self.flights.push_back(Flight { seq, captured, sent: now, parts: sent.to_vec(), pixels, bytes });
        count
    }

    /// The receiver's transport has acknowledged all of a part.
    pub fn acknowledged(&mut self, now: Duration, seq: u64, part: usize) {
        let rtt = self.rtt();
        let Some(flight) = self.flights.iter_mut().find(|flight| flight.seq == seq) else { return };
        let Some(bytes) = flight.parts.get_mut(part).map(std::mem::take).filter(|&bytes| bytes > 0) else {
            return;
        };
        self.delivery.acknowledged(now, flight.sent + rtt, bytes.into());
    }

    /// The receiver reports what became of a frame.
    pub fn shown(&mut self, now: Duration, shown: &FrameReport) {
        if shown.rate > 0 {
            self.delivery.sample(now, shown.rate.into());
        }
        let Some(at) = self.flights.iter().position(|flight| flight.seq == shown.seq) else { return };
        let flight = &self.flights[at];
        let whole = u64::from(shown.bytes) >= flight.bytes;
        let lateness = Duration::from_millis(shown.lateness.max(0) as u64);
        if shown.passes.is_some() {
            self.cpu.decoded(flight.pixels, Duration::from_millis(shown.decode.into()));
            // All of the frame came, and it is a little late because it had to wait for the previous one. If the
            // path gets slower, frames are much later.
            if whole && !lateness.is_zero() && lateness < self.config.period {
                self.cpu.too_slow();
            }
        } else if whole {
            self.cpu.too_slow();
        }
        // Reports come in the order of deadlines, so older frames are settled.
        self.flights.drain(..=at);
    }

    /// Parts that can no longer arrive in time. Ask at least once per frame, and preferably every 20 ms.
    pub fn late(&mut self, now: Duration) -> Vec<GiveUp> {
        let mut out = Vec::new();
        if self.config.on_full == OnFull::Block {
            return out;
        }
        let rate = self.rate(now);
        let rtt = self.rtt();
        // The acknowledgement of what was sent within the last round trip may still be under way.
        let mut ahead = -rate * rtt.as_secs_f64() / 2.0;
        let newest = self.flights.back().map(|flight| flight.seq);
        for flight in &mut self.flights {
            let due = flight.captured + self.config.deadline;
            let left = due.saturating_sub(now + rtt / 2 + self.cpu.decode(flight.pixels)).as_secs_f64();
            let mut from = flight.parts.len();
            for (part, &bytes) in flight.parts.iter().enumerate().filter(|(_, bytes)| **bytes > 0) {
                ahead += f64::from(bytes);
                // The coarse picture is kept until its deadline has passed. It is small, and a late picture is
                // better than a stall.
                let hopeless = if part < 2 {
                    now > due && newest != Some(flight.seq)
                } else {
                    left == 0.0 || ahead.max(0.0) > rate * (left + 0.02)
                };
                if hopeless {
                    from = part;
                    break;
                }
            }
            if from < flight.parts.len() {
                ahead -= f64::from(flight.parts[from]);
                flight.parts.truncate(from);
                out.push(GiveUp { seq: flight.seq, from });
            }
        }
        out
    }

    /// The current figures.
    pub fn estimate(&self) -> Estimate {
        let pixels = self.flights.back().map_or(0.0, |flight| flight.pixels);
        Estimate {
            rate: self.bounded_rate(),
            outstanding: self.outstanding(),
            encode: self.cpu.encode(pixels),
            decode: self.cpu.decode(pixels),
        }
    }

    fn rtt(&self) -> Duration {
        self.path.map_or(Duration::from_millis(50), |path| path.rtt.min(Duration::from_secs(5)))
    }

    /// Time of a frame that is left for coding and for its bytes.
    fn spare(&self) -> Duration {
        self.config.deadline.saturating_sub(self.rtt() / 2 + MARGIN)
    }

    /// Whether nothing was sent for so long that a frame must be sent now.
    fn silent(&self, now: Duration) -> bool {
        self.last_sent.is_none_or(|sent| now.saturating_sub(sent) >= SILENCE)
    }

    fn outstanding(&self) -> u64 {
        self.flights.iter().flat_map(|flight| &flight.parts).map(|&part| u64::from(part)).sum()
    }

    /// Bytes of the part that should be acknowledged next: coarse pictures go first, then passes in the order of frames.
    fn next(&self) -> u32 {
        let part = |coarse: bool| {
            let of = move |flight: &Flight| {
                let (head, tail) = flight.parts.split_at(flight.parts.len().min(2));
                if coarse { head } else { tail }.iter().copied().find(|&bytes| bytes > 0)
            };
            self.flights.iter().find_map(of)
        };
        part(true).or_else(|| part(false)).unwrap_or(0)
    }

    /// Bytes that wait, beyond those that are always under way on a path in use.
    fn backlog(&self, rate: f64) -> f64 {
        (self.outstanding() as f64 - rate * self.rtt().as_secs_f64()).max(0.0)
    }

    /// The present rate in bytes per second. Time without acknowledgements lowers it.
    fn rate(&mut self, now: Duration) -> f64 {
        let rtt = self.rtt();
        let waiting = self.flights.iter().filter(|flight| flight.parts.iter().any(|&part| part > 0));
        if let Some(since) = waiting.map(|flight| flight.sent + rtt).min() {
            self.delivery.silence(now, since, self.next().into(), rtt);
        }
        self.bounded_rate()
    }

    /// The rate in bytes per second, by the last acknowledgements.
    fn bounded_rate(&self) -> f64 {
        // A window that the application has not filled does not grow, so it is only a loose bound.
        let window = self
            .path
            .map_or(f64::INFINITY, |path| 2.0 * path.window as f64 / path.rtt.as_secs_f64().max(0.001));
        self.delivery.rate().min(window).max(delivery::LEAST)
    }
}

/// Number of parts, from the first on, that fit into `bytes`.
fn prefix(parts: &[u32], bytes: f64) -> usize {
    let mut sum = 0.0;
    parts
        .iter()
        .take_while(|&&part| {
            sum += f64::from(part);
            sum <= bytes
        })
        .count()
}
