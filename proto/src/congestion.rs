//! A congestion controller that models the path instead of reacting to losses. It decides how much may be under
//! way.
//!
//! Pictures are sent over radio links that lose packets at random. Cubic and NewReno take each loss for a full
//! queue and starve there. As in BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14
//! (5), 2016; draft-ietf-ccwg-bbr) the window follows the product of two estimates, the path's rate and its delay
//! without a queue. The differences are due to quinn, which paces by the window and has no separate rate to set:
//!
//! * The window holds a little more than the path, so that arriving acknowledgements clock the packets out. From
//!   time to time it holds a little more again, to find out whether the path has become faster.
//! * A round in which every packet met a long queue proves that the line was busy throughout. Then the round's rate is
//!   the line's, and all older estimates are forgotten: a path that slows down is followed within a round trip or two.
//! * The delay is the least mean of a round, not the least of all packets, which on a path with jitter is too short.
//!
//! `tests/tests/congestion.rs` compares it with the BBR of quinn on eleven paths.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{self, ControllerMetrics};

/// Window at the start, in packets.
const INITIAL_PACKETS: u64 = 20;
/// The smallest window in packets: large enough that losses are found by later packets and not by timers.
const MIN_PACKETS: u64 = 4;
/// Packets beyond what the path holds, because acknowledgements come for two at a time and timers are a little
/// late.
const SLACK_PACKETS: u64 = 3;
/// Data beyond what the path holds, as a time, because acknowledgements and schedulers cause delays.
const SLACK: Duration = Duration::from_millis(2);
/// The most bytes for that time: within a host, the only queue is a socket's buffer, by default 208 KiB.
const SLACK_BYTES: f64 = 96.0 * 1024.0;
/// The number of rounds whose best rate counts.
const ROUNDS: usize = 8;
/// Ratio of the window to what the path holds.
const CRUISE: f64 = 1.15;
/// The same ratio in a round that probes for a faster path.
const PROBE: f64 = 1.25;
/// The same ratio if the previous round has found a faster path.
const CLIMB: f64 = 1.6;
/// The same ratio at the start: the window at least doubles in each round (2 / ln 2, as in BBR).
const START: f64 = 2.89;
/// One round in this many probes for a faster path.
const CYCLE: u32 = 6;
/// The same ratio while the delay is measured: less than the path holds, so that queues empty.
const DRAIN: f64 = 0.75;
/// Growth of the rate at the start below which a round is flat.
const STEEP: f64 = 1.25;
/// Growth of the rate by which a probing round shows that the path is faster.
const FOUND: f64 = 1.1;
/// Rounds without growth that end the start.
const FLAT_ROUNDS: u32 = 3;
/// Age at which the delay is measured again.
const DELAY_AGE: Duration = Duration::from_secs(10);
/// The delay is measured again at once if it fell by this share.
const FALLING: f64 = 0.1;
/// Shortest time for which the delay is measured.
const DELAY_TIME: Duration = Duration::from_millis(100);
/// A queue of less than this proves nothing: schedulers and radio links delay as much.
const BUSY_QUEUE: Duration = Duration::from_millis(15);
/// After this many busy rounds in a row, the delay itself may have changed.
const BUSY_ROUNDS: u32 = 4;

/// Makes a [`Controller`] for each path.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Config {}

impl congestion::ControllerFactory for Config {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn congestion::Controller> {
        Box::new(Controller::new(now, current_mtu))
    }
}

/// The model of a path, and the window that follows from it.
#[derive(Debug, Clone)]
pub struct Controller {
    mtu: u64,
    window: u64,
    mode: Mode,
    /// Best rate of each of the last rounds, bytes per second, the newest last.
    rates: VecDeque<f64>,
    /// Delay of the path without a queue: the mean of the round in which it was least, and the time of that round.
    delay: Option<(Duration, Instant)>,
    /// What was known when each packet left, the oldest first.
    sent: VecDeque<Sent>,
    delivered: u64,
    delivered_at: Instant,
    /// When the newest packet known to have arrived was sent.
    newest: Instant,
    /// Nothing is under way, so the next packet starts a new measurement.
    idle: bool,
    /// Until this much is delivered, the sender had less to send than the window allowed.
    limited_until: u64,
    round: Round,
    /// The newest packet of the acknowledgement being read.
    acked: Option<Sent>,
    busy_rounds: u32,
    flat_rounds: u32,
    rate_before: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// The window doubles in each round.
    Start,
    /// The window follows the model; the number of rounds until the next probe.
    Cruise(u32),
    /// The window is a little larger, to find out whether the path is faster.
    Probe,
    /// The path is faster: the window grows as long as the rate does.
    Climb,
    /// The queue empties so that the delay can be measured: since when, and the number of rounds since.
    Measure { since: Instant, rounds: u32 },
}

