//! An unfinished picture: its file, the parts that are there, and the hash of the beginning.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aecodec_proto::Hash;

use crate::journal::{About, SavedPartial};
use crate::name::Name;
use crate::stored::Stored;
use crate::{Error, Result, disk};

/// What all transfers of one picture of one sender share.
#[derive(Debug)]
pub(crate) struct Partial {
    pub id: i64,
    pub about: About,
    /// Its final name.
    pub name: Name,
    pub lengths: Vec<u32>,
    /// Where each part begins, and where the last one ends.
    pub offsets: Vec<u64>,
    /// The file while it arrives.
    pub path: PathBuf,
    /// When a part last arrived, in seconds since 1970.
    pub touched: AtomicI64,
    /// Bytes of the parts that are there.
    pub arrived: AtomicU64,
    /// Opened by the first write, so that pictures which are only offered hold no descriptor.
    file: Mutex<Option<Arc<File>>>,
    inner: RwLock<Inner>,
    pub hashing: Mutex<Hashing>,
    /// Held by the caller that completes it.
    pub gate: Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub have: Vec<u8>,
    pub missing: usize,
    pub phase: Phase,
}

/// This has its own lock, because hashing takes time and nothing else should wait for it.
#[derive(Debug, Default)]
pub(crate) struct Hashing {
    hasher: Box<blake3::Hasher>,
    /// The number of parts from the start that were hashed.
    parts: usize,
}

/// How far a picture has come.
#[derive(Debug)]
pub(crate) enum Phase {
    Receiving,
    /// All parts are there; writes are no longer accepted.
    Verifying,
    Stored(Box<Stored>),
    Gone,
}

impl Inner {
    pub fn has(&self, part: usize) -> bool {
        self.have.get(part / 8).is_some_and(|byte| byte >> (part % 8) & 1 == 1)
    }
}

impl Partial {
    /// A picture of which nothing has arrived, or the parts that the journal records.
    pub fn new(saved: SavedPartial, path: PathBuf) -> Self {
        let SavedPartial { id, about, name, parts: lengths, mut have, touched } = saved;
        have.resize(lengths.len().div_ceil(8), 0);
        let mut offsets = vec![0_u64];
        offsets.extend(lengths.iter().scan(0, |end, &length| {
            *end += u64::from(length);
            Some(*end)
        }));
        let mut inner = Inner { have, missing: 0, phase: Phase::Receiving };
        inner.missing = (0..lengths.len()).filter(|&part| !inner.has(part)).count();
        let arrived =
            (0..lengths.len()).filter(|&part| inner.has(part)).map(|part| u64::from(lengths[part])).sum();
        Self {
            id,
            about,
            name,
            lengths,
            offsets,
            path,
            touched: touched.into(),
            arrived: AtomicU64::new(arrived),
            file: Mutex::default(),
            inner: RwLock::new(inner),
            hashing: Mutex::default(),
            gate: Mutex::default(),
        }
    }

    /// Its row in the journal; `None` if it is no longer arriving.
    pub fn saved(&self) -> Option<SavedPartial> {
        let inner = self.inner();
        matches!(inner.phase, Phase::Receiving | Phase::Verifying).then(|| SavedPartial {
            id: self.id,
            about: self.about.clone(),
            name: self.name.clone(),
            parts: self.lengths.clone(),
            have: inner.have.clone(),
            touched: self.touched(),
        })
    }

    /// Bytes of the whole picture.
    pub fn bytes(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Bytes that have not arrived.
    pub fn outstanding(&self) -> u64 {
        self.bytes() - self.arrived.load(Ordering::Relaxed)
    }

    /// When a part last arrived, in seconds since 1970.
    pub fn touched(&self) -> i64 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Whether every part is there.
    pub fn is_whole(&self) -> bool {
        self.inner().missing == 0
    }

    pub fn inner(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn inner_mut(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Closes the file; the next write opens it again.
    pub fn close(&self) {
        *self.file_slot() = None;
    }

    /// The number of parts from the start that are there without a gap.
    pub fn leading(&self, inner: &Inner) -> usize {
        (0..self.lengths.len()).find(|&part| !inner.has(part)).unwrap_or(self.lengths.len())
    }

    /// Hashes up to `most` further parts, as far as they are there. They are read back from the system's cache, so
    /// that the content of the file is verified, in whatever order and on whichever connection it came.
    pub fn hash_on(&self, hashing: &mut Hashing, most: usize) -> Result<()> {
        let to = {
            let inner = self.inner();
            let last = self.lengths.len().min(hashing.parts.saturating_add(most));
            (hashing.parts..last).find(|&part| !inner.has(part)).unwrap_or(last)
        };
        if to > hashing.parts {
            let (from, end) = (self.offsets[hashing.parts], self.offsets[to]);
            if let Err(error) = disk::hash_range(&*self.file()?, &mut hashing.hasher, from, end) {
                // Some bytes may have been hashed: start again.
                *hashing = Hashing::default();
                return Err(Error::io(&self.path)(error));
            }
            hashing.parts = to;
        }
        Ok(())
    }

    /// Compares the hash of the whole file with the offered one, and flushes the file.
    pub fn verify(&self) -> Result<()> {
        let mut hashing = self.hashing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.hash_on(&mut hashing, usize::MAX)?;
        let (found, expected) = (Hash(*hashing.hasher.finalize().as_bytes()), self.about.hash);
        if found != expected {
            return Err(Error::WrongHash { name: self.name.as_str().into(), found, expected });
        }
        self.file()?.sync_all().map_err(Error::io(&self.path))
    }

    pub fn file(&self) -> Result<Arc<File>> {
        let mut slot = self.file_slot();
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(Error::io(&self.path))?;
        Ok(Arc::clone(slot.insert(Arc::new(file))))
    }

    fn file_slot(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
