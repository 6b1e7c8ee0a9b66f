//! One direction of a bad network as a pure model: packets go in, late, damaged, twice or never they come out.
//!
//! Nothing here waits or reads a clock. The line's speed is kept as the time at which it is next free, so a caller that
//! comes late gets everything that has become due and the rate stays exact.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::Random;

/// Bytes of IPv4 and UDP headers before each payload: they take their time on the line too.
pub const HEADERS: usize = 28;

/// What a direction does to packets. The default only drops what Ethernet would not carry.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Longest payload that passes, bytes. What is longer is lost, as where no fragment may be made.
    pub mtu: usize,
    /// Share of packets lost at random on the line, 0 to 1. They have taken their time on it, as on a radio link.
    pub loss: f64,
    /// Losses that come together.
    pub bursts: Option<Bursts>,
    /// Time from the end of the line to the receiver.
    pub delay: Duration,
    /// At most so much is added to the delay, evenly drawn. Packets keep their order.
    pub jitter: Duration,
    /// Share of packets that others may overtake, 0 to 1.
    pub reorder: f64,
    /// How long overtaken packets are held back.
    pub reorder_by: Duration,
    /// Share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Share of packets in which a byte changes, 0 to 1.
    pub corrupt: f64,
    /// Speed of the line.
    pub rate: Rate,
    /// Room before the line; what finds it full is dropped.
    pub queue: Queue,
    /// Times without any connection.
    pub outages: Option<Outages>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            mtu: 1500 - HEADERS,
            loss: 0.0,
            bursts: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            duplicate: 0.0,
            corrupt: 0.0,
            rate: Rate::default(),
            queue: Queue::default(),
            outages: None,
        }
    }
}

/// Losses by the model of Gilbert and Elliott: between a good and a bad state, the bad one losing packets.
#[derive(Debug, Clone, Copy)]
pub struct Bursts {
    /// Chance that the bad state begins, at each packet.
    pub begin: f64,
    /// Chance that it ends, at each packet.
    pub end: f64,
    /// Share of packets lost in it, 0 to 1.
    pub loss: f64,
}

/// Speed of a line over time, from the moment at which its conditions were set. The default is without limit.
#[derive(Debug, Clone, Default)]
pub struct Rate(Vec<(Duration, u64)>);

impl Rate {
    /// The same at all times, in bits per second.
    pub fn fixed(bits: u64) -> Self {
        Self::steps(&[(Duration::ZERO, bits)])
    }

    /// Bits per second from each time on. The first holds from the start.
    pub fn steps(steps: &[(Duration, u64)]) -> Self {
        Self(steps.to_vec())
    }

    /// When a packet of so many bytes is through that starts at `start`; both count from the schedule's own start.
    fn through(&self, start: Duration, bytes: usize) -> Duration {
        let mut bits = bytes as f64 * 8.0;
        let mut at = start;
        for (i, &(_, rate)) in self.0.iter().enumerate() {
            let rate = rate.max(1) as f64;
            let until = self.0.get(i + 1).map_or(Duration::MAX, |next| next.0);
            if until <= at {
                continue;
            }
            let room = (until - at).as_secs_f64() * rate;
            if bits <= room {
                return at + Duration::from_secs_f64(bits / rate);
            }
            bits -= room;
            at = until;
        }
        at
    }
}

/// Room before a line, apart from the packet on it.
#[derive(Debug, Clone, Copy, Default)]
pub enum Queue {
    /// Without limit.
    #[default]
    Unlimited,
    /// So many packets.
    Packets(usize),
    /// So many bytes, headers included.
    Bytes(usize),
}

/// A connection that comes and goes: open, shut, open, shut.
#[derive(Debug, Clone, Copy)]
pub struct Outages {
    /// Time with a connection, first.
    pub open: Duration,
    /// Time without.
    pub shut: Duration,
}

/// What has become of the packets of a direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets that came in.
    pub packets: u64,
    /// Their payload, bytes.
    pub bytes: u64,
    /// Packets handed on, duplicates included.
    pub delivered: u64,
    /// Their payload, bytes.
    pub delivered_bytes: u64,
    /// Packets lost on the line or to an outage.
    pub lost: u64,
    /// Packets that found the queue full.
    pub overflowed: u64,
    /// Longest time that a packet waited for the line.
    pub longest_wait: Duration,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.lost += other.lost;
        self.overflowed += other.overflowed;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
    }
}

