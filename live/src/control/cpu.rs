//! Estimates what the two machines manage, and from it the size at which frames are coded.
//!
//! Encode and decode take time for each pixel that both ends measure, so the load of every size follows from that
//! of the present one. The size falls as soon as an end is overloaded, and rises one step when there has been room
//! for a while. This waiting time doubles each time that a rise proves wrong, because ends that share a machine
//! look idle until both have more to do.

use std::time::Duration;

/// Seconds per pixel that are assumed before anything is measured.
const FIRST: f64 = 1.0 / 10e6;
/// Above this load the size falls.
const OVERLOAD: f64 = 0.78;
/// It falls to a size with at most this load.
const FITS: f64 = 0.66;
/// It rises if the load of the larger size would be below this.
const ROOM: f64 = 0.58;
/// Share of the time before the deadline that coding may take; the rest is for the bytes.
const CODING: f64 = 0.65;
/// Time without a change before the size may rise.
const HOLD: Duration = Duration::from_secs(2);
const HOLD_MOST: Duration = Duration::from_secs(60);

/// The size of a coded frame, in eighths of the side of the captured one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scale(u8);

impl Scale {
    /// The captured size.
    pub const FULL: Self = Self(8);
    /// A quarter of each side.
    pub const SMALLEST: Self = Self(2);
    /// All sizes, largest first.
    pub const ALL: [Self; 6] = [Self(8), Self(6), Self(5), Self(4), Self(3), Self(2)];

    /// The coded length of a side in pixels, at least 1.
    pub fn of(self, side: u32) -> u32 {
        ((u64::from(side) * u64::from(self.0)).div_ceil(8) as u32).max(1)
    }

    /// Share of the side.
    pub fn factor(self) -> f64 {
        f64::from(self.0) / 8.0
    }

    /// Share of the pixels.
    pub fn area(self) -> f64 {
        self.factor() * self.factor()
    }
}

/// Times per pixel at both ends, and the size that they allow.
#[derive(Debug)]
pub(super) struct Cpu {
    encode: f64,
    decode: f64,
    scale: Option<Scale>,
    /// The last change, and how long the next rise waits.
    changed: Duration,
    hold: Duration,
    rose: bool,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { encode: FIRST, decode: FIRST, scale: None, changed: Duration::ZERO, hold: HOLD, rose: false }
    }
}

impl Cpu {
    /// Time of an encode.
    pub fn encode(&self, pixels: f64) -> Duration {
        Duration::from_secs_f64((self.encode * pixels).min(60.0))
    }

    /// Time of a decode.
    pub fn decode(&self, pixels: f64) -> Duration {
        Duration::from_secs_f64((self.decode * pixels).min(60.0))
    }

    /// An encode of that many pixels took this long.
    pub fn encoded(&mut self, pixels: f64, took: Duration) {
        learn(&mut self.encode, pixels, took);
    }

    /// The receiver's decode took this long.
    pub fn decoded(&mut self, pixels: f64, took: Duration) {
        learn(&mut self.decode, pixels, took);
    }

    /// A frame arrived whole and was not decoded in time.
    pub fn too_slow(&mut self) {
        self.decode = (self.decode * 1.15).min(1e-3);
    }

    /// The size for the next frame of `pixels`: frames come every `period`, and `spare` is the time that coding and
    /// transfer may take together.
    pub fn choose(&mut self, now: Duration, pixels: f64, period: Duration, spare: Duration) -> Scale {
        let load = |scale: Scale| {
            let pixels = pixels * scale.area();
            let (encode, decode) = (self.encode * pixels, self.decode * pixels);
            let each = encode.max(decode) / period.as_secs_f64().max(1e-3);
            each.max((encode + decode) / (CODING * spare.as_secs_f64()).max(1e-3))
        };
        let fitting = || Scale::ALL.into_iter().find(|&s| load(s) <= FITS).unwrap_or(Scale::SMALLEST);
        let Some(scale) = self.scale else {
            return *self.scale.insert(fitting());
        };
        let waited = now.saturating_sub(self.changed);
        if load(scale) > OVERLOAD && scale > Scale::SMALLEST {
            if self.rose && waited < 2 * self.hold {
                self.hold = (2 * self.hold).min(HOLD_MOST);
            }
            (self.scale, self.changed, self.rose) = (Some(fitting().min(scale)), now, false);
        } else if waited >= self.hold
            && let Some(larger) = Scale::ALL.into_iter().rev().find(|&s| s > scale)
            && load(larger) < ROOM
        {
            (self.scale, self.changed, self.rose) = (Some(larger), now, true);
        }
        self.scale.unwrap_or(Scale::SMALLEST)
    }
}

fn learn(estimate: &mut f64, pixels: f64, took: Duration) {
    if pixels >= 1.0 {
        let found = (took.as_secs_f64() / pixels).clamp(1e-10, 1e-3);
        *estimate += if found > *estimate { 0.4 } else { 0.2 } * (found - *estimate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);
    const PIXELS: f64 = 1280.0 * 720.0;

    fn run(cpu: &mut Cpu, from: u64, frames: u64, seconds_a_pixel: impl Fn(Scale) -> f64) -> Vec<Scale> {
        let one = |i| {
            let scale = cpu.choose(PERIOD * i as u32, PIXELS, PERIOD, 3 * PERIOD);
            let pixels = PIXELS * scale.area();
            let took = Duration::from_secs_f64(pixels * seconds_a_pixel(scale));
            cpu.encoded(pixels, took);
            cpu.decoded(pixels, took);
            scale
        };
        (from..from + frames).map(one).collect()
    }

    #[test]
    fn the_size_falls_with_the_machine_and_returns_with_it() {
        let mut cpu = Cpu::default();
        assert_eq!(run(&mut cpu, 0, 100, |_| 1.0 / 40e6).last(), Some(&Scale::FULL));
        let slow = run(&mut cpu, 100, 50, |_| 1.0 / 4e6);
        assert!(slow[10] <= Scale(4) && slow[49] >= Scale(3), "{slow:?}");
        assert_eq!(run(&mut cpu, 150, 400, |_| 1.0 / 40e6).last(), Some(&Scale::FULL));
    }

    #[test]
    fn ends_that_share_a_machine_do_not_make_the_size_swing() {
        // Two ends on one core: times double as soon as both together need more than there is.
        let shared = |scale: Scale| if scale >= Scale(5) { 1.0 / 4e6 } else { 1.0 / 9e6 };
        let scales = run(&mut Cpu::default(), 0, 600, shared);
        let changes = scales.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes <= 14, "{changes} changes in a minute");
        assert!(scales.iter().filter(|&&s| s <= Scale(4)).count() > 500);
    }
}
