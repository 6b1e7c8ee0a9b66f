//! aecodec: a learned image codec whose whole decoder is integer arithmetic.

#[doc(hidden)]
pub mod entropy;
mod error;
#[doc(hidden)]
pub mod kernel;
mod model;
mod net;
mod picture;
mod quality;
mod threads;
mod walk;
mod window;

pub use error::{Error, Result};
pub use model::{Model, Profile};
pub use picture::{Color, Metadata, Picture};
pub use quality::Quality;
