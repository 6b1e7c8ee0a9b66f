//! The code of a picture: its latents and the colours that can be read from them.

use std::sync::Arc;

use aecodec::{
    Color, DecodeOptions, EncodeOptions, Latents, Limits, Model, ModelRegistry, Picture, PictureInfo,
    Profile, Quality, container, files,
};

use crate::Result;

/// What a picture is to the codec, without its pixels.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Code {
    /// The picture, without its samples.
    pub head: PictureInfo,
    /// Latents of the built-in model `fast`, `[ceil(height/16), ceil(width/16), M]`.
    pub latents: Latents,
    /// Mean colours of the 8x8 patches, `[ceil(height/8), ceil(width/8), 3]`.
    pub colors: Vec<f32>,
}

impl Code {
    /// Channels of the latents.
    pub fn channels(&self) -> usize {
        self.latents.y.len() / (self.latents.height * self.latents.width).max(1)
    }
}

/// Reads the codes of pictures. All of them are those of the built-in model `fast`, so that they can be compared.
#[derive(Debug)]
pub struct Reader {
    models: ModelRegistry,
    analysis: Arc<Model>,
}

impl Reader {
    /// A reader of `.aec` files of these models, and of pictures.
    ///
    /// # Errors
    /// Returns the errors of [`Model::embedded`].
    pub fn new(models: ModelRegistry) -> Result<Self> {
        Ok(Self { models, analysis: Model::embedded(Profile::Fast)? })
    }

    /// The models that `.aec` files are read with.
    pub fn models(&self) -> &ModelRegistry {
        &self.models
    }

    /// The identity of the model, BLAKE3.
    pub fn model(&self) -> [u8; 32] {
        self.analysis.id()
    }

    /// The code of a picture file or an `.aec` file. The latents of a stream of the model `fast` are decoded, without
    /// synthesis; all other files go through the analysis.
    ///
    /// # Errors
    /// Returns the errors of [`files::read`] and [`aecodec::decode_latents`].
    pub fn read(&self, bytes: &[u8], limits: &Limits) -> Result<Code> {
        let mut options = DecodeOptions::default();
        options.limits = *limits;
        match container::Header::parse(bytes, limits) {
            Ok(header) if header.exact.is_none() && header.model == self.analysis.short_id() => {
                let decoded = aecodec::decode_latents(bytes, &self.analysis, &options)?;
                self.of(decoded.latents, decoded.quality, decoded.head)
            }
            _ => self.code(&self.picture(bytes, limits)?),
        }
    }

    /// The pixels of a picture file or an `.aec` file.
    ///
    /// # Errors
    /// Returns the errors of [`files::read`] and [`ModelRegistry::decode`].
    pub fn picture(&self, bytes: &[u8], limits: &Limits) -> Result<Picture> {
        if let Err(aecodec::Error::Signature { .. }) = container::Header::parse(bytes, limits) {
            return Ok(files::read(bytes, limits)?.0);
        }
        let mut options = DecodeOptions::default();
        options.limits = *limits;
        Ok(self.models.decode(bytes, &options)?.picture)
    }

    /// The code of a picture in memory.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::analyse`].
    pub fn code(&self, picture: &Picture) -> Result<Code> {
        let quality = Quality::default();
        let latents = aecodec::analyse(picture, &self.analysis, quality, &EncodeOptions::default())?;
        let mut head = PictureInfo::new(picture.width, picture.height, picture.color);
        head.orientation = picture.orientation;
        self.of(latents, quality, head)
    }

    fn of(&self, latents: Latents, quality: Quality, head: PictureInfo) -> Result<Code> {
        let small = latents.colors(&self.analysis, quality, &head).ok_or(crate::Error::Model)?;
        let copies = if small.color == Color::Gray { 3 } else { 1 };
        let colors = small.samples.iter().flat_map(|&v| std::iter::repeat_n(f32::from(v), copies)).collect();
        Ok(Code { head, latents, colors })
    }
}
