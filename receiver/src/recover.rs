//! Recovers after a crash: makes the files and the journal agree.

use std::fs;
use std::sync::Arc;

use crate::journal;
use crate::partial::Partial;
use crate::shared::Shared;
use crate::state::now;
use crate::writer::{Final, How, Writer};
use crate::{Error, Result, disk};

/// What to do with a row of the journal.
enum Verdict {
    /// Parts are missing.
    Keep,
    /// Only its final name is missing.
    Finish,
    /// It has its final name, but is not recorded.
    Record,
    /// It is too old, or its file is gone.
    Drop,
}

/// Keeps transfers that had begun, records pictures that have their final name, and removes files that belong to
/// nothing.
pub(crate) fn recover(shared: &Shared, writer: &mut Writer) -> Result<()> {
    let before = now() - shared.options.expire.as_secs() as i64;
    let rows = journal::partials(&shared.reader())?;
    let mut dropped = Vec::new();
    for saved in rows {
        let path = shared.folder.part(saved.id);
        let untouched = saved.touched < before;
        saved.name.previews(&shared.folder.out).try_for_each(|path| disk::remove(&path))?;
        let partial = Arc::new(Partial::new(saved, path));
        match verdict(shared, &partial)? {
            Verdict::Finish => {
                let how = How::Rename(partial.path.clone());
                writer.finish(Final::of(partial, how, None));
            }
            Verdict::Record => writer.finish(Final::of(partial, How::Adopt, None)),
            Verdict::Keep if !untouched => shared.arriving().insert(partial),
            Verdict::Keep | Verdict::Drop => dropped.push(partial.id),
        }
    }
    if !dropped.is_empty() {
        writer.forget(dropped);
    }
    sweep(shared)
}

fn verdict(shared: &Shared, partial: &Partial) -> Result<Verdict> {
    if journal::stored_as(&shared.reader(), &partial.about.hash, &partial.about.offered)?
        .is_some_and(|picture| shared.is_there(&picture))
    {
        return Ok(Verdict::Drop);
    }
    if partial.path.exists() {
        return Ok(match partial.is_whole() {
            false => Verdict::Keep,
            true if partial.verify().is_ok() => Verdict::Finish,
            // After a power cut, the journal may list bytes that never reached the disk.
            true => Verdict::Drop,
        });
    }
    let path = partial.name.path(&shared.folder.out);
    let ours = disk::length(&path) == Some(partial.bytes()) && disk::hash(&path)? == partial.about.hash;
    Ok(if ours { Verdict::Record } else { Verdict::Drop })
}

/// Removes the files of transfers that are not in the journal, and files that were being written.
fn sweep(shared: &Shared) -> Result<()> {
    let (parts, scratch) = (shared.folder.parts(), shared.folder.scratch());
    let kept = shared.arriving().files();
    for folder in [parts, scratch] {
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            if !kept.contains(&path) {
                disk::remove(&path)?;
            }
        }
    }
    Ok(())
}
