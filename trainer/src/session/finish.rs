//! Makes the results of a session from the best weights: the model file with its card, the float weights and the curve.

use super::encodes::{CodingResult, PIXELS, encodes};
use super::{BEST, TrainingData, TrainingEvent, TrainingSession, card, curve};
use crate::Result;
use crate::data::RgbPicture;
use crate::export;
use crate::net::Weights;
use aecodec::{Model, Profile};

/// The number of pictures that calibrate the ranges of the integer model.
const CALIBRATION: usize = 10;

/// The results of a training session.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinishedModel {
    /// The model file, `.aem`.
    pub model: Vec<u8>,
    /// The id of the model, in hexadecimal.
    pub id: String,
    /// The float weights in the units of the model, `.safetensors`.
    pub weights: Vec<u8>,
    /// The card with the model's hash, in Markdown.
    pub card: String,
    /// The curve as SVG.
    pub curve: String,
    /// The results of the model that the run started from, on the validation pictures. Empty if it did not start from a
    /// model.
    pub before: Vec<CodingResult>,
    /// The results of this model on the validation pictures.
    pub after: Vec<CodingResult>,
}

impl TrainingSession {
    /// Exports the averaged weights of the best validation, and codes the validation pictures with the exported model.
    ///
    /// # Errors
    /// Returns [`Error::File`](crate::Error::File) if the weights cannot be read, and the errors of [`export::export`]
    /// and of the codec.
    pub fn finish(&self, see: &mut dyn FnMut(TrainingEvent)) -> Result<FinishedModel> {
        let weights = Weights::load(&self.folder.join(BEST), &candle_core::Device::Cpu)?;
        let (settings, TrainingData { pictures, validation }) = (&self.note.settings, &*self.data);
        let more = pictures.images().iter().take(CALIBRATION.saturating_sub(validation.images().len()));
        let calibration: Vec<RgbPicture> =
            validation.images().iter().chain(more).map(|image| image.clone().middle(64, PIXELS)).collect();
        let options = export::ExportOptions {
            profile: if self.note.perceptual { Profile::Perceptual } else { Profile::Other },
            batches: settings.table_batches,
            crops: 5 * settings.table_batches,
            side: settings.side,
            seed: settings.seed,
            ..export::ExportOptions::default()
        };
        see(TrainingEvent::Stage("integers"));
        let mut exported = export::export(&weights, &calibration, pictures, "", &options)?;
        see(TrainingEvent::Stage("encodes of the validation pictures"));
        let after = encodes(&exported.bytes, validation)?;
        let card = card::text(self, &exported.weights, &after);
        exported.set_card(&card);
        let model = aecodec::model_file::pack(&exported.bytes)?.into_owned();
        let id = hex(&Model::parse(&model)?.id());
        Ok(FinishedModel {
            card: card::with_identity(&card, &id),
            curve: curve::svg(&self.note.points, self.note.best),
            weights: exported.weights.to_bytes()?,
            before: self.note.before.clone(),
            after,
            model,
            id,
        })
    }
}

/// Formats bytes as lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
