//! Compressed pictures that wait for their receipts: a file that is named by its hash, and a row for each of its
//! sources.
//!
//! A file is renamed into place, and removed, only while the database is locked for writing. So if the holder of
//! that lock finds a file without a row, no other process is about to use it.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aecodec_proto::{Hash, PublicKey};
use rusqlite::{OptionalExtension as _, params};

use super::{Outbox, SPOOL, journal_error, seconds};
use crate::source::{SourceFile, modified};
use crate::{Error, Result};

/// Extension of files that are being written.
const UNFINISHED: &str = "tmp";
/// Entries whose source has changed are kept for this long: another process may be sending them.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// A picture that was compressed before.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// The `.aec`; the caller checks that it has this hash.
    pub path: PathBuf,
    pub hash: Hash,
    pub psnr: Option<f64>,
}

impl Outbox {
    /// What the spool contains for a file as it is now, made with these settings. From now on, it is kept for this
    /// receiver too.
    pub(crate) fn spooled(
        &self,
        receiver: &PublicKey,
        file: &SourceFile,
        settings: &Hash,
    ) -> Result<Option<Spooled>> {
        let error = || journal_error(self.folder());
        let path = file.path.as_os_str().as_encoded_bytes();
        let given = params![path, settings.0, file.bytes as i64, file.modified];
        let text = "SELECT id, hash, psnr FROM spool
            WHERE path = ? AND settings = ? AND size = ? AND modified = ?";
        // Usually there is nothing, and finding that out takes no lock.
        if !self.quick().prepare(text).and_then(|mut query| query.exists(given)).map_err(error())? {
            return Ok(None);
        }
        self.alone(|transaction| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Hash(row.get(1)?), row.get(2)?));
            let found: Option<(i64, _, _)> =
                transaction.query_row(text, given, read).optional().map_err(error())?;
            let Some((id, hash, psnr)) = found else { return Ok(None) };
            transaction
                .execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", params![id, receiver.0])
                .map_err(error())?;
            Ok(Some(Spooled { path: self.spool_path(&hash), hash, psnr }))
        })
    }

    /// Keeps a compressed picture until this receiver has it.
    pub(crate) fn spool(
        &self,
        receiver: &PublicKey,
        file: &SourceFile,
        settings: &Hash,
        aec: (&Hash, &[u8]),
        psnr: Option<f64>,
    ) -> Result<PathBuf> {
        let (hash, bytes) = aec;
        let target = self.spool_path(hash);
        let (unfinished, _lock) = self.write_unfinished(hash, bytes)?;
        self.alone(|transaction| {
            fs::rename(&unfinished, &target).map_err(Error::state(&target))?;
            let path = file.path.as_os_str().as_encoded_bytes();
            let entry = "INSERT INTO spool (path, settings, size, modified, hash, psnr, at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET hash = excluded.hash, psnr = excluded.psnr, at = excluded.at
                RETURNING id";
            let at = seconds(SystemTime::now());
            let given = params![path, settings.0, file.bytes as i64, file.modified, hash.0, psnr, at];
            transaction
                .query_row(entry, given, |row| row.get::<_, i64>(0))
                .and_then(|id| {
                    transaction
                        .execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", params![id, receiver.0])
                })
                .map_err(journal_error(self.folder()))
        })?;
        Ok(target)
    }

    /// Drops an entry of the spool whose file is missing or damaged.
    pub(crate) fn drop_spooled(&self, hash: &Hash) -> Result<()> {
        self.alone(|transaction| {
            transaction
                .execute("DELETE FROM spool WHERE hash = ?", params![hash.0])
                .map_err(journal_error(self.folder()))
        })?;
        self.remove_unused(&[*hash])
    }

    /// Removes the files of these hashes if no entry refers to them.
    pub(super) fn remove_unused(&self, hashes: &[Hash]) -> Result<()> {
        if hashes.is_empty() {
            return Ok(());
        }
        self.alone(|transaction| {
            let mut query = transaction
                .prepare("SELECT 1 FROM spool WHERE hash = ?")
                .map_err(journal_error(self.folder()))?;
            for hash in hashes {
                if !query.exists(params![hash.0]).map_err(journal_error(self.folder()))? {
                    remove(&self.spool_path(hash))?;
                }
            }
            Ok(())
        })
    }

    /// Removes what is no longer needed: files without an entry, unfinished files of dead processes, entries
    /// without a file, and old entries whose source has gone or changed.
    pub(super) fn clean(&self, now: SystemTime) -> Result<()> {
        let error = || journal_error(self.folder());
        let folder = self.folder().join(SPOOL);
        self.alone(|transaction| {
            let mut query = transaction
                .prepare("SELECT id, hash, path, size, modified, at FROM spool")
                .map_err(error())?;
            let rows = query
                .query_map([], |row| {
                    let source: (Vec<u8>, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
                    Ok((row.get::<_, i64>(0)?, Hash(row.get(1)?), source, row.get::<_, i64>(5)?))
                })
                .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
                .map_err(error())?;
            let mut used = std::collections::HashSet::new();
            let old = seconds(now - GRACE);
            for (id, hash, (path, size, modified), at) in rows {
                let useless = at < old && !unchanged(path, size, modified);
                if useless || !self.spool_path(&hash).is_file() {
                    transaction.execute("DELETE FROM spool WHERE id = ?", params![id]).map_err(error())?;
                } else {
                    used.insert(self.spool_path(&hash));
                }
            }
            for entry in fs::read_dir(&folder).map_err(Error::state(&folder))? {
                let path = entry.map_err(Error::state(&folder))?.path();
                let unfinished = path.extension().is_some_and(|extension| extension == UNFINISHED);
                let unused = if unfinished { abandoned(&path) } else { !used.contains(&path) };
                if unused {
                    remove(&path)?;
                }
            }
            Ok(())
        })
    }

    fn spool_path(&self, hash: &Hash) -> PathBuf {
        self.folder().join(SPOOL).join(format!("{hash}.aec"))
    }

    /// Writes a file under a temporary name. It is locked as long as its process lives and needs it.
    fn write_unfinished(&self, hash: &Hash, bytes: &[u8]) -> Result<(PathBuf, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}.{count}.{UNFINISHED}", hash.short(), std::process::id());
        let path = self.folder().join(SPOOL).join(name);
        // No other process cleans up between its creation and its lock.
        let mut file = self.alone(|_| {
            // A file of this name was left by a dead process with the same number.
            remove(&path)?;
            let file = File::create_new(&path).map_err(Error::state(&path))?;
            file.lock().map_err(Error::state(&path))?;
            Ok(file)
        })?;
        if let Err(error) = file.write_all(bytes) {
            // Free the space, because the disk may be full.
            remove(&path)?;
            return Err(Error::state(&path)(error));
        }
        Ok((path, file))
    }
}

/// Whether the process that wrote this unfinished file is dead.
fn abandoned(path: &Path) -> bool {
    let locked = File::open(path).map(|file| file.try_lock());
    !matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

fn unchanged(path: Vec<u8>, size: i64, time: i64) -> bool {
    let Some(path) = path_of(path) else { return false };
    fs::metadata(path).is_ok_and(|found| found.len() as i64 == size && modified(&found) == time)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::state(path)(error)),
        _ => Ok(()),
    }
}
