//! The writer thread: collects the operations that wait, gives finished pictures their names, and records
//! everything in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use aecodec_proto::Hash;
use rusqlite::{Connection, TransactionBehavior};

use crate::arriving::{Choice, Found};
use crate::journal::{self, About, Outcome, SavedPicture, Task};
use crate::name::Name;
use crate::options::Step;
use crate::partial::{Partial, Phase};
use crate::shared::Shared;
use crate::state::{Flush, flushed};
use crate::stored::Stored;
use crate::{Error, Result, disk};

/// Reports of parts are collected for this long. An operation whose caller waits for an answer ends the collecting.
const GATHER: Duration = Duration::from_millis(4);
/// The most operations of one transaction.
const BATCH: usize = 4096;

/// Where an answer is sent. It does not matter if the caller no longer waits.
pub(crate) type Reply = SyncSender<Result<Stored>>;

/// An operation. Operations are done in the order in which they were sent.
#[derive(Debug)]
pub(crate) enum Op {
    /// Record which parts are there.
    Save(Arc<Partial>),
    /// Forget a picture that was arriving.
    Drop(i64),
    /// Give a verified picture its name.
    Place(Arc<Partial>, Reply),
    /// Record a picture whose bytes are already on the disk.
    Final(Box<Final>),
    /// Record how a task ended.
    Settle(i64, Task, Outcome),
}

/// A picture that gets its final name.
#[derive(Debug)]
pub(crate) struct Final {
    about: About,
    name: Name,
    bytes: u64,
    how: How,
    partial: Option<Arc<Partial>>,
    reply: Option<Reply>,
}

/// How the file gets its final name.
#[derive(Debug)]
pub(crate) enum How {
    /// From the flushed file of a transfer.
    Rename(PathBuf),
    /// The bytes are those of another stored picture.
    Link(PathBuf),
    /// The file already has its final name.
    Adopt,
}

impl Final {
    pub fn new(about: About, name: Name, bytes: u64, how: How, reply: Reply) -> Self {
        Self { about, name, bytes, how, partial: None, reply: Some(reply) }
    }

    /// The picture of a finished transfer.
    pub fn of(partial: Arc<Partial>, how: How, reply: Option<Reply>) -> Self {
        let (about, name, bytes) = (partial.about.clone(), partial.name.clone(), partial.bytes());
        Self { about, name, bytes, how, partial: Some(partial), reply }
    }
}

/// What became of a [`Final`] before it is recorded.
enum Placed {
    /// To be recorded.
    New,
    /// The same picture was recorded for the same offer, by another sender.
    Recorded(SavedPicture),
    /// The same picture is in this batch, at this index.
    Twin(usize),
}

/// The operations of one batch.
#[derive(Default)]
struct Batch {
    saves: HashMap<i64, Arc<Partial>>,
    drops: Vec<i64>,
    settles: Vec<(i64, Task, Outcome)>,
    finals: Vec<Final>,
}

/// Owner of the connection that writes the journal.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    db: Connection,
    flush: Flush,
}

impl Writer {
    pub fn new(shared: Arc<Shared>, db: Connection) -> Self {
        Self { shared, db, flush: Flush::Always }
    }

