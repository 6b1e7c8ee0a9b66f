//! The kinds of TIFF that are read. Others are refused with the name of the feature.

use crate::files::directory::Directory;
use crate::{Color, Error, Result};

pub const PHOTOMETRIC: u16 = 262;
pub const XMP: u16 = 700;
pub const ICC: u16 = 34675;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const FILL_ORDER: u16 = 266;
const STRIP_LENGTHS: u16 = 279;
const SAMPLES: u16 = 277;
const PLANAR: u16 = 284;
const COLOR_MAP: u16 = 320;
const TILE_LENGTHS: u16 = 325;
const INK_SET: u16 = 332;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const COEFFICIENTS: u16 = 529;
const SUBSAMPLING: u16 = 530;
const REFERENCES: u16 = 532;
const JPEG: u64 = 7;

/// A kind that is read.
pub struct Kind {
    pub width: u32,
    pub height: u32,
    /// Bits per sample: 1, 2, 4, 8 or 16.
    pub bits: u8,
    /// Samples per pixel.
    pub samples: usize,
    pub meaning: Meaning,
    /// The sample that is alpha.
    pub alpha: Option<Alpha>,
    /// Whether each sample has its own plane.
    pub planar: bool,
    compression: u64,
}

/// What the first samples of a pixel mean.
pub enum Meaning {
    Gray {
        inverted: bool,
    },
    Rgb,
    /// Red, green and blue of every entry.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    /// The shares of red, green and blue in the luma.
    YCbCr([f64; 3]),
}

/// The index of alpha among the samples, and whether the colours are multiplied by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpha {
    Apart(usize),
    Multiplied(usize),
}

impl Kind {
    /// The kind of a picture.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`], with the name of the feature, if it is not supported.
    pub fn of(directory: &Directory) -> Result<Self> {
        let number = |tag, usual| directory.number(tag).unwrap_or(usual);
        let (bits, format) = (all(directory, BITS, 1)?, all(directory, SAMPLE_FORMAT, 1)?);
        let compression = number(COMPRESSION, 1);
        if !matches!(compression, 1 | 4 | 5 | JPEG | 8 | 32773 | 32946) {
            let name = match compression {
                2 => "CCITT run lengths",
                3 => "CCITT group 3",
                6 => "JPEG of the old style",
                34661 => "JBIG",
                34712 => "JPEG 2000",
                34887 => "LERC",
                34925 => "LZMA",
                50000 => "zstd",
                50001 => "WebP",
                50002 => "JPEG XL",
                _ => return unsupported(&format!("compression {compression}")),
            };
            return unsupported(&format!("compression by {name}"));
        }
        match format {
            1 | 4 => {}
            2 => return unsupported("signed samples"),
            3 => return unsupported(&format!("samples of {bits}-bit floating point")),
            _ => return unsupported(&format!("sample format {format}")),
        }
        if !matches!(bits, 1 | 2 | 4 | 8 | 16) {
            return unsupported(&format!("samples of {bits} bits"));
        }
        if number(FILL_ORDER, 1) != 1 {
            return unsupported("bits in reversed order (FillOrder 2)");
        }
        let side = |tag| directory.number(tag).and_then(|side| u32::try_from(side).ok());
        let (Some(width), Some(height)) = (side(WIDTH), side(HEIGHT)) else {
            return invalid("it tells no size");
        };
        let samples = number(SAMPLES, 1) as usize;
        if compression == JPEG && (bits != 8 || !matches!(samples, 1 | 3 | 4)) {
            return unsupported(&format!("compression by JPEG of {samples} samples of {bits} bits"));
        }
        let meaning = Meaning::of(directory, bits as u8, compression)?;
        let own = meaning.samples();
        if samples < own {
            return invalid(&format!("{samples} samples per pixel, expected {own}"));
        }
        let extra: Vec<u64> = directory.numbers(EXTRA_SAMPLES).map(Iterator::collect).unwrap_or_default();
        let alpha = match extra.iter().position(|&kind| kind == 1 || kind == 2) {
            Some(at) if own + at >= samples => return invalid("its samples do not fit their number"),
            Some(at) if extra[at] == 1 => Some(Alpha::Multiplied(own + at)),
            Some(at) => Some(Alpha::Apart(own + at)),
            // Older writers do not say what the fourth sample is.
            None if extra.is_empty() && matches!(meaning, Meaning::Rgb) && samples == 4 => {
                Some(Alpha::Apart(3))
            }
            None => None,
        };
        let planar = number(PLANAR, 1) == 2 && samples > 1;
        Ok(Self { width, height, bits: bits as u8, samples, meaning, alpha, planar, compression })
    }

    /// Colours of the picture.
    pub fn color(&self) -> Color {
        match self.meaning {
            Meaning::Gray { .. } => Color::Gray,
            _ => Color::Rgb,
        }
    }

    /// Bytes of a row in the layout of the decoder; of a row of a plane, if there are planes.
    pub fn row(&self) -> u64 {
        let samples = if self.planar { 1 } else { self.samples as u64 };
        (u64::from(self.width) * u64::from(self.bits)).saturating_mul(samples).div_ceil(8)
    }

    /// Bytes of the picture in the layout of the decoder.
    pub fn unpacked(&self) -> u64 {
        let planes = if self.planar { self.samples as u64 } else { 1 };
        self.row().saturating_mul(u64::from(self.height)).saturating_mul(planes)
    }

