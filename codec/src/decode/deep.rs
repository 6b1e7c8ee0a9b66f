//! Decodes samples of more than 8 bits, and what is painted for the encoder, at either depth.

use super::{DecodeOptions, Decoder, Keep, Outcome, Plan, Work, read_alpha};
use crate::deep::DeepPicture;
use crate::model::Model;
use crate::picture::PictureInfo;
use crate::sample::{self, Sample};
use crate::{Error, Result};

/// Decodes a stream of more than 8 bits per sample: an exact one, or a learned one of a picture that had more, whose samples
/// then have 16 bits. ([`decode`](fn@crate::decode) rounds all samples to 8 bits.)
///
/// # Errors
/// Returns the errors of [`decode`](fn@crate::decode), and [`Error::Invalid`] if the picture has 8 bits per sample
/// ([`Header::is_deep`](crate::container::Header::is_deep)).
pub fn decode_deep(bytes: &[u8], model: &Model, options: &DecodeOptions) -> Result<(DeepPicture, Outcome)> {
    let decoder = Decoder::open(bytes, Some(model), options, Keep::Deep)?;
    if !decoder.stream.header.is_deep() {
        let detail = "its samples have 8 bits, expected more".into();
        return Err(Error::Invalid { what: "stream", detail });
    }
    let PictureInfo { width, height, color, orientation, metadata, .. } = decoder.head.clone();
    let maximum = match &decoder.work {
        Work::Exact(plan) => plan.maximum,
        Work::Learned(_) => u16::MAX,
    };
    let mut samples = Vec::with_capacity(decoder.head.samples() as usize);
    let (outcome, alpha) = decoder.deep(|rows| {
        samples.extend_from_slice(rows);
        Ok(())
    })?;
    Ok((DeepPicture { width, height, color, maximum, samples, alpha, orientation, metadata }, outcome))
}

impl<'a> Decoder<'a> {
    /// Decodes a learned stream as the encoder measures it, and passes what is painted to `sink`.
    ///
    /// # Errors
    /// Returns the errors of [`decode`](fn@crate::decode), and those of the sink.
    pub(crate) fn paint<S: Sample>(
        bytes: &'a [u8],
        model: &'a Model,
        options: &DecodeOptions,
        sink: impl FnMut(&[S]) -> Result<()>,
    ) -> Result<()> {
        let keep = if S::PEAK > 255 { Keep::DeepRows } else { Keep::Rows };
        let decoder = Self::open(bytes, Some(model), options, keep)?;
        match &decoder.work {
            Work::Learned(plan) => decoder.painted(plan, sink).map(|_| ()),
            Work::Exact(_) => Err(Error::Invalid { what: "stream", detail: "it is exact".into() }),
        }
    }

    /// Passes what is painted to `sink`, then reads alpha.
    pub(super) fn painted<S: Sample>(
        &self,
        plan: &Plan,
        mut sink: impl FnMut(&[S]) -> Result<()>,
    ) -> Result<(Outcome, Option<Vec<u8>>)> {
        self.outcome(|damage, hasher| {
            self.synthesise(plan, damage, |painted| {
                hasher.update(&S::eight(painted, self.head.color));
                sink(painted)
            })?;
            Ok(read_alpha(&self.stream, &self.area, damage))
        })
    }

    /// Passes the rows of a picture of more than 8 bits to `sink`, and returns its alpha.
    pub(super) fn deep(
        &self,
        mut sink: impl FnMut(&[u16]) -> Result<()>,
    ) -> Result<(Outcome, Option<Vec<u16>>)> {
        let plan = match &self.work {
            Work::Learned(plan) => {
                let color = self.head.color;
                let (outcome, alpha) =
                    self.painted(plan, |painted| sink(&sample::sixteen(painted, color)))?;
                return Ok((
                    outcome,
                    alpha.map(|alpha| alpha.into_iter().map(|a| 257 * u16::from(a)).collect()),
                ));
            }
            Work::Exact(plan) => plan,
        };
        self.outcome(|damage, hasher| {
            plan.run(&self.stream, &self.area, damage, |rows: &[u16]| {
                let bytes: Vec<u8> = rows.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                hasher.update(&bytes);
                sink(rows)
            })
        })
    }
}
