//! Notices: what was lost or changed when a file was read or written.

use super::Format;
use std::fmt;

/// Something that the user should know: what was lost or changed when a file was read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// 16-bit samples were reduced to 8 bits.
    SixteenBits,
    /// Alpha of more than 8 bits was reduced to 8.
    AlphaRounded,
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
    /// The format holds 8 bits per sample, and the picture has more.
    Rounded {
        /// The format that was written.
        format: Format,
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
        /// `ICC profile`, `EXIF`, `XMP`, or that the colours are described by code points.
        kind: &'static str,
    },
}

/// What code points of colour are called.
pub(super) const CODE_POINTS: &str = "description of the colours (cICP)";

impl Notice {
    /// Whether this says that pixels of the file are lost.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SixteenBits => f.write_str("16-bit samples are coded as 8-bit; --lossless keeps all bits"),
            Self::AlphaRounded => f.write_str("alpha is coded in 8 bits; --lossless keeps all of its bits"),
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
                "the file describes its colours by gAMA or cHRM, which are not kept; give it an ICC profile, or convert it to sRGB",
            ),
            Self::AspectDropped { aspect: (width, height) } => {
                write!(f, "the pixels are not square ({width}:{height}), which is not kept")
            }
            Self::Rounded { format } => write!(
                f,
                "{format} holds 8 bits per sample, so the samples are rounded; PNG, TIFF and PNM keep all of them"
            ),
            Self::AlphaFlattened { format } => {
                write!(f, "{format} cannot hold alpha: the picture is put on white; PNG and WebP keep alpha")
            }
            Self::MetadataDropped { format, kind } => write!(f, "{format} cannot hold the {kind}; PNG can"),
        }
    }
}
