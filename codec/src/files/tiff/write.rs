//! TIFF: writes files, with the ICC profile and XMP. The samples are compressed by deflate.

use std::io::Cursor;

use ::tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use ::tiff::encoder::{Compression, DeflateLevel, Rational, TiffEncoder, TiffValue};
use ::tiff::tags::{PhotometricInterpretation, ResolutionUnit, SampleFormat, Tag};

use super::kind::{ICC, XMP};
use crate::files::alpha::interleaved;
use crate::files::exif;
use crate::files::resolution::Unit;
use crate::{Color, DeepPicture, Error, Metadata, Picture, Result};

/// The kind of an extra sample that is alpha, by which the colours are not multiplied.
const APART: u16 = 2;

/// Gray with alpha, of 8 or 16 bits.
struct GrayAlpha<T>(std::marker::PhantomData<T>);

macro_rules! gray_alpha {
    ($sample:ty) => {
        impl ColorType for GrayAlpha<$sample> {
            type Inner = $sample;
            const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
            const BITS_PER_SAMPLE: &'static [u16] = &[<$sample>::BITS as u16; 2];
            const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint; 2];

            fn horizontal_predict(row: &[Self::Inner], result: &mut Vec<Self::Inner>) {
                result.extend(row.iter().take(2));
                result.extend(row.iter().zip(row.iter().skip(2)).map(|(a, b)| b.wrapping_sub(*a)));
            }
        }
    };
}
gray_alpha!(u8);
gray_alpha!(u16);

/// Writes a file to memory.
pub fn write(picture: &Picture) -> Result<Vec<u8>> {
    let (size, metadata) = ((picture.width, picture.height), &picture.metadata);
    let samples = interleaved(&picture.samples, picture.alpha.as_deref(), picture.color);
    let made = match (picture.color, picture.alpha.is_some()) {
        (Color::Gray, false) => file::<Gray8>(size, &samples, false, metadata),
        (Color::Gray, true) => file::<GrayAlpha<u8>>(size, &samples, true, metadata),
        (Color::Rgb, false) => file::<RGB8>(size, &samples, false, metadata),
        (Color::Rgb, true) => file::<RGBA8>(size, &samples, true, metadata),
    };
    made.map_err(failed)
}

/// Writes a file of 16 bits per sample to memory. The samples must be of 16 bits.
pub fn write_deep(picture: &DeepPicture) -> Result<Vec<u8>> {
    let (size, metadata) = ((picture.width, picture.height), &picture.metadata);
    let samples = interleaved(&picture.samples, picture.alpha.as_deref(), picture.color);
    let made = match (picture.color, picture.alpha.is_some()) {
        (Color::Gray, false) => file::<Gray16>(size, &samples, false, metadata),
        (Color::Gray, true) => file::<GrayAlpha<u16>>(size, &samples, true, metadata),
        (Color::Rgb, false) => file::<RGB16>(size, &samples, false, metadata),
        (Color::Rgb, true) => file::<RGBA16>(size, &samples, true, metadata),
    };
    made.map_err(failed)
}

fn file<C: ColorType>(
    (width, height): (u32, u32),
    samples: &[C::Inner],
    alpha: bool,
    metadata: &Metadata,
) -> ::tiff::TiffResult<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let mut out = Cursor::new(Vec::new());
    let compression = Compression::Deflate(DeflateLevel::Fast);
    let mut encoder = TiffEncoder::new(&mut out)?.with_compression(compression);
    let mut image = encoder.new_image::<C>(width, height)?;
    let resolution = metadata.exif.as_deref().and_then(exif::resolution);
    if let Some(found) = resolution {
        let unit = match found.unit {
            Unit::Inch => ResolutionUnit::Inch,
            Unit::Centimetre => ResolutionUnit::Centimeter,
        };
        let ratio = |(n, d): (u32, u32)| Rational { n, d };
        image.resolution_unit(unit);
        image.x_resolution(ratio(found.x));
        image.y_resolution(ratio(found.y));
    }
    let tags = image.encoder();
    if alpha {
        tags.write_tag(Tag::ExtraSamples, &[APART][..])?;
    }
    for (tag, record) in [(ICC, &metadata.icc), (XMP, &metadata.xmp)] {
        if let Some(record) = record {
            tags.write_tag(Tag::from_u16_exhaustive(tag), record.as_slice())?;
        }
    }
    image.write_data(samples)?;
    Ok(out.into_inner())
}

fn failed(error: ::tiff::TiffError) -> Error {
    match error {
        ::tiff::TiffError::IoError(error) => Error::Io(error),
        other => Error::Invalid { what: "TIFF", detail: other.to_string() },
    }
}