/// A direction under conditions. The same seed and the same packets at the same times give the same fate.
#[derive(Debug)]
pub struct Link {
    conditions: Conditions,
    since: Instant,
    random: Random,
    in_burst: bool,
    /// When the line is next free.
    free: Instant,
    /// Packets not yet through the line: when each starts on it, and its bytes with headers.
    waiting: VecDeque<(Instant, usize)>,
    waiting_bytes: usize,
    latest: Instant,
    serial: u64,
    arriving: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    count: Count,
}

impl Link {
    /// A direction whose schedules start at `now`.
    pub fn new(now: Instant, conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            since: now,
            random: Random::new(seed),
            in_burst: false,
            free: now,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            latest: now,
            serial: 0,
            arriving: BinaryHeap::new(),
            count: Count::default(),
        }
    }

    /// Changes the conditions; schedules start again. Packets under way keep their times.
    pub fn set(&mut self, now: Instant, conditions: Conditions) {
        self.conditions = conditions;
        self.since = now;
        self.in_burst = false;
    }

    /// A packet enters at `now`.
    pub fn push(&mut self, now: Instant, mut packet: Vec<u8>) {
        self.count.packets += 1;
        self.count.bytes += packet.len() as u64;
        // Each packet draws the same numbers whatever befalls it, so that a change of one rate leaves the others' fates.
        let [lost, burst, burst_lost, jitter, late, twice, damaged, place] =
            std::array::from_fn(|_| unit(&mut self.random));
        if packet.len() > self.conditions.mtu {
            self.count.lost += 1;
            return;
        }
        let Some(through) = self.through(now, packet.len() + HEADERS) else {
            self.count.overflowed += 1;
            return;
        };
        if lost < self.conditions.loss || self.burst(burst, burst_lost) || self.is_shut(now) {
            self.count.lost += 1;
            return;
        }
        let Conditions { delay, reorder_by, duplicate, corrupt, .. } = self.conditions;
        let in_order = (through + delay + self.conditions.jitter.mul_f64(jitter)).max(self.latest);
        let mut arrives = in_order;
        if late < self.conditions.reorder {
            arrives += reorder_by;
        } else {
            self.latest = in_order;
        }
        if twice < duplicate {
            self.arrive(arrives, packet.clone());
        }
        if damaged < corrupt && !packet.is_empty() {
            let place = (place * packet.len() as f64) as usize;
            packet[place] ^= 0x55;
        }
        self.arrive(arrives, packet);
    }

    /// A packet that is due at `now`, the earliest first.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, _, packet)) = self.arriving.pop()?;
        self.count.delivered += 1;
        self.count.delivered_bytes += packet.len() as u64;
        Some(packet)
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Instant> {
        self.arriving.peek().map(|Reverse((at, ..))| *at)
    }

    /// What has become of the packets so far.
    pub fn count(&self) -> Count {
        self.count
    }

    /// When a packet that enters now is through the line, if the queue has room.
    fn through(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        while let Some(&(start, bytes)) = self.waiting.front()
            && start <= now
        {
            self.waiting.pop_front();
            self.waiting_bytes -= bytes;
        }
        let start = self.free.max(now);
        let full = match self.conditions.queue {
            Queue::Unlimited => false,
            Queue::Packets(room) => self.waiting.len() >= room,
            Queue::Bytes(room) => self.waiting_bytes + bytes > room,
        };
        if full && start > now {
            return None;
        }
        if start > now {
            self.waiting.push_back((start, bytes));
            self.waiting_bytes += bytes;
            self.count.longest_wait = self.count.longest_wait.max(start - now);
        }
        let age = start.saturating_duration_since(self.since);
        self.free = start + (self.conditions.rate.through(age, bytes) - age);
        Some(self.free)
    }

    fn burst(&mut self, change: f64, lost: f64) -> bool {
        let Some(bursts) = self.conditions.bursts else { return false };
        let chance = if self.in_burst { bursts.end } else { bursts.begin };
        self.in_burst ^= change < chance;
        self.in_burst && lost < bursts.loss
    }

    fn is_shut(&self, now: Instant) -> bool {
        let Some(outages) = self.conditions.outages else { return false };
        let round = (outages.open + outages.shut).as_nanos().max(1);
        now.saturating_duration_since(self.since).as_nanos() % round >= outages.open.as_nanos()
    }

    fn arrive(&mut self, at: Instant, packet: Vec<u8>) {
        self.serial += 1;
        self.arriving.push(Reverse((at, self.serial, packet)));
    }
}

/// A number from 0 to less than 1.
fn unit(random: &mut Random) -> f64 {
    (random.number() >> 11) as f64 / (1u64 << 53) as f64
}
