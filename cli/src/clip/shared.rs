//! What all commands on clips need: the kinds of files, and the model.

use std::path::Path;
use std::sync::Arc;

use aecodec::{Model, Profile, TemporalPrior};
use anyhow::Result;

/// Whether a file is a clip, by its name.
pub fn is_clip(path: &Path) -> bool {
    has_extension(path, &["aecs"])
}

/// Whether a file is a stream of frames, by its name.
pub fn is_stream(path: &Path) -> bool {
    has_extension(path, &["y4m", "mjpeg", "mjpg"])
}

pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| extensions.contains(&&*extension))
}

/// The model of clips and its temporal prior.
pub(super) fn model() -> Result<(Arc<Model>, Arc<TemporalPrior>)> {
    Ok((Model::embedded(Profile::Fast)?, TemporalPrior::embedded(Profile::Fast)?))
}
