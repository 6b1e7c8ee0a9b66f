//! Reads frames from a pipe, one per call.

use std::io::Read;

use aecodec::{Limits, Picture};

use super::error::FrameError;
use super::pipe::Pipe;
use super::{mjpeg, ppm, y4m};

/// A format of frames on a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// YUV4MPEG2: 8 bits, 4:2:0, 4:2:2, 4:4:4 or gray.
    Y4m,
    /// JPEG pictures, one after the other.
    Mjpeg,
    /// Binary PPM or PGM pictures, one after the other.
    Ppm,
}

impl Format {
    /// The format of this name: `y4m`, `mjpeg` or `ppm`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "y4m" => Some(Self::Y4m),
            "mjpeg" => Some(Self::Mjpeg),
            "ppm" => Some(Self::Ppm),
            _ => None,
        }
    }
}

/// Frames of a pipe.
///
/// ```
/// use aecodec_live::capture::{Format, Frames};
///
/// let pipe = &b"P5 2 1 255\n\x10\x20P5 2 1 255\n\x30\x40"[..];
/// let mut frames = Frames::new(Format::Ppm, pipe, aecodec::Limits::default());
/// assert_eq!(frames.read()?.expect("a frame").samples, [0x10, 0x20]);
/// assert_eq!(frames.read()?.expect("another").samples, [0x30, 0x40]);
/// assert!(frames.read()?.is_none());
/// # Ok::<(), aecodec_live::capture::FrameError>(())
/// ```
#[derive(Debug)]
pub struct Frames<R: Read> {
    pipe: Pipe<R>,
    format: Format,
    y4m: Option<y4m::Stream>,
}

impl<R: Read> Frames<R> {
    /// Frames of `reader`, each within `limits`.
    pub fn new(format: Format, reader: R, limits: Limits) -> Self {
        Self { pipe: Pipe::new(reader, limits), format, y4m: None }
    }

    /// Frames per second as a fraction, if the stream says it. It is known after the first frame.
    pub fn rate(&self) -> Option<(u32, u32)> {
        self.y4m.as_ref().and_then(|stream| stream.rate)
    }

    /// The next frame; waits for it. `None` at the end of the pipe.
    ///
    /// # Errors
    /// Returns [`FrameError::Frame`] if a frame is damaged but the next can be found, and any other error if the stream
    /// cannot be read any further.
    pub fn read(&mut self) -> Result<Option<Picture>, FrameError> {
        let found = match self.format {
            Format::Y4m => y4m::read(&mut self.pipe, &mut self.y4m),
            Format::Mjpeg => mjpeg::read(&mut self.pipe),
            Format::Ppm => ppm::read(&mut self.pipe),
        };
        self.pipe.frame += 1;
        found
    }
}