/// What was known when packets left. All packets of a batch share it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    newest: Instant,
    delivered: u64,
    delivered_at: Instant,
    limited: bool,
}

/// From one packet's departure to its acknowledgement.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// The round ends when a packet is acknowledged that left after this much was delivered.
    end: u64,
    /// Bytes delivered before the round.
    start: u64,
    began: Instant,
    lost: u64,
    /// Sum and number of the acknowledgements' delays, and the least of them.
    delays: Duration,
    acks: u32,
    shortest: Duration,
    limited: bool,
}

impl Round {
    fn new(delivered: u64, began: Instant) -> Self {
        let (delays, shortest) = (Duration::ZERO, Duration::MAX);
        Self { end: delivered, start: delivered, began, lost: 0, delays, acks: 0, shortest, limited: false }
    }
}

impl Controller {
    /// The model of a path of which nothing is known.
    pub fn new(now: Instant, mtu: u16) -> Self {
        let mtu = u64::from(mtu);
        Self {
            mtu,
            window: INITIAL_PACKETS * mtu,
            mode: Mode::Start,
            rates: VecDeque::from([0.0]),
            delay: None,
            sent: VecDeque::new(),
            delivered: 0,
            delivered_at: now,
            newest: now,
            idle: true,
            limited_until: 0,
            round: Round::new(0, now),
            acked: None,
            busy_rounds: 0,
            flat_rounds: 0,
            rate_before: 0.0,
        }
    }

    /// Rate of the path, bytes per second of what arrives; 0 before the first acknowledgement.
    pub fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// Round-trip delay of the path without a queue, if it is known.
    pub fn delay(&self) -> Option<Duration> {
        self.delay.map(|(delay, _)| delay)
    }

    fn left(&mut self, now: Instant) {
        if self.idle {
            (self.newest, self.delivered_at, self.idle) = (now, now, false);
        }
        let Self { newest, delivered, delivered_at, limited_until, .. } = *self;
        let limited = delivered < limited_until;
        if self.sent.back().is_none_or(|last| last.at < now) {
            self.sent.push_back(Sent { at: now, newest, delivered, delivered_at, limited });
        }
    }

    fn arrived(&mut self, sent: Instant, bytes: u64) {
        self.delivered += bytes;
        let place = self.sent.partition_point(|known| known.at <= sent);
        let Some(known) = place.checked_sub(1).and_then(|place| self.sent.get(place)) else { return };
        if self.acked.is_none_or(|acked| acked.at <= known.at) {
            self.acked = Some(*known);
        }
    }

    fn all_arrived(&mut self, now: Instant, in_flight: u64, limited: bool) {
        self.idle = in_flight == 0;
        if limited {
            self.limited_until = self.delivered + in_flight.max(1);
        }
        let Some(packet) = self.acked.take() else { return };
        self.delivered_at = now;
        self.newest = self.newest.max(packet.at);
        self.forget(packet.at);
        let delay = now.saturating_duration_since(packet.at);
        self.round.delays += delay;
        self.round.acks += 1;
        self.round.shortest = self.round.shortest.min(delay);
        self.sample(now, &packet);
        if packet.delivered >= self.round.end {
            self.end_round(now);
        }
        self.resize();
    }

    /// A rate is what was delivered between a packet's departure and its acknowledgement, over the time that took
    /// or, if that is longer, the time in which it was sent (draft-cheng-iccrg-delivery-rate-estimation).
    fn sample(&mut self, now: Instant, packet: &Sent) {
        let sending = packet.at.saturating_duration_since(packet.newest);
        let arriving = now.saturating_duration_since(packet.delivered_at);
        let time = sending.max(arriving);
        // Acknowledgements that were held up together look like a fast path.
        if time.is_zero() || self.delay().is_some_and(|delay| time < delay / 2) {
            return;
        }
        let rate = (self.delivered - packet.delivered) as f64 / time.as_secs_f64();
        self.round.limited |= packet.limited;
        if (!packet.limited || rate > self.rate())
            && let Some(newest) = self.rates.back_mut()
        {
            *newest = newest.max(rate);
        }
    }

