//! What a run begins from.

use crate::net::Weights;
use crate::settings::TrainingSettings;
use crate::{Error, Result, import};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a run's weights come from, for its card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A model's or file's name, or `scratch`.
    pub name: String,
    /// BLAKE3 of its file, where there is one.
    pub hash: Option<String>,
}

/// What a run begins from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Start {
    /// Random weights, in the shapes that the settings ask for.
    Scratch,
    /// A file of float weights, `.safetensors`.
    Weights(PathBuf),
    /// A model file.
    Model {
        /// What it is called.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

impl Start {
    /// The weights, and where they are from.
    pub(super) fn open(&self, settings: &TrainingSettings, device: &Device) -> Result<(Weights, Origin)> {
        let hash = |bytes: &[u8]| Some(blake3::hash(bytes).to_hex().to_string());
        let (weights, name, hash) = match self {
            Self::Scratch => {
                let weights = Weights::random(settings.scratch()?, settings.seed, device)?;
                (weights, "scratch".to_owned(), None)
            }
            Self::Weights(path) => {
                let bytes = std::fs::read(path).map_err(Error::file(path))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (Weights::parse(&bytes, device)?, name, hash(&bytes))
            }
            Self::Model { name, bytes } => (import::weights(bytes, device)?, name.clone(), hash(bytes)),
        };
        Ok((weights, Origin { name, hash }))
    }

    /// Whether it is a model that may invent texture. Float weights do not say.
    pub(super) fn is_perceptual(&self) -> bool {
        let model = self.model().and_then(|bytes| aecodec::Model::parse(bytes).ok());
        model.is_some_and(|model| model.profile() == aecodec::Profile::Perceptual)
    }

    /// The model's file, where it is one.
    pub(super) fn model(&self) -> Option<&[u8]> {
        match self {
            Self::Model { bytes, .. } => Some(bytes),
            _ => None,
        }
    }
}
