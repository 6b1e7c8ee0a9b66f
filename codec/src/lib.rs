//! aecodec: a learned image codec whose whole decoder is integer arithmetic.
#![warn(missing_docs)]

#[doc(hidden)]
pub mod entropy;
mod error;
mod picture;

pub use error::{Error, Result};
pub use picture::{Color, Metadata, Picture};
