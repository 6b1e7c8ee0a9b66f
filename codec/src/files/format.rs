//! The formats that pictures are written in, and the options of writing them.

use std::fmt;
use std::path::Path;

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
    /// TIFF, compressed by deflate: lossless, with alpha, ICC profile and XMP.
    Tiff,
}

impl Format {
    /// Whether files of this format hold 16 bits per sample.
    pub fn is_deep(self) -> bool {
        matches!(self, Self::Png | Self::Pnm | Self::Tiff)
    }

    /// The format of a file's extension, or `None` if there is no such format.
    pub fn from_path(path: &Path) -> Option<Self> {
        Self::from_name(path.extension()?.to_str()?)
    }

    /// The format of a name or extension, in upper or lower case: `png`, `jpg`, `jpeg`, `webp`, `ppm`, `pgm`, `pnm`, `tif`, `tiff`, and
    /// a few rarer ones of JPEG.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" | "jif" | "jfi" | "pjpeg" | "pjp" => Some(Self::Jpeg),
            "webp" => Some(Self::WebP),
            "ppm" | "pgm" | "pnm" => Some(Self::Pnm),
            "tif" | "tiff" => Some(Self::Tiff),
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
            Self::Tiff => "tif",
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
            Self::Tiff => "TIFF",
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
