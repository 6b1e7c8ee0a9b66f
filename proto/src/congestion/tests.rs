//! Promises of the controller, on a simulated line.

use super::*;
use quinn_proto::congestion::Controller as _;

const PACKET: u64 = 1200;
const ONE_WAY: Duration = Duration::from_millis(25);

/// A line between a sender with endless data and a receiver that acknowledges each packet.
struct Line {
    controller: Controller,
    now: Instant,
    free: Instant,
    /// Packets under way: when they left, when their fate is known, and whether they arrived.
    under_way: VecDeque<(Instant, Instant, bool)>,
    sent: u64,
    delivered: u64,
    longest_queue: Duration,
}

impl Line {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            controller: Controller::new(now, PACKET as u16),
            now,
            free: now,
            under_way: VecDeque::new(),
            sent: 0,
            delivered: 0,
            longest_queue: Duration::ZERO,
        }
    }

    /// Runs the line for some seconds at a rate in bit/s with room for `queue` packets, losing one packet in
    /// `losing`. Returns the share of the rate that arrived.
    fn run(&mut self, seconds: u64, rate: u64, queue: u32, losing: u64) -> f64 {
        let end = self.now + Duration::from_secs(seconds);
        let time = Duration::from_secs_f64(PACKET as f64 * 8.0 / rate as f64);
        (self.delivered, self.longest_queue) = (0, Duration::ZERO);
        while self.now < end {
            while (self.under_way.len() as u64 + 1) * PACKET <= self.controller.window() {
                self.send(time, queue, losing);
            }
            let Some((left, known, arrived)) = self.under_way.pop_front() else { break };
            self.now = self.now.max(known);
            let in_flight = self.under_way.len() as u64 * PACKET;
            if arrived {
                self.delivered += PACKET;
                self.controller.arrived(left, PACKET);
                self.controller.all_arrived(self.now, in_flight, false);
            } else {
                self.controller.on_congestion_event(self.now, left, false, PACKET);
            }
        }
        self.delivered as f64 * 8.0 / (rate * seconds) as f64
    }

    fn send(&mut self, time: Duration, queue: u32, losing: u64) {
        self.sent += 1;
        self.controller.left(self.now);
        let start = self.free.max(self.now);
        let wait = start - self.now;
        let room = wait < time * queue;
        if room {
            self.free = start + time;
            self.longest_queue = self.longest_queue.max(wait);
        }
        // A loss shows by the packets after it.
        let known = self.free + 2 * ONE_WAY;
        self.under_way.push_back((self.now, known, room && !self.sent.is_multiple_of(losing)));
    }
}

#[test]
fn random_losses_cost_no_more_than_themselves() {
    for losing in [u64::MAX, 50, 20] {
        let mut line = Line::new();
        line.run(2, 10_000_000, 25, losing);
        let share = line.run(20, 10_000_000, 25, losing);
        let best = 1.0 - 1.0 / losing as f64;
        assert!(share > 0.97 * best, "1 in {losing}: {share:.3}");
    }
}

#[test]
fn a_line_that_slows_down_is_followed_without_a_standing_queue() {
    let mut line = Line::new();
    line.run(5, 8_000_000, 1000, u64::MAX);
    line.run(2, 800_000, 1000, u64::MAX);
    let share = line.run(5, 800_000, 1000, u64::MAX);
    assert!(share > 0.95, "{share:.3}");
    assert!(line.longest_queue < Duration::from_millis(150), "{:?}", line.longest_queue);
    line.run(2, 8_000_000, 1000, u64::MAX);
    let share = line.run(5, 8_000_000, 1000, u64::MAX);
    assert!(share > 0.95, "{share:.3}");
}

#[test]
fn the_estimates_are_those_of_the_line() {
    let mut line = Line::new();
    line.run(25, 20_000_000, 100, 50);
    let rate = line.controller.rate() * 8.0;
    assert!((19e6..21e6).contains(&rate), "{rate}");
    let delay = line.controller.delay().expect("measured");
    assert!((2 * ONE_WAY..2 * ONE_WAY * 6 / 5).contains(&delay), "{delay:?}");
}

#[test]
fn a_sender_with_little_to_send_keeps_its_window() {
    let mut line = Line::new();
    line.run(5, 10_000_000, 25, u64::MAX);
    let before = line.controller.rate();
    line.under_way.clear();
    for _ in 0..100 {
        line.controller.left(line.now);
        let left = line.now;
        line.now += 2 * ONE_WAY;
        line.controller.arrived(left, 100);
        line.controller.all_arrived(line.now, 0, true);
    }
    assert!(line.controller.rate() > 0.9 * before);
}

#[test]
fn the_window_never_closes() {
    let mut line = Line::new();
    line.run(5, 10_000_000, 25, u64::MAX);
    line.run(20, 20_000, 2, 2);
    assert!(line.controller.window() >= MIN_PACKETS * PACKET);
}
