//! The journal's SQL: pictures that are arriving, pictures that are stored, and the tasks that are pending for
//! those.

use aecodec_proto::message::Source;
use aecodec_proto::{Hash, PublicKey};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::Result;
use crate::name::Name;
use crate::state::now;

/// What an offer says about a picture, and who offered it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct About {
    pub peer: PublicKey,
    pub hash: Hash,
    pub offered: Name,
    pub model: Hash,
    pub source: Source,
}

/// A row of `partial`.
#[derive(Debug)]
pub(crate) struct SavedPartial {
    pub id: i64,
    pub about: About,
    pub name: Name,
    pub parts: Vec<u32>,
    pub have: Vec<u8>,
    pub touched: i64,
}

/// A row of `stored`.
#[derive(Debug, Clone)]
pub(crate) struct SavedPicture {
    pub id: i64,
    pub about: About,
    pub name: Name,
    pub bytes: u64,
    pub at: i64,
}

/// Work that follows when a picture is stored. The journal records what is left of it after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Decode it.
    Decode,
    /// Upload it to the object store.
    Upload,
    /// Announce it on NATS.
    Notify,
}

/// How a [`Task`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With success.
    Done,
    /// Without success; it is not tried again.
    Failed,
}

/// A column of `stored` contains 0 if the task is not wanted.
const PENDING: i64 = 1;

impl Task {
    const fn column(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Upload => "upload",
            Self::Notify => "notify",
        }
    }
}

impl Outcome {
    const fn value(self) -> i64 {
        match self {
            Self::Done => 2,
            Self::Failed => 3,
        }
    }
}

const ABOUT: &str = "peer, hash, offered, model, source_bytes, width, height, raw, psnr";

fn about(row: &Row<'_>) -> rusqlite::Result<About> {
    Ok(About {
        peer: PublicKey(row.get("peer")?),
        hash: Hash(row.get("hash")?),
        offered: Name::trusted(row.get("offered")?),
        model: Hash(row.get("model")?),
        source: Source {
            bytes: row.get::<_, i64>("source_bytes")? as u64,
            width: row.get("width")?,
            height: row.get("height")?,
            raw: row.get::<_, i64>("raw")? as u64,
            psnr: row.get("psnr")?,
        },
    })
}

fn picture(row: &Row<'_>) -> rusqlite::Result<SavedPicture> {
    Ok(SavedPicture {
        id: row.get("id")?,
        about: about(row)?,
        name: Name::trusted(row.get("name")?),
        bytes: row.get("bytes")?,
        at: row.get("at")?,
    })
}

