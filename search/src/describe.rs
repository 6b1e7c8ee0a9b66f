//! From the bytes of a picture to its features and its hash.

use std::sync::Arc;

use aecodec::{Limits, Model, ModelRegistry, Picture, Profile};

use crate::features::Features;
use crate::pool::pool;
use crate::projection::Projection;
use crate::{Result, SemanticHash, View};

/// How a picture looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// For the exact comparison.
    pub features: Features,
    /// For the fast one.
    pub hash: SemanticHash,
}

/// Describes pictures. All of them are analysed with the built-in model `fast`, so that descriptions of files of any kind,
/// model and quality can be compared.
#[derive(Debug)]
pub struct Describer {
    models: ModelRegistry,
    analysis: Arc<Model>,
    projection: Projection,
}

impl Describer {
    /// A describer that reads `.aec` files with these models.
    ///
    /// # Errors
    /// Returns the errors of [`Model::embedded`].
    pub fn new(models: ModelRegistry) -> Result<Self> {
        let analysis = Model::embedded(Profile::Fast)?;
        Ok(Self { models, analysis, projection: Projection::built_in() })
    }

    /// Describes a picture file or an `.aec` file.
    ///
    /// # Errors
    /// Returns the errors of [`aecodec::files::read`] or [`aecodec::decode_reduced`].
    pub fn describe(&self, bytes: &[u8], limits: &Limits) -> Result<Description> {
        self.describe_view(&View::read(bytes, &self.models, limits)?)
    }

    /// Describes a picture in memory.
    ///
    /// # Errors
    /// Returns [`aecodec::Error::Invalid`] if the samples do not fit the picture.
    pub fn describe_picture(&self, picture: &Picture) -> Result<Description> {
        self.describe_view(&View::of(picture)?)
    }

    fn describe_view(&self, view: &View) -> Result<Description> {
        let features = self.projection.features(&pool(view, &self.analysis)?);
        let hash = self.projection.hash(&features);
        Ok(Description { features, hash })
    }
}

/// BLAKE3 of the bytes of a file, by which an [`Index`](crate::Index) recognises it under another name.
pub fn content_hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}
