//! aecodec: a learned image codec whose whole decoder is integer arithmetic.
#![warn(missing_docs)]

pub mod container;
#[doc(hidden)]
pub mod entropy;
mod error;
mod limits;
mod picture;

pub use error::{Error, Result};
pub use limits::Limits;
pub use picture::{Color, Metadata, Picture};
