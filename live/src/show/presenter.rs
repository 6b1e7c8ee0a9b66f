//! Decides which frame to decode, and reports what became of each.
//!
//! A complete frame is decoded at once. Any other frame is decoded so that it is ready at its deadline, with the
//! passes that have arrived by then. A frame whose coarse picture comes late is shown late unless a newer one is
//! ready, because that is better than a picture that stands still.

use std::collections::BTreeMap;
use std::time::Duration;

use aecodec_proto::message::{Frame, FrameReport};

/// The parts without which nothing can be shown: header with hyper-latents, and the first pass.
const COARSE: usize = 2;
/// The most frames that may be under way. Beyond them, the oldest is given up.
const FRAMES: usize = 64;
/// The most bytes of frames under way.
const BYTES: u64 = 64 << 20;
/// How far the offset between the clocks may grow per second, because clocks drift: 100 parts in a million.
const DRIFT: f64 = 1e-4;
/// Time for starting a decode and writing its result.
const SLACK: Duration = Duration::from_millis(5);

/// A frame to decode now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// The frame.
    pub seq: u64,
    /// The beginning of its `.aec`, as far as it has arrived without a gap.
    pub bytes: Vec<u8>,
    /// Passes that these bytes hold, 1 to 4.
    pub passes: u8,
    /// Size at which to show it.
    pub size: (u32, u32),
    /// When it should be shown; this time may have passed.
    pub due: Duration,
}

/// A frame under way.
#[derive(Debug)]
struct Arriving {
    frame: Frame,
    due: Duration,
    parts: Vec<Vec<u8>>,
}

impl Arriving {
    /// Parts that are complete, from the first on.
    fn complete(&self) -> usize {
        let whole = |(part, length): &(&Vec<u8>, &u32)| part.len() as u64 >= u64::from(**length);
        self.parts.iter().zip(&self.frame.parts).take_while(whole).count()
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    fn announced(&self) -> u64 {
        self.frame.parts.iter().map(|&part| u64::from(part)).sum()
    }

    fn report(&self, passes: Option<u8>, lateness: i64, decode: Duration, rate: u32) -> FrameReport {
        FrameReport {
            seq: self.frame.seq,
            passes,
            bytes: self.bytes().min(u32::MAX.into()) as u32,
            lateness: lateness.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            decode: decode.as_millis().min(u16::MAX.into()) as u16,
            rate,
        }
    }
}

/// Chooses what to show of one sender's frames.
#[derive(Debug, Default)]
pub struct Presenter {
    arriving: BTreeMap<u64, Arriving>,
    /// The frame that is being decoded, with its passes.
    decoding: Option<(Arriving, u8)>,
    /// The newest frame that was decoded or given to decode.
    newest: Option<u64>,
    /// Time that a decode takes, estimated from the last ones.
    decode: Duration,
    /// Smallest (arrival - capture) in microseconds, with the time at which it was taken.
    offset: Option<(f64, Duration)>,
    rate: Rate,
}

impl Presenter {
    /// A frame was announced. A frame that was already passed or was announced twice is ignored. Returns the
    /// reports of frames that had to make room.
    pub fn announced(&mut self, now: Duration, frame: Frame) -> Vec<FrameReport> {
        let captured = frame.captured as f64;
        let seen = now.as_secs_f64() * 1e6 - captured;
        let offset = match self.offset {
            Some((least, at)) => seen.min(least + DRIFT * now.saturating_sub(at).as_secs_f64() * 1e6),
            None => seen,
        };
        self.offset = Some((offset, now));
        if self.newest.is_some_and(|newest| frame.seq <= newest) || self.arriving.contains_key(&frame.seq) {
            return Vec::new();
        }
        let due = (captured + offset) / 1e6 + f64::from(frame.deadline) / 1e3;
        let due = Duration::try_from_secs_f64(due).unwrap_or(now);
        let parts = vec![Vec::new(); frame.parts.len()];
        self.arriving.insert(frame.seq, Arriving { frame, due, parts });

        let mut reports = Vec::new();
        let announced = |map: &BTreeMap<u64, Arriving>| map.values().map(Arriving::announced).sum::<u64>();
        while self.arriving.len() > FRAMES || announced(&self.arriving) > BYTES {
            let Some((_, oldest)) = self.arriving.pop_first() else { break };
            reports.push(oldest.report(None, 0, Duration::ZERO, self.rate.bytes_a_second()));
        }
        reports
    }

