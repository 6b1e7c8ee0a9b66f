//! One connection's share in a picture that is arriving: positional writes, previews, and its completion.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aecodec_proto::Hash;

use crate::handle::Handle;
use crate::partial::{Partial, Phase};
use crate::state::now;
use crate::stored::Stored;
use crate::writer::Op;
use crate::{Error, Result, disk};

/// The most parts that are hashed when one arrives, so that hashing catches up without delaying others for long.
const HASHED_AT_ONCE: usize = 8;

/// One connection's share in a picture that is arriving. Dropping it keeps what has arrived.
///
/// Several may exist for one picture of one sender: parts that arrive on any of them count for all.
#[derive(Debug)]
pub struct Transfer {
    inbox: Arc<Handle>,
    partial: Arc<Partial>,
    /// When the first preview was made while this transfer ran.
    previewed: OnceLock<Instant>,
}

impl Transfer {
    pub(crate) fn new(inbox: Arc<Handle>, partial: Arc<Partial>) -> Self {
        Self { inbox, partial, previewed: OnceLock::new() }
    }

    /// Records that there is a preview of the picture.
    pub(crate) fn previewed(&self) {
        self.previewed.get_or_init(Instant::now);
    }

    /// When the first preview was made while this transfer ran, if one was.
    pub fn first_preview(&self) -> Option<Instant> {
        self.previewed.get().copied()
    }

    /// The name that the picture will have, relative to the inbox.
    pub fn name(&self) -> &str {
        self.partial.name.as_str()
    }

    /// Hash of the whole picture.
    pub fn hash(&self) -> Hash {
        self.partial.about.hash
    }

    /// Bytes of the whole picture.
    pub fn bytes(&self) -> u64 {
        self.partial.bytes()
    }

    /// Parts that have not arrived, as (first, count), ascending. If this is empty, [`Self::complete`] is due.
    pub fn missing(&self) -> Vec<(u32, u32)> {
        let inner = self.partial.inner();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for part in (0..self.partial.lengths.len()).filter(|&part| !inner.has(part)) {
            match ranges.last_mut() {
                Some((first, count)) if *first + *count == part as u32 => *count += 1,
                _ => ranges.push((part as u32, 1)),
            }
        }
        ranges
    }

    /// Writes bytes into a part. Bytes of a part that is already there are ignored.
    ///
    /// The bytes go to the system's cache. This is fast, but the system may delay a writer that is faster than the
    /// disk.
    ///
    /// # Errors
    /// Returns [`Error::Range`] if the bytes are outside the part, [`Error::Full`] if the disk is full, and
    /// [`Error::Dropped`] if the picture was given up.
    pub fn write(&self, part: u32, offset: u32, bytes: &[u8]) -> Result<()> {
        let partial = &self.partial;
        let range = |expected| Error::Range { part, offset, length: bytes.len(), expected };
        let &length = partial.lengths.get(part as usize).ok_or_else(|| range(0))?;
        if u64::from(offset) + bytes.len() as u64 > u64::from(length) {
            return Err(range(length));
        }
        let inner = partial.inner();
        match inner.phase {
            Phase::Gone => return Err(Error::Dropped(partial.name.as_str().into())),
            Phase::Receiving if !inner.has(part as usize) => {}
            // A file with its final name must no longer change.
            Phase::Receiving | Phase::Verifying | Phase::Stored(_) => return Ok(()),
        }
        let at = partial.offsets[part as usize] + u64::from(offset);
        disk::write_at(&*partial.file()?, bytes, at).map_err(Error::io(&partial.path))
    }

    /// Records that all bytes of a part were written, so that they are not asked for again after a crash. Returns
    /// at once; the journal follows within milliseconds.
    ///
    /// # Errors
    /// Returns [`Error::Range`] if there is no such part, [`Error::Dropped`] if the picture was given up, or an
    /// error if the file cannot be read back.
    pub fn part_done(&self, part: u32) -> Result<()> {
        let partial = &self.partial;
        let Some(&length) = partial.lengths.get(part as usize) else {
            return Err(Error::Range { part, offset: 0, length: 0, expected: 0 });
        };
        let mut inner = partial.inner_mut();
        match inner.phase {
            Phase::Gone => return Err(Error::Dropped(partial.name.as_str().into())),
            Phase::Receiving if !inner.has(part as usize) => {}
            Phase::Receiving | Phase::Verifying | Phase::Stored(_) => return Ok(()),
        }
        inner.have[part as usize / 8] |= 1 << (part % 8);
        inner.missing -= 1;
        partial.arrived.fetch_add(u64::from(length), Ordering::Relaxed);
        partial.touched.store(now(), Ordering::Relaxed);
        drop(inner);
        // If another connection hashes at this moment, a later part catches up.
        if let Ok(mut hashing) = partial.hashing.try_lock() {
            partial.hash_on(&mut hashing, HASHED_AT_ONCE)?;
        }
        self.inbox.send(Op::Save(Arc::clone(partial)))
    }

    /// Bytes from the start that have arrived without a gap.
    pub fn prefix_len(&self) -> u64 {
        let inner = self.partial.inner();
        self.partial.offsets[self.partial.leading(&inner)]
    }

    /// The bytes from the start that have arrived without a gap: a stream that decodes to a preview. Empty once the
    /// picture is stored or given up.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn prefix(&self) -> Result<Vec<u8>> {
        let partial = &self.partial;
        let inner = partial.inner();
        if !matches!(inner.phase, Phase::Receiving) {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; partial.offsets[partial.leading(&inner)] as usize];
        if !bytes.is_empty() {
            disk::read_at(&*partial.file()?, &mut bytes, 0).map_err(Error::io(&partial.path))?;
        }
        Ok(bytes)
    }

    /// Verifies the picture, flushes it, gives it its final name and records it. When this returns, it survives a
    /// power cut. If it is called for several transfers of one picture, each gets the same result.
    ///
    /// It blocks on the disk, so call it where blocking is allowed. Call it for many pictures at a time if you can,
    /// because those that wait together are flushed and recorded together.
    ///
    /// # Errors
    /// Returns [`Error::Incomplete`] if parts are missing, [`Error::WrongHash`] if the bytes are not those of the
    /// offer (nothing is left of the transfer then), and [`Error::Full`] if the disk is full (it can be tried again
    /// then).
    pub fn complete(&self) -> Result<Stored> {
        let partial = &self.partial;
        // The second caller finds the result of the first.
        let _gate = partial.gate.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        {
            let mut inner = partial.inner_mut();
            match &inner.phase {
                Phase::Gone => return Err(Error::Dropped(partial.name.as_str().into())),
                Phase::Stored(stored) => return Ok(Stored::clone(stored)),
                Phase::Receiving | Phase::Verifying => {}
            }
            if inner.missing > 0 {
                return Err(Error::Incomplete { missing: inner.missing, parts: partial.lengths.len() });
            }
            inner.phase = Phase::Verifying;
        }
        self.verify()?;
        self.inbox.wait(|reply| Op::Place(Arc::clone(partial), reply))
    }

    /// Hashes the rest and flushes the file.
    fn verify(&self) -> Result<()> {
        let partial = &self.partial;
        match partial.verify() {
            Ok(()) => Ok(()),
            Err(error @ Error::Full(_)) => {
                partial.inner_mut().phase = Phase::Receiving;
                Err(error)
            }
            // The bytes are wrong, or the flush failed. After a failed flush, the system may have lost bytes that
            // it still returns.
            Err(error) => {
                self.inbox.discard(partial)?;
                Err(error)
            }
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.inbox.release(&self.partial);
    }
}
