//! What the functions of the library do, in safe Rust.

use aecodec::container::Header;
use aecodec::{
    Color, Decoder, Error, Limits, Mode, Model, ModelRegistry, Picture, Profile, Quality, ReducedSize, Target,
};

/// What became of a call; the numbers are those of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// It succeeded.
    Ok = 0,
    /// An argument is wrong.
    Argument = 1,
    /// The stream is wrong.
    Invalid = 2,
    /// A limit was reached.
    Limit = 3,
    /// The model is not built in.
    UnknownModel = 4,
    /// The callback ended the decode.
    Stopped = 5,
    /// Parts of the picture are lost.
    Damaged = 6,
    /// A panic.
    Internal = 7,
}

/// A status, and what happened.
#[derive(Debug)]
pub(crate) struct Failure(pub Status, pub String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Limit { .. } => Status::Limit,
            Error::UnknownModel { .. } => Status::UnknownModel,
            _ => Status::Invalid,
        };
        Self(status, error.to_string())
    }
}

pub(crate) fn argument(text: &str) -> Failure {
    Failure(Status::Argument, text.to_owned())
}

/// Describes a stream.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Info {
    width: u32,
    height: u32,
    channels: u8,
    alpha: u8,
    orientation: u8,
    exact: u8,
}

/// How to decode; zeros stand for the defaults.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct DecodeOptions {
    threads: u32,
    longest: u32,
    pixels: u64,
    memory: u64,
}

/// How to encode.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct EncodeOptions {
    quality: f64,
    lossless: u8,
    best: u8,
    threads: u32,
}

impl DecodeOptions {
    fn full(self, length: usize) -> aecodec::DecodeOptions {
        let mut limits = Limits::default().for_input(length as u64);
        if self.pixels > 0 {
            limits.pixels = self.pixels;
        }
        if self.memory > 0 {
            limits.bytes = self.memory;
        }
        let mut options = aecodec::DecodeOptions::default();
        (options.threads, options.limits) = (self.threads.max(1) as usize, limits);
        options
    }
}

pub(crate) fn info(data: &[u8]) -> Result<Info, Failure> {
    let header = Header::parse(data, &Limits::default())?;
    Ok(Info {
        width: header.width,
        height: header.height,
        channels: if header.gray { 1 } else { 3 },
        alpha: header.alpha.into(),
        orientation: header.orientation,
        exact: header.exact.is_some().into(),
    })
}

/// Passes rows and their number to `rows`, until it returns another number than 0.
pub(crate) fn decode_rows(
    data: &[u8],
    options: DecodeOptions,
    mut rows: impl FnMut(&[u8], u32) -> i32,
) -> Result<(), Failure> {
    if options.longest > 0 {
        return Err(argument("longest must be 0; aecodec_decode makes thumbnails"));
    }
    let full = options.full(data.len());
    let model = ModelRegistry::embedded().of(&Header::parse(data, &full.limits)?)?;
    let decoder = Decoder::new(data, &model, &full)?;
    let stride = decoder.head().stride();
    let mut stopped = false;
    let outcome = decoder.run(|samples| {
        stopped = rows(samples, (samples.len() / stride) as u32) != 0;
        // Any error ends the decode.
        if stopped {
            Err(Error::Invalid { what: "callback", detail: "it ended the decode".into() })
        } else {
            Ok(())
        }
    });
    match outcome {
        Err(_) if stopped => Err(Failure(Status::Stopped, "the callback ended the decode".into())),
        outcome => damaged(&outcome?.damage).map_or(Ok(()), Err),
    }
}

/// The picture, and what is lost of it.
pub(crate) fn decode(data: &[u8], options: DecodeOptions) -> Result<(Picture, Option<Failure>), Failure> {
    let full = options.full(data.len());
    let model = ModelRegistry::embedded().of(&Header::parse(data, &full.limits)?)?;
    let decoded = match options.longest {
        0 => aecodec::decode(data, &model, &full)?,
        longest => aecodec::decode_reduced(data, &model, ReducedSize::Longest(longest), &full)?,
    };
    Ok((decoded.picture, damaged(&decoded.damage)))
}

fn damaged(damage: &[aecodec::Damage]) -> Option<Failure> {
    let parts: Vec<String> = damage.iter().map(ToString::to_string).collect();
    (!parts.is_empty()).then(|| Failure(Status::Damaged, parts.join("; ")))
}

/// The number of pixels and the colour of a picture.
pub(crate) fn shape(width: u32, height: u32, channels: u8) -> Result<(usize, Color), Failure> {
    let color = match channels {
        1 => Color::Gray,
        3 => Color::Rgb,
        other => return Err(argument(&format!("{other} channels, expected 1 or 3"))),
    };
    let pixels =
        (width as usize).checked_mul(height as usize).filter(|pixels| pixels.checked_mul(3).is_some());
    pixels.map(|pixels| (pixels, color)).ok_or_else(|| argument("the picture is larger than memory"))
}

pub(crate) fn encode(
    size: (u32, u32),
    color: Color,
    (samples, alpha): (Vec<u8>, Option<Vec<u8>>),
    orientation: u8,
    options: &EncodeOptions,
) -> Result<Vec<u8>, Failure> {
    let quality =
        Quality::new(options.quality).ok_or_else(|| argument("the quality is not between 0 and 100"))?;
    let mut full = aecodec::EncodeOptions::default();
    (full.target, full.threads) = (Target::Quality(quality), options.threads.max(1) as usize);
    full.mode = if options.lossless != 0 { Mode::Exact { error: 0 } } else { Mode::Learned };
    let model = Model::embedded(if options.best != 0 { Profile::Best } else { Profile::Fast })?;
    let picture = Picture::new(size.0, size.1, color, samples)?;
    let picture = Picture { alpha, orientation: orientation.max(1), ..picture };
    Ok(aecodec::encode(&picture, &model, &full)?.bytes)
}