    /// Bytes of a part arrived, in order. Bytes beyond the announced length are ignored.
    pub fn arrived(&mut self, now: Duration, seq: u64, part: u32, bytes: &[u8]) {
        self.rate.arrived(now, bytes.len());
        let Some(arriving) = self.arriving.get_mut(&seq) else { return };
        let announced = arriving.frame.parts.get(part as usize).copied();
        if let (Some(length), Some(part)) = (announced, arriving.parts.get_mut(part as usize)) {
            let room = (length as usize).saturating_sub(part.len());
            part.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
    }

    /// When to ask [`Presenter::next`] again if nothing arrives before. `None` if nothing is due or a decode is
    /// running.
    pub fn wake(&self) -> Option<Duration> {
        if self.decoding.is_some() {
            return None;
        }
        if self.whole().is_some() {
            return Some(Duration::ZERO);
        }
        let ready = self.arriving.values().filter(|arriving| arriving.complete() >= COARSE);
        ready.map(|arriving| self.start(arriving)).min()
    }

    /// What to decode now, if anything, and the reports of the frames that are skipped. One decode runs at a time;
    /// report its end with [`Presenter::decoded`].
    pub fn next(&mut self, now: Duration) -> (Option<Show>, Vec<FrameReport>) {
        if self.decoding.is_some() {
            return (None, Vec::new());
        }
        // Takes the newest of those that must start now; if decoding is behind, older frames are no longer useful.
        let chosen = self
            .arriving
            .iter()
            .rev()
            .find(|(_, arriving)| arriving.complete() >= COARSE && self.start(arriving) <= now)
            .map(|(&seq, _)| seq)
            .or_else(|| self.whole());
        let Some(seq) = chosen else { return (None, Vec::new()) };
        let mut later = self.arriving.split_off(&seq);
        let chosen = later.remove(&seq);
        let passed = std::mem::replace(&mut self.arriving, later);
        let rate = self.rate.bytes_a_second();
        let lateness = |due: Duration| now.as_millis() as i64 - due.as_millis() as i64;
        let reports =
            passed.values().map(|a| a.report(None, lateness(a.due), Duration::ZERO, rate)).collect();
        let Some(chosen) = chosen else { return (None, reports) };
        self.newest = Some(seq);
        let complete = chosen.complete();
        let passes = (complete - 1).min(4) as u8;
        let show = Show {
            seq,
            bytes: chosen.parts[..complete].concat(),
            passes,
            size: (chosen.frame.width, chosen.frame.height),
            due: chosen.due,
        };
        self.decoding = Some((chosen, passes));
        (Some(show), reports)
    }

    /// What [`Presenter::next`] asked for took `took`, of which `decode` for decoding, and its picture is shown at
    /// `now`, or at its deadline if that is later. Returns the report for the sender.
    pub fn decoded(&mut self, now: Duration, took: Duration, decode: Duration) -> Option<FrameReport> {
        let (arriving, passes) = self.decoding.take()?;
        // The estimate rises at once and falls slowly, because a decode that starts too late makes a frame late.
        self.decode = if took > self.decode { took } else { (self.decode * 7 + took) / 8 };
        let lateness = now.max(arriving.due).as_millis() as i64 - arriving.due.as_millis() as i64;
        Some(arriving.report(Some(passes), lateness, decode, self.rate.bytes_a_second()))
    }

    /// The decode that [`Presenter::next`] asked for failed: the frame is not shown.
    pub fn failed(&mut self) -> Option<FrameReport> {
        let (arriving, _) = self.decoding.take()?;
        Some(arriving.report(None, 0, Duration::ZERO, self.rate.bytes_a_second()))
    }

    /// The oldest frame, if all of it has arrived: there is no reason to wait, and no earlier frame would be lost.
    fn whole(&self) -> Option<u64> {
        let (&seq, arriving) = self.arriving.first_key_value()?;
        let complete = arriving.complete();
        (complete >= COARSE && complete == arriving.frame.parts.len()).then_some(seq)
    }

    /// When the decode of a frame must start.
    fn start(&self, arriving: &Arriving) -> Duration {
        arriving.due.saturating_sub(self.decode + SLACK)
    }
}

/// What the path delivers, measured over the time in which bytes come without a pause: the pauses of a live sender
/// say nothing about the path.
#[derive(Debug, Default)]
struct Rate {
    /// Start of the run, bytes after its first arrival, and its last arrival.
    run: Option<(Duration, u64, Duration)>,
    rate: f64,
}

impl Rate {
    /// A pause longer than this ends a run.
    const PAUSE: Duration = Duration::from_millis(40);
    /// The least bytes and time of a measurement.
    const ENOUGH: (u64, Duration) = (8_000, Duration::from_millis(4));

    fn arrived(&mut self, now: Duration, bytes: usize) {
        let Some((start, sum, last)) = self.run else {
            self.run = Some((now, 0, now));
            return;
        };
        if now.saturating_sub(last) > Self::PAUSE {
            self.run = Some((now, 0, now));
            return;
        }
        let sum = sum + bytes as u64;
        let passed = now.saturating_sub(start);
        if sum >= Self::ENOUGH.0 && passed >= Self::ENOUGH.1 {
            let found = sum as f64 / passed.as_secs_f64();
            self.rate += if self.rate == 0.0 { found } else { 0.3 * (found - self.rate) };
            self.run = Some((now, 0, now));
        } else {
            self.run = Some((start, sum, now));
        }
    }

