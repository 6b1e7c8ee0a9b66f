//! Sound streams of small pictures, taken apart so that a target can change a part and repair the checksums.

use crate::input::Input;
use crate::random::Random;
use crate::tiny;
use aecodec::container::{self, ChunkKind, ChunkState, Header};
use aecodec::{Color, DecodeOptions, EncodeOptions, Limits, Metadata, Picture, Quality, Target};
use std::sync::LazyLock;

/// A picture, its stream, and what the stream decodes to.
#[derive(Debug)]
pub struct Sample {
    pub bytes: Vec<u8>,
    pub decoded: Picture,
}

/// A stream, in parts.
#[derive(Debug, Clone)]
pub struct Parts {
    pub header: Header,
    pub metadata: Option<Vec<u8>>,
    pub alpha: Option<Vec<u8>>,
    pub substreams: Vec<Vec<u8>>,
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let kinds = [
        (130, 70, Color::Rgb, 6, 55.0),
        (64, 64, Color::Gray, 6, 80.0),
        (17, 1, Color::Rgb, 10, 20.0),
        (1, 90, Color::Gray, 6, 0.0),
        (200, 140, Color::Rgb, 7, 100.0),
        (100, 100, Color::Rgb, 14, 40.0),
    ];
    kinds
        .into_iter()
        .map(|(width, height, color, group_log2, quality)| sample(width, height, color, group_log2, quality))
        .collect()
});

/// The samples: several groups and one, gray and RGB, with and without alpha and metadata.
pub fn samples() -> &'static [Sample] {
    &SAMPLES
}

/// Limits that keep every case small.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.pixels, limits.bytes, limits.metadata) = (1 << 16, 64 << 20, 1 << 18);
    limits
}

/// The usual options with these limits.
pub fn options() -> DecodeOptions {
    let mut options = DecodeOptions::default();
    options.limits = limits();
    options
}

impl Parts {
    /// Takes a sound stream apart.
    pub fn of(bytes: &[u8]) -> Self {
        let stream = container::read(bytes, &limits()).expect("a sound stream");
        let whole = |kind| stream.bytes(kind).map(<[u8]>::to_vec);
        let substream = |kind| matches!(kind, ChunkKind::Hyper { .. } | ChunkKind::Pass { .. });
        let present =
            |state| if let ChunkState::Present(bytes) = state { bytes.to_vec() } else { Vec::new() };
        Self {
            metadata: whole(ChunkKind::Metadata),
            alpha: whole(ChunkKind::Alpha),
            substreams: stream
                .chunks
                .iter()
                .filter(|c| substream(c.kind))
                .map(|c| present(c.state))
                .collect(),
            header: stream.header.clone(),
        }
    }

    /// Puts the stream together with sound checksums, or returns `None` if a field is out of its range or if the number of
    /// substreams does not fit the header.
    pub fn together(&self) -> Option<Vec<u8>> {
        container::write(&self.header, self.metadata.as_deref(), self.alpha.as_deref(), &self.substreams).ok()
    }

    /// Changes a field or a part as the input says.
    pub fn change(&mut self, input: &mut Input) {
        match input.below(8) {
            0 => self.change_header(input),
            1 => change_optional(&mut self.metadata, input),
            2 => change_optional(&mut self.alpha, input),
            3 => {
                let count = self.substreams.len();
                let (a, b) = (input.below(count), input.below(count));
                self.substreams.swap(a, b);
            }
            _ => {
                let which = input.below(self.substreams.len());
                change(&mut self.substreams[which], input);
            }
        }
    }

    fn change_header(&mut self, input: &mut Input) {
        let header = &mut self.header;
        match input.below(9) {
            0 => header.gray = !header.gray,
            1 => header.source_16bit = !header.source_16bit,
            2 => header.orientation = input.byte(),
            3 => header.profile = input.byte(),
            4 => header.width = resized(header.width, input),
            5 => header.height = resized(header.height, input),
            6 => header.quality = input.short(),
            7 => header.group_log2 = input.byte(),
            _ => header.pixel_hash = input.word().to_le_bytes(),
        }
    }
}

/// Mostly sides that keep the number of groups, because another number makes the table wrong.
fn resized(side: u32, input: &mut Input) -> u32 {
    match input.byte() {
        0 => input.word(),
        by => (side & !63) + u32::from(by % 64),
    }
}

fn change_optional(part: &mut Option<Vec<u8>>, input: &mut Input) {
    match (part.as_mut(), input.below(6)) {
        (Some(_), 0) => *part = None,
        (Some(bytes), _) => change(bytes, input),
        (None, _) => *part = Some(input.bytes(40).to_vec()),
    }
}

/// Changes some bytes.
pub fn change(bytes: &mut Vec<u8>, input: &mut Input) {
    let at = input.below(bytes.len().clamp(1, 1 << 16));
    match input.below(6) {
        0 => bytes.truncate(at),
        1 => {
            let more = input.bytes(16);
            bytes.splice(at..at, more.iter().copied());
        }
        2 => {
            let end = (at + 1 + input.below(16)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << input.below(8)),
        _ => {
            let new = input.bytes(4);
            bytes.iter_mut().skip(at).zip(new).for_each(|(byte, &new)| *byte = new);
        }
    }
}

fn sample(width: u32, height: u32, color: Color, group_log2: u8, quality: f64) -> Sample {
    let mut picture = picture(width, height, color, u64::from(width + height));
    if width > 64 {
        let mut random = Random::new(3);
        picture.alpha = Some((0..width * height).map(|_| random.below(3) as u8 * 127).collect());
        picture.metadata = Metadata { exif: Some(b"MM\0*\0\0\0\x08\0\0".to_vec()), ..Metadata::default() };
    }
    let mut options = EncodeOptions::default();
    options.target = Target::Quality(Quality::new(quality).expect("a quality of the scale"));
    options.group_log2 = group_log2;
    let bytes = aecodec::encode(&picture, &tiny::model(), &options).expect("a sound picture").bytes;
    let decoded = aecodec::decode(&bytes, &tiny::model(), &DecodeOptions::default()).expect("a sound stream");
    assert!(decoded.damage.is_empty());
    Sample { bytes, decoded: decoded.picture }
}

/// A picture of slow gradients with noise.
pub fn picture(width: u32, height: u32, color: Color, seed: u64) -> Picture {
    let mut random = Random::new(seed);
    let channels = color.channels() as u32;
    let samples = (0..width * height * channels).map(|i| {
        let (x, y) = (i / channels % width, i / channels / width);
        (x + 2 * y + 40 * (i % channels) + random.below(30) as u32) as u8
    });
    Picture::new(width, height, color, samples.collect()).expect("sides of at least 1")
}
