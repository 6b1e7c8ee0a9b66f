//! The journal: which receiver has given receipts for which files, and which pictures are compressed but have no
//! receipt yet.
//!
//! It is a SQLite database and a folder of `.aec` files in the sender's state folder, shared by all sending
//! processes. Receipts are on the disk before [`Outbox::receipted`] returns. The spool survives the end of a
//! process at any point. After a power cut, its files are checked by their hashes before they are used.

mod receivers;
mod spool;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aecodec_proto::{Hash, PublicKey};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

pub use receivers::Known;
pub(crate) use spool::Spooled;

use crate::prepared::Prepared;
use crate::source::SourceFile;
use crate::{Error, JournalError, Result};

/// The folder of the spool, below the state folder.
const SPOOL: &str = "spool";
/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Version of [`SCHEMA`], kept in the database.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE receiver (
        key BLOB PRIMARY KEY, name TEXT NOT NULL, addresses TEXT NOT NULL, enrolled INTEGER NOT NULL,
        used INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sent (
        receiver BLOB, path BLOB, settings BLOB, size INTEGER NOT NULL, modified INTEGER NOT NULL,
        name TEXT NOT NULL, hash BLOB NOT NULL, bytes INTEGER NOT NULL, psnr REAL, at INTEGER NOT NULL,
        PRIMARY KEY (receiver, path, settings)
    ) WITHOUT ROWID;
    CREATE TABLE spool (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL, settings BLOB NOT NULL, size INTEGER NOT NULL,
        modified INTEGER NOT NULL, hash BLOB NOT NULL, psnr REAL, at INTEGER NOT NULL,
        UNIQUE (path, settings, size, modified)
    );
    CREATE INDEX spool_hash ON spool (hash);
    CREATE TABLE pending (
        spool INTEGER REFERENCES spool ON DELETE CASCADE, receiver BLOB, PRIMARY KEY (spool, receiver)
    ) WITHOUT ROWID;
";

/// The journal and the spool of the senders on this account.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    /// For receipts: a commit is on the disk when it returns.
    durable: Mutex<Connection>,
    /// For the rest: a commit may be lost in a power cut, but never with the process.
    quick: Mutex<Connection>,
}

/// What was sent before.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its name at the receiver.
    pub name: String,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Bytes of the `.aec`.
    pub bytes: u64,
    /// PSNR in dB, if it was measured.
    pub psnr: Option<f64>,
    /// When its receipt came.
    pub at: SystemTime,
}

impl Outbox {
    /// The default folder of the state: `$XDG_STATE_HOME/aecodec/sender`, or the equivalent of the system.
    ///
    /// # Errors
    /// Returns [`Error::NoHome`] if there is none.
    pub fn default_folder() -> Result<PathBuf> {
        let folders = directories::ProjectDirs::from("", "", "aecodec").ok_or(Error::NoHome)?;
        Ok(folders.state_dir().unwrap_or(folders.data_local_dir()).join("sender"))
    }

