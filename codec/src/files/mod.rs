//! Picture files: reads PNG, JPEG, WebP, TIFF, BMP, PNM and QOI; writes PNG, JPEG, WebP and PNM.
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
    /// PNG: lossless, with alpha and all metadata.
    Png,
    /// JPEG: lossy, without alpha.
    Jpeg,
    /// WebP, lossless: sides up to 16383 pixels.
    WebP,
    /// PNM (P5 or P6): lossless, without alpha and metadata.
    Pnm,
}

impl Format {
    /// The format of a file's extension, or `None` if there is no such format.
    pub fn from_path(path: &Path) -> Option<Self> {
        Self::from_name(path.extension()?.to_str()?)
    }

    /// The format of a name or extension, in upper or lower case: `png`, `jpg`, `jpeg`, `webp`, `ppm`, `pgm`, `pnm`, and a
    /// few rarer ones of JPEG.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" | "jif" | "jfi" | "pjpeg" | "pjp" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "ppm" | "pgm" | "pnm" => Some(Self::Pnm),
            _ => None,
        }
    }

    /// The usual extension, without the dot.
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
    /// The quality of a JPEG, 1 to 100. The default is 95.
    pub jpeg_quality: u8,
    /// How much time to spend on a PNG. The default is [`PngEffort::Fast`].
    pub png: PngEffort,
}

/// How much time to spend to make a PNG small. The pixels are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PngEffort {
    /// Takes a fraction of the time of decoding. For files that are viewed or read once.
    #[default]
    Fast,
    /// Takes about as long as decoding, ten times as long as [`Self::Fast`]. A photograph gets a sixth smaller.
    Balanced,
    /// Takes about three times as long as [`Self::Balanced`]. A photograph gets another thirtieth smaller.
    Small,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { jpeg_quality: 95, png: PngEffort::default() }
    }
}

/// Something that the user should know: what was lost or changed when a file was read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// 16-bit samples were reduced to 8 bits.
    SixteenBits,
    /// Only the first picture of an animation or of several pages was read.
    FirstPicture,
    /// The ICC profile describes another kind of samples (such as CMYK) than those that were read.
    ProfileDropped {
        /// The profile's colour space.
        space: String,
    },
    /// XMP beyond the first packet of a JPEG file was left out.
    ExtendedXmpDropped,
    /// The EXIF data of a TIFF file was left out, because TIFF spreads it over the file.
    TiffExifDropped,
    /// The file is damaged: some pixels are not those that were saved.
    Damaged {
        /// Format of the file.
        what: &'static str,
        /// What is missing or wrong, and where.
        detail: String,
    },
    /// The file has no end marker, but its picture is complete.
    EndMissing,
    /// This metadata is damaged and was left out.
    MetadataDamaged {
        /// `ICC profile`, `EXIF`, `XMP` or `raw profile`.
        kind: &'static str,
    },
    /// The colours of the file are not sRGB, but it has no ICC profile. Their description was left out.
    ColorsDropped,
    /// The pixels of the file are not square. Their aspect was left out.
    AspectDropped {
        /// Width and height of a pixel.
        aspect: (u32, u32),
    },
    /// The format cannot hold alpha: the picture was put on a white background.
    AlphaFlattened {
        /// The format that was written.
        format: Format,
    },
    /// The format cannot hold this metadata.
    MetadataDropped {
        /// The format that was written.
        format: Format,
        /// `ICC profile`, `EXIF` or `XMP`.
        kind: &'static str,
    },
}

impl Notice {
    /// Whether this says that pixels of the file are lost.
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
                write!(f, "the ICC profile is for {space} samples and no longer fits; it is left out")
            }
            Self::ExtendedXmpDropped => f.write_str("XMP beyond its first packet is left out"),
            Self::TiffExifDropped => f.write_str("the EXIF data of the TIFF file is left out"),
            Self::Damaged { what, detail } => write!(f, "damaged {what}: {detail}; get the file again"),
            Self::EndMissing => f.write_str("the file has no end marker, but its picture is complete"),
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
                write!(f, "{format} cannot hold alpha: the picture is put on white; PNG and WebP keep alpha")
            }
            Self::MetadataDropped { format, kind } => write!(f, "{format} cannot hold the {kind}; PNG can"),
        }
    }
}

#[cfg(test)]
mod tests;
