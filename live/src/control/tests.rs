//! Promises of live mode, on a simulated path: frames are in time, quality follows the path, and the cap is kept.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

const PACKET: f64 = 1200.0;
/// Bytes that the transport keeps in the network; they cannot be taken back.
const WINDOW: f64 = 64_000.0;
const SIZE: (u32, u32) = (1280, 720);
const ONE_WAY: u64 = 25;
/// Milliseconds of the longest decode.
const MOST: u64 = 60;
/// Parts of a frame's bytes: header and hyper-latents, then the passes.
const SHARES: [f64; 5] = [0.1, 0.3, 0.25, 0.2, 0.15];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A frame that was sent, as the simulated receiver sees it.
#[derive(Debug, Default)]
struct Sent {
    quality: f64,
    /// Milliseconds that its decode takes.
    decode: u64,
    parts: Vec<u32>,
    arrived: Vec<f64>,
}

/// One run of a sender, a path and a receiver, in steps of a millisecond.
struct Run {
    controller: Controller,
    deadline: u64,
    /// Bytes per millisecond, at each time.
    capacity: Box<dyn Fn(u64) -> f64>,
    /// Packets (frame, part, bytes) at the sender and in the network.
    waiting: VecDeque<(u64, usize, f64)>,
    network: VecDeque<(u64, usize, f64)>,
    landing: VecDeque<(u64, u64, usize, f64)>,
    /// Bytes beyond the queue, with the time of their acknowledgement.
    unacked: VecDeque<(u64, f64)>,
    acks: VecDeque<(u64, u64, usize)>,
    reports: VecDeque<(u64, FrameReport)>,
    sent: BTreeMap<u64, Sent>,
    /// Bytes per millisecond that were handed to the path.
    offered: Vec<f64>,
    /// Time, frame and lateness of what was shown.
    shown: Vec<(u64, u64, u64)>,
    /// Frames that are being encoded, with the time at which they are done.
    encoding: VecDeque<(u64, u64, u64, f64, f64)>,
    captured: u64,
}

impl Run {
    fn new(config: Config, capacity: impl Fn(u64) -> f64 + 'static) -> Self {
        Self {
            deadline: config.deadline.as_millis() as u64,
            controller: Controller::new(config),
            capacity: Box::new(capacity),
            waiting: VecDeque::new(),
            network: VecDeque::new(),
            landing: VecDeque::new(),
            unacked: VecDeque::new(),
            acks: VecDeque::new(),
            reports: VecDeque::new(),
            sent: BTreeMap::new(),
            offered: Vec::new(),
            shown: Vec::new(),
            encoding: VecDeque::new(),
            captured: 0,
        }
    }

    /// Runs `length` milliseconds of ten frames a second whose content makes `detail` times the usual bytes.
    fn go(mut self, length: u64, detail: impl Fn(u64) -> f64) -> Self {
        let mut credit = 0.0;
        for t in 0..length {
            self.offered.push(0.0);
            self.controller.path(Path { window: WINDOW as u64, rtt: ms(2 * ONE_WAY) });
            if t % 100 == 0 {
                self.frame(t, detail(t));
            }
            self.send(t);
            if t % 20 == 0 {
                for GiveUp { seq, from } in self.controller.late(ms(t)) {
                    self.waiting.retain(|&(s, part, _)| s != seq || part < from);
                }
            }
            while self.unacked.pop_front_if(|u| u.0 <= t).is_some() {}
            let under_way: f64 = self.unacked.iter().map(|u| u.1).sum();
            while under_way + self.network.iter().map(|p| p.2).sum::<f64>() < WINDOW
                && let Some(packet) = self.waiting.pop_front()
            {
                self.network.push_back(packet);
            }
            credit += (self.capacity)(t);
            while let Some(&(seq, part, bytes)) = self.network.front() {
                if credit < bytes {
                    break;
                }
                credit -= bytes;
                self.network.pop_front();
                self.landing.push_back((t + ONE_WAY, seq, part, bytes));
                self.unacked.push_back((t + 2 * ONE_WAY, bytes));
            }
            if self.network.is_empty() {
                credit = 0.0;
            }
            self.receive(t);
        }
        self
    }

    fn frame(&mut self, t: u64, detail: f64) {
        self.captured += 1;
        let seq = t / 100;
        let Decision::Encode { quality, scale } = self.controller.frame(ms(t), ms(t), SIZE) else { return };
        let pixels = f64::from(scale.of(SIZE.0)) * f64::from(scale.of(SIZE.1));
        let bytes = detail * 7000.0 * (0.034 * quality.value()).exp() * (pixels / 921_600.0).powf(0.65);
        self.encoding.push_back((t + (pixels / 20e3) as u64, seq, t, quality.value(), bytes));
    }