    /// Opens the state in this folder, makes it if there is none, and removes what dead processes have left.
    ///
    /// # Errors
    /// Returns [`Error::State`] or [`Error::Journal`] if it cannot be written, and [`Error::JournalVersion`] if it
    /// was written by a newer version.
    pub fn open(folder: &Path) -> Result<Self> {
        let spool = folder.join(SPOOL);
        make_private(&spool, folder).map_err(Error::state(folder))?;
        // One process at a time sets it up: SQLite does not wait for another that changes the journal mode.
        let path = folder.join("starting.lock");
        let lock = File::create(&path).map_err(Error::state(&path))?;
        lock.lock().map_err(Error::state(&path))?;

        let path = folder.join(DATABASE);
        let open = |synchronous| connect(&path, synchronous).map_err(journal_error(folder));
        let (mut durable, quick) = (open("FULL")?, open("NORMAL")?);
        let found = set_up(&mut durable).map_err(journal_error(folder))?;
        if found != VERSION {
            return Err(Error::JournalVersion { path, found, known: VERSION });
        }
        let outbox =
            Self { folder: folder.to_owned(), durable: Mutex::new(durable), quick: Mutex::new(quick) };
        outbox.clean(SystemTime::now())?;
        Ok(outbox)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What this receiver has for a file as it is now, made with these settings.
    ///
    /// # Errors
    /// Returns [`Error::Journal`] if the journal cannot be read.
    pub fn sent(&self, receiver: &PublicKey, file: &SourceFile, settings: &Hash) -> Result<Option<Sent>> {
        let text = "SELECT name, hash, bytes, psnr, at FROM sent
            WHERE receiver = ? AND path = ? AND settings = ? AND size = ? AND modified = ?";
        let path = file.path.as_os_str().as_encoded_bytes();
        let given = params![receiver.0, path, settings.0, file.bytes as i64, file.modified];
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Sent {
                name: row.get(0)?,
                hash: Hash(row.get(1)?),
                bytes: row.get::<_, i64>(2)? as u64,
                psnr: row.get(3)?,
                at: UNIX_EPOCH + Duration::from_secs(row.get::<_, i64>(4)?.max(0) as u64),
            })
        };
        let found = self.quick().query_row(text, given, read).optional();
        found.map_err(journal_error(&self.folder))
    }

    /// Records receipts, all in one write to the disk, and drops what the spool contained for them alone.
    ///
    /// # Errors
    /// Returns [`Error::Journal`] if the journal cannot be written; then no receipt is recorded. Returns
    /// [`Error::State`] if the spool cannot be emptied; then all of them are recorded.
    pub fn receipted<'a>(
        &self,
        receiver: &PublicKey,
        pictures: impl IntoIterator<Item = &'a Prepared>,
    ) -> Result<()> {
        let freed = {
            let mut connection = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
            record(&mut connection, receiver, pictures).map_err(journal_error(&self.folder))?
        };
        self.remove_unused(&freed)
    }

    fn quick(&self) -> MutexGuard<'_, Connection> {
        self.quick.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something while no other process writes.
    fn alone<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let error = || journal_error(&self.folder);
        let mut connection = self.quick();
        let transaction = begin(&mut connection).map_err(error())?;
        let done = work(&transaction)?;
        transaction.commit().map_err(error())?;
        Ok(done)
    }
}

const DATABASE: &str = "journal.sqlite";

/// Makes the folders, readable by their owner alone.
fn make_private(spool: &Path, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(spool)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
    }
    let _ = folder;
    Ok(())
}

fn connect(path: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Makes the tables if there are none, and returns the version that was found.
fn set_up(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = begin(connection)?;
    let found = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found != 0 {
        return Ok(found);
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(VERSION)
}

fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    // A transaction that begins by reading could not wait for its turn to write.
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Records receipts. Returns the hashes that lost an entry of the spool.
fn record<'a>(
    connection: &mut Connection,
    receiver: &PublicKey,
    pictures: impl IntoIterator<Item = &'a Prepared>,
) -> rusqlite::Result<Vec<Hash>> {
    let transaction = begin(connection)?;
    let mut freed = Vec::new();
    {
        let mut sent =
            transaction.prepare("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let mut settle = transaction.prepare(
            "DELETE FROM pending WHERE receiver = ?1 AND spool IN
            (SELECT id FROM spool WHERE path = ?2 AND settings = ?3 AND size = ?4 AND modified = ?5)",
        )?;
        let mut release = transaction.prepare(
            "DELETE FROM spool WHERE path = ? AND settings = ? AND size = ? AND modified = ?
            AND NOT EXISTS (SELECT 1 FROM pending WHERE spool = id) RETURNING hash",
        )?;
        let at = seconds(SystemTime::now());
        for picture in pictures {
            let Prepared { file, settings, hash, source, .. } = picture;
            let path = file.path.as_os_str().as_encoded_bytes();
            let (size, modified, bytes) = (file.bytes as i64, file.modified, picture.bytes() as i64);
            let (receiver, settings, hash) = (receiver.0, settings.0, hash.0);
            sent.execute(params![
                receiver,
                path,
                settings,
                size,
                modified,
                file.name,
                hash,
                bytes,
                source.psnr,
                at
            ])?;
            settle.execute(params![receiver, path, settings, size, modified])?;
            for hash in release.query_map(params![path, settings, size, modified], |row| row.get(0))? {
                freed.push(Hash(hash?));
            }
        }
    }
    transaction.commit()?;
    Ok(freed)
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn journal_error(folder: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |error| Error::Journal { path: folder.join(DATABASE), source: JournalError(error) }
}
