//! Fuzz targets: functions that take any bytes and panic if a promise of the project is broken.
//!
//! libFuzzer runs them for hours (`fuzz/libfuzzer`), and `fuzz/tests/smoke.rs` runs them for a moment with a mutator of this
//! crate, on stable Rust and with the same inputs every time. `fuzz/README.md` describes both.

mod crop;
mod input;
mod mutate;
mod random;
pub mod seeds;
mod streams;
mod targets;
mod tiny;

pub use crop::crop;
pub use mutate::Mutator;
pub use random::Random;
pub use targets::{TARGETS, Target, find};
