//! The pictures that are arriving at present, and the final names that are reserved for them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use aecodec_proto::{Hash, PublicKey};
use rusqlite::Connection;

use crate::error::Refusal;
use crate::journal::{self, About};
use crate::name::Name;
use crate::options::InboxOptions;
use crate::partial::Partial;
use crate::{Result, disk};

/// The most pictures that may be offered under one name.
const MOST_NUMBERS: u32 = 10_000;

/// What makes two offers the same transfer. Senders do not share transfers, because a lying sender could spoil
/// another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    peer: PublicKey,
    hash: Hash,
    offered: Name,
}

impl Key {
    pub fn of(about: &About) -> Self {
        Self { peer: about.peer, hash: about.hash, offered: about.offered.clone() }
    }
}

/// A final name that is available.
#[derive(Debug)]
pub(crate) enum Choice {
    /// No file has this name.
    Free(Name),
    /// The same picture has this name, but is not in the journal.
    Ours(Name),
    /// A file of the right length has this name, and its hash is not known yet.
    Unknown(Name),
}

/// Hashes of files that were found under names that are wanted.
pub(crate) type Found = HashMap<Name, Hash>;

/// How much is arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Load {
    /// Unfinished pictures.
    pub partials: usize,
    /// Those of them that a connection is sending.
    pub active: usize,
    /// Bytes that are missing from the pictures that a connection is sending.
    pub outstanding: u64,
}

#[derive(Debug)]
struct Slot {
    partial: Arc<Partial>,
    /// The number of transfers of this picture.
    handles: usize,
}

#[derive(Debug)]
struct Reserved {
    hash: Hash,
    offered: Name,
    holders: usize,
}

/// Unfinished pictures and reserved names.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    slots: HashMap<Key, Slot>,
    names: HashMap<Name, Reserved>,
    last_id: i64,
}

impl Arriving {
    pub fn get(&self, key: &Key) -> Option<Arc<Partial>> {
        self.slots.get(key).map(|slot| Arc::clone(&slot.partial))
    }

    /// Adds a picture and reserves its name.
    pub fn insert(&mut self, partial: Arc<Partial>) {
        self.last_id = self.last_id.max(partial.id);
        self.reserve(&partial.name, &partial.about);
        self.slots.insert(Key::of(&partial.about), Slot { partial, handles: 0 });
    }

    /// A number that no picture had in this run.
    pub fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// Counts a transfer that begins.
    pub fn hold(&mut self, key: &Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.handles += 1;
        }
    }

    /// Counts a transfer that ends. After the last one, the file is closed.
    pub fn release(&mut self, partial: &Arc<Partial>) {
        if let Some(slot) = self.slots.get_mut(&Key::of(&partial.about))
            && Arc::ptr_eq(&slot.partial, partial)
        {
            slot.handles = slot.handles.saturating_sub(1);
            if slot.handles == 0 {
                partial.close();
            }
        }
    }

    /// Removes a picture, and releases its name.
    pub fn remove(&mut self, partial: &Arc<Partial>) {
        let key = Key::of(&partial.about);
        if self.slots.get(&key).is_some_and(|slot| Arc::ptr_eq(&slot.partial, partial)) {
            self.slots.remove(&key);
            self.unreserve(&partial.name);
        }
    }

    /// Removes and returns the pictures that have no transfer and that `chosen` selects.
    pub fn take_idle(&mut self, chosen: impl Fn(&Partial) -> bool) -> Vec<Arc<Partial>> {
        let idle = self.slots.values().filter(|slot| slot.handles == 0 && chosen(&slot.partial));
        let taken: Vec<_> = idle.map(|slot| Arc::clone(&slot.partial)).collect();
        taken.iter().for_each(|partial| self.remove(partial));
        taken
    }

    /// Removes and returns the sender's picture that has been without a transfer for the longest time.
    pub fn take_oldest_idle(&mut self, peer: &PublicKey) -> Option<Arc<Partial>> {
        let idle = self.slots.values().filter(|slot| slot.handles == 0 && slot.partial.about.peer == *peer);
        let oldest = idle.min_by_key(|slot| (slot.partial.touched(), slot.partial.id))?;
        let oldest = Arc::clone(&oldest.partial);
        self.remove(&oldest);
        Some(oldest)
    }

    /// Unfinished pictures of a sender, and their bytes.
    pub fn share(&self, peer: &PublicKey) -> (usize, u64) {
        let own = self.slots.values().filter(|slot| slot.partial.about.peer == *peer);
        own.fold((0, 0), |(count, bytes), slot| (count + 1, bytes + slot.partial.bytes()))
    }

    /// The files of all unfinished pictures.
    pub fn files(&self) -> HashSet<PathBuf> {
        self.slots.values().map(|slot| slot.partial.path.clone()).collect()
    }

    pub fn load(&self) -> Load {
        let active = || self.slots.values().filter(|slot| slot.handles > 0);
        Load {
            partials: self.slots.len(),
            active: active().count(),
            outstanding: active().map(|slot| slot.partial.outstanding()).sum(),
        }
    }

    /// Reserves a name for a picture. Two senders of one picture reserve the same name; the first to finish uses
    /// it.
    pub fn reserve(&mut self, name: &Name, about: &About) {
        let reserved = self.names.entry(name.clone());
        let (hash, offered) = (about.hash, about.offered.clone());
        reserved.or_insert(Reserved { hash, offered, holders: 0 }).holders += 1;
    }

    /// Releases a name.
    pub fn unreserve(&mut self, name: &Name) {
        if let Some(reserved) = self.names.get_mut(name) {
            reserved.holders -= 1;
            if reserved.holders == 0 {
                self.names.remove(name);
            }
        }
    }

    /// The first of `a.aec`, `a-2.aec` and so on that is available for a picture. No existing file is ever
    /// overwritten, and a picture that is there without being in the journal (after a power cut) is recognised.
    /// Nothing is hashed here, because all connections wait for this lock: `found` contains the hashes of such
    /// files.
    pub fn choose(
        &self,
        options: &InboxOptions,
        db: &Connection,
        about: &About,
        bytes: u64,
        found: &Found,
    ) -> Result<Choice> {
        let out = &options.out;
        let shown = || about.offered.as_str().to_string();
        if about.offered.folders(out).any(|folder| folder.exists() && !folder.is_dir()) {
            return Err(
                Refusal::Name { name: shown(), why: "a file has the name of one of its folders" }.into()
            );
        }
        for number in 1..MOST_NUMBERS {
            let name = about.offered.numbered(number);
            let others =
                |reserved: &Reserved| reserved.hash != about.hash || reserved.offered != about.offered;
            if self.names.get(&name).is_some_and(others) || journal::named(db, &name)? {
                continue;
            }
            let path = name.path(out);
            if disk::length(&path) == Some(bytes) {
                match found.get(&name) {
                    Some(hash) if *hash == about.hash => return Ok(Choice::Ours(name)),
                    Some(_) => {}
                    None => return Ok(Choice::Unknown(name)),
                }
            }
            let decoded = options.decode.map(|format| name.decoded(out, format.extension()));
            if path.symlink_metadata().is_err() && decoded.is_none_or(|path| path.symlink_metadata().is_err())
            {
                return Ok(Choice::Free(name));
            }
        }
        Err(Refusal::Name { name: shown(), why: "too many pictures have it" }.into())
    }
}
