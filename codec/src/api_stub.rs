//! Stand-in for the coder: stores the samples as they are, behind the public names.
#![allow(missing_docs)]

use std::sync::Arc;

use crate::{Color, Error, Picture, Result};

pub struct Model(Profile);

impl Model {
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(b"\x89AEM") {
            return Err(Error::Signature { format: ".aem", found: bytes.into_iter().take(8).collect() });
        }
        Ok(Self(Profile::Other))
    }
    pub fn embedded(profile: Profile) -> Result<Arc<Self>> {
        match profile {
            Profile::Fast => Ok(Arc::new(Self(profile))),
            _ => Err(Error::Invalid { what: "profile", detail: "best is not in this build".into() }),
        }
    }
    pub fn id(&self) -> [u8; 32] {
        [self.0 as u8 + 1; 32]
    }
    pub fn profile(&self) -> Profile {
        self.0
    }
    pub fn card(&self) -> &str {
        ""
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Other,
    Fast,
    Best,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality(u16);

impl Quality {
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=100.0).contains(&value).then(|| Self((value * 64.0).round() as u16))
    }
    pub fn value(self) -> f64 {
        f64::from(self.0) / 64.0
    }
    pub fn raw(self) -> u16 {
        self.0
    }
}

#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Target {
    Quality(Quality),
    BitsPerPixel(f64),
    Bytes(u64),
    Psnr(f64),
}

impl Default for Target {
    fn default() -> Self {
        Self::Quality(Quality(3200))
    }
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub pixels: u64,
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 1 << 28, bytes: 1 << 32 }
    }
}

#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EncodeOptions {
    pub target: Target,
    pub group_log2: u8,
    pub threads: usize,
    pub limits: Limits,
}

pub struct Encoded {
    pub bytes: Vec<u8>,
    pub quality: Quality,
    pub psnr: f64,
    pub reached: bool,
}

#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    pub passes: u8,
    pub region: Option<Region>,
    pub threads: usize,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy)]
pub struct Region {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

pub struct Decoded {
    pub picture: Picture,
    pub missing: Vec<String>,
    pub pixel_hash: [u8; 32],
    pub hash_matches: Option<bool>,
}

const HEADER: usize = 35;

pub fn encode(picture: &Picture, model: &Model, options: &EncodeOptions) -> Result<Encoded> {
    let (quality, reached) = match options.target {
        Target::Quality(quality) => (quality, true),
        Target::Bytes(bytes) => (Quality(0), bytes > 1000),
        Target::BitsPerPixel(_) | Target::Psnr(_) => (Quality(0), true),
    };
    let mut bytes = b"\x89AEC\r\n\x1a\n\x01".to_vec();
    let gray = picture.color == Color::Gray;
    bytes.push(
        u8::from(gray) | u8::from(picture.alpha.is_some()) << 1 | u8::from(picture.source_bits == 16) << 3,
    );
    bytes.push(picture.orientation);
    bytes.push(model.profile() as u8);
    bytes.extend(picture.width.to_le_bytes());
    bytes.extend(picture.height.to_le_bytes());
    bytes.extend(quality.raw().to_le_bytes());
    bytes.push(9);
    bytes.extend(&model.id()[..8]);
    bytes.extend(&blake3::hash(&picture.samples).as_bytes()[..4]);
    for block in [&picture.metadata.icc, &picture.metadata.exif, &picture.metadata.xmp] {
        bytes.extend((block.as_ref().map_or(0, Vec::len) as u32).to_le_bytes());
        bytes.extend(block.iter().flatten());
    }
    bytes.extend(&picture.samples);
    bytes.extend(picture.alpha.iter().flatten());
    let reached = match options.target {
        Target::Bytes(most) => bytes.len() as u64 <= most,
        _ => reached,
    };
    Ok(Encoded { bytes, quality, psnr: f64::INFINITY, reached })
}

pub fn decode(bytes: &[u8], _: &Model, options: &DecodeOptions) -> Result<Decoded> {
    let header = container::read(bytes, &options.limits)?.header;
    let color = if header.gray { Color::Gray } else { Color::Rgb };
    let pixels = header.width as usize * header.height as usize;
    let mut data = bytes[HEADER..].to_vec();
    let mut block = || {
        let length = u32::from_le_bytes(*data.first_chunk()?) as usize;
        let block = data.get(4..4 + length)?.to_vec();
        data.drain(..4 + length);
        Some(block).filter(|block| !block.is_empty())
    };
    let metadata = crate::Metadata { icc: block(), exif: block(), xmp: block() };
    let mut missing = Vec::new();
    let whole = pixels * (color.channels() + usize::from(header.alpha));
    if data.len() < whole {
        missing.push(format!("{} bytes of samples", whole - data.len()));
        data.resize(whole, 255);
    }
    let alpha = header.alpha.then(|| data[pixels * color.channels()..whole].to_vec());
    data.truncate(pixels * color.channels());
    let hash = *blake3::hash(&data).as_bytes();
    let mut picture = Picture::new(header.width, header.height, color, data)?;
    picture.alpha = alpha;
    picture.metadata = metadata;
    if let Some(r) = options.region {
        let crop = |data: &[u8], n: usize| -> Vec<u8> {
            let rows = data.chunks(header.width as usize * n).skip(r.y as usize).take(r.height as usize);
            rows.flat_map(|row| row[r.x as usize * n..(r.x + r.width) as usize * n].to_vec()).collect()
        };
        picture.samples = crop(&picture.samples, color.channels());
        picture.alpha = picture.alpha.map(|alpha| crop(&alpha, 1));
        (picture.width, picture.height) = (r.width, r.height);
    }
    picture.orientation = header.orientation;
    let hash_matches =
        (options.passes == 4 && options.region.is_none()).then(|| hash[..4] == header.pixel_hash);
    Ok(Decoded { picture, missing, pixel_hash: hash, hash_matches })
}

pub mod container {
    use super::*;

