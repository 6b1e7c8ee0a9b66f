//! Live frames: reading them from a pipe as they come, and making them smaller before they are coded.
//!
//! [`Frames`] reads `y4m`, `mjpeg` or `ppm`, such as `ffmpeg` writes to a pipe, one frame per call.
//! `aecodec_proto::live` decides which quality and size a frame gets; [`Scaler`] makes it that size.

mod mjpeg;
mod ppm;
mod scale;
mod stream;
mod y4m;

use std::io::{self, BufRead, BufReader, Read};

use aecodec::{Limits, Picture};

pub use scale::Scaler;
pub use stream::{Event, Options, Sent, Summary, stream};

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

/// Errors of a pipe of frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pipe cannot be read.
    #[error("the frames cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The stream cannot be read any further.
    #[error("frame {frame}: {detail}")]
    Stream {
        /// Number of the frame, from 0.
        frame: u64,
        /// What was found and what was expected.
        detail: String,
    },
    /// This frame is lost; the next call continues after it.
    #[error("frame {frame} is skipped: {source}")]
    Frame {
        /// Number of the frame, from 0.
        frame: u64,
        /// What is wrong with it.
        source: aecodec::Error,
    },
}

impl Error {
    /// Whether the frames after this one can still be read.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Frame { .. })
    }
}

/// Frames of a pipe.
///
/// ```
/// use aecodec_sender::live::{Format, Frames};
///
/// let pipe = &b"P5 2 1 255\n\x10\x20P5 2 1 255\n\x30\x40"[..];
/// let mut frames = Frames::new(Format::Ppm, pipe, aecodec::Limits::default());
/// assert_eq!(frames.read()?.expect("a frame").samples, [0x10, 0x20]);
/// assert_eq!(frames.read()?.expect("another").samples, [0x30, 0x40]);
/// assert!(frames.read()?.is_none());
/// # Ok::<(), aecodec_sender::live::Error>(())
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
        let reader = Reader { back: Vec::new(), at: 0, rest: BufReader::with_capacity(1 << 16, reader) };
        let pipe = Pipe { reader, limits, frame: 0 };
        Self { pipe, format, y4m: None }
    }

    /// The next frame; waits for it. `None` at the end of the pipe.
    ///
    /// # Errors
    /// Returns [`Error::Frame`] if a frame is damaged but the next can be found, and any other error if the stream
    /// cannot be read any further.
    pub fn read(&mut self) -> Result<Option<Picture>, Error> {
        let found = match self.format {
            Format::Y4m => y4m::read(&mut self.pipe, &mut self.y4m),
            Format::Mjpeg => mjpeg::read(&mut self.pipe),
            Format::Ppm => ppm::read(&mut self.pipe),
        };
        self.pipe.frame += 1;
        found
    }
}

/// The pipe, and the limits for what is read from it.
#[derive(Debug)]
struct Pipe<R: Read> {
    reader: Reader<R>,
    limits: Limits,
    frame: u64,
}

/// A reader to which bytes can be returned if they turn out to belong to the next frame.
#[derive(Debug)]
struct Reader<R: Read> {
    back: Vec<u8>,
    /// How far the returned bytes were read again.
    at: usize,
    rest: BufReader<R>,
}

impl<R: Read> Reader<R> {
    /// Returns bytes that were read before, so that they are read next.
    fn give_back(&mut self, bytes: &[u8]) {
        self.back.splice(..self.at, bytes.iter().copied());
        self.at = 0;
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.back.len() {
            return self.rest.read(out);
        }
        let count = (&self.back[self.at..]).read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Reader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.back.len() { self.rest.fill_buf() } else { Ok(&self.back[self.at..]) }
    }

    fn consume(&mut self, count: usize) {
        if self.at == self.back.len() {
            return self.rest.consume(count);
        }
        self.at += count;
        if self.at >= self.back.len() {
            (self.back, self.at) = (Vec::new(), 0);
        }
    }
}

impl<R: Read> Pipe<R> {
    /// The next byte; `None` at the end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.fill_buf()?.first().copied();
        self.reader.consume(byte.is_some().into());
        Ok(byte)
    }

    /// Appends the next `count` bytes to `out`. Memory grows as they come, whatever a header says.
    fn take(&mut self, count: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        let got = self.reader.by_ref().take(count).read_to_end(out)? as u64;
        if got < count {
            Err(self.stream(format!("the pipe ends {} bytes early", count - got)))
        } else {
            Ok(())
        }
    }

    fn stream(&self, detail: impl Into<String>) -> Error {
        Error::Stream { frame: self.frame, detail: detail.into() }
    }

    fn lost(&self, source: aecodec::Error) -> Error {
        Error::Frame { frame: self.frame, source }
    }
}
