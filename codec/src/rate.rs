//! Rate control: finds the quality whose file meets a target, by encoding at several qualities and keeping the best result.

use crate::quality::Quality;
use crate::target::Target;
use crate::{Error, Result};

/// A file is near enough if its size is at least this share of the target.
const NEAR_BYTES: f64 = 0.992;
/// A PSNR is near enough if it is at most this many dB below the target.
const NEAR_PSNR: f64 = 0.01;
/// How many qualities on either side of the last one are tried if PSNR does not rise evenly: on small pictures a step of
/// the scale moves it up or down by some hundredths of a dB.
const WAVER: u16 = 8;
/// A result below this share of a target PSNR does not reach the target.
const REACHED: f64 = 0.98;
/// A PSNR above its target counts as worse, by this many dB, than one that is as far below it.
const ABOVE: f64 = 2.0;
/// Qualities that are tried in turn, from the lowest on, if PSNR does not rise with quality.
const LADDER: [u16; 8] = [0, 800, 1600, 2400, 3200, 4000, 4800, 5600];

/// What the search has to know of an encode.
pub(crate) trait Candidate {
    /// Bytes of the file.
    fn bytes(&self) -> u64;

    /// PSNR in dB: infinite if the decode is exact, and NaN if it was not measured. The search compares it as a number.
    fn psnr(&self) -> f64;

    /// See [`Encoded::is_broken`](crate::Encoded::is_broken).
    fn is_broken(&self) -> bool;
}

/// Runs `attempt` until the target is met, and returns the best attempt; the flag says whether it meets the target. A rate is
/// an upper bound: any file below it meets it.
pub(crate) fn search<T: Candidate>(
    target: Target,
    pixels: u64,
    mut attempt: impl FnMut(Quality) -> Result<T>,
) -> Result<(T, bool)> {
    let out_of_range = |what, value: f64| {
        Err(Error::Invalid { what, detail: format!("{value}, expected a positive number") })
    };
    match target {
        Target::Quality(quality) => Ok((attempt(quality)?, true)),
        Target::BitsPerPixel(bpp) if !(bpp > 0.0 && bpp.is_finite()) => out_of_range("bits per pixel", bpp),
        Target::Psnr(psnr) if !(psnr > 0.0 && psnr.is_finite()) => out_of_range("PSNR", psnr),
        Target::BitsPerPixel(_) | Target::Bytes(_) => {
            let bytes = ceiling(target, pixels).unwrap_or(u64::MAX);
            let log = |bytes: f64| bytes.max(1.0).ln();
            let goal = log(bytes as f64);
            let near = log(bytes as f64 * NEAR_BYTES);
            let mut search = Search::new(attempt, |a: &T| log(a.bytes() as f64), goal, near, f64::INFINITY);
            let top = search.at(Quality::MAX.raw())?;
            if top > goal {
                search.bisect(top, 0)?;
            }
            search.best(|found, _| found.bytes() <= bytes)
        }
        Target::Psnr(psnr) => {
            let mut search = Search::new(attempt, T::psnr, psnr, psnr - NEAR_PSNR, ABOVE);
            search.psnr(T::is_broken)?;
            search.best(|_, value| (REACHED * psnr..=psnr).contains(&value))
        }
    }
}

/// The number of bytes that a target allows, if it is a rate.
pub(crate) fn ceiling(target: Target, pixels: u64) -> Option<u64> {
    match target {
        Target::BitsPerPixel(bpp) => Some((bpp * pixels as f64 / 8.0) as u64),
        Target::Bytes(bytes) => Some(bytes),
        Target::Quality(_) | Target::Psnr(_) => None,
    }
}

/// The qualities below `quality` that are worth a try if the encode at `quality` is broken.
pub(crate) fn below(quality: Quality) -> impl Iterator<Item = Quality> {
    LADDER.into_iter().filter_map(Quality::from_raw).take_while(move |&lower| lower < quality)
}

/// A search for a target, with the best attempt so far.
struct Search<T, A, M> {
    attempt: A,
    measure: M,
    /// The highest value that meets the target, and the lowest one that is near enough.
    target: f64,
    near: f64,
    /// How much worse an attempt counts if its value is above the target.
    above: f64,
    /// The best attempt, and its value.
    best: Option<(T, f64)>,
}

impl<T, A: FnMut(Quality) -> Result<T>, M: Fn(&T) -> f64> Search<T, A, M> {
    fn new(attempt: A, measure: M, target: f64, near: f64, above: f64) -> Self {
        Self { attempt, measure, target, near, above, best: None }
    }

    /// Encodes at a quality and returns the value of the result.
    fn at(&mut self, raw: u16) -> Result<f64> {
        let found = (self.attempt)(Quality::from_raw(raw).unwrap_or(Quality::MAX))?;
        let value = (self.measure)(&found);
        let better = self.best.as_ref().is_none_or(|&(_, best)| self.is_better(value, best));
        if better {
            self.best = Some((found, value));
        }
        Ok(value)
    }

    fn is_better(&self, value: f64, best: f64) -> bool {
        match (value <= self.target, best <= self.target) {
            (true, true) => value > best,
            (false, false) => value < best,
            (true, false) => self.target - value <= best - self.target + self.above,
            (false, true) => value - self.target + self.above < self.target - best,
        }
    }

    fn is_near(&self) -> bool {
        self.best.as_ref().is_some_and(|&(_, best)| (self.near..=self.target).contains(&best))
    }

