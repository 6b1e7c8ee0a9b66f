//! Entropy coding: an interleaved rANS coder over static integer tables (docs/format.md, section 6).
//!
//! One substream holds the values of one pass of one group. Only the network knows what a value means; here it is an
//! integer whose *context* names the table to use and the number of low bits that are stored raw.
//! The method is Duda's (arXiv:1311.2540), with the lanes of Giesen (arXiv:1402.3392).

mod decoder;
mod encoder;
mod table;
#[cfg(test)]
mod tests;

pub use decoder::decode;
pub use encoder::encode;
pub use table::{Book, LazyBook, Table, log2};

/// Largest magnitude of a coded value.
pub const MAX_VALUE: i16 = 16383;

/// States stay at or above this value between two values; words have 16 bits.
const LOW: u32 = 1 << 16;

/// Number of interleaved states for `count` coded values. Each state costs bytes, so few values have few states.
const fn lanes(count: usize) -> usize {
    match count {
        0..16_384 => 1,
        16_384..65_536 => 2,
        65_536..262_144 => 4,
        _ => 8,
    }
}
