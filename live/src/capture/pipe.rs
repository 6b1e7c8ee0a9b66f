//! A pipe of frames: bytes that can be returned, and limits for what is read.

use std::io::{self, BufRead, BufReader, Read};

use aecodec::Limits;

use super::error::FrameError;

/// The pipe, and the limits for what is read from it.
#[derive(Debug)]
pub(super) struct Pipe<R: Read> {
    pub reader: Reader<R>,
    pub limits: Limits,
    pub frame: u64,
}

/// A reader to which bytes can be returned if they turn out to belong to the next frame.
#[derive(Debug)]
pub(super) struct Reader<R: Read> {
    back: Vec<u8>,
    /// How far the returned bytes were read again.
    at: usize,
    rest: BufReader<R>,
}

impl<R: Read> Reader<R> {
    /// Returns bytes that were read before, so that they are read next.
    pub fn give_back(&mut self, bytes: &[u8]) {
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
    pub fn new(reader: R, limits: Limits) -> Self {
        let reader = Reader { back: Vec::new(), at: 0, rest: BufReader::with_capacity(1 << 16, reader) };
        Self { reader, limits, frame: 0 }
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.reader.fill_buf()?.first().copied();
        self.reader.consume(byte.is_some().into());
        Ok(byte)
    }

    /// Appends the next `count` bytes to `out`. Memory grows as they come, whatever a header says.
    pub fn take(&mut self, count: u64, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let got = self.reader.by_ref().take(count).read_to_end(out)? as u64;
        if got < count {
            Err(self.stream(format!("the pipe ends {} bytes early", count - got)))
        } else {
            Ok(())
        }
    }

    pub fn stream(&self, detail: impl Into<String>) -> FrameError {
        FrameError::Stream { frame: self.frame, detail: detail.into() }
    }

    pub fn lost(&self, source: aecodec::Error) -> FrameError {
        FrameError::Frame { frame: self.frame, source }
    }
}