    #[derive(Debug, Clone)]
    pub struct Header {
        pub gray: bool,
        pub alpha: bool,
        pub metadata: bool,
        pub source_16bit: bool,
        pub orientation: u8,
        pub profile: u8,
        pub width: u32,
        pub height: u32,
        pub quality: u16,
        pub group_log2: u8,
        pub model: [u8; 8],
        pub pixel_hash: [u8; 4],
    }

    pub struct Stream<'a> {
        pub header: Header,
        pub chunks: Vec<Chunk<'a>>,
    }

    pub struct Chunk<'a> {
        pub kind: ChunkKind,
        pub length: u64,
        pub state: ChunkState<'a>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ChunkKind {
        Metadata,
        Alpha,
        Hyper { group: u32 },
        Pass { group: u32, pass: u8 },
    }

    pub enum ChunkState<'a> {
        Present(&'a [u8]),
        Cut { have: u64 },
        Corrupt,
    }

    pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Stream<'a>> {
        if !bytes.starts_with(b"\x89AEC\r\n\x1a\n") {
            return Err(Error::Signature { format: ".aec", found: bytes.iter().copied().take(8).collect() });
        }
        let Some(h) = bytes.get(8..HEADER) else {
            let offset = bytes.len() as u64;
            return Err(Error::Truncated { what: "header", offset, missing: HEADER as u64 - offset });
        };
        if h[0] != 1 {
            return Err(Error::Version { format: ".aec", found: h[0], expected: 1 });
        }
        let long = |at: usize| u32::from_le_bytes(h[at..at + 4].try_into().expect("four bytes"));
        let header = Header {
            gray: h[1] & 1 != 0,
            alpha: h[1] & 2 != 0,
            metadata: h[1] & 4 != 0,
            source_16bit: h[1] & 8 != 0,
            orientation: h[2],
            profile: h[3],
            width: long(4),
            height: long(8),
            quality: u16::from_le_bytes([h[12], h[13]]),
            group_log2: h[14],
            model: h[15..23].try_into().expect("eight bytes"),
            pixel_hash: h[23..27].try_into().expect("four bytes"),
        };
        let pixels = u64::from(header.width) * u64::from(header.height);
        if pixels > limits.pixels {
            return Err(Error::Limit { what: "pixels", needed: pixels, limit: limits.pixels });
        }
        let channels = if header.gray { 1 } else { 3 } + u64::from(header.alpha);
        let data = &bytes[HEADER..];
        let state = if (data.len() as u64) < pixels * channels + 12 {
            ChunkState::Cut { have: data.len() as u64 }
        } else {
            ChunkState::Present(data)
        };
        let chunks =
            vec![Chunk { kind: ChunkKind::Pass { group: 0, pass: 0 }, length: pixels * channels, state }];
        Ok(Stream { header, chunks })
    }
}
