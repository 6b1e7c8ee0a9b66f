//! How much may be under way at once: a congestion controller that models the path instead of reacting to losses.
//!
//! Pictures go over radio links that lose packets at random. Cubic and NewReno take each loss for a full queue and
//! starve there. As in BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14 (5), 2016;
//! draft-ietf-ccwg-bbr) the window follows the product of two estimates, the path's rate and its delay without a queue.
//! What differs is due to quinn, which paces by the window and has no rate of its own to set:
//!
//! * The window holds a little more than the path, so that arriving acknowledgements clock the packets out, and now and
//!   then a little more again, to find out whether the path has become faster.
//! * A round in which every packet met a long queue proves that the line was busy throughout. Then the round's rate is
//!   the line's, and all older estimates are forgotten: a path that slows down is followed within a round trip or two.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_proto::RttEstimator;
use quinn_proto::congestion::{self, ControllerMetrics};

/// Window at the start, in packets.
const INITIAL_PACKETS: u64 = 20;
/// The window never holds fewer packets, so that losses are found by later packets and not by timers.
const MIN_PACKETS: u64 = 4;
/// Packets more than the path holds: acknowledgements come for two at a time, and timers are a little late.
const SLACK_PACKETS: u64 = 3;
/// Time's worth of data more than the path holds, for what acknowledgements and schedulers delay.
const SLACK: Duration = Duration::from_millis(2);
/// Rounds whose best rate counts.
const ROUNDS: usize = 8;
/// Window over what the path holds.
const CRUISE: f64 = 1.15;
/// The same in the rounds that look for more.
const PROBE: f64 = 1.5;
/// One round in so many looks for more.
const CYCLE: u64 = 6;
/// The same while the delay is measured: less than the path holds, so that queues empty.
const DRAIN: f64 = 0.75;
/// Growth of the rate in a round that counts as growth.
const GROWTH: f64 = 1.25;
/// Rounds without growth that end the start.
const FLAT_ROUNDS: u32 = 3;
/// Age at which the delay is measured again.
const DELAY_AGE: Duration = Duration::from_secs(10);
/// Shortest time for which the delay is measured.
const DELAY_TIME: Duration = Duration::from_millis(100);
/// A queue of less than this proves nothing: schedulers and radio links delay as much.
const BUSY_QUEUE: Duration = Duration::from_millis(15);
/// After so many busy rounds in a row the delay itself may have changed.
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
    /// The latest rate measured, bytes per second.
    latest: f64,
    /// Delay of the path without a queue, and when it was last seen.
    delay: Option<(Duration, Instant)>,
    /// What was known when each packet left, the oldest first.
    sent: VecDeque<Sent>,
    delivered: u64,
    delivered_at: Instant,
    /// When the newest packet known to have arrived was sent.
    newest: Instant,
    /// Nothing is under way: the next packet starts anew.
    idle: bool,
    /// Until so much is delivered, the sender had less to send than it might have.
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
    /// The window follows the model; the round of the cycle.
    Cruise(u64),
    /// The queue empties so that the delay shows: the shortest seen, and since when the window has been kept.
    Measure { shortest: Duration, since: Option<Instant>, rounds: u32 },
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
    /// It ends when a packet is acknowledged that left after so much was delivered.
    end: u64,
    /// Delivered before it.
    start: u64,
    lost: u64,
    rate: f64,
    shortest: Duration,
    limited: bool,
}

