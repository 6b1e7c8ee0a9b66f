//! The entropy decoder: the hot loop of a decode, which also detects damaged substreams.

use super::table::{Book, Escape, PRECISION, Table, join};
use super::{LOW, MAX_VALUE, lanes};
use crate::{Error, Result};

/// Largest number of leading ones in an escape.
const MAX_LENGTH: u32 = 15;

/// Decodes a substream into `values`, each under the context of the same index.
///
/// The work is bounded by the number of values, independently of the bytes. After an error the content of `values` is
/// meaningless.
///
/// # Errors
/// Returns [`Error::Truncated`] or [`Error::Invalid`] if [`encode`](super::encode) would not have made these bytes, and
/// [`Error::Invalid`] if the lengths differ or the book lacks a context.
pub fn decode(book: &Book, bytes: &[u8], contexts: &[u8], values: &mut [i16]) -> Result<()> {
    if contexts.len() != values.len() {
        return Err(damage(format!("{} contexts for {} values", contexts.len(), values.len())));
    }
    if !book.covers(contexts) {
        return Err(damage("a context that the book lacks".into()));
    }
    match lanes(values.len()) {
        _ if values.is_empty() && bytes.is_empty() => Ok(()),
        _ if values.is_empty() => Err(damage(format!("{} bytes for no values", bytes.len()))),
        1 => interleaved::<1>(book, bytes, contexts, values),
        2 => interleaved::<2>(book, bytes, contexts, values),
        4 => interleaved::<4>(book, bytes, contexts, values),
        _ => interleaved::<8>(book, bytes, contexts, values),
    }
}

fn interleaved<const L: usize>(book: &Book, bytes: &[u8], contexts: &[u8], values: &mut [i16]) -> Result<()> {
    if book.has_raw(contexts) {
        run::<L, true>(book, bytes, contexts, values)
    } else {
        run::<L, false>(book, bytes, contexts, values)
    }
}

fn run<const L: usize, const RAW: bool>(
    book: &Book,
    bytes: &[u8],
    contexts: &[u8],
    values: &mut [i16],
) -> Result<()> {
    let Some((head, rest)) = bytes.split_at_checked(4 * L) else {
        return Err(truncated(bytes.len(), 4 * L - bytes.len()));
    };
    let heads = head.as_chunks::<4>().0;
    let mut states: [u32; L] = std::array::from_fn(|lane| u32::from_le_bytes(heads[lane]));
    if let Some(lane) = states.iter().position(|&x| x < LOW) {
        return Err(damage(format!("lane {lane} begins with the state {:#x}", states[lane])));
    }
    let (words, odd) = rest.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(truncated(bytes.len(), 1));
    }
    let mut words = Words { words, taken: 0 };

    let (context_rows, last_contexts) = contexts.as_chunks::<L>();
    let (value_rows, last_values) = values.as_chunks_mut::<L>();
    let bad = || damage(format!("an escape beyond +-{MAX_VALUE}"));
    for (contexts, values) in context_rows.iter().zip(value_rows) {
        for lane in 0..L {
            let (table, low) = book.entry(contexts[lane]);
            values[lane] = words.value::<RAW>(&mut states[lane], table, low).ok_or_else(bad)?;
        }
    }
    for ((&context, value), state) in last_contexts.iter().zip(last_values).zip(&mut states) {
        let (table, low) = book.entry(context);
        *value = words.value::<RAW>(state, table, low).ok_or_else(bad)?;
    }

    // Missing words have been read as zeros; this is where it is noticed.
    if let Some(missing) = words.taken.checked_sub(words.words.len()).filter(|&n| n > 0) {
        return Err(truncated(bytes.len(), 2 * missing));
    }
    if words.taken < words.words.len() {
        return Err(damage(format!(
            "{} of {} words left over",
            words.words.len() - words.taken,
            words.words.len()
        )));
    }
    match states.iter().position(|&x| x != LOW) {
        Some(lane) => Err(damage(format!("lane {lane} ends with the state {:#x}", states[lane]))),
        None => Ok(()),
    }
}

/// The words that the lanes share. Beyond the end they are zeros, so that the loop needs no error path.
#[derive(Clone, Copy)]
struct Words<'a> {
    words: &'a [[u8; 2]],
    taken: usize,
}

impl Words<'_> {
    #[inline(always)]
    fn value<const RAW: bool>(&mut self, state: &mut u32, table: &Table, low: u32) -> Option<i16> {
        let symbol = self.symbol(state, table);
        let mut high = i32::from(symbol) - table.offset();
        if symbol == table.escape() {
            (*self, *state, high) = self.escape(*state, table)?;
        }
        if !RAW {
            return Some(high as i16);
        }
        // There is no branch for a `low` of 0, which takes nothing, because levels with and without raw bits are mixed.
        let value = join(high, self.raw(state, low), low);
        (value.unsigned_abs() <= MAX_VALUE as u32).then_some(value as i16)
    }

    #[inline(always)]
    fn symbol(&mut self, state: &mut u32, table: &Table) -> u8 {
        let slot = *state & ((1 << PRECISION) - 1);
        let (symbol, start, frequency) = table.find(slot);
        *state = self.refill(frequency * (*state >> PRECISION) + slot - start);
        symbol
    }

    /// By value, in and out: a reference would keep the words and states of the whole loop in memory.
    #[cold]
    #[inline(never)]
    fn escape(mut self, mut state: u32, table: &Table) -> Option<(Self, u32, i32)> {
        let sign = self.raw(&mut state, 1);
        let mut length = 0;
        while self.raw(&mut state, 1) == 1 {
            length += 1;
            if length > MAX_LENGTH {
                return None;
            }
        }
        let field = self.raw(&mut state, length);
        let value = Escape { sign, length, field }.value(table.offset())?;
        Some((self, state, value))
    }

    /// Reads `length` raw bits, 0 to 15.
    #[inline(always)]
    fn raw(&mut self, state: &mut u32, length: u32) -> u32 {
        let bits = *state & ((1 << length) - 1);
        *state = self.refill(*state >> length);
        bits
    }

    /// Takes a word if the state needs one, without a branch: whether it does is next to random.
    #[inline(always)]
    fn refill(&mut self, state: u32) -> u32 {
        let word = self.words.get(self.taken).map_or(0, |&word| u16::from_le_bytes(word));
        let short = state < LOW;
        self.taken += usize::from(short);
        if short { state << 16 | u32::from(word) } else { state }
    }
}

fn damage(detail: String) -> Error {
    Error::Invalid { what: "substream", detail }
}

fn truncated(offset: usize, missing: usize) -> Error {
    Error::Truncated { what: "substream", offset: offset as u64, missing: missing as u64 }
}
