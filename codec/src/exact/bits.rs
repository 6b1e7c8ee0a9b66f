//! The arithmetic coder: one decision at a time, with a probability of 16 bits.

/// Codes decisions. The encoder writes the decision that it is given; the decoder ignores it and returns the one that it
/// reads. So one walk over the pixels serves both.
pub trait Coder {
    /// Codes a decision that is true with a probability of `p / 65536`; `p` is in 1..=65535.
    fn code(&mut self, p: u32, decision: bool) -> bool;

    /// Whether the bytes of the substream did not suffice for the decisions so far.
    fn is_spent(&self) -> bool {
        false
    }
}

/// Splits the interval `low..=high`: decisions that are true get the part up to the result, others the rest.
#[inline(always)]
fn split(low: u32, high: u32, p: u32) -> u32 {
    let range = high - low;
    low + (range >> 16) * p + (((range & 0xFFFF) * p) >> 16)
}

/// Writes decisions.
#[derive(Debug)]
pub struct Encoder {
    low: u32,
    high: u32,
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder whose bytes follow those that are given.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { low: 0, high: u32::MAX, bytes }
    }

    /// The bytes of all decisions: the shortest that lie within the interval if zeros follow them.
    pub fn finish(mut self) -> Vec<u8> {
        for count in 0..=4_u32 {
            let number = self.high & u32::MAX.checked_shl(32 - 8 * count).unwrap_or(0);
            if number >= self.low {
                self.bytes.extend_from_slice(&number.to_be_bytes()[..count as usize]);
                break;
            }
        }
        self.bytes
    }
}

impl Coder for Encoder {
    #[inline(always)]
    fn code(&mut self, p: u32, decision: bool) -> bool {
        let middle = split(self.low, self.high, p);
        if decision {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.bytes.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 255;
        }
        decision
    }
}

/// Reads decisions.
#[derive(Debug)]
pub struct Decoder<'a> {
    low: u32,
    high: u32,
    code: u32,
    rest: &'a [u8],
    /// Zeros that were read after the last byte.
    beyond: u32,
    /// Zeros that a whole substream may leave out.
    allowed: u32,
}

impl<'a> Decoder<'a> {
    /// A decoder of these bytes. If they are `whole`, zeros follow them; if not, decisions that need more bytes are not known.
    pub fn new(bytes: &'a [u8], whole: Whole) -> Self {
        let allowed = if whole == Whole::Yes { 4 } else { 0 };
        let mut decoder = Self { low: 0, high: u32::MAX, code: 0, rest: bytes, beyond: 0, allowed };
        for _ in 0..4 {
            decoder.shift();
        }
        decoder
    }

    #[inline(always)]
    fn shift(&mut self) {
        let mut next = 0;
        if let Some((&first, rest)) = self.rest.split_first() {
            (next, self.rest) = (first, rest);
        } else {
            self.beyond += 1;
        }
        self.code = self.code << 8 | u32::from(next);
    }

    /// Number of bytes that were not read.
    pub fn left(&self) -> usize {
        self.rest.len()
    }
}

/// Whether all bytes of a substream are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    Yes,
    No,
}

impl Coder for Decoder<'_> {
    #[inline(always)]
    fn code(&mut self, p: u32, _: bool) -> bool {
        let middle = split(self.low, self.high, p);
        let decision = self.code <= middle;
        if decision {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 255;
            self.shift();
        }
        decision
    }

    fn is_spent(&self) -> bool {
        self.beyond > self.allowed
    }
}