    fn send(&mut self, t: u64) {
        let Some((_, seq, captured, quality, bytes)) = self.encoding.pop_front_if(|e| e.0 <= t) else {
            return;
        };
        let parts: Vec<u32> = SHARES.iter().map(|share| (share * bytes) as u32).collect();
        let count = self.controller.encoded(ms(t), seq, ms(captured), ms(t - captured), &parts);
        for (part, &bytes) in parts[..count].iter().enumerate() {
            let mut left = f64::from(bytes);
            *self.offered.last_mut().expect("a step") += left;
            while left > 0.0 {
                self.waiting.push_back((seq, part, left.min(PACKET)));
                left -= PACKET;
            }
        }
        // The coarse part of a new frame goes before the fine parts of an old one.
        self.waiting.make_contiguous().sort_by_key(|&(_, part, _)| part >= 2);
        let parts = parts[..count].to_vec();
        // About as fast as the encode.
        let decode = 2 + (t - captured).min(MOST - 2);
        self.sent.insert(seq, Sent { quality, decode, arrived: vec![0.0; count], parts });
    }

    fn receive(&mut self, t: u64) {
        while let Some((_, seq, part, bytes)) = self.landing.pop_front_if(|l| l.0 <= t) {
            let sent = self.sent.get_mut(&seq).expect("what lands was sent");
            sent.arrived[part] += bytes;
            if sent.arrived[part] >= f64::from(sent.parts[part]) - 0.5 {
                self.acks.push_back((t + ONE_WAY, seq, part));
            }
        }
        while let Some((_, seq, part)) = self.acks.pop_front_if(|a| a.0 <= t) {
            self.controller.acknowledged(ms(t), seq, part);
        }
        self.show(t);
        while let Some((_, shown)) = self.reports.pop_front_if(|r| r.0 <= t) {
            self.controller.shown(ms(t), &shown);
        }
    }

    /// Shows each frame that is due, and each late frame if nothing newer was shown. Decodes it just before.
    fn show(&mut self, t: u64) {
        let newest = self.shown.last().map_or(0, |shown| shown.1 + 1);
        let due = (t + MOST).checked_sub(self.deadline).map_or(0, |captured| captured / 100 + 1);
        let complete = |sent: &Sent| {
            let whole = |(got, all): &(&f64, &u32)| **got >= f64::from(**all) - 0.5;
            sent.arrived.iter().zip(&sent.parts).take_while(whole).count()
        };
        let ready = |&(&seq, sent): &(&u64, &Sent)| {
            complete(sent) >= 2 && t + sent.decode >= 100 * seq + self.deadline
        };
        let Some((&seq, sent)) = self.sent.range(newest..due.max(newest)).rev().find(ready) else { return };
        let at = (t + sent.decode).max(100 * seq + self.deadline);
        let late = at - 100 * seq - self.deadline;
        self.shown.push((at, seq, late));
        let bytes = sent.arrived.iter().sum::<f64>() as u32;
        let passes = Some(complete(sent) as u8 - 1);
        let shown =
            FrameReport { seq, passes, bytes, lateness: late as i32, decode: sent.decode as u16, rate: 0 };
        self.reports.push_back((at + ONE_WAY, shown));
    }

    /// Share of the captured frames that were shown in time.
    fn in_time(&self) -> f64 {
        // The last frames' deadlines lie beyond the end.
        self.shown.iter().filter(|shown| shown.2 == 0).count() as f64
            / (self.captured - self.deadline / 100) as f64
    }

    /// Longest time between two shown frames, in milliseconds.
    fn stall(&self) -> u64 {
        self.shown.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).max().unwrap_or(u64::MAX)
    }

    /// Mean quality of the frames captured within these seconds.
    fn quality(&self, seconds: std::ops::Range<u64>) -> f64 {
        let of: Vec<f64> =
            self.sent.range(seconds.start * 10..seconds.end * 10).map(|(_, sent)| sent.quality).collect();
        of.iter().sum::<f64>() / of.len() as f64
    }
}

/// 8 Mbit/s, 0.8 from second 20 to 40, 8 again.
fn falling(t: u64) -> f64 {
    if (20_000..40_000).contains(&t) { 100.0 } else { 1000.0 }
}

#[test]
fn frames_stay_in_time_while_the_path_falls_to_a_tenth_and_returns() {
    for deadline in [300, 400, 600] {
        let config = Config { deadline: ms(deadline), ..Config::default() };
        let run = Run::new(config, falling).go(60_000, |_| 1.0);
        let (share, stall) = (run.in_time(), run.stall());
        assert!(share >= 0.95, "{share} of the frames within {deadline} ms");
        assert!(stall <= 500, "{stall} ms without a new frame, deadline {deadline} ms");
        let [before, during, after] = [10..20, 25..40, 48..60].map(|seconds| run.quality(seconds));
        assert!(before > 60.0 && during < 25.0 && after > 60.0, "{before}, {during}, {after}");
    }
}

#[test]
fn a_changing_scene_does_not_break_the_deadline() {
    // Every three seconds a cut to a scene of a third or three times the bytes.
    let run =
        Run::new(Config::default(), |_| 300.0).go(60_000, |t| if t / 3000 % 2 == 0 { 1.0 } else { 3.0 });
    assert!(run.in_time() >= 0.95, "{}", run.in_time());
    assert!(run.stall() <= 500, "{} ms", run.stall());
}