/// All pictures that are arriving.
pub(crate) fn partials(db: &Connection) -> Result<Vec<SavedPartial>> {
    let mut query = db.prepare(&format!("SELECT id, name, parts, have, touched, {ABOUT} FROM partial"))?;
    let rows = query.query_map([], |row| {
        let lengths: Vec<u8> = row.get("parts")?;
        Ok(SavedPartial {
            id: row.get("id")?,
            about: about(row)?,
            name: Name::trusted(row.get("name")?),
            parts: lengths.as_chunks().0.iter().map(|&length| u32::from_le_bytes(length)).collect(),
            have: row.get("have")?,
            touched: row.get("touched")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds an arriving picture, or notes which of its parts are there.
pub(crate) fn save(db: &Connection, partial: &SavedPartial) -> Result<()> {
    let SavedPartial { about: About { peer, hash, offered, model, source }, .. } = partial;
    let parts: Vec<u8> = partial.parts.iter().flat_map(|length| length.to_le_bytes()).collect();
    db.prepare_cached(
        "INSERT INTO partial (id, name, parts, have, touched, peer, hash, offered, model, source_bytes, width, height, raw, psnr)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET have = excluded.have, touched = excluded.touched, name = excluded.name",
    )?
    .execute(params![
        partial.id,
        partial.name.as_str(),
        parts,
        partial.have,
        partial.touched,
        peer.0,
        hash.0,
        offered.as_str(),
        model.0,
        source.bytes as i64,
        source.width,
        source.height,
        source.raw as i64,
        source.psnr,
    ])?;
    Ok(())
}

/// Removes an arriving picture.
pub(crate) fn forget_partial(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM partial WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Adds a stored picture with its tasks, and credits its sender.
pub(crate) fn add(
    db: &Connection,
    about: &About,
    name: &Name,
    bytes: u64,
    tasks: &[Task],
) -> Result<SavedPicture> {
    let pending = |task| if tasks.contains(&task) { PENDING } else { 0 };
    let (at, source) = (now(), &about.source);
    db.prepare_cached(
        "INSERT INTO stored (name, bytes, at, peer, hash, offered, model, source_bytes, width, height, raw, psnr, decode, upload, notify)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        name.as_str(),
        bytes,
        at,
        about.peer.0,
        about.hash.0,
        about.offered.as_str(),
        about.model.0,
        source.bytes as i64,
        source.width,
        source.height,
        source.raw as i64,
        source.psnr,
        pending(Task::Decode),
        pending(Task::Upload),
        pending(Task::Notify),
    ])?;
    let id = db.last_insert_rowid();
    db.prepare_cached(
        "UPDATE peers SET pictures = pictures + 1, bytes = bytes + ?2, seen = ?3 WHERE key = ?1",
    )?
    .execute(params![about.peer.0, bytes, at])?;
    Ok(SavedPicture { id, about: about.clone(), name: name.clone(), bytes, at })
}

/// The picture that was stored for this offer.
pub(crate) fn stored_as(db: &Connection, hash: &Hash, offered: &Name) -> Result<Option<SavedPicture>> {
    let sql = format!("SELECT id, name, bytes, at, {ABOUT} FROM stored WHERE hash = ?1 AND offered = ?2");
    Ok(db.prepare_cached(&sql)?.query_row(params![hash.0, offered.as_str()], picture).optional()?)
}

/// Every stored picture with this hash.
pub(crate) fn stored(db: &Connection, hash: &Hash) -> Result<Vec<SavedPicture>> {
    let sql = format!("SELECT id, name, bytes, at, {ABOUT} FROM stored WHERE hash = ?1 ORDER BY id");
    let mut query = db.prepare_cached(&sql)?;
    Ok(query.query_map([hash.0], picture)?.collect::<rusqlite::Result<_>>()?)
}

/// Whether a stored picture has this name.
pub(crate) fn named(db: &Connection, name: &Name) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM stored WHERE name = ?1")?.exists([name.as_str()])?)
}

/// Removes a stored picture.
pub(crate) fn forget(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM stored WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Pictures with a pending task, the oldest first, after the one with this number. No picture is announced before
/// it is in the object store.
pub(crate) fn pending(db: &Connection, task: Task, after: i64, limit: usize) -> Result<Vec<SavedPicture>> {
    let column = task.column();
    let ready = if task == Task::Notify { "AND upload <> 1" } else { "" };
    let sql = format!(
        "SELECT id, name, bytes, at, {ABOUT} FROM stored WHERE {column} = {PENDING} {ready} AND id > ?1 ORDER BY id LIMIT ?2"
    );
    let mut query = db.prepare_cached(&sql)?;
    Ok(query.query_map(params![after, limit], picture)?.collect::<rusqlite::Result<_>>()?)
}

/// Whether a task is pending.
pub(crate) fn is_pending(db: &Connection, id: i64, task: Task) -> Result<bool> {
    let sql = format!("SELECT 1 FROM stored WHERE id = ?1 AND {} = {PENDING}", task.column());
    Ok(db.prepare_cached(&sql)?.exists([id])?)
}

/// Notes that a task has ended.
pub(crate) fn settle(db: &Connection, id: i64, task: Task, outcome: Outcome) -> Result<()> {
    let sql = format!("UPDATE stored SET {} = ?2 WHERE id = ?1", task.column());
    db.prepare_cached(&sql)?.execute(params![id, outcome.value()])?;
    Ok(())
}