    fn end_round(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(self.delivered, now));
        let mean = round.delays / round.acks.max(1);
        let falling = self.delay().is_some_and(|delay| mean < delay.mul_f64(1.0 - FALLING));
        if self.delay.is_none_or(|(delay, _)| mean <= delay) {
            self.delay = Some((mean, now));
        }
        let delay = self.delay().unwrap_or_default();
        let queue = round.shortest.saturating_sub(delay);
        let rate = self.rate();
        // The longest queue that the window itself makes.
        let own = delay.as_secs_f64() * (CLIMB - 1.0) + self.slack(rate) as f64 / rate.max(1.0);
        let busy = queue.as_secs_f64() > own.max(BUSY_QUEUE.as_secs_f64());
        if busy {
            self.busy_rounds += 1;
            // A few late packets do not show what the line carries.
            let delivered = (self.delivered - round.start) as f64;
            let carried = delivered / now.saturating_duration_since(round.began).as_secs_f64().max(1e-6);
            if carried < rate && delivered >= rate * delay.as_secs_f64() / 2.0 {
                self.rates.clear();
                self.rates.push_back(carried);
            }
        } else {
            self.busy_rounds = 0;
        }
        if !round.limited {
            self.rates.push_back(0.0);
            if self.rates.len() > ROUNDS {
                self.rates.pop_front();
            }
        }
        let growth = rate / self.rate_before.max(1.0);
        self.rate_before = rate;
        self.mode = match self.mode {
            Mode::Start => {
                self.flat_rounds += u32::from(growth < STEEP && !round.limited);
                if growth >= STEEP {
                    self.flat_rounds = 0;
                }
                let losing = round.lost > (self.delivered - round.start) / 4;
                if self.flat_rounds >= FLAT_ROUNDS || busy || losing {
                    Mode::Cruise(CYCLE)
                } else {
                    Mode::Start
                }
            }
            Mode::Cruise(0) => Mode::Probe,
            Mode::Cruise(left) => Mode::Cruise(left - 1),
            Mode::Probe | Mode::Climb if growth >= FOUND && !busy => Mode::Climb,
            Mode::Probe | Mode::Climb => Mode::Cruise(CYCLE),
            // The first round still met the old queue; those after it count until the delay no longer falls.
            Mode::Measure { since, rounds } => {
                if rounds > 0 {
                    self.delay = Some((mean, now));
                }
                let early = now.saturating_duration_since(since) < DELAY_TIME;
                if rounds == 0 || falling || early {
                    Mode::Measure { since, rounds: rounds + 1 }
                } else {
                    self.busy_rounds = 0;
                    Mode::Cruise(CYCLE)
                }
            }
        };
        let old = self.delay.is_some_and(|(_, seen)| now.saturating_duration_since(seen) > DELAY_AGE);
        let steady = matches!(self.mode, Mode::Cruise(_) | Mode::Probe | Mode::Climb);
        if steady && (old && !busy || self.busy_rounds >= BUSY_ROUNDS) {
            self.mode = Mode::Measure { since: now, rounds: 0 };
        }
    }

    fn resize(&mut self) {
        let gain = match self.mode {
            Mode::Start => START,
            Mode::Cruise(_) => CRUISE,
            Mode::Probe => PROBE,
            Mode::Climb => CLIMB,
            Mode::Measure { .. } => DRAIN,
        };
        let rate = self.rate();
        let Some(delay) = self.delay() else { return };
        if rate == 0.0 {
            return;
        }
        let path = (rate * delay.as_secs_f64() * gain) as u64;
        let slack = match self.mode {
            Mode::Measure { .. } => 0,
            _ => self.slack(rate),
        };
        let wanted = (path + slack).max(MIN_PACKETS * self.mtu);
        self.window = if self.mode == Mode::Start { self.window.max(wanted) } else { wanted };
    }

    /// Bytes more than the path holds.
    fn slack(&self, rate: f64) -> u64 {
        (rate * SLACK.as_secs_f64()).min(SLACK_BYTES) as u64 + SLACK_PACKETS * self.mtu
    }

    /// Drops the records of packets that are so old that they count as lost.
    fn forget(&mut self, acked: Instant) {
        let Some((delay, _)) = self.delay else { return };
        let kept = delay * 2 + DELAY_TIME;
        while self.sent.len() > 1 && self.sent[1].at + kept < acked {
            self.sent.pop_front();
        }
    }
}

impl congestion::Controller for Controller {
    fn on_sent(&mut self, now: Instant, _bytes: u64, _last_packet_number: u64) {
        self.left(now);
    }

    fn on_ack(&mut self, _now: Instant, sent: Instant, bytes: u64, _limited: bool, _rtt: &RttEstimator) {
        self.arrived(sent, bytes);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _largest: Option<u64>) {
        self.all_arrived(now, in_flight, app_limited);
    }

    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, lost_bytes: u64) {
        self.round.lost += lost_bytes;
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
        self.window = self.window.max(MIN_PACKETS * self.mtu);
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = ControllerMetrics::default();
        metrics.congestion_window = self.window;
        metrics.pacing_rate = Some((self.rate() * 8.0) as u64);
        metrics
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        INITIAL_PACKETS * self.mtu
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
