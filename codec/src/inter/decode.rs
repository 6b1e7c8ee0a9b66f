//! Decodes a P-frame.

use super::stream::{FrameHeader, Stream};
use super::walk::{Predictions, Symbols, Walk, memory};
use super::{Reference, TemporalPrior, activity, compensate, motion};
use crate::entropy;
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::context::PASSES;
use crate::{DecodeOptions, Error, Result, threads};
use std::borrow::Cow;

/// Decodes a P-frame from its reference. [`Reference::picture`] of the result is the picture.
///
/// # Errors
/// Returns [`Error::Invalid`] if the frame needs another reference or does not decode to what its encoder had, the errors of
/// [`FrameHeader::parse`], [`Error::Truncated`] if the frame is cut short, [`Error::UnknownModel`] if the model, the prior and
/// the reference do not belong together, and [`Error::Limit`] if it would take too much memory.
pub fn decode_frame(
    bytes: &[u8],
    reference: &Reference,
    model: &Model,
    prior: &TemporalPrior,
    options: &DecodeOptions,
) -> Result<Reference> {
    prior.check(model)?;
    reference.check(model)?;
    let Stream { header, motion, parts } = Stream::parse(bytes)?;
    let FrameHeader { quality, group_log2, reference: needed, id, .. } = header;
    if needed != reference.id() {
        let detail = format!("its reference is {needed:02x?}, this one is {:02x?}", reference.id());
        return Err(Error::Invalid { what: "P-frame", detail });
    }
    let latents = &*reference.latents;
    options.limits.check_bytes(memory((latents.height, latents.width), model, prior))?;
    let classes = activity::read(parts[0], latents.height, latents.width)?;
    let moved = match header.motion {
        false => Cow::Borrowed(latents),
        true => {
            let vectors = motion::read(motion, latents.height, latents.width)?;
            Cow::Owned(compensate::compensated(reference, &vectors, quality, model, options)?)
        }
    };
    let (isa, gains, threads) = (Isa::chosen(), model.gains(quality), threads::count(options.threads));
    let walk = Walk { model, prior, isa, quality, gains: &gains, threads };
    let mut reader = ReadSymbols { parts: &parts[1..], prior };
    let latents = walk.run(&moved, &classes, group_log2, &mut reader)?;
    let decoded =
        Reference::new((reference.width, reference.height, reference.color), quality, model, latents);
    if decoded.id() == id {
        return Ok(decoded);
    }
    let detail = format!("it decodes to {:02x?}, its encoder had {id:02x?}", decoded.id());
    Err(Error::Invalid { what: "P-frame", detail })
}

/// The decoder's side of the walk.
struct ReadSymbols<'a> {
    /// The passes.
    parts: &'a [&'a [u8]],
    prior: &'a TemporalPrior,
}

impl Symbols for ReadSymbols<'_> {
    fn pass(&mut self, pass: usize, groups: &[Predictions]) -> Result<Vec<i16>> {
        debug_assert!(pass < PASSES);
        let levels: Vec<u8> = groups.iter().flat_map(|group| group.coded.levels.iter().copied()).collect();
        let mut values = vec![0; levels.len()];
        entropy::decode(&self.prior.book, self.parts[pass], &levels, &mut values)?;
        Ok(values)
    }
}
