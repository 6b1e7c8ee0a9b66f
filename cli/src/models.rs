//! The available models: those in this build, and those given with `--model`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec::{Model, ModelRegistry, Profile};
use anyhow::{Context as _, Result};

use crate::printable::printable;

/// The profiles of the built-in models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProfileName {
    /// Fast on any processor
    Fast,
    /// Smaller files, about a third of the speed
    Best,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Fast => Self::Fast,
            ProfileName::Best => Self::Best,
        }
    }
}

/// The models to decode with: the given files, and those in this build.
pub fn to_decode_with(paths: &[PathBuf]) -> Result<ModelRegistry> {
    let mut models = ModelRegistry::embedded();
    for path in paths {
        models.add(printable(path), open(path)?);
    }
    Ok(models)
}

/// The model to encode with: the given file, or the built-in model of the profile.
pub fn to_encode_with(path: Option<&Path>, profile: ProfileName) -> Result<Arc<Model>> {
    if let Some(path) = path {
        return open(path);
    }
    Model::embedded(profile.into()).with_context(|| {
        let name = format!("{profile:?}").to_lowercase();
        format!("--profile {name} (use --model with the file of a model that is not in this build)")
    })
}

/// The bytes of the file of the model to encode with.
#[cfg(feature = "refine")]
pub fn file_to_encode_with(
    path: Option<&Path>,
    profile: ProfileName,
) -> Result<std::borrow::Cow<'static, [u8]>> {
    match (path, Model::embedded_bytes(profile.into())) {
        (Some(path), _) => Ok(std::fs::read(path).with_context(|| printable(path))?.into()),
        (None, Some(bytes)) => Ok(bytes.into()),
        (None, None) => Err(crate::failure::usage("--effort: give the file of the model with --model")),
    }
}

/// `fast`, `best`, `perceptual` or `other`.
pub fn profile_name(profile: u8) -> &'static str {
    Profile::from_raw(profile).name()
}

fn open(path: &Path) -> Result<Arc<Model>> {
    let name = || printable(path);
    let bytes = std::fs::read(path).with_context(name)?;
    Ok(Arc::new(Model::parse(&bytes).with_context(name)?))
}