    /// Number of bytes of packed samples that are present.
    pub fn present(&self, directory: &Directory, length: u64) -> u64 {
        let sum = |tag| directory.numbers(tag).map(|all| all.fold(0, u64::saturating_add));
        sum(STRIP_LENGTHS).or_else(|| sum(TILE_LENGTHS)).map_or(length, |sum| sum.min(length))
    }

    /// Whether its samples are compressed.
    pub fn is_packed(&self) -> bool {
        self.compression != 1
    }

    /// The most bytes of samples that a packed byte gives.
    pub fn expansion(&self) -> u64 {
        match self.compression {
            1 => 1,
            // A bit may give a row.
            4 => 1 << 16,
            // The longest string of a full table.
            5 => 1400,
            // A bit may give a block.
            JPEG => 512,
            32773 => 64,
            _ => 1032,
        }
    }
}

impl Meaning {
    /// Number of samples per pixel that it takes.
    pub fn samples(&self) -> usize {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) => 3,
            Self::Cmyk => 4,
        }
    }

    fn of(directory: &Directory, bits: u8, compression: u64) -> Result<Self> {
        let Some(photometric) = directory.number(PHOTOMETRIC) else {
            return invalid("it does not tell what its samples are (no PhotometricInterpretation)");
        };
        let meaning = match photometric {
            0 | 1 => Self::Gray { inverted: photometric == 0 },
            2 => Self::Rgb,
            3 => palette(directory, bits)?,
            5 if directory.number(INK_SET).is_some_and(|set| set != 1) => {
                return unsupported("inks other than CMYK");
            }
            5 => Self::Cmyk,
            6 => ycbcr(directory, bits, compression)?,
            4 => return unsupported("a transparency mask"),
            8..=10 => return unsupported("CIE L*a*b* colour"),
            32803 => return unsupported("raw data of a camera's sensor (CFA)"),
            34892 => return unsupported("raw data of a camera (LinearRaw)"),
            32844 | 32845 => return unsupported("LogLuv samples"),
            other => return unsupported(&format!("photometric interpretation {other}")),
        };
        if bits < 8 && !matches!(meaning, Self::Gray { .. } | Self::Palette(_)) {
            return unsupported(&format!("colour samples of {bits} bits"));
        }
        Ok(meaning)
    }
}

fn palette(directory: &Directory, bits: u8) -> Result<Meaning> {
    if bits > 8 {
        return unsupported(&format!("a palette of {bits} bits"));
    }
    let count = 1 << bits;
    let map: Vec<u64> = directory.numbers(COLOR_MAP).map(Iterator::collect).unwrap_or_default();
    if map.len() < 3 * count {
        return invalid(&format!("its palette has {} values, expected {}", map.len(), 3 * count));
    }
    // The values have 16 bits, but some writers use only 8 of them.
    let shift = if map.iter().all(|&value| value < 256) { 0 } else { 8 };
    let entry = |i: usize| [0, 1, 2].map(|channel| (map[channel * count + i] >> shift) as u8);
    Ok(Meaning::Palette((0..count).map(entry).collect()))
}

fn ycbcr(directory: &Directory, bits: u8, compression: u64) -> Result<Meaning> {
    let mut subsampling = directory.numbers(SUBSAMPLING).into_iter().flatten();
    let subsampling = (subsampling.next().unwrap_or(2), subsampling.next().unwrap_or(2));
    // The decoder of JPEG converts it.
    if compression != JPEG && subsampling != (1, 1) {
        return unsupported("subsampled YCbCr without JPEG compression");
    }
    if bits != 8 {
        return unsupported(&format!("YCbCr of {bits} bits"));
    }
    let ratios = |tag| -> Option<Vec<f64>> {
        let ratios = directory.ratios(tag)?;
        Some(ratios.map(|(above, below)| f64::from(above) / f64::from(below)).collect())
    };
    if ratios(REFERENCES).is_some_and(|found| found != [0.0, 255.0, 128.0, 255.0, 128.0, 255.0]) {
        return unsupported("YCbCr of a narrowed range");
    }
    let shares = match ratios(COEFFICIENTS).as_deref() {
        None => [0.299, 0.587, 0.114],
        Some(&[red, green, blue]) if [red, green, blue].iter().all(|share| *share > 0.0 && *share < 1.0) => {
            [red, green, blue]
        }
        Some(_) => return invalid("its YCbCr coefficients make no sense"),
    };
    Ok(Meaning::YCbCr(shares))
}

/// A number that all samples have in common.
fn all(directory: &Directory, tag: u16, usual: u64) -> Result<u64> {
    let numbers: Vec<u64> = directory.numbers(tag).map(Iterator::collect).unwrap_or_default();
    let Some(&first) = numbers.first() else { return Ok(usual) };
    if numbers.iter().any(|&number| number != first) {
        return unsupported(&format!("samples of different kinds ({numbers:?})"));
    }
    Ok(first)
}

fn unsupported<T>(what: &str) -> Result<T> {
    let detail = format!(
        "{what}: this kind of TIFF is not supported; convert it to 8 or 16 bits of gray or RGB, such as with \
         `magick in.tif -colorspace sRGB -depth 16 out.png`"
    );
    Err(Error::Invalid { what: "TIFF", detail })
}

fn invalid<T>(what: &str) -> Result<T> {
    Err(Error::Invalid { what: "TIFF", detail: what.into() })
}
