//! Encodes a P-frame.

use super::choice::{Activity, Judge, symbol};
use super::compensate::compensated;
use super::motion::Vector;
use super::search::search;
use super::stream::{FrameHeader, Stream};
use super::walk::{Predictions, Symbols, Walk, memory};
use super::{Reference, TemporalPrior, activity, motion};
use crate::encode::analyse_only;
use crate::entropy;
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::Plane;
use crate::net::context::PASSES;
use crate::picture::Picture;
use crate::quality::{Gains, Quality};
use crate::{Check, DecodeOptions, EncodeOptions, Error, Result, Target, threads};
use std::borrow::Cow;

/// A frame that was encoded from a reference.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodedFrame {
    /// The P-frame.
    pub bytes: Vec<u8>,
    /// The frame as every decoder will have it, to encode others from it.
    pub reference: Reference,
    /// Share of the positions, 0 to 1, that do not keep the latents of the reference.
    pub active: f64,
}

/// Options of [`encode_frame`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FrameOptions {
    /// Options of the encoder. The target has to be a quality; what does not concern P-frames is not used.
    pub encode: EncodeOptions,
    /// Whether to look for parts of the picture that have moved. This takes several times as long for frames in which much has
    /// changed, and makes them much smaller if the camera moves. The default is true.
    pub motion: bool,
}

impl Default for FrameOptions {
    fn default() -> Self {
        // Groups as large as those that the prior was trained on.
        let encode = EncodeOptions { group_log2: 8, check: Check::None, ..EncodeOptions::default() };
        Self { encode, motion: true }
    }
}

/// Encodes a picture at the quality in [`EncodeOptions::target`], from that one of the references that is nearest to it.
///
/// # Errors
/// Returns [`Error::Invalid`] if there is no reference, if the picture has alpha or differs from a reference in size or
/// colour, or if the target is no quality, [`Error::UnknownModel`] if the model, the prior and the reference do not belong
/// together, and the errors of [`encode`](crate::encode).
pub fn encode_frame(
    picture: &Picture,
    references: &[&Reference],
    model: &Model,
    prior: &TemporalPrior,
    options: &FrameOptions,
) -> Result<EncodedFrame> {
    let FrameOptions { encode: options, motion } = options;
    prior.check(model)?;
    let invalid = |what, detail| Err(Error::Invalid { what, detail });
    let Target::Quality(quality) = options.target else {
        return invalid("target", format!("{:?}, expected a quality for a P-frame", options.target));
    };
    let found = (picture.width, picture.height, picture.color);
    for reference in references {
        reference.check(model)?;
        let expected = (reference.width, reference.height, reference.color);
        if found != expected || picture.alpha.is_some() {
            let alpha = if picture.alpha.is_some() { " with alpha" } else { "" };
            return invalid("frame", format!("{found:?}{alpha}, its reference is {expected:?}"));
        }
    }
    let [height, width] = [picture.height, picture.width].map(|side| side.div_ceil(16) as usize);
    options.limits.check_bytes(memory((height, width), model, prior))?;
    let data = analyse_only(picture, model, quality, options)?;
    let y = Plane { height, width, channels: model.net.shapes.m, data };
    let (isa, gains, threads) = (Isa::chosen(), model.gains(quality), threads::count(options.threads));
    let judge = Judge::new(&gains);
    let judged = references.iter().map(|reference| (judge.activity(&y, &reference.latents), reference));
    let Some((activity, reference)) = judged.min_by_key(|(activity, _)| activity.bits) else {
        return invalid("frame", "it has no reference".into());
    };
    let mut prediction = Prediction { latents: Cow::Borrowed(&*reference.latents), motion: None, activity };
    if *motion {
        let task = Task { picture, y: &y, reference, model, judge: &judge, quality, options };
        prediction = task.moved(prediction)?;
    }

    let Prediction { latents, motion, activity: Activity { classes, .. } } = prediction;
    let walk = Walk { model, prior, isa, quality, gains: &gains, threads };
    let mut writer = WriteSymbols { y: &y, gains: &gains, prior, parts: Vec::with_capacity(PASSES) };
    let latents = walk.run(&latents, &classes, options.group_log2, &mut writer)?;
    let coded = Reference::new(found, quality, model, latents);
    let map = activity::write(&classes, width);
    let mut parts: [&[u8]; 1 + PASSES] = [&[]; 1 + PASSES];
    parts[0] = &map;
    for (part, bytes) in parts[1..].iter_mut().zip(&writer.parts) {
        *part = bytes;
    }
    let header = FrameHeader {
        quality,
        group_log2: options.group_log2,
        reference: reference.id(),
        id: coded.id(),
        motion: motion.is_some(),
    };
    let stream = Stream { header, motion: motion.as_deref().unwrap_or_default(), parts };
    let active = classes.iter().filter(|&&class| class > 0).count() as f64 / classes.len() as f64;
    Ok(EncodedFrame { bytes: stream.write(), reference: coded, active })
}

