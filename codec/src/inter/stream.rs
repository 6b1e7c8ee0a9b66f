//! The bytes of a P-frame.

use crate::net::context::PASSES;
use crate::quality::Quality;
use crate::{Error, Result};

/// The version of P-frames without motion, and that of those with it.
const STILL: u8 = 1;
const MOVING: u8 = 2;
/// Bytes of the fields of fixed size.
const FIXED: usize = 12;
/// The allowed sides of a group in pixels, as powers of two.
const GROUP_LOG2: std::ops::RangeInclusive<u8> = 6..=14;
const WHAT: &str = "P-frame";

/// The fields of a P-frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// The quality of the frame.
    pub quality: Quality,
    /// Binary logarithm of a group's side in pixels.
    pub group_log2: u8,
    /// [`Reference::id`](super::Reference::id) of the frame that it needs.
    pub reference: [u8; 4],
    /// [`Reference::id`](super::Reference::id) of the frame itself.
    pub id: [u8; 4],
    /// Whether parts of the reference are moved.
    pub motion: bool,
}

/// A P-frame in parts.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    pub header: FrameHeader,
    /// The motion vectors; empty without motion.
    pub motion: &'a [u8],
    /// The activities, then the passes.
    pub parts: [&'a [u8]; 1 + PASSES],
}

impl FrameHeader {
    /// Reads the header of a P-frame.
    ///
    /// # Errors
    /// Returns [`Error::Version`], [`Error::Truncated`] or [`Error::Invalid`] if the bytes do not begin with one.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if let Some(&found) = bytes.first()
            && !matches!(found, STILL | MOVING)
        {
            return Err(Error::Version { format: WHAT, found, expected: MOVING });
        }
        let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Err(truncated(bytes.len())) };
        let [version, low, high, group_log2, r0, r1, r2, r3, i0, i1, i2, i3] = *fixed;
        let raw = u16::from_le_bytes([low, high]);
        let Some(quality) = Quality::from_raw(raw).filter(|_| GROUP_LOG2.contains(&group_log2)) else {
            return Err(Error::Invalid {
                what: WHAT,
                detail: format!("quality {raw}, groups of 2^{group_log2} pixels"),
            });
        };
        let (reference, id) = ([r0, r1, r2, r3], [i0, i1, i2, i3]);
        Ok(Self { quality, group_log2, reference, id, motion: version == MOVING })
    }
}

impl<'a> Stream<'a> {
    /// Divides the bytes of a P-frame.
    ///
    /// # Errors
    /// Returns the errors of [`FrameHeader::parse`], and [`Error::Truncated`] if a part is cut short.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let header = FrameHeader::parse(bytes)?;
        let mut rest = &bytes[FIXED..];
        let mut lengths = [0; 1 + PASSES];
        for length in &mut lengths[usize::from(!header.motion)..] {
            *length = leb128(&mut rest).ok_or_else(|| truncated(bytes.len()))?;
        }
        let mut take = |length: usize| -> Result<&'a [u8]> {
            let (first, others) = rest.split_at_checked(length).ok_or_else(|| truncated(bytes.len()))?;
            rest = others;
            Ok(first)
        };
        let motion = take(lengths[0])?;
        let mut parts: [&[u8]; 1 + PASSES] = [&[]; 1 + PASSES];
        for (part, length) in parts.iter_mut().zip(&lengths[1..]) {
            *part = take(*length)?;
        }
        parts[PASSES] = rest;
        Ok(Self { header, motion, parts })
    }

    /// The bytes of the frame.
    pub fn write(&self) -> Vec<u8> {
        let FrameHeader { quality, group_log2, reference, id, motion } = self.header;
        let mut out = vec![if motion { MOVING } else { STILL }];
        out.extend(quality.raw().to_le_bytes());
        out.push(group_log2);
        out.extend(reference);
        out.extend(id);
        let moving = motion.then_some(&self.motion);
        for part in moving.into_iter().chain(&self.parts[..PASSES]) {
            let mut length = part.len();
            while length >= 0x80 {
                out.push(length as u8 | 0x80);
                length >>= 7;
            }
            out.push(length as u8);
        }
        out.extend(self.motion);
        out.extend(self.parts.concat());
        out
    }
}

/// Takes a number of at most 28 bits in its shortest form: seven bits in each byte, the lowest first.
fn leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..28).step_by(7) {
        let (&byte, others) = rest.split_first()?;
        *rest = others;
        value |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return (byte > 0 || shift == 0).then_some(value);
        }
    }
    None
}

fn truncated(length: usize) -> Error {
    Error::Truncated { what: WHAT, offset: length as u64, missing: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_written_and_a_cut_one_is_refused() {
        let (long, short) = (vec![7; 300], vec![9; 5]);
        for motion in [false, true] {
            let header = FrameHeader {
                quality: Quality::default(),
                group_log2: 8,
                reference: [1, 2, 3, 4],
                id: [5, 6, 7, 8],
                motion,
            };
            let moved: &[u8] = if motion { &[1, 2, 3] } else { &[] };
            let bytes = Stream { header, motion: moved, parts: [&short, &long, &[], &short, &short] }.write();
            let read = Stream::parse(&bytes).expect("sound");
            assert_eq!((read.header, read.motion), (header, moved));
            assert_eq!(read.parts, [&short[..], &long, &[], &short, &short]);
            for cut in 0..bytes.len() - short.len() {
                assert!(Stream::parse(&bytes[..cut]).is_err(), "cut at {cut}");
            }
            for (at, value) in [(0, 3), (2, 0xFF), (3, 5), (3, 15)] {
                let mut other = bytes.clone();
                other[at] = value;
                assert!(Stream::parse(&other).is_err(), "byte {at} set to {value}");
            }
        }
    }
}
