//! Lossy WebP by libwebp.

use std::time::Instant;

use webp::{Decoder, Encoder, PixelLayout, WebPConfig};

use super::{Codec, CodedFile, DecodedPicture, QualityScale};
use crate::{Error, Result, Rgb};

const ID: &str = "webp";

/// WebP with its most thorough search.
pub struct WebP;

impl Codec for WebP {
    fn id(&self) -> &str {
        ID
    }

    fn name(&self) -> &str {
        "WebP"
    }

    fn settings(&self) -> &str {
        "lossy, method 6"
    }

    fn version(&self) -> &str {
        "libwebp 1.3.1 (libwebp-sys 0.9.6)"
    }

    fn scale(&self) -> QualityScale {
        QualityScale { worst: 5.0, best: 95.0, step: 1.0 }
    }

    fn media_type(&self) -> Option<&str> {
        Some("image/webp")
    }

    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        let mut config = config(quality as f32)?;
        config.method = 6;
        let start = Instant::now();
        let bytes = encode(picture, &config)?;
        Ok(CodedFile { bytes, seconds: start.elapsed().as_secs_f64(), peak_memory: None })
    }

    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        let start = Instant::now();
        let decoded = Decoder::new(bytes).decode().filter(|image| image.layout() == PixelLayout::Rgb);
        let seconds = start.elapsed().as_secs_f64();
        let picture = decoded
            .and_then(|image| Rgb::new(image.width() as usize, image.height() as usize, image.to_vec()))
            .ok_or_else(|| Error::codec(ID, "this is not a valid opaque WebP file"))?;
        Ok(DecodedPicture { picture, seconds, peak_memory: None })
    }
}

/// Encodes a picture as WebP for a page, with sharp colours and a small size in mind.
///
/// # Errors
/// Returns [`Error::Codec`] if a side is longer than 16383 pixels or the quality is not between 0 and 100.
pub fn webp_for_page(picture: &Rgb, quality: f32) -> Result<Vec<u8>> {
    let mut config = config(quality)?;
    config.method = 4;
    config.use_sharp_yuv = 1;
    encode(picture, &config)
}

fn config(quality: f32) -> Result<WebPConfig> {
    let mut config =
        WebPConfig::new().map_err(|()| Error::codec(ID, "the version of libwebp does not match"))?;
    config.quality = quality;
    Ok(config)
}

fn encode(picture: &Rgb, config: &WebPConfig) -> Result<Vec<u8>> {
    let encoder = Encoder::from_rgb(&picture.samples, picture.width as u32, picture.height as u32);
    let bytes = encoder.encode_advanced(config);
    Ok(bytes.map_err(|error| Error::codec(ID, format!("{error:?}")))?.to_vec())
}
