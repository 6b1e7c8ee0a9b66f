//! The codec for browsers: a WebAssembly module with plain functions, and what they do.
//!
//! `page/aecodec.js` calls the functions of `exports`. They take and return numbers: lengths, sizes and the numbers of buffers.
//! A buffer is a block of bytes that JavaScript fills or reads at its address. Models are not part of the module; they are
//! added as buffers.

pub mod decode;
pub mod encode;
pub mod exports;
pub mod parts;
pub mod rgba;
mod state;

use aecodec::Limits;

/// The limits of a module: what its address space of 4 GiB can hold next to the picture itself.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes = 1 << 30;
    limits.pixels = 1 << 28;
    limits
}
