//! Compares aecodec with the image codecs in common use, on the user's pictures. Every measurement is of a real file
//! that is decoded again.

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
