//! The index: one SQLite file with the features and hashes of pictures.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params};

use crate::{Description, Error, Features, Result, SemanticHash};

/// `user_version` of the database. It changes with the tables, and with the features.
const VERSION: u32 = 1;
/// `application_id` of the database: "aecI".
const APPLICATION: u32 = 0x6165_6349;
/// How long a command waits for another one that writes the same index.
const BUSY: Duration = Duration::from_secs(30);
/// The most pictures, and about the longest time, that a commit waits: an interruption costs what is not committed.
const BATCH: usize = 64;
const LONGEST: Duration = Duration::from_secs(2);

const TABLES: &str = "
    CREATE TABLE picture (
        path TEXT PRIMARY KEY,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        content BLOB NOT NULL,
        features BLOB NOT NULL,
        hash BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX picture_content ON picture (content);";

/// What tells whether a file has changed: its size, and when it was modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    size: i64,
    /// Nanoseconds since 1970.
    modified: i64,
}

impl Stamp {
    /// The stamp of a file.
    pub fn of(about: &std::fs::Metadata) -> Self {
        let since = |time: SystemTime| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |time| -time),
        };
        let size = i64::try_from(about.len()).unwrap_or(i64::MAX);
        Self { size, modified: about.modified().map_or(0, since) }
    }
}

/// A picture of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The path of the file.
    pub path: PathBuf,
    /// How it looks.
    pub description: Description,
}

/// An index. Changes become durable some pictures at a time, and with [`Index::save`]; a process that is killed loses the
/// last ones, and the file stays whole.
#[derive(Debug)]
pub struct Index {
    db: Connection,
    /// Changes since the last commit.
    unsaved: usize,
    /// When the last commit was.
    saved: Instant,
}

impl Index {
    /// Opens an index to change it. If there is no file, it is created.
    ///
    /// # Errors
    /// Returns [`Error::NotAnIndex`] for other files, and [`Error::Database`] if the file cannot be read or written.
    pub fn create(path: &Path) -> Result<Self> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(BUSY)?;
        let change =
            db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(foreign)?;
        let objects: u32 =
            change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(foreign)?;
        if objects == 0 {
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "application_id", APPLICATION)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()?;
        Self::checked(db)
    }

    /// Opens an index to read it.
    ///
    /// # Errors
    /// Returns the errors of [`Self::create`], and [`Error::Database`] if there is no file.
    pub fn open(path: &Path) -> Result<Self> {
        // A journal that an interrupted process left can be rolled back only by a connection that may write.
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.busy_timeout(BUSY)?;
        Self::checked(db)
    }

    fn checked(db: Connection) -> Result<Self> {
        let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
        if number("application_id").map_err(foreign)? != APPLICATION {
            return Err(Error::NotAnIndex);
        }
        let found = number("user_version")?;
        if found != VERSION {
            return Err(Error::Version { expected: VERSION, found });
        }
        Ok(Self { db, unsaved: 0, saved: Instant::now() })
    }

    /// Whether the index knows the file with this path, and it has not changed since.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the index cannot be read.
    pub fn is_current(&self, path: &Path, stamp: Stamp) -> Result<bool> {
        let Some(path) = path.to_str() else { return Ok(false) };
        let mut query = self.db.prepare_cached("SELECT size, modified FROM picture WHERE path = ?1")?;
        let known = query.query_row([path], |row| Ok(Stamp { size: row.get(0)?, modified: row.get(1)? }));
        Ok(known.optional()? == Some(stamp))
    }

    /// The description of a file with this content (its BLAKE3), if the index has one: the file was moved, copied, or only
    /// its time has changed.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the index cannot be read.
    pub fn known(&self, content: &[u8; 32]) -> Result<Option<Description>> {
        let sql = "SELECT features, hash FROM picture WHERE content = ?1 LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        query.query_row([content], |row| Ok(description(row))).optional()?.transpose()
    }

    /// Adds a picture, or replaces it.
    ///
    /// # Errors
    /// Returns [`Error::Name`] if the path is not UTF-8, and [`Error::Database`] if the index cannot be written.
    pub fn put(&mut self, path: &Path, stamp: Stamp, content: &[u8; 32], seen: &Description) -> Result<()> {
        let name = path.to_str().ok_or(Error::Name)?;
        self.begin()?;
        let sql = "INSERT OR REPLACE INTO picture (path, size, modified, content, features, hash)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (features, hash) = (seen.features.to_bytes(), seen.hash.to_bytes());
        let mut insert = self.db.prepare_cached(sql)?;
        insert.execute(params![name, stamp.size, stamp.modified, content, features, hash])?;
        drop(insert);
        self.unsaved += 1;
        let due = self.unsaved >= BATCH || self.saved.elapsed() >= LONGEST;
        if due { self.save() } else { Ok(()) }
    }

    /// Removes the pictures below `folder` that are not among `present`, and returns how many there were.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the index cannot be read or written.
    pub fn retain(&mut self, folder: &Path, present: &HashSet<PathBuf>) -> Result<usize> {
        let paths: Vec<String> = {
            let mut query = self.db.prepare("SELECT path FROM picture")?;
            query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let gone = paths.iter().filter(|path| {
            let path = Path::new(path);
            path.starts_with(folder) && !present.contains(path)
        });
        let gone: Vec<&String> = gone.collect();
        if !gone.is_empty() {
            self.begin()?;
        }
        for path in &gone {
            self.db.execute("DELETE FROM picture WHERE path = ?1", [path])?;
        }
        self.save()?;
        Ok(gone.len())
    }

    /// Makes all changes durable.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the index cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("COMMIT")?;
        }
        self.unsaved = 0;
        self.saved = Instant::now();
        Ok(())
    }

    fn begin(&self) -> Result<()> {
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// All pictures, in the order of their paths.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the index cannot be read, and [`Error::NotAnIndex`] if a row is damaged.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut query = self.db.prepare("SELECT features, hash, path FROM picture ORDER BY path")?;
        let mut rows = query.query([])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let path: String = row.get(2)?;
            entries.push(Entry { path: path.into(), description: description(row)? });
        }
        Ok(entries)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // What is not saved here is indexed again the next time.
        let _ = self.save();
    }
}

/// Says it clearly if a file is no database at all.
fn foreign(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotAnIndex,
        _ => Error::Database(error),
    }
}

/// The features and the hash in the first two columns of a row.
fn description(row: &Row<'_>) -> Result<Description> {
    let features: Vec<u8> = row.get(0)?;
    let features = Features::from_bytes(&features).ok_or(Error::NotAnIndex)?;
    Ok(Description { features, hash: SemanticHash::from_bytes(row.get(1)?) })
}
