//! The available models: those in this build, and those given with `--model`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec::container::Header;
use aecodec::{Error, Model, Profile};
use anyhow::{Context as _, Result};

use crate::printable::printable;
use crate::report::hex;

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

/// Models to decode with.
pub struct Models {
    /// The models that were given as files, with the names of the files.
    given: Vec<(String, Arc<Model>)>,
}

impl Models {
    /// Loads the given files. The built-in models are loaded when they are needed.
    pub fn load(paths: &[PathBuf]) -> Result<Self> {
        let given = paths.iter().map(|path| Ok((printable(path), open(path)?))).collect::<Result<_>>()?;
        Ok(Self { given })
    }

    /// The model that a stream was encoded with.
    pub fn of(&self, header: &Header) -> Result<Arc<Model>> {
        let fits = |model: &Model| model.id().starts_with(&header.model);
        if let Some((_, model)) = self.given.iter().find(|(_, model)| fits(model)) {
            return Ok(model.clone());
        }
        let named = |name: &str, model: &Model| format!("{name} ({})", hex(&model.short_id()));
        let mut loaded: Vec<_> = self.given.iter().map(|(name, model)| named(name, model)).collect();
        // The profile in the header says which model to try first, so that the other one is rarely loaded.
        let likely = if header.profile == Profile::Best.raw() {
            [Profile::Best, Profile::Fast]
        } else {
            [Profile::Fast, Profile::Best]
        };
        for profile in likely {
            let Ok(model) = Model::embedded(profile) else { continue };
            if fits(&model) {
                return Ok(model);
            }
            loaded.push(named(&format!("{} in this build", profile.name()), &model));
        }
        let loaded = if loaded.is_empty() { "none".into() } else { loaded.join(", ") };
        Err(Error::UnknownModel { needed: hex(&header.model), loaded }.into())
    }
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
