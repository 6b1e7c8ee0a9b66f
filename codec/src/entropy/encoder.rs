//! The entropy encoder: it codes values in reverse order, so that the decoder gets them in order.

use super::table::{Book, Escape, PRECISION, Table, split};
use super::{LOW, MAX_VALUE, lanes};

/// Codes `values`, each under the context of the same index, into one substream. Without values it is empty.
///
/// # Panics
/// Panics if the lengths differ, if the book lacks a context, or if a value is beyond +-16383, which are bugs of the caller.
pub fn encode(book: &Book, contexts: &[u8], values: &[i16]) -> Vec<u8> {
    assert_eq!(contexts.len(), values.len(), "one context for each value");
    assert!(book.covers(contexts), "a context that the book lacks");
    assert!(values.iter().all(|v| v.unsigned_abs() <= MAX_VALUE as u16), "a value beyond +-{MAX_VALUE}");
    match lanes(values.len()) {
        _ if values.is_empty() => Vec::new(),
        1 => interleaved::<1>(book, contexts, values),
        2 => interleaved::<2>(book, contexts, values),
        4 => interleaved::<4>(book, contexts, values),
        _ => interleaved::<8>(book, contexts, values),
    }
}

fn interleaved<const L: usize>(book: &Book, contexts: &[u8], values: &[i16]) -> Vec<u8> {
    let mut states = [LOW; L];
    let mut words = Words(Vec::with_capacity(values.len() / 4));
    for (i, (&context, &value)) in contexts.iter().zip(values).enumerate().rev() {
        let (table, low) = book.entry(context);
        states[i % L] = words.value(states[i % L], table, low, i32::from(value));
    }
    let mut bytes = Vec::with_capacity(4 * L + 2 * words.0.len());
    bytes.extend(states.iter().flat_map(|state| state.to_le_bytes()));
    bytes.extend(words.0.iter().rev().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Words in the order in which they leave the states; the file holds them in reverse order.
struct Words(Vec<u16>);

impl Words {
    #[inline(always)]
    fn value(&mut self, state: u32, table: &Table, low: u32, value: i32) -> u32 {
        let (high, bits) = split(value, low);
        // Everything runs backwards: the raw low bits, which the decoder reads last, come first.
        let state = if low > 0 { self.raw(state, bits, low) } else { state };
        match table.symbol(high) {
            Some(symbol) => self.symbol(state, table, symbol),
            None => self.escape(state, table, high),
        }
    }

    #[inline(always)]
    fn symbol(&mut self, state: u32, table: &Table, symbol: u8) -> u32 {
        let (start, frequency) = table.span(symbol);
        let state = self.drain(state, frequency << (32 - PRECISION));
        ((state / frequency) << PRECISION) + state % frequency + start
    }

    #[cold]
    fn escape(&mut self, mut state: u32, table: &Table, value: i32) -> u32 {
        let escape = Escape::new(value, table.offset());
        if escape.length > 0 {
            state = self.raw(state, escape.field, escape.length);
        }
        state = self.raw(state, 0, 1);
        for _ in 0..escape.length {
            state = self.raw(state, 1, 1);
        }
        state = self.raw(state, escape.sign, 1);
        self.symbol(state, table, table.escape())
    }

    /// Writes `length` raw bits, 1 to 15.
    #[inline(always)]
    fn raw(&mut self, state: u32, bits: u32, length: u32) -> u32 {
        self.drain(state, 1 << (32 - length)) << length | bits
    }

    /// Moves a word out of a state that would overflow 32 bits: one that is `limit` or more.
    #[inline(always)]
    fn drain(&mut self, state: u32, limit: u32) -> u32 {
        if state < limit {
            return state;
        }
        self.0.push(state as u16);
        state >> 16
    }
}