#[test]
fn frames_return_after_an_outage() {
    let run = Run::new(Config::default(), |t| if (10_000..15_000).contains(&t) { 0.0 } else { 500.0 });
    let run = run.go(30_000, |_| 1.0);
    let back = run.shown.iter().find(|shown| shown.0 > 15_000).map(|shown| shown.0 - 15_000);
    assert!(back.is_some_and(|back| back < 1200), "{back:?} ms after the path is back");
    assert!(run.quality(22..30) > 0.8 * run.quality(5..10));
}

#[test]
fn dropping_the_oldest_keeps_the_quality() {
    let best = Quality::new(60.0).expect("in range");
    let config = Config { on_full: OnFull::DropOldest, best, ..Config::default() };
    let run = Run::new(config, |_| 120.0).go(20_000, |_| 1.0);
    assert!(run.sent.values().all(|sent| sent.quality == 60.0));
    assert!(run.shown.len() < 190 && run.shown.len() > 20, "{}", run.shown.len());
}

#[test]
fn blocking_lets_the_source_wait_and_gives_nothing_up() {
    let config = Config { on_full: OnFull::Block, ..Config::default() };
    let mut controller = Controller::new(config);
    controller.path(Path { window: 20_000, rtt: ms(50) });
    let mut waited = false;
    for seq in 0..40 {
        let now = ms(seq * 10);
        match controller.frame(now, now, SIZE) {
            Decision::Wait(time) => waited |= time > Duration::ZERO,
            Decision::Encode { scale, .. } => {
                assert_eq!(scale, Scale::FULL);
                assert_eq!(controller.encoded(now, seq, now, ms(5), &[9000; 5]), 5);
            }
            Decision::Drop => panic!("a frame was dropped"),
        }
        assert!(controller.late(now).is_empty());
    }
    assert!(waited);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_cap_is_kept_over_every_window(
        kbits in 100_u64..6000, rate in 50.0..2000.0_f64, detail in 0.2..5.0_f64, mode in 0..2,
    ) {
        let on_full = [OnFull::LowerQuality, OnFull::DropOldest][mode as usize];
        let config = Config { max_bitrate: Some(1000 * kbits), on_full, ..Config::default() };
        let run = Run::new(config, move |_| rate).go(8_000, move |t| detail * (1.0 + (t / 700 % 3) as f64));
        let a_second = kbits as f64 * 125.0;
        for window in run.offered.windows(2000).step_by(50) {
            let bytes: f64 = window.iter().sum();
            prop_assert!(bytes <= a_second * 2.2 + 1.0, "{bytes} bytes in 2 s, cap {a_second} a second");
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Path(u64, u64),
    Frame(u64, u32, u32),
    Encoded(u64, u64, Vec<u32>),
    Acknowledged(u64, usize),
    Shown(FrameReport),
    Late,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any::<u64>(), any::<u64>()).prop_map(|(window, rtt)| Event::Path(window, rtt)),
        (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(at, w, h)| Event::Frame(at, w, h)),
        (0_u64..9, any::<u64>(), proptest::collection::vec(any::<u32>(), 0..7))
            .prop_map(|(seq, took, parts)| Event::Encoded(seq, took, parts)),
        (0_u64..9, 0_usize..9).prop_map(|(seq, part)| Event::Acknowledged(seq, part)),
        (0_u64..9, any::<Option<u8>>(), any::<u32>(), any::<i32>(), any::<u16>(), any::<u32>()).prop_map(
            |(seq, passes, bytes, lateness, decode, rate)| {
                Event::Shown(FrameReport { seq, passes, bytes, lateness, decode, rate })
            }
        ),
        Just(Event::Late),
    ]
}

proptest! {
    #[test]
    fn no_order_of_events_and_no_value_breaks_it(
        mode in 0..3_usize, period: u64, deadline: u64, cap: Option<u64>,
        events in proptest::collection::vec((any::<u64>(), event()), 0..60),
    ) {
        let on_full = [OnFull::Block, OnFull::DropOldest, OnFull::LowerQuality][mode];
        let (period, deadline) = (Duration::from_micros(period), Duration::from_micros(deadline));
        let mut controller =
            Controller::new(Config { period, deadline, max_bitrate: cap, on_full, ..Config::default() });
        for (now, event) in events {
            let now = Duration::from_micros(now);
            match event {
                Event::Path(window, rtt) => {
                    controller.path(Path { window, rtt: Duration::from_micros(rtt) });
                }
                Event::Frame(at, width, height) => {
                    controller.frame(now, Duration::from_micros(at), (width, height));
                }
                Event::Encoded(seq, took, parts) => {
                    let took = Duration::from_micros(took);
                    prop_assert!(controller.encoded(now, seq, now, took, &parts) <= parts.len());
                }
                Event::Acknowledged(seq, part) => controller.acknowledged(now, seq, part),
                Event::Shown(shown) => controller.shown(now, &shown),
                Event::Late => {
                    controller.late(now);
                }
            }
            prop_assert!(controller.estimate().rate.is_finite());
        }
    }
}
