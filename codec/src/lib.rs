//! aecodec: a learned image codec whose whole decoder is integer arithmetic.
#![warn(missing_docs)]

mod error;
mod picture;

pub use error::{Error, Result};
pub use picture::{Color, Metadata, Picture};
