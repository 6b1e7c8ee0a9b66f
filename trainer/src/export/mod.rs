//! Float weights to the integer model file of docs/format.md, which the codec runs.
//!
//! The same as `models/recipe/export.py`: fractions from what passes through the network on some pictures, latents
//! evened out, layers quantised with a proof that no accumulator wraps, frequency tables from counts.

mod equalise;
mod learn;
pub(crate) mod model;
mod quantise;
mod read;
pub(crate) mod tables;

pub use quantise::Fit;

use crate::data::{Pictures, RgbPicture};
use crate::net::{Network, Weights};
use crate::{Error, Result};
use aecodec::Profile;
use candle_core::Device;
use learn::{Counts, Ranges};

/// How a model is exported.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The model's place in the product. Default [`Profile::Other`]: a model of one's own.
    pub profile: Profile,
    /// Latents of a level below this are not coded, they are their mean. Default 8; 0 codes all, for 0.25 % more bits
    /// and twice the symbols.
    pub skip_below: u8,
    /// Qualities at which ranges are measured. Default 6.
    pub points: usize,
    /// Bands of quality whose hyper-latents have tables of their own. Default 8.
    pub bands: usize,
    /// Batches of four crops counted in each band. Default 40; fewer are faster and give coarser tables.
    pub batches: usize,
    /// Crops counted for the tables of the levels. Default 200.
    pub crops: usize,
    /// Side of these crops in pixels, a multiple of 64. Default 256.
    pub side: usize,
    /// What the crops follow from. Default 0.
    pub seed: u64,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            profile: Profile::Other,
            skip_below: 8,
            points: 6,
            bands: 8,
            batches: 40,
            crops: 200,
            side: 256,
            seed: 0,
        }
    }
}

/// An exported model.
#[derive(Debug)]
pub struct Exported {
    /// The model file, `.aem`.
    pub bytes: Vec<u8>,
    /// The float weights in the units of the integer model: to refine pictures with, and to train on from.
    pub weights: Weights,
    /// How each layer was quantised.
    pub report: Vec<Fit>,
    /// Where the card's text begins in the file.
    card: usize,
}

impl Exported {
    /// Puts another card into the file, one that says what the model was found to do.
    pub fn set_card(&mut self, card: &str) {
        self.bytes.truncate(self.card - 4);
        self.bytes.extend((card.len() as u32).to_le_bytes());
        self.bytes.extend(card.as_bytes());
    }
}

/// Exports weights.
///
/// `calibration` sets the ranges: some ten varied pictures, better not those of the training. `pictures` are counted for
/// the tables. `card` says what the model was trained on and how; it is kept in the file.
///
/// # Errors
/// Returns [`Error::Weights`] if a layer cannot be quantised, [`Error::Codec`] if the codec does not accept networks of
/// these shapes, and [`Error::Invalid`] if there is nothing to calibrate with.
pub fn export(
    weights: &Weights,
    calibration: &[RgbPicture],
    pictures: &Pictures,
    card: &str,
    options: &ExportOptions,
) -> Result<Exported> {
    let &ExportOptions { skip_below, points, bands, batches, crops, side, seed, .. } = options;
    if calibration.is_empty() || points == 0 || bands == 0 || side == 0 || !side.is_multiple_of(64) {
        let detail = format!(
            "{} pictures at {points} qualities, {bands} bands, crops of {side} pixels",
            calibration.len()
        );
        return Err(Error::Invalid { what: "export", detail });
    }
    let here: Result<_> =
        weights.vars().map(|(n, v)| Ok((n.to_owned(), v.to_device(&Device::Cpu)?))).collect();
    let weights = Weights::from_tensors(here?)?;
    let ranges = learn::ranges(&weights, calibration, points)?;
    let even = equalise::equalise(&weights, &ranges.latents)?;
    let net = Network::frozen(&even)?;
    let hyper = learn::hyper_counts(&net, pictures, (bands, batches), side, seed)?;
    let levels = learn::level_counts(&net, pictures, crops, side, skip_below, seed)?;
    let (bytes, report) = assemble(&even, &ranges, &hyper, &levels, card, options)?;
    aecodec::Model::parse(&bytes)?;
    let card = bytes.len() - card.len();
    Ok(Exported { bytes, weights: even, report, card })
}

/// The file of evened weights, from what was learnt of pictures.
fn assemble(
    weights: &Weights,
    ranges: &Ranges,
    hyper: &[Counts],
    levels: &Counts,
    card: &str,
    options: &ExportOptions,
) -> Result<(Vec<u8>, Vec<Fit>)> {
    let (model, report) =
        quantise::quantise(weights, &ranges.reach, options.profile.raw(), options.skip_below)?;
    let learned = learn::learned(&Network::frozen(weights)?)?;
    let bands: Vec<_> = hyper.iter().map(|counts| tables::of_hyper(counts, &learned)).collect();
    Ok((model.write(&tables::of_levels(levels), &bands, card)?, report))
}

#[cfg(test)]
mod tests;
