//! Frequency tables, and the book that assigns a table to each context.

use super::MAX_VALUE;
use crate::{Error, Result};
use std::fmt;
use std::sync::{LazyLock, OnceLock};

/// Frequencies add up to `1 << PRECISION`.
pub(super) const PRECISION: u32 = 12;
/// Sum of a table's frequencies, and the number of its slots.
const SLOTS: usize = 1 << PRECISION;
/// Symbols of a table, the escape included: an index fits a byte.
const SYMBOLS: usize = 256;
/// Gaussian tables of a model, one for each level below the first that is split.
const GAUSSIANS: usize = 52;
/// Levels of the scale, and so contexts of a Gaussian book.
const LEVELS: usize = 108;

/// Cost in bits of a symbol by its frequency; the same for every table.
static COSTS: LazyLock<[f32; SLOTS + 1]> =
    LazyLock::new(|| std::array::from_fn(|frequency| PRECISION as f32 - (frequency as f32).log2()));

/// Frequencies of the symbols `-offset..=offset` and of the escape.
#[derive(Clone)]
pub struct Table {
    /// The symbol that owns each slot.
    slots: [u8; SLOTS],
    /// Start (high half) and frequency (low half) of each symbol: one load serves both.
    symbols: [u32; SYMBOLS],
    offset: u8,
}

impl Table {
    /// A table from its `2 * offset + 2` frequencies, the escape's last.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the offset is above 127, if the number of frequencies does not fit it, if a frequency is
    /// 0, or if their sum is not 4096.
    pub fn new(offset: u8, frequencies: &[u16]) -> Result<Self> {
        Self::check(offset, frequencies)?;
        Ok(Self::build(offset, frequencies))
    }

    /// Checks whether [`Table::new`] accepts these.
    fn check(offset: u8, frequencies: &[u16]) -> Result<()> {
        let expected = 2 * usize::from(offset) + 2;
        let sum: u64 = frequencies.iter().map(|&f| u64::from(f)).sum();
        let detail = if expected > SYMBOLS {
            format!("offset {offset}, expected 127 at most")
        } else if frequencies.len() != expected {
            format!("{} frequencies for offset {offset}, expected {expected}", frequencies.len())
        } else if let Some(i) = frequencies.iter().position(|&f| f == 0) {
            format!("frequency {i} of {expected} is 0")
        } else if sum != SLOTS as u64 {
            format!("frequencies add up to {sum}, expected {SLOTS}")
        } else {
            return Ok(());
        };
        Err(Error::Invalid { what: "frequency table", detail })
    }

    /// The table nearest to `weights`: any non-negative numbers, one for each symbol and the last for the escape.
    ///
    /// This is for training; a decoder only reads tables.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] as [`Table::new`] does, and if the weights do not add up to a positive number.
    pub fn from_weights(offset: u8, weights: &[f64]) -> Result<Self> {
        let sum: f64 = weights.iter().sum();
        if !(sum.is_finite() && sum > 0.0) || weights.iter().any(|&w| w < 0.0) || weights.len() > SYMBOLS {
            let detail = format!("{} weights with the sum {sum}", weights.len());
            return Err(Error::Invalid { what: "frequency table", detail });
        }
        let free = SLOTS - weights.len();
        let mut frequencies: Vec<u16> =
            weights.iter().map(|w| 1 + (w / sum * free as f64).floor() as u16).collect();
        // Rounding down leaves fewer slots than there are symbols; the likeliest symbol suffers least from taking them.
        let left = SLOTS - frequencies.iter().map(|&f| usize::from(f)).sum::<usize>();
        if let Some(largest) = frequencies.iter_mut().max() {
            *largest += left as u16;
        }
        Self::new(offset, &frequencies)
    }

