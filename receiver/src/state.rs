//! The folder `.aecodec` inside the inbox: the database, the files that are still arriving, and the lock.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aecodec_proto::name::STATE_FOLDER;
use rusqlite::Connection;

use crate::{Error, Result, disk};

/// Version of the tables.
const VERSION: i64 = 1;
/// Other processes write for a few milliseconds at a time. A longer wait than this means that something is wrong.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE peers (
    key BLOB PRIMARY KEY, name TEXT NOT NULL, added INTEGER NOT NULL, seen INTEGER NOT NULL,
    pictures INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE invitations (
    key BLOB PRIMARY KEY, seed BLOB, reusable INTEGER NOT NULL, spent_by BLOB, created INTEGER NOT NULL)
    WITHOUT ROWID;
-- Pictures that are still arriving. have: one bit per part. parts: their lengths, 32 bits each.
CREATE TABLE partial (
    id INTEGER PRIMARY KEY, peer BLOB NOT NULL, hash BLOB NOT NULL, offered TEXT NOT NULL, name TEXT NOT NULL,
    parts BLOB NOT NULL, have BLOB NOT NULL, touched INTEGER NOT NULL, model BLOB NOT NULL,
    source_bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, raw INTEGER NOT NULL, psnr REAL);
-- Pictures under their final name. offered differs from name if that was another picture's.
CREATE TABLE stored (
    id INTEGER PRIMARY KEY AUTOINCREMENT, peer BLOB NOT NULL, hash BLOB NOT NULL, offered TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, at INTEGER NOT NULL, model BLOB NOT NULL,
    source_bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, raw INTEGER NOT NULL, psnr REAL,
    decode INTEGER NOT NULL, upload INTEGER NOT NULL, notify INTEGER NOT NULL, UNIQUE (hash, offered));
CREATE INDEX to_decode ON stored (id) WHERE decode = 1;
CREATE INDEX to_upload ON stored (id) WHERE upload = 1;
CREATE INDEX to_notify ON stored (id) WHERE notify = 1;
";

/// Paths below an inbox.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// The inbox.
    pub out: PathBuf,
    state: PathBuf,
}

impl Folder {
    /// Makes the folders that are missing. Only their owner can read the state.
    pub fn open(out: &Path) -> Result<Self> {
        fs::create_dir_all(out).map_err(Error::io(out))?;
        let folder = Self { out: out.to_path_buf(), state: out.join(STATE_FOLDER) };
        disk::private_folder(&folder.state)?;
        disk::private_folder(&folder.parts())?;
        disk::private_folder(&folder.scratch())?;
        Ok(folder)
    }

    /// Files that are still arriving.
    pub fn parts(&self) -> PathBuf {
        self.state.join("parts")
    }

    /// Files that are being written and will be renamed.
    pub fn scratch(&self) -> PathBuf {
        self.state.join("scratch")
    }

    /// Models that senders sent.
    pub fn models(&self) -> PathBuf {
        self.state.join("models")
    }

    /// A file that is still arriving.
    pub fn part(&self, id: i64) -> PathBuf {
        self.parts().join(id.to_string())
    }

    /// Locks the folder against other receivers, as long as the file is open.
    pub fn lock(&self) -> Result<File> {
        let path = self.state.join("lock");
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(self.out.clone())),
            Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }

    /// Opens the database and makes its tables. Every commit of this connection is flushed to the disk.
    pub fn database(&self) -> Result<Connection> {
        let path = self.state.join("receiver.db");
        let mut db = Connection::open(&path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        flushed(&db, Flush::Always)?;
        let change = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                change.execute_batch(TABLES)?;
                change.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            _ => return Err(Error::StateVersion { path, found, expected: VERSION }),
        }
        change.commit()?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    }
}

/// When a commit reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before the commit returns: it survives a power cut.
    Always,
    /// Some time later: it survives the end of the process, and a power cut undoes only the last commits.
    Later,
}

/// Sets when the following commits reach the disk.
pub(crate) fn flushed(db: &Connection, flush: Flush) -> Result<()> {
    let level = match flush {
        Flush::Always => "FULL",
        Flush::Later => "NORMAL",
    };
    Ok(db.pragma_update(None, "synchronous", level)?)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
