//! The frames of a clip: a stream of frames, or pictures.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};

use aecodec::{Limits, Picture, files};
use aecodec_live::capture::{Format, Frames};
use anyhow::{Context as _, Result, bail};

use super::shared::is_stream;
use crate::inputs::{self, Input};

/// The source of the frames of a clip.
pub(super) enum Source {
    Stream(Box<Frames<Box<dyn Read>>>),
    Pictures(std::vec::IntoIter<Input>),
}

impl Source {
    /// One stream, or pictures in this order.
    pub fn open(inputs: Vec<Input>, limits: Limits) -> Result<Self> {
        let stream = |input: &Input| match &input.source {
            inputs::Source::Stdin => true,
            inputs::Source::File(path) => is_stream(path),
        };
        if !inputs.iter().any(stream) {
            return Ok(Self::Pictures(inputs.into_iter()));
        }
        let [input] = &inputs[..] else {
            bail!("a stream of frames is a clip of its own; give one of them, or pictures");
        };
        let reader: Box<dyn Read> = match &input.source {
            inputs::Source::Stdin => Box::new(std::io::stdin()),
            inputs::Source::File(path) => Box::new(File::open(path).with_context(|| input.name())?),
        };
        let mut reader = BufReader::new(reader);
        let format = match reader.fill_buf()? {
            [b'Y', b'U', b'V', ..] => Format::Y4m,
            [0xFF, 0xD8, ..] => Format::Mjpeg,
            [b'P', b'5' | b'6', ..] => Format::Ppm,
            start => bail!(
                "{} begins with {:02x?}, expected y4m, mjpeg or ppm (for example 'ffmpeg -i IN -f yuv4mpegpipe -')",
                input.name(),
                &start[..start.len().min(4)]
            ),
        };
        let reader: Box<dyn Read> = Box::new(reader);
        Ok(Self::Stream(Box::new(Frames::new(format, reader, limits))))
    }

    /// Frames per second as a fraction, if the source says it. It is known after the first frame.
    pub fn rate(&self) -> Option<(u32, u32)> {
        match self {
            Self::Stream(frames) => frames.rate(),
            Self::Pictures(_) => None,
        }
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self, limits: &Limits) -> Result<Option<Picture>> {
        match self {
            Self::Stream(frames) => Ok(frames.read()?),
            Self::Pictures(inputs) => {
                let Some(input) = inputs.next() else { return Ok(None) };
                let bytes = input.read(limits).with_context(|| input.name())?;
                let (picture, _) = files::read(&bytes, limits).with_context(|| input.name())?;
                if picture.alpha.is_some() || picture.orientation != 1 {
                    bail!("{}: a frame of a clip has no alpha and is stored upright", input.name());
                }
                Ok(Some(picture))
            }
        }
    }
}