impl Round {
    fn new(delivered: u64) -> Self {
        Self { end: delivered, start: delivered, lost: 0, rate: 0.0, shortest: Duration::MAX, limited: false }
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
            latest: 0.0,
            delay: None,
            sent: VecDeque::new(),
            delivered: 0,
            delivered_at: now,
            newest: now,
            idle: true,
            limited_until: 0,
            round: Round::new(0),
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

    /// Delay of the path there and back without a queue, where it is known.
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

    fn arrived(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.delivered += bytes;
        let place = self.sent.partition_point(|known| known.at <= sent);
        let Some(known) = place.checked_sub(1).and_then(|place| self.sent.get(place)) else { return };
        self.round.shortest = self.round.shortest.min(now.saturating_duration_since(sent));
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
        let rtt = now.saturating_duration_since(packet.at);
        if self.delay.is_none_or(|(delay, _)| rtt <= delay) {
            self.delay = Some((rtt, now));
        }
        self.sample(now, &packet);
        let ended = packet.delivered >= self.round.end;
        if ended {
            self.end_round(now);
        }
        self.measure(now, rtt, in_flight, ended);
        self.resize();
    }

    /// A rate is what was delivered between a packet's departure and its acknowledgement, over the time that
    /// took or, where that is longer, the time in which it was sent (draft-cheng-iccrg-delivery-rate-estimation).
    fn sample(&mut self, now: Instant, packet: &Sent) {
        let sending = packet.at.saturating_duration_since(packet.newest);
        let arriving = now.saturating_duration_since(packet.delivered_at);
        let time = sending.max(arriving);
        if time.is_zero() || self.delay().is_some_and(|delay| time < delay) {
            return;
        }
        let rate = (self.delivered - packet.delivered) as f64 / time.as_secs_f64();
        self.latest = rate;
        self.round.limited |= packet.limited;
        if !packet.limited || rate > self.rate() {
            self.round.rate = self.round.rate.max(rate);
            if let Some(newest) = self.rates.back_mut() {
                *newest = newest.max(rate);
            }
        }
    }

    fn end_round(&mut self, now: Instant) {
        let round = std::mem::replace(&mut self.round, Round::new(self.delivered));
        let delay = self.delay().unwrap_or_default();
        let queue = round.shortest.saturating_sub(delay);
        let busy = round.shortest < Duration::MAX && queue > BUSY_QUEUE.max(delay / 2);
        let rate = self.rate();
        if busy && self.latest > 0.0 {
            self.busy_rounds += 1;
            if self.latest < rate {
                self.rates.clear();
                self.rates.push_back(self.latest);
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
        let grown = rate >= self.rate_before * GROWTH;
        match self.mode {
            Mode::Start => {
                let delivered = self.delivered - round.start;
                if grown {
                    (self.flat_rounds, self.rate_before) = (0, rate);
                } else if !round.limited {
                    self.flat_rounds += 1;
                }
                if self.flat_rounds >= FLAT_ROUNDS || busy || round.lost > delivered / 4 {
                    self.mode = Mode::Cruise(1);
                    self.rate_before = rate;
                }
            }
            // A probe that found more goes on.
            Mode::Cruise(0) if grown && !busy => self.rate_before = rate,
            Mode::Cruise(at) => {
                self.mode = Mode::Cruise((at + 1) % CYCLE);
                self.rate_before = rate;
            }
            Mode::Measure { .. } => {}
        }
        let old = self.delay.is_some_and(|(_, seen)| now.saturating_duration_since(seen) > DELAY_AGE);
        if matches!(self.mode, Mode::Cruise(_)) && (old || self.busy_rounds >= BUSY_ROUNDS) {
            self.mode = Mode::Measure { shortest: Duration::MAX, since: None, rounds: 0 };
        }
    }

    fn measure(&mut self, now: Instant, rtt: Duration, in_flight: u64, ended: bool) {
        let held = in_flight <= self.window;
        let Mode::Measure { shortest, since, rounds } = &mut self.mode else { return };
        let Some(start) = *since else {
            if held {
                *since = Some(now);
            }
            return;
        };
        *rounds += u32::from(ended);
        // Before a round is over, packets come back that met the old queue.
        *shortest = rtt.min(*shortest);
        if *rounds >= 2 && now.saturating_duration_since(start) >= DELAY_TIME {
            self.delay = Some((*shortest, now));
            self.mode = Mode::Cruise(1);
            self.busy_rounds = 0;
        }
    }

    fn resize(&mut self) {
        let gain = match self.mode {
            Mode::Start => {
                let delivered = self.delivered - self.round.start;
                let _ = delivered;
                2.89
            }
            Mode::Cruise(0) => PROBE,
            Mode::Cruise(_) => CRUISE,
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
            _ => (rate * SLACK.as_secs_f64()) as u64 + SLACK_PACKETS * self.mtu,
        };
        let wanted = (path + slack).max(MIN_PACKETS * self.mtu);
        self.window = if self.mode == Mode::Start { self.window.max(wanted) } else { wanted };
    }

    /// Drops what concerns packets so old that they are lost, whatever becomes of them.
    fn forget(&mut self, acked: Instant) {
        let Some((delay, _)) = self.delay else { return };
        let kept = delay * 3 + Duration::from_secs(1);
        while self.sent.len() > 1 && self.sent[1].at + kept < acked {
            self.sent.pop_front();
        }
    }
}

impl congestion::Controller for Controller {
    fn on_sent(&mut self, now: Instant, _bytes: u64, _last_packet_number: u64) {
        self.left(now);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _limited: bool, _rtt: &RttEstimator) {
        self.arrived(now, sent, bytes);
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
