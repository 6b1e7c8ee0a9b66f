//! Decodes a stream to a smaller picture. At an eighth of the size and below, built-in models need no synthesis.

use super::{Decoded, Decoder, Keep, Plan, Work, read_alpha};
use crate::blank;
use crate::kernel::{Isa, Packed};
use crate::net::context::PASSES;
use crate::picture::{Metadata, Picture, PictureInfo};
use crate::quality::Quality;
use crate::readout::{self, Painter};
use crate::rect::Rect;
use crate::reduce::{Axis, Reducer};
use crate::saturating::product;
use crate::{DecodeOptions, Error, Model, Outcome, Result};

/// Pixels of a patch, whose mean colour a read-out gives.
const PATCH: u32 = 8;

/// The size of a picture that is decoded smaller than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReducedSize {
    /// One pixel for each box of 2x2 pixels.
    Half,
    /// One pixel for each box of 4x4 pixels.
    Quarter,
    /// One pixel for each box of 8x8 pixels.
    Eighth,
    /// The longest side has at most this many pixels, and the picture keeps its proportions. Smaller pictures stay as they
    /// are.
    Longest(u32),
}

impl ReducedSize {
    /// The axes of a picture of these sides, if the decoder gives the mean of each `patch` x `patch` pixels.
    fn axes(self, (width, height): (u32, u32), patch: u32) -> (Axis, Axis) {
        let boxes = |factor: u32| match patch {
            // A patch is such a box already.
            PATCH => (Axis::by(width.div_ceil(PATCH), 1), Axis::by(height.div_ceil(PATCH), 1)),
            _ => (Axis::by(width, factor), Axis::by(height, factor)),
        };
        match self {
            Self::Half => boxes(2),
            Self::Quarter => boxes(4),
            Self::Eighth => boxes(8),
            Self::Longest(most) => {
                let longest = width.max(height);
                let most = most.clamp(1, longest);
                let side = |side: u32| {
                    let (side, longest) = (u64::from(side), u64::from(longest));
                    ((side * u64::from(most) + longest / 2) / longest).max(1) as u32
                };
                (Axis::into(width, side(width), patch), Axis::into(height, side(height), patch))
            }
        }
    }

    /// Whether the mean colours of 8x8 patches are enough for this size.
    fn needs_only_patches(self, (width, height): (u32, u32)) -> bool {
        match self {
            Self::Half | Self::Quarter => false,
            Self::Eighth => true,
            Self::Longest(most) => most <= width.max(height) / PATCH,
        }
    }
}

/// Decodes a stream to a smaller picture, for example to a thumbnail: each pixel is the mean of the area that it covers.
///
/// At an eighth of the size and below, streams of the built-in models take about two fifths of the time of a full decode,
/// because the colours are read from the latents without the synthesis network. They differ a little from the means of the decoded
/// pixels, but they are the same on every machine. All other streams are decoded row by row at their full size, and only the
/// smaller picture is kept in memory, and alpha.
///
/// The picture has 8 bits per sample. It keeps the orientation, the ICC profile and the code points of colour; EXIF and XMP
/// describe the full picture and are left out. [`Decoded::pixel_hash`] is that of the smaller picture, and
/// [`Decoded::hash_matches`] is `None` if the full picture was not decoded.
///
/// # Errors
/// Returns the errors of [`decode`](crate::decode), and [`Error::Invalid`] if the options name a region.
///
/// ```
/// use aecodec::{Color, DecodeOptions, EncodeOptions, Model, Picture, Profile, ReducedSize};
///
/// let picture = Picture::new(640, 400, Color::Gray, vec![90; 640 * 400])?;
/// let model = Model::embedded(Profile::Fast)?;
/// let stream = aecodec::encode(&picture, &model, &EncodeOptions::default())?.bytes;
///
/// let small = aecodec::decode_reduced(&stream, &model, ReducedSize::Longest(64), &DecodeOptions::default())?;
/// assert_eq!((small.picture.width, small.picture.height), (64, 40));
/// # Ok::<(), aecodec::Error>(())
/// ```
pub fn decode_reduced(
    bytes: &[u8],
    model: &Model,
    size: ReducedSize,
    options: &DecodeOptions,
) -> Result<Decoded> {
    if options.region.is_some() {
        let detail = "a picture that is decoded smaller has none".into();
        return Err(Error::Invalid { what: "region", detail });
    }
    let decoder = Decoder::open(bytes, Some(model), options, Keep::Reduced)?;
    let head = decoder.head.clone();
    let map = decoder.read_out(size);
    let patch = if map.is_some() { PATCH } else { 1 };
    let (x, y) = size.axes((head.width, head.height), patch);
    let kept = product([x.to(), y.to(), head.color.channels() + usize::from(decoder.has_alpha())]);
    options.limits.check_bytes(decoder.work.needed().saturating_add(kept))?;

    let mut reducer = Reducer::new(x, y, head.color.channels());
    let take = |rows: &[u8]| {
        reducer.push(rows);
        Ok(())
    };
    let (outcome, alpha) = match &map {
        Some(map) => decoder.means(map, take)?,
        None => decoder.finish(take)?,
    };
    let samples = reducer.finish();
    let alpha = alpha.map(|alpha| {
        let (x, y) = size.axes((head.width, head.height), 1);
        let mut reducer = Reducer::new(x, y, 1);
        reducer.push(&alpha);
        reducer.finish()
    });
    let PictureInfo { color, orientation, metadata, .. } = head;
    let pixel_hash = *blake3::hash(&samples).as_bytes();
    let metadata = Metadata { exif: None, xmp: None, ..metadata };
    let picture = Picture::new(x.to() as u32, y.to() as u32, color, samples)?;
    let picture = Picture { orientation, alpha, metadata, ..picture };
    Ok(Decoded { picture, damage: outcome.damage, pixel_hash, hash_matches: outcome.hash_matches })
}

impl Decoder<'_> {
    /// The read-out, if the stream is one of a model that has it and if it is enough for this size.
    fn read_out(&self, size: ReducedSize) -> Option<Packed> {
        let header = &self.stream.header;
        let enough = size.needs_only_patches((header.width, header.height)) && self.passes == PASSES;
        let quality = Quality::from_raw(header.quality).unwrap_or_default();
        match &self.work {
            Work::Learned(plan) if enough => readout::of(plan.model, quality),
            _ => None,
        }
    }

    /// Passes rows of mean colours of patches to `sink`, then reads alpha.
    fn means(
        mut self,
        map: &Packed,
        sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<(Outcome, Option<Vec<u8>>)> {
        self.whole = false;
        let Work::Learned(plan) = &self.work else { return self.finish(sink) };
        self.outcome(|damage, _| {
            self.paint_means(plan, map, damage, sink)?;
            Ok(read_alpha(&self.stream, &self.area, damage))
        })
    }

    fn paint_means(
        &self,
        plan: &Plan,
        map: &Packed,
        damage: &mut Vec<crate::Damage>,
        mut sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (isa, color) = (Isa::chosen(), self.head.color);
        let gains = plan.model.gains(self.quality());
        let blank = plan
            .empty
            .as_ref()
            .map(|empty| blank::synthesise(empty, plan.model, isa, &gains, color, plan.split))
            .transpose()?;
        let size = [self.area.height(), self.area.width()].map(|side| side.div_ceil(PATCH as usize));
        let painter = Painter { map, isa, color, size: (size[0], size[1]), blank: blank.as_ref() };
        let support = Rect::new(0, 0, plan.grid.height, plan.grid.width);
        self.walk(plan, isa, &gains, &support, damage, |band| painter.push(band, &mut sink))
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests;
