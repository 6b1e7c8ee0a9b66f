//! Codes the frames of a clip: decides which are I-frames, and keeps the references.

use super::file::FrameKind;
use crate::inter::{
    FrameHeader, FrameOptions, Painter, Reference, TemporalPrior, decode_frame, encode_frame,
};
use crate::model::Model;
use crate::picture::Picture;
use crate::{DecodeOptions, EncodeOptions, Error, Mode, Result, encode, psnr};

/// Options of a [`ClipEncoder`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClipOptions {
    /// How each frame is encoded. The target has to be a quality.
    pub frame: FrameOptions,
    /// The most frames from one I-frame to the next. A clip can be entered at its I-frames. The default is 250.
    pub key_interval: u32,
}

impl Default for ClipOptions {
    fn default() -> Self {
        Self { frame: FrameOptions::default(), key_interval: 250 }
    }
}

/// A frame of a clip.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClipFrame {
    /// Whether it needs a reference.
    pub kind: FrameKind,
    /// The I-frame, which is an `.aec` stream, or the P-frame.
    pub bytes: Vec<u8>,
    /// The frame as every decoder will have it.
    pub reference: Reference,
    /// Share of the positions, 0 to 1, that do not keep the latents of the reference; 1 for an I-frame.
    pub active: f64,
}

/// Encodes frames, each from the one before or from the last I-frame. The first frame of a scene is an I-frame.
#[derive(Debug)]
pub struct ClipEncoder<'a> {
    model: &'a Model,
    prior: &'a TemporalPrior,
    options: ClipOptions,
    /// The last I-frame and its size in bytes.
    key: Option<(Reference, usize)>,
    previous: Option<Reference>,
    /// Frames since the last I-frame.
    since: u32,
}

/// Bytes of a P-frame, as a share of those of the last I-frame in percent, from which an I-frame is tried as well.
const DOUBTFUL: usize = 50;
/// How much PSNR twice the bytes give, about.
const DECIBELS_PER_OCTAVE: f64 = 3.0;

impl<'a> ClipEncoder<'a> {
    /// An encoder whose first frame is an I-frame.
    pub fn new(model: &'a Model, prior: &'a TemporalPrior, options: ClipOptions) -> Self {
        Self { model, prior, options, key: None, previous: None, since: 0 }
    }

    /// Encodes the next frame.
    ///
    /// # Errors
    /// Returns the errors of [`encode_frame`].
    pub fn push(&mut self, picture: &Picture) -> Result<ClipFrame> {
        let fits = |reference: &Reference| {
            reference.size() == (picture.width, picture.height) && reference.color() == picture.color
        };
        let due = self.since + 1 >= self.options.key_interval;
        let Some((key, key_bytes)) = self.key.as_ref().filter(|(key, _)| !due && fits(key)) else {
            return self.intra(picture);
        };
        let mut references = vec![key];
        references.extend(self.previous.as_ref().filter(|previous| previous.id() != key.id()));
        // Of two equally near references, the first one is taken: that is the newer one.
        references.reverse();
        let frame = encode_frame(picture, &references, self.model, self.prior, &self.options.frame)?;
        if frame.bytes.len() * 100 > key_bytes * DOUBTFUL {
            let alone = self.alone(picture)?;
            if self.is_better(picture, (&alone.bytes, &alone.reference), (&frame.bytes, &frame.reference))? {
                return Ok(self.begin(alone));
            }
        }
        self.since += 1;
        self.previous = Some(frame.reference.clone());
        let (bytes, reference, active) = (frame.bytes, frame.reference, frame.active);
        Ok(ClipFrame { kind: FrameKind::Predicted, bytes, reference, active })
    }

    /// Makes the next frame an I-frame.
    pub fn restart(&mut self) {
        self.key = None;
    }

    fn intra(&mut self, picture: &Picture) -> Result<ClipFrame> {
        let alone = self.alone(picture)?;
        Ok(self.begin(alone))
    }

    /// Encodes a frame as an I-frame.
    fn alone(&self, picture: &Picture) -> Result<ClipFrame> {
        let options =
            EncodeOptions { group_log2: 10, mode: Mode::Learned, ..self.options.frame.encode.clone() };
        let bytes = encode(picture, self.model, &options)?.bytes;
        let decode =
            DecodeOptions { threads: options.threads, limits: options.limits, ..DecodeOptions::default() };
        let reference = Reference::of_stream(&bytes, self.model, &decode)?;
        Ok(ClipFrame { kind: FrameKind::Intra, bytes, reference, active: 1.0 })
    }

    /// Whether the first of two encodes is the better one: if the second one needs more bytes for the same PSNR.
    fn is_better(
        &self,
        picture: &Picture,
        (bytes, reference): (&[u8], &Reference),
        (other_bytes, other): (&[u8], &Reference),
    ) -> Result<bool> {
        let options =
            DecodeOptions { threads: self.options.frame.encode.threads, ..DecodeOptions::default() };
        let decibels = |reference: &Reference| -> Result<f64> {
            let painted = reference.picture(self.model, &options)?;
            Ok(psnr(&painted.samples, &picture.samples).unwrap_or(f64::INFINITY))
        };
        let octaves = (bytes.len() as f64 / other_bytes.len() as f64).log2();
        Ok(octaves * DECIBELS_PER_OCTAVE <= decibels(reference)? - decibels(other)?)
    }

    /// Begins a scene with an I-frame.
    fn begin(&mut self, frame: ClipFrame) -> ClipFrame {
        self.since = 0;
        self.key = Some((frame.reference.clone(), frame.bytes.len()));
        self.previous = Some(frame.reference.clone());
        frame
    }
}

/// Decodes frames, in order from any I-frame on.
#[derive(Debug)]
pub struct ClipDecoder<'a> {
    model: &'a Model,
    prior: &'a TemporalPrior,
    options: DecodeOptions,
    key: Option<Reference>,
    previous: Option<Reference>,
    painter: Painter,
}

impl<'a> ClipDecoder<'a> {
    /// A decoder whose first frame has to be an I-frame.
    pub fn new(model: &'a Model, prior: &'a TemporalPrior, options: DecodeOptions) -> Self {
        Self { model, prior, options, key: None, previous: None, painter: Painter::default() }
    }

    /// Decodes the next frame to a picture.
    ///
    /// # Errors
    /// Returns the errors of [`Self::skip`].
    pub fn push(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<&Picture> {
        let frame = self.skip(kind, bytes)?;
        self.painter.paint(&frame, self.model, &self.options)
    }

    /// Decodes the next frame without painting it, on the way to a later one.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the frame needs a reference that the decoder does not have, and the errors of
    /// [`Reference::of_stream`] and [`decode_frame`]. After an error, the decoder still has the frames before it.
    pub fn skip(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<Reference> {
        let frame = match kind {
            FrameKind::Intra => {
                let frame = Reference::of_stream(bytes, self.model, &self.options)?;
                self.key = Some(frame.clone());
                frame
            }
            FrameKind::Predicted => {
                let needed = FrameHeader::parse(bytes)?.reference;
                let held = [&self.previous, &self.key].into_iter().flatten().find(|held| held.id() == needed);
                let Some(reference) = held else {
                    let detail = format!("its reference {needed:02x?} is not there");
                    return Err(Error::Invalid { what: "P-frame", detail });
                };
                decode_frame(bytes, reference, self.model, self.prior, &self.options)?
            }
        };
        self.previous = Some(frame.clone());
        Ok(frame)
    }
}
