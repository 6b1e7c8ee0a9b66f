//! Live frames: reading them from a pipe as they come, and making them smaller before they are coded.
//!
//! [`Frames`] reads `y4m`, `mjpeg` or `ppm`, such as `ffmpeg` writes to a pipe, one frame per call.
//! `aecodec_proto::live` decides which quality and size a frame gets; [`Scaler`] makes it that size.

mod captured;
mod error;
mod frames;
mod mjpeg;
mod options;
mod pipe;
mod ppm;
mod scale;
mod stream;
mod y4m;

pub use error::Error;
pub use frames::{Format, Frames};
pub use options::Options;
pub use scale::Scaler;
pub use stream::{Event, Sent, Summary, stream};
