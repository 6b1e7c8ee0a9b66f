//! A picture that is stored, as the rest of the receiver sees it.

use std::path::{Path, PathBuf};

use aecodec_proto::message::Source;
use aecodec_proto::{Hash, PublicKey};

use crate::journal::{About, SavedPicture};

/// A picture under its final name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// Its number in the journal.
    pub id: i64,
    /// Who sent it.
    pub peer: PublicKey,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Name relative to the inbox. It differs from the offered name if that was another picture's.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Bytes of the `.aec`.
    pub bytes: u64,
    /// When it was stored, in seconds since 1970.
    pub at: i64,
    /// The model that decodes it.
    pub model: Hash,
    /// What it was made from, according to the sender.
    pub source: Source,
}

impl Stored {
    pub(crate) fn new(out: &Path, saved: SavedPicture) -> Self {
        let SavedPicture { id, about: About { peer, hash, model, source, .. }, name, bytes, at } = saved;
        let path = name.path(out);
        Self { id, peer, hash, name: name.as_str().into(), path, bytes, at, model, source }
    }
}