    fn build(offset: u8, frequencies: &[u16]) -> Self {
        let mut table = Self { slots: [0; SLOTS], symbols: [0; SYMBOLS], offset };
        let mut start = 0;
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            let end = start + usize::from(frequency);
            table.slots[start..end].fill(symbol as u8);
            table.symbols[symbol] = (start as u32) << 16 | u32::from(frequency);
            start = end;
        }
        table
    }

    /// The symbol that owns `slot`, with its start and frequency.
    #[inline(always)]
    pub(super) fn find(&self, slot: u32) -> (u8, u32, u32) {
        let symbol = self.slots[slot as usize % SLOTS];
        let entry = self.symbols[usize::from(symbol)];
        (symbol, entry >> 16, entry & 0xffff)
    }

    /// Start and frequency of a symbol.
    #[inline(always)]
    pub(super) fn span(&self, symbol: u8) -> (u32, u32) {
        let entry = self.symbols[usize::from(symbol)];
        (entry >> 16, entry & 0xffff)
    }

    /// Cost of a symbol in bits.
    fn cost(&self, symbol: u8) -> f32 {
        COSTS[self.span(symbol).1 as usize]
    }

    /// K: the largest magnitude that has a symbol of its own.
    #[inline(always)]
    pub(super) fn offset(&self) -> i32 {
        i32::from(self.offset)
    }

    /// The symbol that announces a value beyond the others.
    #[inline(always)]
    pub(super) fn escape(&self) -> u8 {
        2 * self.offset + 1
    }

    /// The symbol of a value, or `None` if it needs the escape.
    #[inline(always)]
    pub(super) fn symbol(&self, value: i32) -> Option<u8> {
        let index = value.wrapping_add(self.offset()) as u32;
        (index < u32::from(self.escape())).then_some(index as u8)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frequencies: Vec<u32> = (0..=self.escape()).map(|symbol| self.span(symbol).1).collect();
        f.debug_struct("Table")
            .field("offset", &self.offset)
            .field("frequencies", &frequencies)
            .finish_non_exhaustive()
    }
}

/// The table and the number of raw low bits of each context.
#[derive(Clone, Debug)]
pub struct Book {
    tables: Vec<Table>,
    /// Table and number of low bits; those beyond `count` are unused.
    contexts: [(u8, u8); 256],
    count: usize,
}

impl Book {
    /// The book of the latents: context = level, 0..=107. Levels of 52 and more use the last eight tables in turn,
    /// with one more raw low bit for each eight levels.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if there are not 52 tables.
    pub fn gaussian(tables: Vec<Table>) -> Result<Self> {
        if tables.len() != GAUSSIANS {
            let detail = format!("{} tables, expected {GAUSSIANS}", tables.len());
            return Err(Error::Invalid { what: "Gaussian tables", detail });
        }
        let mut contexts = [(0, 0); 256];
        for (level, context) in contexts.iter_mut().enumerate().take(LEVELS) {
            *context = match level.checked_sub(GAUSSIANS) {
                None => (level as u8, 0),
                Some(above) => ((GAUSSIANS - 8 + above % 8) as u8, 1 + (above / 8) as u8),
            };
        }
        Ok(Self { tables, contexts, count: LEVELS })
    }

    /// A book in which context i is table i, without raw low bits. Tables beyond the 256th have no context.
    pub fn plain(tables: Vec<Table>) -> Self {
        let count = tables.len().min(256);
        Self { tables, contexts: std::array::from_fn(|i| (i as u8, 0)), count }
    }

    /// The cost of a value in bits, according to the model, including its escape and raw bits.
    ///
    /// # Panics
    /// Panics if the book has no such context.
    pub fn bits(&self, context: u8, value: i16) -> f32 {
        let (table, low) = self.entry(context);
        let high = split(i32::from(value), low).0;
        let coded = match table.symbol(high) {
            Some(symbol) => table.cost(symbol),
            None => {
                let escape = Escape::new(high, table.offset());
                table.cost(table.escape()) + (2 + 2 * escape.length) as f32
            }
        };
        coded + low as f32
    }

    /// The cost of a value in 256ths of a bit, like [`Self::bits`], in integers: the same on every machine.
    ///
    /// # Panics
    /// Panics if the book has no such context.
    pub fn cost(&self, context: u8, value: i16) -> u32 {
        let (table, low) = self.entry(context);
        let high = split(i32::from(value), low).0;
        let coded = |symbol: u8| (PRECISION << 8) - log2(table.span(symbol).1);
        let bits = match table.symbol(high) {
            Some(symbol) => coded(symbol),
            None => coded(table.escape()) + ((2 + 2 * Escape::new(high, table.offset()).length) << 8),
        };
        bits + (low << 8)
    }

