//! AVIF without an installed program. It is encoded by rav1e and decoded by rav1d, both built in and without assembly.

use std::time::Instant;

use avif_parse::AvifData;
use ravif::{BitDepth, Img, RGB8};
use re_rav1d::dav1d::{Decoder, PixelLayout, PlanarImageComponent, Settings};

use super::{Codec, CodedFile, DecodedPicture, QualityScale};
use crate::{Error, Result, Rgb};

const ID: &str = "avif";

/// AVIF for machines without `avifenc`.
pub struct Avif;

impl Codec for Avif {
    fn id(&self) -> &str {
        ID
    }

    fn name(&self) -> &str {
        "AVIF"
    }

    fn settings(&self) -> &str {
        "rav1e, speed 6, 4:4:4, 8 bits"
    }

    fn version(&self) -> &str {
        "rav1e 0.8.1 (ravif 0.13.0), rav1d (re_rav1d 0.1.3)"
    }

    fn scale(&self) -> QualityScale {
        QualityScale { worst: 10.0, best: 90.0, step: 1.0 }
    }

    fn media_type(&self) -> Option<&str> {
        Some("image/avif")
    }

    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        if !(1.0..=100.0).contains(&quality) {
            return Err(Error::codec(ID, format!("quality {quality} is not between 1 and 100")));
        }
        let pixels: Vec<RGB8> =
            picture.samples.as_chunks().0.iter().map(|&[r, g, b]| RGB8 { r, g, b }).collect();
        let encoder = ravif::Encoder::new()
            .with_quality(quality as f32)
            .with_speed(6)
            .with_bit_depth(BitDepth::Eight)
            .with_num_threads(Some(1));
        let start = Instant::now();
        let encoded = encoder
            .encode_rgb(Img::new(&pixels, picture.width, picture.height))
            .map_err(|error| Error::codec(ID, error.to_string()))?;
        Ok(CodedFile { bytes: encoded.avif_file, seconds: start.elapsed().as_secs_f64(), peak_memory: None })
    }

    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        let start = Instant::now();
        let picture = decode(bytes).map_err(|detail| Error::codec(ID, detail))?;
        Ok(DecodedPicture { picture, seconds: start.elapsed().as_secs_f64(), peak_memory: None })
    }
}

/// Decodes the files that [`Avif`] writes: 8 bits, 4:4:4, full range.
fn decode(bytes: &[u8]) -> std::result::Result<Rgb, String> {
    let file = AvifData::from_reader(&mut &*bytes).map_err(|error| error.to_string())?;
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    let mut decoder = Decoder::with_settings(&settings).map_err(|error| error.to_string())?;
    decoder.send_data(file.primary_item.to_vec(), None, None, None).map_err(|error| error.to_string())?;
    let picture = decoder.get_picture().map_err(|error| error.to_string())?;
    if (picture.bit_depth(), picture.pixel_layout()) != (8, PixelLayout::I444) {
        return Err(format!(
            "the file has {} bits and layout {:?}; expected 8 bits and I444",
            picture.bit_depth(),
            picture.pixel_layout()
        ));
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let planes = [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V]
        .map(|component| (picture.plane(component), picture.stride(component) as usize));
    let mut samples = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        let [y, cb, cr] = planes.each_ref().map(|(plane, stride)| &plane[row * stride..][..width]);
        for ((&y, &cb), &cr) in y.iter().zip(cb).zip(cr) {
            samples.extend(rgb(y.into(), f32::from(cb) - 128.0, f32::from(cr) - 128.0));
        }
    }
    Rgb::new(width, height, samples).ok_or_else(|| "the file has no pixels".to_owned())
}

/// Converts a pixel from BT.601 in full range, as JPEG uses it.
fn rgb(y: f32, cb: f32, cr: f32) -> [u8; 3] {
    let [red, blue] = [0.299, 0.114];
    let green = 1.0 - red - blue;
    let r = y + 2.0 * (1.0 - red) * cr;
    let b = y + 2.0 * (1.0 - blue) * cb;
    let g = y - 2.0 / green * (red * (1.0 - red) * cr + blue * (1.0 - blue) * cb);
    // The cast saturates.
    [r, g, b].map(|value| (value + 0.5) as u8)
}
