//! The start of a training session.

use crate::net::Weights;
use crate::settings::TrainingSettings;
use crate::{Error, Result, import};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The origin of a session's first weights, for the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of a model or a file, or `scratch`.
    pub name: String,
    /// The BLAKE3 hash of the file, if there is one.
    pub hash: Option<String>,
}

/// The first weights of a training session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Start {
    /// Random weights, with the shapes in the settings.
    Scratch,
    /// A file of float weights, `.safetensors`.
    Weights(PathBuf),
    /// A model file.
    Model {
        /// The name of the model.
        name: String,
        /// The bytes of the file.
        bytes: Vec<u8>,
    },
}

impl Start {
    /// The weights and their origin.
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
            Self::Model { name, bytes } => {
                let weights = import::weights(bytes, device)?;
                (weights, name.clone(), hash(&aecodec::model_file::unpack(bytes)?))
            }
        };
        Ok((weights, Origin { name, hash }))
    }

    /// Whether it is a model that may invent texture. Float weights do not contain this information.
    pub(super) fn is_perceptual(&self) -> bool {
        let model = self.model().and_then(|bytes| aecodec::Model::parse(bytes).ok());
        model.is_some_and(|model| model.profile() == aecodec::Profile::Perceptual)
    }

    /// The bytes of the model file, if it is a model.
    pub(super) fn model(&self) -> Option<&[u8]> {
        match self {
            Self::Model { bytes, .. } => Some(bytes),
            _ => None,
        }
    }
}
