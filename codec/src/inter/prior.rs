//! The temporal prior: the weights that predict a frame from its reference (docs/format.md, section 11).

#[cfg(feature = "embedded")]
use crate::Profile;
use crate::entropy::Book;
use crate::kernel::{PANEL, Packed};
use crate::model::{Model, ModelReader};
use crate::model_file::{self, Kind};
use crate::net::Block;
use crate::{Error, Result};
#[cfg(feature = "embedded")]
use std::sync::{Arc, OnceLock};

/// Files of temporal priors.
const KIND: Kind = Kind { signature: *b"\x89AET\r\n\x1a\n", format: ".aet" };
/// Inputs of the first layer besides the latents of the reference: the activity, and the place of the quality.
pub(super) const SIDE: usize = 32;
/// The largest width of the prior.
const MOST: usize = 2048;

/// The temporal prior of a model, ready to run.
#[derive(Debug)]
pub struct TemporalPrior {
    model: [u8; 8],
    card: String,
    pub(super) net: Net,
    pub(super) book: Book,
}

/// Its layers; names as in docs/format.md.
#[derive(Debug)]
pub(super) struct Net {
    pub t_in: Packed,
    pub t: [Block; 2],
    pub first: Heads,
    pub ctx_in: [Packed; 3],
    pub ctx: Block,
    pub later: Heads,
}

/// What is predicted for each latent.
#[derive(Debug)]
pub(super) struct Heads {
    pub scale: Packed,
    pub mean: Packed,
    pub gate: Packed,
}

impl TemporalPrior {
    /// Reads a file, plain or packed, that belongs to a model.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a complete and consistent file of a known version, and
    /// [`Error::UnknownModel`] if it belongs to another model.
    pub fn parse(bytes: &[u8], model: &Model) -> Result<Self> {
        let bytes = &*model_file::unpack_kind(bytes, KIND)?;
        let mut reader = ModelReader::new(bytes);
        reader.begin(KIND)?;
        let mut id = [0; 8];
        for byte in &mut id {
            *byte = reader.u8()?;
        }
        if id != model.short_id() {
            let hex = crate::decode::hex;
            return Err(Error::UnknownModel { needed: hex(&id), loaded: hex(&model.short_id()) });
        }
        let [p, hidden] = reader.array_u16()?;
        if [p, hidden].iter().any(|&width| width == 0 || width % PANEL != 0 || width > MOST) {
            let detail = format!("widths {p} and {hidden}, expected multiples of {PANEL} up to {MOST}");
            return Err(Error::Invalid { what: "temporal prior", detail });
        }
        let m = model.net.shapes.m;
        let net = Net {
            t_in: reader.product(m + SIDE, p)?,
            t: [reader.block(p, hidden)?, reader.block(p, hidden)?],
            first: Heads::read(&mut reader, p, m)?,
            ctx_in: [reader.product(m + p, p)?, reader.product(m + p, p)?, reader.product(m + p, p)?],
            ctx: reader.block(p, hidden)?,
            later: Heads::read(&mut reader, p, m)?,
        };
        let book = reader.latent_book()?;
        Ok(Self { model: id, card: reader.card()?, net, book })
    }

    /// Returns the temporal prior of a built-in model. It is loaded once, then shared.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if this build has none for the profile.
    #[cfg(feature = "embedded")]
    pub fn embedded(profile: Profile) -> Result<Arc<Self>> {
        static FAST: OnceLock<Arc<TemporalPrior>> = OnceLock::new();
        if profile != Profile::Fast {
            let detail = format!("this build has no temporal prior for the model `{}`", profile.name());
            return Err(Error::Invalid { what: "profile", detail });
        }
        if let Some(prior) = FAST.get() {
            return Ok(Arc::clone(prior));
        }
        let prior = Self::parse(aecodec_model_fast::TEMPORAL, &*Model::embedded(profile)?)?;
        Ok(Arc::clone(FAST.get_or_init(|| Arc::new(prior))))
    }

    /// What it was trained on and how.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Checks that it belongs to a model.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        if self.model == model.short_id() {
            return Ok(());
        }
        let hex = crate::decode::hex;
        Err(Error::UnknownModel { needed: hex(&self.model), loaded: hex(&model.short_id()) })
    }

    /// Width of the prior's features.
    pub(super) fn width(&self) -> usize {
        self.net.t_in.outputs()
    }
}

impl Heads {
    fn read(reader: &mut ModelReader, p: usize, m: usize) -> Result<Self> {
        Ok(Self { scale: reader.product(p, m)?, mean: reader.product(p, m)?, gate: reader.product(p, m)? })
    }
}
