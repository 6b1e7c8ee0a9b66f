//! Exports float weights to an integer model file (docs/format.md), which the codec runs.
//!
//! It does the same as `models/recipe/export.py`: it chooses fractions by the ranges of activations on some pictures,
//! equalises the latents, quantises the layers with a proof that no accumulator can wrap, and makes frequency tables
//! from counts.

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

/// The options of an export.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The model's profile. Default [`Profile::Other`], for models that do not ship with aecodec.
    pub profile: Profile,
    /// Latents whose level is below this are not coded, and decode to their mean. Default 8; 0 codes all latents, which
    /// takes 0.25 % more bits and twice the symbols.
    pub skip_below: u8,
    /// The number of qualities at which ranges are measured. Default 6.
    pub points: usize,
    /// The number of quality bands with separate tables for the hyper-latents. Default 8.
    pub bands: usize,
    /// The number of batches of four crops that are counted in each quality band. Default 40; fewer are faster and give
    /// coarser tables.
    pub batches: usize,
    /// The number of crops that are counted for the tables of the levels. Default 200.
    pub crops: usize,
    /// The side of these crops in pixels, a multiple of 64. Default 256.
    pub side: usize,
    /// The seed of the random crops. Default 0.
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
    /// The float weights in the units of the integer model, to continue training with.
    pub weights: Weights,
    /// How each layer was quantised.
    pub report: Vec<Fit>,
    /// The offset of the card's text in the file.
    card: usize,
}

impl Exported {
    /// Replaces the card in the file, so that it can contain measurements of the exported model.
    pub fn set_card(&mut self, card: &str) {
        self.bytes.truncate(self.card - 4);
        self.bytes.extend((card.len() as u32).to_le_bytes());
        self.bytes.extend(card.as_bytes());
    }
}

/// Exports weights.
///
/// `calibration` determines the ranges: about ten varied pictures, preferably not used in training. The tables are made
/// from counts on `pictures`. `card` is kept in the file and says what the model was trained on and how.
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
            "{} calibration pictures at {points} qualities, {bands} quality bands, crops of {side} pixels",
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

/// The file of equalised weights, with what was measured on pictures.
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
