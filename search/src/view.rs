//! The view of a picture: a small square of colours, which every picture is reduced to before it is compared.

use aecodec::resize::{Filter, resize};
use aecodec::{Color, DecodeOptions, Limits, ModelRegistry, Picture, ReducedSize, container, files};

use crate::Result;

/// Pixels of a side of a view.
const SIDE: u32 = 64;

/// A picture reduced to 64x64 pixels in RGB, upright and on white.
///
/// Because all views have the same size, pictures of different sizes can be compared, and because they have few pixels, the
/// view of an `.aec` file needs no synthesis: [`aecodec::decode_reduced`] reads the colours from the latents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// `[64, 64, 3]`.
    pub(crate) picture: Picture,
}

impl View {
    /// The view of a picture.
    ///
    /// # Errors
    /// Returns [`aecodec::Error::Invalid`] if the samples do not fit the picture.
    pub fn of(picture: &Picture) -> Result<Self> {
        let mut picture = files::upright(picture).into_owned();
        put_on_white(&mut picture);
        let small = resize(&picture, (SIDE, SIDE), Filter::Hamming)?;
        let samples = match small.color {
            Color::Rgb => small.samples,
            Color::Gray => small.samples.iter().flat_map(|&sample| [sample; 3]).collect(),
        };
        Ok(Self { picture: Picture::new(SIDE, SIDE, Color::Rgb, samples)? })
    }

    /// The view of a picture file or an `.aec` file. Streams of the built-in models are read without synthesis.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::files::read`] or [`aecodec::decode_reduced`].
    pub fn read(bytes: &[u8], models: &ModelRegistry, limits: &Limits) -> Result<Self> {
        let header = container::Header::parse(bytes, limits);
        // An exact stream is decoded whole in any case, so nothing is gained by an eighth, which loses detail of small ones.
        let exact = header.is_ok_and(|header| header.exact.is_some());
        let size = if exact { ReducedSize::Longest(16 * SIDE) } else { ReducedSize::Eighth };
        Self::of(&small(bytes, models, size, limits)?)
    }
}

/// Reads a picture file whole, or an `.aec` file at a smaller size.
pub(crate) fn small(
    bytes: &[u8],
    models: &ModelRegistry,
    size: ReducedSize,
    limits: &Limits,
) -> aecodec::Result<Picture> {
    let header = match container::Header::parse(bytes, limits) {
        Err(aecodec::Error::Signature { .. }) => return Ok(files::read(bytes, limits)?.0),
        header => header?,
    };
    let mut options = DecodeOptions::default();
    options.limits = *limits;
    Ok(aecodec::decode_reduced(bytes, &*models.of(&header)?, size, &options)?.picture)
}

/// Replaces what is transparent by white.
pub(crate) fn put_on_white(picture: &mut Picture) {
    let Some(alpha) = picture.alpha.take() else { return };
    let channels = picture.color.channels();
    for (pixel, &alpha) in picture.samples.chunks_exact_mut(channels).zip(&alpha) {
        for sample in pixel {
            let (over, alpha) = (u32::from(*sample), u32::from(alpha));
            *sample = ((over * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
}
