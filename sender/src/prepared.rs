//! A picture that is ready for the wire, and where its bytes are.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aecodec_proto::Hash;
use aecodec_proto::message::{Offer, Source};
use bytes::Bytes;

use crate::source::SourceFile;
use crate::{Error, Result};

/// An `.aec` that is ready to be offered.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The file from which it came.
    pub file: SourceFile,
    /// Fingerprint of the settings with which it was made.
    pub settings: Hash,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Lengths in bytes of its parts, in the order of the file.
    pub parts: Vec<u32>,
    /// The model that decodes it. For an `.aec` whose model is not known here: the eight bytes that the file
    /// contains, then zeros.
    pub model: Hash,
    /// What it was made from.
    pub source: Source,
    /// A small `.aec` of a large picture; empty if there is none.
    pub thumbnail: Bytes,
    /// Where its bytes are.
    pub content: Content,
}

impl Prepared {
    /// Its offer.
    pub fn offer(&self, id: u64) -> Offer {
        Offer {
            id,
            name: self.file.name.clone(),
            hash: self.hash,
            parts: self.parts.clone(),
            model: self.model,
            source: self.source,
            thumbnail: self.thumbnail.to_vec(),
        }
    }

    /// Bytes of the `.aec`.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|&part| u64::from(part)).sum()
    }

    /// The bytes of a part; empty if there is no such part. Reads a file if the content is not in memory.
    ///
    /// # Errors
    /// Returns [`Error::Read`] if the file cannot be read, and [`Error::Changed`] if it is not what it was.
    pub fn part(&self, index: u32) -> Result<Bytes> {
        let before = self.parts.iter().take(index as usize).map(|&part| u64::from(part)).sum();
        self.content.range(before, self.parts.get(index as usize).map_or(0, |&part| part as usize))
    }
}

/// Where the bytes of an `.aec` are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory, if there is room for it.
    Memory(Held),
    /// In a file.
    File(Kept),
}

/// A file that stays open, so that its bytes are there even if it is removed or replaced.
#[derive(Debug, Clone)]
pub struct Kept {
    path: Arc<Path>,
    file: Arc<Mutex<File>>,
}

impl Content {
    /// Some of the bytes; they are shared if they are in memory.
    fn range(&self, offset: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::Memory(held) => Ok(held.bytes.slice(offset as usize..offset as usize + length)),
            Self::File(Kept { path, file }) => {
                let mut bytes = vec![0; length];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset)).map_err(Error::read(path))?;
                file.read_exact(&mut bytes).map_err(|error| match error.kind() {
                    // It was longer when it was hashed.
                    ErrorKind::UnexpectedEof => Error::Changed { path: path.to_path_buf() },
                    _ => Error::read(path)(error),
                })?;
                Ok(bytes.into())
            }
        }
    }
}

/// Bytes in memory that count against a [`Memory`] as long as any copy of this lives.
#[derive(Debug, Clone)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _room: Arc<Room>,
}

/// How much memory the pictures that wait may take; the others stay in their files.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    free: Arc<AtomicU64>,
}

/// Memory that is released when this is dropped.
#[derive(Debug)]
struct Room {
    bytes: u64,
    free: Arc<AtomicU64>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

impl Memory {
    /// Makes room for this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Keeps the bytes if there is room. Otherwise refers to the file that contains the same bytes.
    pub fn keep(&self, bytes: Bytes, path: &Path) -> Result<Content> {
        let wanted = bytes.len() as u64;
        let taken =
            self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(wanted));
        match taken {
            Ok(_) => {
                let room = Room { bytes: wanted, free: self.free.clone() };
                Ok(Content::Memory(Held { bytes, _room: Arc::new(room) }))
            }
            Err(_) => {
                let file = File::open(path).map_err(Error::read(path))?;
                Ok(Content::File(Kept { path: path.into(), file: Arc::new(Mutex::new(file)) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_kept_in_memory_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.aec");
        std::fs::write(&path, [7; 10]).unwrap();
        let memory = Memory::new(10);
        let keep = |length: usize| memory.keep(vec![7; length].into(), &path).unwrap();
        let first = keep(6);
        assert!(matches!(keep(5), Content::File(_)));
        let shared = first.clone();
        drop(first);
        assert!(matches!(keep(5), Content::File(_)), "a copy still holds it");
        drop(shared);
        assert!(matches!(keep(10), Content::Memory(_)));
    }

    #[test]
    fn parts_are_the_same_from_memory_and_from_a_file_even_a_removed_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.aec");
        let bytes: Vec<u8> = (0..100).collect();
        std::fs::write(&path, &bytes).unwrap();
        let [none, plenty] =
            [0, 1000].map(|room| Memory::new(room).keep(bytes.clone().into(), &path).unwrap());
        std::fs::remove_file(&path).unwrap();
        for content in [none, plenty] {
            assert_eq!(content.range(10, 30).unwrap(), bytes[10..40]);
            assert!(content.range(100, 0).unwrap().is_empty());
        }
    }

    #[test]
    fn a_file_that_was_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.aec");
        std::fs::write(&path, [7; 100]).unwrap();
        let content = Memory::new(0).keep(vec![7; 100].into(), &path).unwrap();
        std::fs::write(&path, [7; 3]).unwrap();
        assert!(matches!(content.range(10, 30), Err(Error::Changed { .. })));
    }
}