    /// Whether the book has every one of these contexts.
    pub(super) fn covers(&self, contexts: &[u8]) -> bool {
        contexts.iter().max().is_none_or(|&max| usize::from(max) < self.count)
    }

    /// Whether values of some of these contexts have raw low bits.
    pub(super) fn has_raw(&self, contexts: &[u8]) -> bool {
        // Contexts are in the order of their low bits.
        contexts.iter().max().is_some_and(|&max| self.contexts[usize::from(max)].1 > 0)
    }

    /// Table and number of raw low bits of a context.
    #[inline(always)]
    pub(super) fn entry(&self, context: u8) -> (&Table, u32) {
        let (table, low) = self.contexts[usize::from(context)];
        (&self.tables[usize::from(table)], u32::from(low))
    }
}

/// A plain [`Book`] that is built when it is first used: of all books of a model, a stream needs one.
#[derive(Debug)]
pub struct LazyBook {
    /// Offset and frequencies of each table.
    tables: Vec<(u8, Vec<u16>)>,
    book: OnceLock<Book>,
}

impl LazyBook {
    /// Takes the offset and frequencies of each table.
    ///
    /// # Errors
    /// Returns the errors of [`Table::new`].
    pub fn new(tables: Vec<(u8, Vec<u16>)>) -> Result<Self> {
        tables.iter().try_for_each(|(offset, frequencies)| Table::check(*offset, frequencies))?;
        Ok(Self { tables, book: OnceLock::new() })
    }

    /// The book.
    pub fn get(&self) -> &Book {
        self.book.get_or_init(|| {
            let build = |(offset, frequencies): &(u8, Vec<u16>)| Table::build(*offset, frequencies);
            Book::plain(self.tables.iter().map(build).collect())
        })
    }
}

/// The binary logarithm of a number above 0 in 256ths, rounded down.
pub fn log2(number: u32) -> u32 {
    let whole = number.ilog2();
    // The mantissa with 31 fraction bits; each time it is squared, one more bit of the logarithm is its whole part.
    let mut mantissa = u64::from(number) << (31 - whole);
    let mut bits = whole;
    for _ in 0..8 {
        mantissa = (mantissa * mantissa) >> 31;
        let bit = (mantissa >> 32) as u32;
        mantissa >>= bit;
        bits = bits << 1 | bit;
    }
    bits
}

/// Splits a value into its coded part and its `low` raw bits; [`join`] is the inverse.
#[inline(always)]
pub(super) fn split(value: i32, low: u32) -> (i32, u32) {
    let rounded = value + half(low);
    (rounded >> low, rounded as u32 & ((1 << low) - 1))
}

/// The value of a coded part and its raw low bits.
#[inline(always)]
pub(super) fn join(high: i32, bits: u32, low: u32) -> i32 {
    (high << low) + bits as i32 - half(low)
}

#[inline(always)]
fn half(low: u32) -> i32 {
    (1 << low) >> 1
}

/// The raw bits that follow an escape: the sign, then the excess of the magnitude over the table in Exp-Golomb code.
pub(super) struct Escape {
    /// 1 for a negative value.
    pub sign: u32,
    /// Number of leading ones, and of the bits of `field`.
    pub length: u32,
    /// The low bits of the excess plus one.
    pub field: u32,
}

impl Escape {
    /// For a `value` whose magnitude is above `offset`.
    pub fn new(value: i32, offset: i32) -> Self {
        let excess = value.unsigned_abs() - offset as u32;
        let length = excess.ilog2();
        Self { sign: u32::from(value < 0), length, field: excess - (1 << length) }
    }

    /// The value, if it is in the range of the format.
    pub fn value(&self, offset: i32) -> Option<i32> {
        let magnitude = (1 << self.length) + self.field as i32 + offset;
        let value = if self.sign == 1 { -magnitude } else { magnitude };
        (magnitude <= i32::from(MAX_VALUE)).then_some(value)
    }
}