    /// The rate; 0 if nothing is known.
    fn bytes_a_second(&self) -> u32 {
        self.rate as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARTS: [u32; 5] = [10, 20, 30, 40, 50];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn frame(seq: u64) -> Frame {
        let captured = 1_000_000 * 50 + seq * 100_000;
        Frame { seq, captured, deadline: 300, width: 64, height: 48, parts: PARTS.to_vec() }
    }

    /// Announces a frame when it is captured and delivers its first parts.
    fn deliver(presenter: &mut Presenter, seq: u64, parts: usize) {
        let now = ms(seq * 100);
        presenter.announced(now, frame(seq));
        for (part, &length) in PARTS.iter().enumerate().take(parts) {
            presenter.arrived(now, seq, part as u32, &vec![seq as u8; length as usize]);
        }
    }

    #[test]
    fn a_frame_is_decoded_just_before_its_deadline_with_what_is_there() {
        let mut presenter = Presenter::default();
        deliver(&mut presenter, 0, 3);
        assert_eq!(presenter.wake(), Some(ms(295)));
        assert_eq!(presenter.next(ms(290)), (None, vec![]));
        let (show, passed) = presenter.next(ms(295));
        let show = show.expect("it is due");
        assert_eq!((show.seq, show.passes, show.bytes.len(), show.due), (0, 2, 60, ms(300)));
        assert!(passed.is_empty() && presenter.next(ms(299)).0.is_none(), "one decode at a time");
        let report = presenter.decoded(ms(320), ms(25), ms(25)).expect("a report");
        assert_eq!((report.passes, report.bytes, report.lateness, report.decode), (Some(2), 60, 20, 25));
        // The next one starts earlier by the time that a decode takes.
        deliver(&mut presenter, 4, 4);
        assert_eq!(presenter.wake(), Some(ms(700 - 30)));
        // Unless all of it is there.
        presenter.arrived(ms(410), 4, 4, &[4; 50]);
        assert_eq!(presenter.next(ms(410)).0.map(|show| (show.seq, show.due)), Some((4, ms(700))));
    }

    #[test]
    fn where_decoding_is_behind_only_the_newest_is_shown() {
        let mut presenter = Presenter::default();
        for seq in 0..4 {
            deliver(&mut presenter, seq, 5);
        }
        let (show, passed) = presenter.next(ms(700));
        assert_eq!(show.map(|show| show.seq), Some(3));
        let told: Vec<_> = passed.iter().map(|shown| (shown.seq, shown.passes, shown.bytes)).collect();
        assert_eq!(told, [(0, None, 150), (1, None, 150), (2, None, 150)]);
        // What comes for frames that were passed by is left aside.
        assert!(presenter.announced(ms(700), frame(2)).is_empty() && presenter.wake().is_none());
    }

    #[test]
    fn a_late_frame_is_shown_where_nothing_newer_is() {
        let mut presenter = Presenter::default();
        deliver(&mut presenter, 0, 1);
        assert_eq!(presenter.next(ms(400)), (None, vec![]));
        presenter.arrived(ms(450), 0, 1, &[0; 20]);
        assert!(presenter.next(ms(450)).0.is_some());
        assert_eq!(presenter.decoded(ms(460), ms(10), ms(10)).map(|shown| shown.lateness), Some(160));
    }

    #[test]
    fn the_smallest_delay_sets_the_clock() {
        let mut presenter = Presenter::default();
        presenter.announced(ms(80), frame(0));
        presenter.arrived(ms(80), 0, 0, &[0; 10]);
        presenter.arrived(ms(80), 0, 1, &[0; 20]);
        // The first announcement was 80 ms later than the second shows to be possible.
        deliver(&mut presenter, 1, 2);
        assert_eq!(presenter.arriving[&1].due, ms(400));
        assert_eq!(presenter.arriving[&0].due, ms(380));
    }

    #[test]
    fn frames_that_never_come_do_not_pile_up() {
        let mut presenter = Presenter::default();
        let mut given_up = 0;
        for seq in 0..1000 {
            let mut huge = frame(seq);
            huge.parts = vec![u32::MAX; 5];
            given_up += presenter.announced(ms(seq), huge).len();
        }
        assert!(presenter.arriving.len() <= 1 && given_up >= 999);
    }

    proptest! {
        #[test]
        fn no_order_of_events_breaks_it(
            events in proptest::collection::vec((0_u64..5000, 0..5, 0_u64..12, 0_u32..7, 0_usize..80), 0..100),
        ) {
            let mut presenter = Presenter::default();
            for (now, kind, seq, part, length) in events {
                let now = ms(now);
                match kind {
                    0 => drop(presenter.announced(now, frame(seq))),
                    1 | 2 => presenter.arrived(now, seq, part, &vec![0; length]),
                    3 => {
                        if let (Some(show), _) = presenter.next(now) {
                            prop_assert!((1..=4).contains(&show.passes) && show.bytes.len() >= 30);
                        }
                    }
                    _ => drop(presenter.decoded(now, ms(length as u64), ms(1))),
                }
            }
        }
    }
}
