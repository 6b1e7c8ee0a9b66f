//! What a decoder keeps of a frame, to decode others from it.

use super::paint::{blank, paint};
use crate::model::Model;
use crate::net::Plane;
use crate::picture::{Color, Picture};
use crate::quality::Quality;
use crate::rect::Rect;
use crate::{Damage, DecodeOptions, Error, Latents, Result, container, decode_latents};
use std::sync::{Arc, OnceLock};

/// The decoded latents of a frame, from which other frames can be decoded. A copy is cheap: it shares them.
#[derive(Debug, Clone)]
pub struct Reference {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) color: Color,
    pub(super) quality: Quality,
    pub(super) model: [u8; 8],
    pub(super) latents: Arc<Plane>,
    id: [u8; 4],
    /// The picture, if it was painted.
    painted: Arc<OnceLock<Picture>>,
}

impl Reference {
    pub(super) fn new(
        (width, height, color): (u32, u32, Color),
        quality: Quality,
        model: &Model,
        latents: Plane,
    ) -> Self {
        let mut reference = Self {
            width,
            height,
            color,
            quality,
            model: model.short_id(),
            latents: Arc::new(latents),
            id: [0; 4],
            painted: Arc::default(),
        };
        reference.id = reference.computed_id();
        reference
    }

    /// Decodes the latents of an I-frame: a learned `.aec` stream without alpha.
    ///
    /// # Errors
    /// Returns the errors of [`decode`](crate::decode), and [`Error::Invalid`] if the stream is damaged, exact, or has alpha.
    pub fn of_stream(bytes: &[u8], model: &Model, options: &DecodeOptions) -> Result<Self> {
        let stream = container::read(bytes, &options.limits)?;
        let header = &stream.header;
        let unfit = |detail: String| Error::Invalid { what: "reference", detail };
        if header.alpha {
            return Err(unfit("a frame with alpha cannot be one".into()));
        }
        let damaged = |damage: &Damage| unfit(format!("the frame is damaged ({damage})"));
        // Before any work is done: a short stream may claim to be a large picture.
        if let Some(damage) = stream.chunks.iter().find_map(Damage::of) {
            return Err(damaged(&damage));
        }
        let decoded = decode_latents(bytes, model, options)?;
        if let Some(damage) = decoded.damage.first() {
            return Err(damaged(damage));
        }
        let Latents { height, width, y: data, .. } = decoded.latents;
        let latents = Plane { height, width, channels: model.net.shapes.m, data };
        let color = if header.gray { Color::Gray } else { Color::Rgb };
        Ok(Self::new((header.width, header.height, color), decoded.quality, model, latents))
    }

    /// Identifies the latents: the first 4 bytes of a BLAKE3 over them (docs/format.md, section 10).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Gray or RGB.
    pub fn color(&self) -> Color {
        self.color
    }

    /// The quality of the frame.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// Bytes of memory that the latents take.
    pub fn bytes(&self) -> u64 {
        2 * self.latents.data.len() as u64
    }

    fn computed_id(&self) -> [u8; 4] {
        let mut hasher = blake3::Hasher::new();
        for side in [self.width, self.height] {
            hasher.update(&side.to_le_bytes());
        }
        hasher.update(&[self.color.channels() as u8]);
        let mut bytes = Vec::with_capacity(1 << 16);
        for latents in self.latents.data.chunks(1 << 15) {
            bytes.clear();
            bytes.extend(latents.iter().flat_map(|latent| latent.to_le_bytes()));
            hasher.update(&bytes);
        }
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        [a, b, c, d]
    }

    /// Checks that it belongs to a model.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        if self.model == model.short_id() {
            return Ok(());
        }
        let hex = crate::decode::hex;
        Err(Error::UnknownModel { needed: hex(&self.model), loaded: hex(&model.short_id()) })
    }

    /// Paints the frame. If many frames are painted one after the other, a [`Painter`](crate::Painter) takes less time.
    ///
    /// # Errors
    /// Returns [`Error::UnknownModel`] if the latents are those of another model.
    pub fn picture(&self, model: &Model, options: &DecodeOptions) -> Result<Picture> {
        self.painted(model, options).cloned()
    }

    /// The picture. It is painted once, and then kept.
    pub(super) fn painted(&self, model: &Model, options: &DecodeOptions) -> Result<&Picture> {
        self.check(model)?;
        if let Some(picture) = self.painted.get() {
            return Ok(picture);
        }
        let mut picture = blank(self.width, self.height, self.color)?;
        let whole = [Rect::new(0, 0, self.height as usize, self.width as usize)];
        paint(&self.latents, self.quality, model, options.threads, &whole, &mut picture)?;
        Ok(self.painted.get_or_init(|| picture))
    }

    /// The picture, if it was painted before.
    pub(super) fn kept(&self) -> Option<&Picture> {
        self.painted.get()
    }

    /// Keeps the picture.
    pub(super) fn keep(&self, picture: &Picture) {
        self.painted.get_or_init(|| picture.clone());
    }
}