/// What a frame is predicted from.
struct Prediction<'a> {
    latents: Cow<'a, Plane>,
    /// The coded vectors, if parts of the reference are moved.
    motion: Option<Vec<u8>>,
    activity: Activity,
}

/// A frame and its reference.
struct Task<'a> {
    picture: &'a Picture,
    y: &'a Plane,
    reference: &'a Reference,
    model: &'a Model,
    judge: &'a Judge<'a>,
    quality: Quality,
    options: &'a EncodeOptions,
}

/// Motion is searched for if the active positions take at least this many bits per position of the frame, in 256ths.
const MUCH: u64 = 2 * 256;

impl<'a> Task<'a> {
    /// A prediction with motion, if it is better than this one without.
    fn moved(&self, still: Prediction<'a>) -> Result<Prediction<'a>> {
        let Plane { height, width, channels, .. } = *self.y;
        if still.activity.bits < MUCH * (height * width) as u64 {
            return Ok(still);
        }
        let EncodeOptions { threads, limits, .. } = *self.options;
        let decode = DecodeOptions { threads, limits, ..DecodeOptions::default() };
        let painted = self.reference.painted(self.model, &decode)?;
        let mut vectors = search(self.picture, painted, (height, width), threads::count(threads));
        let compensated =
            |vectors: &[Vector]| compensated(self.reference, vectors, self.quality, self.model, &decode);
        let mut latents = compensated(&vectors)?;
        // What looks alike may have other latents: such vectors are dropped.
        let own = self.y.data.chunks_exact(channels);
        let both =
            self.reference.latents.data.chunks_exact(channels).zip(latents.data.chunks_exact(channels));
        let mut dropped = false;
        for (vector, (y, (still, moved))) in vectors.iter_mut().zip(own.zip(both)) {
            if *vector != Vector::ZERO && self.judge.bits(y, moved) >= self.judge.bits(y, still) {
                (*vector, dropped) = (Vector::ZERO, true);
            }
        }
        if dropped {
            latents = compensated(&vectors)?;
        }
        let (motion, activity) = (motion::write(&vectors, width), self.judge.activity(self.y, &latents));
        let bits = activity.bits + 8 * 256 * motion.len() as u64;
        if 16 * bits > 15 * still.activity.bits {
            return Ok(still);
        }
        Ok(Prediction { latents: Cow::Owned(latents), motion: Some(motion), activity })
    }
}

/// The encoder's side of the walk.
struct WriteSymbols<'a> {
    y: &'a Plane,
    gains: &'a Gains,
    prior: &'a TemporalPrior,
    parts: Vec<Vec<u8>>,
}

impl Symbols for WriteSymbols<'_> {
    fn pass(&mut self, _: usize, groups: &[Predictions]) -> Result<Vec<i16>> {
        let (m, book) = (self.y.channels, &self.prior.book);
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        for Predictions { rect, coded, means } in groups {
            levels.extend_from_slice(&coded.levels);
            for ((&site, &level), &mean) in coded.sites.iter().zip(&coded.levels).zip(means) {
                let (position, channel) = (site as usize / m, site as usize % m);
                let (y, x) = (position / rect.width(), position % rect.width());
                let latent = self.y.data[self.y.at(rect.rows.start + y, rect.columns.start + x) + channel];
                let difference = i32::from(latent) - i32::from(mean);
                values.push(symbol(book, level, difference, self.gains.inverse[channel]));
            }
        }
        self.parts.push(entropy::encode(book, &levels, &values));
        Ok(values)
    }
}
