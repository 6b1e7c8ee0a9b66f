//! Picture files: PNG, JPEG, WebP, TIFF, BMP, PNM and QOI in; PNG, JPEG, WebP and PNM out.
//!
//! ```
//! use aecodec::{Color, Limits, Picture, files};
//!
//! let picture = Picture::new(2, 1, Color::Gray, vec![10, 200])?;
//! let (bytes, notices) = files::write(&picture, files::Format::Png, &files::WriteOptions::default())?;
//! assert!(notices.is_empty());
//! let (again, _) = files::read(&bytes, &Limits::default())?;
//! assert_eq!(again, picture);
//! # Ok::<(), aecodec::Error>(())
//! ```

mod exif;
mod jpeg;
mod png;
mod read;
mod rows;
mod tiff;
mod turn;
mod write;

use std::fmt;
use std::path::Path;

pub use read::{read, readable};
pub use rows::{Reader, open, write_rows, writes_rows};
pub use turn::upright;
pub use write::write;

/// A format that pictures are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// PNG: every picture, alpha and metadata, exactly.
    Png,
    /// JPEG: lossy, without alpha.
    Jpeg,
    /// WebP, lossless: sides up to 16383 pixels.
    WebP,
    /// PNM (P5 or P6): samples only.
    Pnm,
}

impl Format {
    /// The format that a file's extension stands for, or `None` where there is no such format.
    pub fn from_path(path: &Path) -> Option<Self> {
        Self::from_name(path.extension()?.to_str()?)
    }

    /// The format of this name or extension, in any case: `png`, `jpg`, `jpeg`, `webp`, `ppm`, `pgm`, `pnm`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "ppm" | "pgm" | "pnm" => Some(Self::Pnm),
            _ => None,
        }
    }

    /// Its usual extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Pnm => "ppm",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Pnm => "PNM",
        })
    }
}

/// How a picture file is written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteOptions {
    /// JPEG's quality, 1 to 100; default 95. More costs bytes and only matters where a JPEG is needed.
    pub jpeg_quality: u8,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { jpeg_quality: 95 }
    }
}

/// Something that was not carried over as it was, for the user to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// 16-bit samples were reduced to 8 bits.
    SixteenBits,
    /// Only the first picture of an animation or of several pages was taken.
    FirstPicture,
    /// The ICC profile describes another kind of samples (such as CMYK) than those that were read.
    ProfileDropped {
        /// The profile's colour space.
        space: String,
    },
    /// XMP beyond the first packet of a JPEG file was left out.
    ExtendedXmpDropped,
    /// The camera's data of a TIFF file was left out: TIFF spreads it over the file.
    TiffExifDropped,
    /// The format holds no alpha: the picture was laid on white.
    AlphaFlattened {
        /// Format written.
        format: Format,
    },
    /// The format cannot hold this metadata.
    MetadataDropped {
        /// Format written.
        format: Format,
        /// `ICC profile`, `EXIF` or `XMP`.
        kind: &'static str,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SixteenBits => f.write_str("16-bit samples are coded as 8-bit"),
            Self::FirstPicture => f.write_str("the file holds several pictures; only the first is taken"),
            Self::ProfileDropped { space } => {
                write!(f, "the ICC profile is for {space} samples and does not fit any more; it is left out")
            }
            Self::ExtendedXmpDropped => f.write_str("XMP beyond its first packet is left out"),
            Self::TiffExifDropped => f.write_str("the EXIF data of the TIFF file is left out"),
            Self::AlphaFlattened { format } => {
                write!(f, "{format} holds no alpha: the picture is laid on white; PNG and WebP keep alpha")
            }
            Self::MetadataDropped { format, kind } => write!(f, "{format} cannot hold the {kind}; PNG can"),
        }
    }
}

#[cfg(test)]
mod tests;