    /// Searches for a PSNR. It rises with quality, except on pictures that the model fails on.
    fn psnr(&mut self, broken: impl Fn(&T) -> bool) -> Result<()> {
        let high = Quality::MAX.raw();
        let top = self.at(high)?;
        if top > self.target {
            return self.bisect(top, WAVER);
        }
        let falls = self.best.as_ref().is_some_and(|(found, _)| broken(found)) || self.at(high / 2)? > top;
        if !falls {
            return Ok(());
        }
        let mut before = None;
        for raw in LADDER {
            let value = self.at(raw)?;
            if value > self.target {
                return before.map_or(Ok(()), |before| self.between(before, (raw, value), WAVER));
            }
            before = Some((raw, value));
        }
        Ok(())
    }

    /// Searches for the highest quality whose value is not above the target, or for any that is near enough. `top` is the
    /// value at the highest quality, which is above the target.
    fn bisect(&mut self, top: f64, waver: u16) -> Result<()> {
        let low = Quality::MIN.raw();
        let value = self.at(low)?;
        if value > self.target {
            return Ok(());
        }
        self.between((low, value), (Quality::MAX.raw(), top), waver)
    }

    /// Searches between a quality whose value is not above the target and a higher one whose value is. Values rise with
    /// quality nearly linearly, so the next guess lies on the line between the two, but not too close to either; if that did
    /// not help, it is the middle. If no quality comes near enough, `waver` qualities on either side are tried.
    fn between(
        &mut self,
        (mut low, mut under): (u16, f64),
        (mut high, mut over): (u16, f64),
        waver: u16,
    ) -> Result<()> {
        let mut before = high - low;
        let mut line = true;
        while high - low > 1 && !self.is_near() {
            let share = ((0.5 * (self.near + self.target) - under) / (over - under)).clamp(0.02, 0.98);
            let step = f64::from(high - low) * if line { share } else { 0.5 };
            let middle = low.saturating_add(step as u16).clamp(low + 1, high - 1);
            let value = self.at(middle)?;
            if value <= self.target {
                (low, under) = (middle, value);
            } else {
                (high, over) = (middle, value);
            }
            // If the values form a staircase, the line misleads: a guess that does not halve the range is followed by one
            // that does.
            line = (high - low) * 2 <= before || !line;
            before = high - low;
        }
        for raw in (1..=waver).flat_map(|d| [high.saturating_add(d), low.saturating_sub(d)]) {
            if self.is_near() {
                break;
            }
            if (Quality::MIN.raw()..=Quality::MAX.raw()).contains(&raw) {
                self.at(raw)?;
            }
        }
        Ok(())
    }

    /// The best attempt, and whether it meets the target.
    fn best(self, meets: impl Fn(&T, f64) -> bool) -> Result<(T, bool)> {
        let Some((found, value)) = self.best else {
            return Err(Error::Invalid { what: "target", detail: "nothing was tried".into() });
        };
        let reached = meets(&found, value);
        Ok((found, reached))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a curve of PSNR over quality; returns the quality that was chosen, and how many were tried.
    fn chosen(target: f64, curve: impl Fn(f64) -> f64) -> (f64, f64, usize) {
        let mut tried = 0;
        let attempt = |quality: Quality| {
            tried += 1;
            Ok((quality.value(), curve(quality.value())))
        };
        let mut search =
            Search::new(attempt, |found: &(f64, f64)| found.1, target, target - NEAR_PSNR, ABOVE);
        search.psnr(|found| found.1 < 15.0).expect("no attempt fails");
        let ((quality, psnr), _) = search.best(|_, _| true).expect("something was tried");
        (quality, psnr, tried)
    }

    #[test]
    fn a_search_keeps_the_best_that_it_saw_though_psnr_falls_with_quality() {
        // As of a picture that the model fails on: it rises to 31 dB at quality 20, then falls apart.
        let collapse = |q: f64| if q <= 20.0 { 24.0 + 0.35 * q } else { 13.0 - 0.04 * q };
        for target in [36.0, 31.5] {
            let (quality, psnr, _) = chosen(target, collapse);
            assert!(psnr > 28.0, "target {target}: {psnr} dB at {quality}");
        }
        let (quality, psnr, _) = chosen(27.0, collapse);
        assert!((26.98..=27.0).contains(&psnr), "{psnr} dB at {quality}");
        // Nothing is near 20 dB: a whole picture above it is better than a broken one below.
        assert_eq!(chosen(20.0, collapse).0, 0.0);
        // A dip at the very end: the best is before it.
        let (quality, psnr, _) = chosen(45.0, |q| if q > 99.0 { 16.0 } else { 25.0 + 0.16 * q });
        assert!(psnr > 38.0, "{psnr} dB at {quality}");
        // Broken everywhere: what is least so.
        assert_eq!(chosen(36.0, |q| 10.0 - (q - 37.5).abs() / 100.0).0, 37.5);
    }

    #[test]
    fn a_search_of_a_curve_that_rises_is_as_short_as_ever() {
        let rising = |q: f64| 24.0 + 0.18 * q;
        for target in [25.0, 30.0, 36.0, 41.9] {
            let (quality, psnr, tried) = chosen(target, rising);
            assert!((target - NEAR_PSNR..=target).contains(&psnr), "{psnr} dB at {quality}");
            assert!(tried <= 6, "{tried} attempts");
        }
        assert_eq!(chosen(60.0, rising), (100.0, 42.0, 2));
        assert_eq!(chosen(5.0, rising), (0.0, 24.0, 2));
    }
}
