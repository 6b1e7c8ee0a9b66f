//! What is arriving at this moment, and the final names that are set aside for it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use aecodec_proto::{Hash, PublicKey};

use crate::error::Refusal;
use crate::inbox::{Load, Shared};
use crate::journal::{self, About};
use crate::name::Name;
use crate::transfer::Partial;
use crate::{Result, disk};

/// Pictures that may have been offered under one name.
const MOST_NUMBERS: u32 = 10_000;

/// What makes two offers the same transfer. Senders do not share one: a lying one could spoil the other's.
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

/// A final name that can be had.
#[derive(Debug)]
pub(crate) enum Choice {
    /// There is nothing under it.
    Free(Name),
    /// The very picture is under it, but not in the journal.
    Ours(Name),
    /// A file of the right length is under it, whose hash is not among the known ones.
    Unknown(Name),
}

/// Hashes of files that were found under names which somebody wants.
pub(crate) type Found = HashMap<Name, Hash>;

#[derive(Debug)]
struct Slot {
    partial: Arc<Partial>,
    /// Transfers that work on it.
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

    /// Adds a picture and sets its name aside.
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

    /// Counts a transfer in.
    pub fn hold(&mut self, key: &Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.handles += 1;
        }
    }

    /// Counts a transfer out; after the last one the file is closed.
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

    /// Takes a picture out, and its name back.
    pub fn remove(&mut self, partial: &Arc<Partial>) {
        let key = Key::of(&partial.about);
        if self.slots.get(&key).is_some_and(|slot| Arc::ptr_eq(&slot.partial, partial)) {
            self.slots.remove(&key);
            self.unreserve(&partial.name);
        }
    }

    /// Takes out the pictures that no transfer works on and that `chosen` names.
    pub fn take_idle(&mut self, chosen: impl Fn(&Partial) -> bool) -> Vec<Arc<Partial>> {
        let idle = self.slots.values().filter(|slot| slot.handles == 0 && chosen(&slot.partial));
        let taken: Vec<_> = idle.map(|slot| Arc::clone(&slot.partial)).collect();
        taken.iter().for_each(|partial| self.remove(partial));
        taken
    }

    /// Takes out the sender's picture that has waited longest for a transfer.
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

    /// The files of all of them.
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

    /// Sets a name aside for a picture. Two senders of one picture set the same name aside: the first to finish
    /// fills it.
    pub fn reserve(&mut self, name: &Name, about: &About) {
        let reserved = self.names.entry(name.clone());
        let (hash, offered) = (about.hash, about.offered.clone());
        reserved.or_insert(Reserved { hash, offered, holders: 0 }).holders += 1;
    }

    /// Takes a name back.
    pub fn unreserve(&mut self, name: &Name) {
        if let Some(reserved) = self.names.get_mut(name) {
            reserved.holders -= 1;
            if reserved.holders == 0 {
                self.names.remove(name);
            }
        }
    }

    /// The first of `a.aec`, `a-2.aec`, ... that a picture can have. Nothing that is there is ever overwritten, and
    /// a picture that is there without being in the journal (after a power cut) is recognised. Nothing is hashed here, as
    /// everybody waits for this lock: `found` are the hashes of such files.
    pub fn choose(&self, shared: &Shared, about: &About, bytes: u64, found: &Found) -> Result<Choice> {
        let out = &shared.folder.out;
        let shown = || about.offered.as_str().to_string();
        if about.offered.folders(out).any(|folder| folder.exists() && !folder.is_dir()) {
            return Err(
                Refusal::Name { name: shown(), why: "a file has the name of one of its folders" }.into()
            );
        }
        let db = shared.reader();
        for number in 1..MOST_NUMBERS {
            let name = about.offered.numbered(number);
            let others =
                |reserved: &Reserved| reserved.hash != about.hash || reserved.offered != about.offered;
            if self.names.get(&name).is_some_and(others) || journal::named(&db, &name)? {
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
            let decoded = shared.options.decode.map(|format| name.decoded(out, format.extension()));
            if path.symlink_metadata().is_err() && decoded.is_none_or(|path| path.symlink_metadata().is_err())
            {
                return Ok(Choice::Free(name));
            }
        }
        Err(Refusal::Name { name: shown(), why: "too many pictures have it" }.into())
    }
}
