//! Rate control: finds the quality whose file meets a target, with exact encodes.

use crate::encode::{Attempt, Target};
use crate::quality::Quality;
use crate::{Error, Result};

/// A file this close below its target, as a share, is near enough.
const NEAR_BYTES: f64 = 0.992;
/// A PSNR this close below its target, in dB, is near enough.
const NEAR_PSNR: f64 = 0.01;
/// How many qualities on either side of the last one are tried where PSNR wavers: on small pictures a step of the scale moves
/// it up or down by some hundredths of a dB.
const WAVER: u16 = 8;
/// Below this share of a target, the target counts as out of reach.
const REACHED: f64 = 0.98;

/// Runs `attempt` until the target is met; the flag is false where it cannot be.
pub(crate) fn search(
    target: Target,
    pixels: u64,
    mut attempt: impl FnMut(Quality) -> Result<Attempt>,
) -> Result<(Attempt, bool)> {
    let out_of_range = |what, value: f64| {
        Err(Error::Invalid { what, detail: format!("{value}, expected a positive number") })
    };
    match target {
        Target::Quality(quality) => Ok((attempt(quality)?, true)),
        Target::BitsPerPixel(bpp) if !(bpp > 0.0 && bpp.is_finite()) => out_of_range("bits per pixel", bpp),
        Target::Psnr(psnr) if !(psnr > 0.0 && psnr.is_finite()) => out_of_range("PSNR", psnr),
        Target::BitsPerPixel(bpp) => by_bytes((bpp * pixels as f64 / 8.0) as u64, attempt),
        Target::Bytes(bytes) => by_bytes(bytes, attempt),
        Target::Psnr(psnr) => {
            let (found, value) = bisect(attempt, Attempt::psnr, psnr, psnr - NEAR_PSNR, WAVER)?;
            Ok((found, (REACHED * psnr..=psnr).contains(&value)))
        }
    }
}

fn by_bytes(bytes: u64, attempt: impl FnMut(Quality) -> Result<Attempt>) -> Result<(Attempt, bool)> {
    let log = |bytes: f64| bytes.max(1.0).ln();
    let target = log(bytes as f64);
    let near = log(bytes as f64 * NEAR_BYTES);
    let (found, value) = bisect(attempt, |a| log(a.bytes as f64), target, near, 0)?;
    let reached = (log(bytes as f64 * REACHED)..=target).contains(&value);
    Ok((found, reached))
}

/// The highest quality whose `measure` is not above `target`, or any that lands in `near..=target`; the lowest
/// quality where even that is above. Measures rise with quality nearly as a straight line, so the next
/// guess is that of the line between the ends, kept away from them, or their middle if that did not help. Where no quality
/// lands near, `waver` of them on either side are tried.
fn bisect(
    mut attempt: impl FnMut(Quality) -> Result<Attempt>,
    measure: impl Fn(&Attempt) -> f64,
    target: f64,
    near: f64,
    waver: u16,
) -> Result<(Attempt, f64)> {
    let mut at = |raw: u16| {
        let a = attempt(Quality::from_raw(raw).unwrap_or(Quality::MAX))?;
        let value = measure(&a);
        Ok::<_, Error>((a, value))
    };
    let (mut low, mut high) = (Quality::MIN.raw(), Quality::MAX.raw());
    let top = at(high)?;
    if top.1 <= target {
        return Ok(top);
    }
    let mut above = top.1;
    drop(top);
    let mut best = at(low)?;
    let mut before = high - low;
    let mut line = true;
    while high - low > 1 && best.1 < near {
        let share = ((0.5 * (near + target) - best.1) / (above - best.1)).clamp(0.02, 0.98);
        let step = f64::from(high - low) * if line { share } else { 0.5 };
        let middle = (low + step as u16).clamp(low + 1, high - 1);
        let next = at(middle)?;
        if next.1 <= target {
            (low, best) = (middle, next);
        } else {
            (high, above) = (middle, next.1);
        }
        // Where the measure is a staircase the line misleads: every guess that does not halve is followed by one that does.
        line = (high - low) * 2 <= before || !line;
        before = high - low;
    }
    for raw in (1..=waver).flat_map(|d| [high.saturating_add(d), low.saturating_sub(d)]) {
        if best.1 >= near {
            break;
        }
        if (Quality::MIN.raw()..=Quality::MAX.raw()).contains(&raw) {
            let next = at(raw)?;
            if next.1 <= target && next.1 > best.1 {
                best = next;
            }
        }
    }
    Ok(best)
}
