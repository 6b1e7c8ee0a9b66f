//! The models that decode pictures: built in, given by the user, or sent by a sender.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use aecodec::{Limits, Model, ModelRegistry, Profile, container};
use aecodec_proto::Hash;

use crate::state::Folder;
use crate::{Error, Result, disk};

/// The most models from senders that are kept in memory; each takes about a hundred megabytes.
const LOADED: usize = 4;

/// The available models. They are cheap to clone. The methods block on the disk.
#[derive(Debug, Clone)]
pub struct Models {
    folder: Folder,
    /// Models that are built in or were given.
    fixed: Arc<ModelRegistry>,
    loaded: Arc<Mutex<HashMap<[u8; 8], Arc<Model>>>>,
}

impl Models {
    /// The built-in models, those in `given` files, and those that senders have sent to this inbox.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read or is not a model.
    pub fn open(out: &Path, given: &[PathBuf]) -> Result<Self> {
        let mut fixed = ModelRegistry::embedded();
        for path in given {
            let model = Model::parse(&fs::read(path).map_err(Error::io(path))?)?;
            fixed.add(path.display().to_string(), Arc::new(model));
        }
        Ok(Self { folder: Folder::open(out)?, fixed: Arc::new(fixed), loaded: Arc::default() })
    }

    /// Like [`Self::open`], but without the built-in models.
    #[cfg(test)]
    pub(crate) fn bare(&self) -> Self {
        Self { fixed: Arc::default(), ..self.clone() }
    }

    /// Whether the model with this hash is available. If the hash is padded with zeros, only its first 8 bytes
    /// count.
    pub fn has(&self, hash: &Hash) -> bool {
        let (short, rest) = hash.0.split_first_chunk().expect("32 bytes");
        // A sender that lacks the model only knows the part of its hash that a stream's header contains.
        if rest.iter().all(|&byte| byte == 0) {
            return self.fixed.find(*short, Profile::default()).is_some() || self.brought(short).is_some();
        }
        self.fixed.all().any(|(_, model)| model.id() == hash.0) || self.path(hash).is_file()
    }

    /// Stores a model that a sender has sent.
    ///
    /// # Errors
    /// Returns [`Error::WrongModel`] if it is not the model that was asked for, the codec's error if it is not a
    /// model, or an error if it cannot be written.
    pub fn keep(&self, expected: &Hash, bytes: &[u8]) -> Result<()> {
        let found = Hash::of(bytes);
        if found != *expected {
            return Err(Error::WrongModel {
                path: "the model that was sent".into(),
                found,
                expected: *expected,
            });
        }
        Model::parse(bytes)?;
        disk::private_folder(&self.folder.models())?;
        disk::replace(&self.path(expected), bytes, &self.folder.scratch())
    }

    /// The model that decodes this `.aec`, or the beginning of one.
    ///
    /// # Errors
    /// Returns [`Error::NoModel`] if the model is not available, or the codec's error if the header is damaged or
    /// incomplete.
    pub fn of(&self, bytes: &[u8], limits: &Limits) -> Result<Arc<Model>> {
        let header = container::read(bytes, limits)?.header;
        self.named(header.model, Profile::from_raw(header.profile))
    }

    /// The model that streams of this profile name with this identity.
    fn named(&self, short: [u8; 8], likely: Profile) -> Result<Arc<Model>> {
        if let Some(model) = self.fixed.find(short, likely) {
            return Ok(model);
        }
        if let Some(model) = self.loaded().get(&short) {
            return Ok(Arc::clone(model));
        }
        // Reading takes a while, so the lock is not held. If two threads need the model at once, both read it.
        let model = Arc::new(self.load(short)?);
        let mut loaded = self.loaded();
        if loaded.len() >= LOADED {
            loaded.clear();
        }
        loaded.insert(short, Arc::clone(&model));
        Ok(model)
    }

    /// The file of the sent model whose hash begins with this.
    fn brought(&self, short: &[u8; 8]) -> Option<PathBuf> {
        let digits = digits(short);
        let files = fs::read_dir(self.folder.models()).into_iter().flatten().flatten();
        let named =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&digits));
        files.map(|entry| entry.path()).find(named)
    }

    /// Reads a sent model by the beginning of its hash.
    fn load(&self, short: [u8; 8]) -> Result<Model> {
        let Some(path) = self.brought(&short) else {
            return Err(Error::NoModel(digits(&short)));
        };
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let (found, stem) =
            (Hash::of(&bytes), path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        match stem.parse() {
            Ok(expected) if expected == found => Ok(Model::parse(&bytes)?),
            Ok(expected) => Err(Error::WrongModel { path: path.display().to_string(), found, expected }),
            Err(_) => Err(Error::NoModel(digits(&short))),
        }
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.folder.models().join(format!("{hash}.aem"))
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<[u8; 8], Arc<Model>>> {
        self.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An identity as file names begin with it.
fn digits(short: &[u8; 8]) -> String {
    short.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that says it needs the model with this identity.
    fn needs(short: [u8; 8]) -> Result<Arc<Model>> {
        let dir = tempfile::tempdir().unwrap();
        Models::open(dir.path(), &[]).unwrap().named(short, Profile::Fast)
    }

    #[test]
    fn the_built_in_model_is_found_by_its_identity() {
        let fast = Model::embedded(Profile::Fast).unwrap();
        assert_eq!(needs(fast.short_id()).unwrap().id(), fast.id());
        assert!(matches!(needs([7; 8]), Err(Error::NoModel(name)) if name == "0707070707070707"));
    }

    #[test]
    fn a_brought_model_is_kept_only_if_it_is_the_one() {
        let dir = tempfile::tempdir().unwrap();
        let models = Models::open(dir.path(), &[]).unwrap();
        let bytes = b"no model at all";
        assert!(matches!(models.keep(&Hash([1; 32]), bytes), Err(Error::WrongModel { .. })));
        assert!(matches!(models.keep(&Hash::of(bytes), bytes), Err(Error::Codec(_))));
        assert!(!models.has(&Hash::of(bytes)));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/fast/fast.aem");
        let packed = fs::read(file).unwrap();
        let bytes = aecodec::model_file::unpack(&packed).unwrap();
        let hash = Hash::of(&bytes);
        models.keep(&hash, &bytes).unwrap();
        assert!(models.has(&hash));
        let brought = models.bare();
        let short: [u8; 8] = *hash.0.first_chunk().unwrap();
        // A sender without the model names its beginning alone.
        let padded = |short: &[u8; 8]| Hash(*[&short[..], &[0; 24]].concat().first_chunk().unwrap());
        assert!(models.has(&padded(&short)) && brought.has(&padded(&short)));
        assert!(!models.has(&padded(&[7; 8])));
        assert_eq!(brought.named(short, Profile::Fast).unwrap().id(), hash.0);
        // A file that was altered is not taken for the model.
        brought.loaded().clear();
        fs::write(brought.path(&hash), b"altered").unwrap();
        assert!(matches!(brought.named(short, Profile::Fast), Err(Error::WrongModel { .. })));
    }
}
