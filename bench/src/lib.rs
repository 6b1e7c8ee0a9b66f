//! Puts aecodec next to the codecs that people use today, on their own pictures: real files, real decoding.

pub mod bd;
pub mod cache;
pub mod codec;
mod conditions;
pub mod curves;
mod error;
pub mod measure;
pub mod metrics;
pub mod report;
pub mod results;
mod rgb;
mod run;
pub mod tables;
mod words;

pub use error::{Error, Result};
pub use results::Results;
pub use rgb::Rgb;
pub use run::{BenchEvent, BenchOptions, FinishedBench, TestPicture, run};
