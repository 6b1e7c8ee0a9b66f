//! Reads frames from a pipe as they come.
//!
//! [`Frames`] reads `y4m`, `mjpeg` or `ppm`, such as `ffmpeg` writes to a pipe, one frame per call.

mod captured;
mod error;
mod frames;
mod mjpeg;
mod pipe;
mod ppm;
mod y4m;

pub(crate) use captured::{Captured, Reader, Slot};
pub use error::FrameError;
pub use frames::{Format, Frames};
