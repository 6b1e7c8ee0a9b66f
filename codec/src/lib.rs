//! aecodec: a learned image codec whose whole decoder is integer arithmetic.
#![warn(missing_docs)]

mod api_stub;
mod error;
#[cfg(feature = "files")]
pub mod files;
mod picture;

pub use api_stub::*;
pub use error::{Error, Result};
pub use picture::{Color, Metadata, Picture};
