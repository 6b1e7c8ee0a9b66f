//! Measures a model on the validation pictures, with real files of the integer codec.

use super::validation::Validation;
use crate::data::RgbPicture;
use crate::{Error, Result};
use aecodec::{Color, EncodeOptions, Model, Picture, Quality, Target};
use serde::{Deserialize, Serialize};

/// The qualities at which models are compared.
const QUALITIES: [u8; 4] = [12, 40, 70, 95];
/// The number of pixels of each picture's middle that is coded.
pub(super) const PIXELS: usize = 1 << 20;

/// The results of a model on the validation pictures at one quality, as means over real files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CodingResult {
    /// The quality from 0 to 100.
    pub quality: u8,
    /// The bits per pixel.
    pub bpp: f64,
    /// The PSNR in dB.
    pub psnr: f64,
}

/// Codes the validation pictures with a model at each quality.
pub(super) fn encodes(model: &[u8], validation: &Validation) -> Result<Vec<CodingResult>> {
    let model = Model::parse(model)?;
    let pictures: Vec<Picture> = validation
        .images()
        .iter()
        .map(|image| {
            let RgbPicture { height, width, samples } = image.clone().middle(64, PIXELS);
            Picture::new(width as u32, height as u32, Color::Rgb, samples).map_err(Error::from)
        })
        .collect::<Result<_>>()?;
    let count = pictures.len().max(1) as f64;
    let at = |quality: u8| {
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(Quality::new(f64::from(quality)).unwrap_or_default());
        options.threads = rayon::current_num_threads();
        let mut sum = CodingResult { quality, bpp: 0.0, psnr: 0.0 };
        for picture in &pictures {
            let encoded = aecodec::encode(picture, &model, &options)?;
            let pixels = f64::from(picture.width) * f64::from(picture.height);
            sum.bpp += 8.0 * encoded.bytes.len() as f64 / pixels / count;
            sum.psnr += encoded.psnr.map_or(100.0, |psnr| psnr.min(100.0)) / count;
        }
        Ok(sum)
    };
    QUALITIES.into_iter().map(at).collect()
}
