//! From the best weights of a run to what is handed around: the model file with its card, float weights, the curve.

use super::validation::Validation;
use super::{BEST, Data, Event, Session, card, curve};
use crate::data::Image;
use crate::export;
use crate::net::Weights;
use crate::{Error, Result};
use aecodec::{Color, EncodeOptions, Model, Picture, Profile, Quality, Target};
use serde::{Deserialize, Serialize};

/// Qualities at which models are compared.
const QUALITIES: [u8; 4] = [12, 40, 70, 95];
/// Pictures that set the ranges of the integers.
const CALIBRATION: usize = 10;
/// Pixels of the middle of each picture that is coded here.
const PIXELS: usize = 1 << 20;

/// What a model makes of the validation pictures at a quality: means over real files and their decoding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Quality from 0 to 100.
    pub quality: u8,
    /// Bits per pixel.
    pub bpp: f64,
    /// PSNR in dB.
    pub psnr: f64,
}

/// What a run leaves.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The model file, `.aem`.
    pub model: Vec<u8>,
    /// Its identity, in hexadecimal.
    pub id: String,
    /// The float weights in the units of the model, `.safetensors`.
    pub weights: Vec<u8>,
    /// The card with the model's hash, in Markdown.
    pub card: String,
    /// The curve, in SVG.
    pub curve: String,
    /// The validation pictures with the model that the run began from; empty where that was none.
    pub before: Vec<Measured>,
    /// The validation pictures with this model.
    pub after: Vec<Measured>,
}

impl Session {
    /// Exports the averaged weights of the best validation, and codes the validation pictures with them.
    ///
    /// # Errors
    /// [`Error::File`] where they are not there, those of [`export::export`], and the codec's.
    pub fn finish(&self, see: &mut dyn FnMut(Event)) -> Result<Finished> {
        let weights = Weights::load(&self.folder.join(BEST), &candle_core::Device::Cpu)?;
        let (settings, Data { pictures, validation }) = (&self.note.settings, &*self.data);
        let more = pictures.images().iter().take(CALIBRATION.saturating_sub(validation.images().len()));
        let calibration: Vec<Image> =
            validation.images().iter().chain(more).map(|image| image.clone().middle(64, PIXELS)).collect();
        let options = export::Options {
            profile: if self.note.perceptual { Profile::Perceptual } else { Profile::Other },
            batches: settings.table_batches,
            crops: 5 * settings.table_batches,
            side: settings.side,
            seed: settings.seed,
            ..export::Options::default()
        };
        see(Event::Stage("integers"));
        let mut exported = export::export(&weights, &calibration, pictures, "", &options)?;
        see(Event::Stage("encodes of the validation pictures"));
        let after = encodes(&exported.bytes, validation)?;
        let card = card::text(self, &exported.weights, &after);
        exported.set_card(&card);
        let model = aecodec::model_file::pack(&exported.bytes)?.into_owned();
        let id = hex(&Model::parse(&model)?.id());
        Ok(Finished {
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

/// Codes the validation pictures with a model.
pub(super) fn encodes(model: &[u8], validation: &Validation) -> Result<Vec<Measured>> {
    let model = Model::parse(model)?;
    let pictures: Vec<Picture> = validation
        .images()
        .iter()
        .map(|image| {
            let Image { height, width, samples } = image.clone().middle(64, PIXELS);
            Picture::new(width as u32, height as u32, Color::Rgb, samples).map_err(Error::from)
        })
        .collect::<Result<_>>()?;
    let count = pictures.len().max(1) as f64;
    let at = |quality: u8| {
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(Quality::new(f64::from(quality)).unwrap_or_default());
        options.threads = rayon::current_num_threads();
        let mut sum = Measured { quality, bpp: 0.0, psnr: 0.0 };
        for picture in &pictures {
            let encoded = aecodec::encode(picture, &model, &options)?;
            let pixels = f64::from(picture.width) * f64::from(picture.height);
            sum.bpp += 8.0 * encoded.bytes.len() as f64 / pixels / count;
            sum.psnr += encoded.psnr.min(100.0) / count;
        }
        Ok(sum)
    };
    QUALITIES.into_iter().map(at).collect()
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
