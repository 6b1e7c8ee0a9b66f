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

mod directory;
mod exif;
mod jpeg;
mod png;
mod pnm;
mod read;
mod resolution;
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
            "jpg" | "jpeg" | "jpe" | "jfif" | "jif" | "jfi" | "pjpeg" | "pjp" => Some(Self::Jpeg),
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
    /// How long a PNG may take; default [`PngEffort::Fast`].
    pub png: PngEffort,
}

/// How long the writing of a PNG may take, for how small a file. The pixels are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PngEffort {
    /// A fraction of the time of decoding. For files that are looked at or read once.
    #[default]
    Fast,
    /// About the time of decoding, ten times that of [`Self::Fast`], for a photograph that is a sixth smaller.
    Balanced,
    /// Some three times as long again, for a photograph that is smaller by another thirtieth.
    Small,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { jpeg_quality: 95, png: PngEffort::default() }
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
    /// The file is damaged: the picture is what its reader made of it, and not what was saved.
    Damaged {
        /// Format of the file.
        what: &'static str,
        /// What is missing or wrong, and from where on.
        detail: String,
    },
    /// The file ends without its end marker, but with all of its picture.
    EndMissing,
    /// This metadata is damaged and was left out.
    MetadataDamaged {
        /// `ICC profile`, `EXIF`, `XMP` or `raw profile`.
        kind: &'static str,
    },
    /// The colours of the file are not those of sRGB, and no ICC profile says so: this was left out.
    ColorsDropped,
    /// The pixels of the file are not square, which was left out.
    AspectDropped {
        /// Width and height of a pixel.
        aspect: (u32, u32),
    },
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

impl Notice {
    /// Whether it says that pixels of the file are lost.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
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
            Self::Damaged { what, detail } => write!(f, "damaged {what}: {detail}; get the file again"),
            Self::EndMissing => f.write_str("the file has no end marker, but all of its picture"),
            Self::MetadataDamaged { kind } => {
                write!(f, "the {kind} of the file is damaged and cannot be read; it is left out")
            }
            Self::ColorsDropped => f.write_str(
                "the file describes its colours by gAMA, cHRM or cICP, which are not kept; give it an ICC profile, or convert it to sRGB",
            ),
            Self::AspectDropped { aspect: (width, height) } => {
                write!(f, "the pixels are not square ({width}:{height}), which is not kept")
            }
            Self::AlphaFlattened { format } => {
                write!(f, "{format} holds no alpha: the picture is laid on white; PNG and WebP keep alpha")
            }
            Self::MetadataDropped { format, kind } => write!(f, "{format} cannot hold the {kind}; PNG can"),
        }
    }
}

#[cfg(test)]
mod tests;