    /// Works until all senders of operations are dropped.
    pub fn run(mut self, queue: &Receiver<Op>) {
        while let Ok(first) = queue.recv() {
            let mut batch = Batch::default();
            batch.add(first);
            let until = Instant::now() + GATHER;
            for _ in 1..BATCH {
                let left = if batch.finals.is_empty() {
                    until.saturating_duration_since(Instant::now())
                } else {
                    Duration::ZERO
                };
                match queue.recv_timeout(left) {
                    Ok(op) => batch.add(op),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            if self.work(batch).is_break() {
                return;
            }
        }
    }

    /// Places and records one picture.
    pub fn finish(&mut self, last: Final) {
        let _ = self.work(Batch { finals: vec![last], ..Batch::default() });
    }

    /// Forgets pictures that were arriving.
    pub fn forget(&mut self, drops: Vec<i64>) {
        let _ = self.work(Batch { drops, ..Batch::default() });
    }

    /// Handles names, folders, the journal and answers, in this order. So recovery can finish whatever a crash
    /// leaves undone.
    fn work(&mut self, mut batch: Batch) -> ControlFlow<()> {
        let mut placed = self.place(&mut batch.finals);
        self.crash(Step::Placed, &batch)?;
        self.flush_folders(&batch.finals, &mut placed);
        self.crash(Step::Flushed, &batch)?;
        // If reports of parts could not be written, the next part repeats them.
        let recorded = self.record(&batch, &placed);
        self.crash(Step::Recorded, &batch)?;
        let out = self.shared.folder.out.clone();
        let mut results: Vec<Result<Stored>> = Vec::with_capacity(placed.len());
        for (i, placed) in placed.into_iter().enumerate() {
            results.push(match (placed, &recorded) {
                (Err(error), _) => Err(error),
                (Ok(Placed::Recorded(picture)), _) => Ok(Stored::new(&out, picture)),
                (Ok(_), Err(error)) => Err(unwritten(&out, error)),
                (Ok(Placed::New), Ok(pictures)) => Ok(Stored::new(&out, pictures[&i].clone())),
                (Ok(Placed::Twin(first)), Ok(pictures)) => match pictures.get(&first) {
                    Some(picture) => Ok(Stored::new(&out, picture.clone())),
                    None => Err(Error::Dropped(batch.finals[i].name.as_str().into())),
                },
            });
        }
        for (last, result) in batch.finals.into_iter().zip(results) {
            self.answer(last, result);
        }
        ControlFlow::Continue(())
    }

    /// Tests end the thread here, like a crash while a picture gets its name.
    fn crash(&self, step: Step, batch: &Batch) -> ControlFlow<()> {
        #[cfg(test)]
        if self.shared.options.crash == Some(step) && !batch.finals.is_empty() {
            return ControlFlow::Break(());
        }
        let _ = (step, batch);
        ControlFlow::Continue(())
    }

    /// Gives the files their final names.
    fn place(&mut self, finals: &mut [Final]) -> Vec<Result<Placed>> {
        let mut seen: HashMap<(Hash, Name), usize> = HashMap::new();
        let mut placed = Vec::with_capacity(finals.len());
        for (i, last) in finals.iter_mut().enumerate() {
            let key = (last.about.hash, last.about.offered.clone());
            let result = match (seen.get(&key), self.recorded(last)) {
                (_, Err(error)) => Err(error),
                (_, Ok(Some(picture))) => Ok(Placed::Recorded(picture)),
                (Some(&first), _) => Ok(Placed::Twin(first)),
                (None, _) => self.place_one(last).map(|()| Placed::New),
            };
            if matches!(result, Ok(Placed::New)) {
                seen.insert(key, i);
            }
            placed.push(result);
        }
        placed
    }

    /// The record of the same picture for the same offer.
    fn recorded(&self, last: &Final) -> Result<Option<SavedPicture>> {
        let found = journal::stored_as(&self.db, &last.about.hash, &last.about.offered)?;
        let Some(found) = found else { return Ok(None) };
        if self.shared.is_there(&found) {
            return Ok(Some(found));
        }
        journal::forget(&self.db, found.id)?;
        Ok(None)
    }

    fn place_one(&self, last: &mut Final) -> Result<()> {
        let out = &self.shared.folder.out;
        if matches!(last.how, How::Adopt) {
            return disk::flush(&last.name.path(out));
        }
        // The name was free when it was reserved, but another program may have used it since.
        let mut path = last.name.path(out);
        if path.symlink_metadata().is_ok() {
            let mut found = Found::default();
            let (name, ours) = loop {
                let shared = &self.shared;
                let choice = shared.arriving().choose(
                    &shared.options,
                    &shared.reader(),
                    &last.about,
                    last.bytes,
                    &found,
                )?;
                match choice {
                    Choice::Free(name) => break (name, false),
                    Choice::Ours(name) => break (name, true),
                    Choice::Unknown(name) => {
                        let hash = disk::hash(&name.path(out))?;
                        found.insert(name, hash);
                    }
                }
            };
            path = name.path(out);
            last.name = name;
            if ours {
                last.how = How::Adopt;
                return disk::flush(&path);
            }
        }
        disk::folders(out, path.parent().unwrap_or(out))?;
        match &last.how {
            How::Rename(from) => fs::rename(from, &path).map_err(Error::io(&path)),
            How::Link(from) => disk::link(from, &path, &self.shared.folder.scratch()),
            How::Adopt => Ok(()),
        }
    }

    /// Flushes each folder that has a new picture once.
    fn flush_folders(&self, finals: &[Final], placed: &mut [Result<Placed>]) {
        let out = &self.shared.folder.out;
        let parent = |last: &Final| last.name.path(out).parent().unwrap_or(out).to_path_buf();
        let new = |placed: &Result<Placed>| matches!(placed, Ok(Placed::New));
        let folders: BTreeSet<PathBuf> = finals
            .iter()
            .zip(&*placed)
            .filter(|(_, placed)| new(placed))
            .map(|(last, _)| parent(last))
            .collect();
        for folder in folders {
            let Err(error) = disk::flush_folder(&folder) else { continue };
            for (last, placed) in finals.iter().zip(&mut *placed) {
                if new(placed) && parent(last) == folder {
                    *placed = Err(unwritten(out, &error));
                }
            }
        }
    }

    /// Writes the journal: either the whole batch or nothing.
    fn record(&mut self, batch: &Batch, placed: &[Result<Placed>]) -> Result<HashMap<usize, SavedPicture>> {
        let flush = if batch.finals.is_empty() { Flush::Later } else { Flush::Always };
        if self.flush != flush {
            flushed(&self.db, flush)?;
            self.flush = flush;
        }
        let tasks = self.shared.tasks();
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for saved in batch.saves.values().filter_map(|partial| partial.saved()) {
            journal::save(&change, &saved)?;
        }
        for &id in &batch.drops {
            journal::forget_partial(&change, id)?;
        }
        for &(id, task, outcome) in &batch.settles {
            journal::settle(&change, id, task, outcome)?;
        }
        let mut pictures = HashMap::new();
        for (i, (last, placed)) in batch.finals.iter().zip(placed).enumerate() {
            let Ok(placed) = placed else { continue };
            if matches!(placed, Placed::New) {
                pictures.insert(i, journal::add(&change, &last.about, &last.name, last.bytes, &tasks)?);
            }
            if let Some(partial) = &last.partial {
                journal::forget_partial(&change, partial.id)?;
            }
        }
        change.commit()?;
        if !pictures.is_empty() || !batch.settles.is_empty() {
            self.shared.changed();
        }
        Ok(pictures)
    }

    /// Informs the transfer, and the caller that waits.
    fn answer(&self, last: Final, result: Result<Stored>) {
        if let Some(partial) = &last.partial {
            let again = result.is_err() && partial.path.exists();
            partial.inner_mut().phase = match &result {
                Ok(stored) => Phase::Stored(Box::new(stored.clone())),
                // Nothing has changed: it can be tried again.
                Err(_) if again => Phase::Receiving,
                // It has its final name but is not recorded. It is recognised when it is offered again.
                Err(_) => Phase::Gone,
            };
            if !again {
                partial.close();
                self.shared.arriving().remove(partial);
                // The file is that of a twin, or of a picture that was already there.
                let _ = disk::remove(&partial.path);
            }
        }
        if let Some(reply) = last.reply {
            let _ = reply.send(result);
        }
    }
}

impl Batch {
    fn add(&mut self, op: Op) {
        match op {
            Op::Save(partial) => drop(self.saves.insert(partial.id, partial)),
            Op::Drop(id) => self.drops.push(id),
            Op::Place(partial, reply) => {
                let how = How::Rename(partial.path.clone());
                self.finals.push(Final::of(partial, how, Some(reply)));
            }
            Op::Final(last) => self.finals.push(*last),
            Op::Settle(id, task, outcome) => self.settles.push((id, task, outcome)),
        }
    }
}

/// An error for several callers.
fn unwritten(out: &std::path::Path, error: &Error) -> Error {
    match error {
        Error::Full(path) => Error::Full(path.clone()),
        Error::Journal(error) if error.is_disk_full() => Error::Full(out.into()),
        error => Error::Unrecorded(error.to_string()),
    }
}
