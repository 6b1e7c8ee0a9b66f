//! The encoder's choices: how active a position is, and which symbols are worth their bits.
//!
//! Distortion is counted in squared quantisation steps, which weigh the same in all channels. All of it is integer
//! arithmetic, so that a frame has the same bytes on every machine.

use super::activity::CLASSES;
use crate::entropy::{Book, log2};
use crate::net::Plane;
use crate::quality::Gains;

/// Squared steps that one bit is worth, in hundredths: the slope of the distortion at the rates of photographs.
const LAMBDA: i64 = 20;
/// The same for what a position that is not active would save. A change that is coded is worth more than its bits: the
/// positions around it are predicted worse.
const ACTIVE_LAMBDA: u64 = 40;
/// Fraction bits of the encoder's inverse of a step.
const INVERSE_BITS: u32 = 24;
/// Differences up to 256 steps, in sixteenths, have an entry in the table of bits.
const ENTRIES: usize = 16 * 256;

/// Decides the activity of positions.
pub(super) struct Judge<'a> {
    gains: &'a Gains,
    /// For a difference in sixteenths of a step: about how many bits it takes, in 256ths.
    bits: Vec<u32>,
}

/// The activity of a frame.
pub(super) struct Activity {
    /// The class of each position.
    pub classes: Vec<u8>,
    /// About how many bits the active positions take, in 256ths.
    pub bits: u64,
}

impl<'a> Judge<'a> {
    pub fn new(gains: &'a Gains) -> Self {
        // 1.2 * log2(1 + 2.5 * difference) - 0.6, as in the training of the prior.
        let bits = |sixteenths: usize| {
            let octaves = log2(32 + 5 * sixteenths as u32) - 5 * 256;
            (6 * octaves / 5).saturating_sub(154)
        };
        Self { gains, bits: (0..ENTRIES).map(bits).collect() }
    }

    /// The activity of `y`, compared with a reference.
    pub fn activity(&self, y: &Plane, reference: &Plane) -> Activity {
        let m = y.channels;
        let mut all = Activity { classes: Vec::with_capacity(y.height * y.width), bits: 0 };
        for (y, reference) in y.data.chunks_exact(m).zip(reference.data.chunks_exact(m)) {
            let (class, bits) = self.class(y, reference);
            all.classes.push(class);
            all.bits += if class > 0 { u64::from(bits) } else { 0 };
        }
        all
    }

    /// About how many bits a position takes, in 256ths; 0 if it is not active.
    pub fn bits(&self, y: &[i16], reference: &[i16]) -> u32 {
        let (class, bits) = self.class(y, reference);
        if class > 0 { bits } else { 0 }
    }

    /// The class of a position, and about how many bits it takes, in 256ths.
    fn class(&self, y: &[i16], reference: &[i16]) -> (u8, u32) {
        let (mut bits, mut gain) = (0_u32, 0_u64);
        for ((&y, &reference), &inverse) in y.iter().zip(reference).zip(&self.gains.inverse) {
            let difference = u64::from((i32::from(y) - i32::from(reference)).unsigned_abs());
            let sixteenths = (difference.saturating_mul(inverse as u64) >> (INVERSE_BITS - 4)).min(1 << 20);
            bits += self.bits[(sixteenths as usize).min(ENTRIES - 1)];
            // What is left after coding is about a tenth of a squared step.
            let square = sixteenths * sixteenths;
            gain += square - square.min(26);
        }
        if gain * 100 < ACTIVE_LAMBDA * (u64::from(bits) + 4 * 256) {
            return (0, bits);
        }
        let octaves = (bits / (8 * 256)).max(1).ilog2();
        ((1 + octaves as u8).min(CLASSES - 1), bits)
    }
}

/// The symbol for a difference to the predicted mean, with `inverse` the inverse of the step: the nearest one, or the next
/// one towards zero if the bits that it saves are worth more than what it loses.
pub(super) fn symbol(book: &Book, level: u8, difference: i32, inverse: i64) -> i16 {
    let scaled = i64::from(difference.unsigned_abs()).saturating_mul(inverse);
    // In 256ths of a step.
    let steps = (scaled >> (INVERSE_BITS - 8)).min(i64::from(crate::entropy::MAX_VALUE) << 8);
    let mut r = (steps + 128) >> 8;
    let signed = |r: i64| if difference < 0 { -r as i16 } else { r as i16 };
    while r > 0 {
        let saved = i64::from(book.cost(level, signed(r))) - i64::from(book.cost(level, signed(r - 1)));
        let lost = 2 * (steps - (r << 8)) + 256;
        if lost * 100 >= LAMBDA * saved {
            break;
        }
        r -= 1;
    }
    signed(r)
}
