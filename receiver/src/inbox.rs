//! The inbox: takes offers, keeps what arrives, and gives finished pictures their names. None twice, none partial.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use aecodec::files::Format;
use aecodec_proto::message::{Offer, Source};
use aecodec_proto::{Hash, PublicKey};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::arriving::{Arriving, Choice, Found, Key};
use crate::error::Refusal;
use crate::journal::{self, About, Outcome, SavedPartial, SavedPicture, Task};
use crate::name::Name;
use crate::state::{Folder, now};
use crate::transfer::{Partial, Phase, Transfer};
use crate::writer::{Final, How, Op, Writer};
use crate::{Error, Result, disk};

/// How an inbox works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxOptions {
    /// The folder of the finished pictures.
    pub out: PathBuf,
    /// Bytes of one picture. Default 1 GiB.
    pub picture_bytes: u64,
    /// Pixels of one picture, as its sender says. Default 2^28.
    pub pixels: u64,
    /// Unfinished pictures of one sender. Default 1024; beyond it the oldest that no connection works on make room.
    pub partials: usize,
    /// Bytes of those. Default 16 GiB.
    pub partial_bytes: u64,
    /// Bytes of the disk that stay free. Default 64 MiB.
    pub reserve: u64,
    /// Unfinished pictures are given up after this long without news. Default 7 days.
    pub expire: Duration,
    /// Pictures are decoded to this format: [`Task::Decode`] is noted for each. Default none.
    pub decode: Option<Format>,
    /// Pictures are brought to an object store: [`Task::Upload`] is noted for each. Default no.
    pub upload: bool,
    /// Pictures are announced: [`Task::Notify`] is noted for each. Default no.
    pub notify: bool,
    #[cfg(test)]
    pub(crate) crash: Option<crate::writer::Step>,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self {
            out: "inbox".into(),
            picture_bytes: 1 << 30,
            pixels: 1 << 28,
            partials: 1024,
            partial_bytes: 16 << 30,
            reserve: 64 << 20,
            expire: Duration::from_secs(7 * 24 * 3600),
            decode: None,
            upload: false,
            notify: false,
            #[cfg(test)]
            crash: None,
        }
    }
}

/// A picture under its final name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// Its number in the journal.
    pub id: i64,
    /// Who sent it.
    pub peer: PublicKey,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Name relative to the inbox; differs from the offered one where that was another picture's.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of the `.aec`.
    pub bytes: u64,
    /// When it was stored, in seconds since 1970.
    pub at: i64,
    /// The model that decodes it.
    pub model: Hash,
    /// What it was made from, according to the sender.
    pub source: Source,
}

impl Stored {
    pub(crate) fn new(out: &Path, saved: SavedPicture) -> Self {
        let SavedPicture { id, about: About { peer, hash, model, source, .. }, name, bytes, at } = saved;
        let path = name.path(out);
        Self { id, peer, hash, name: name.as_str().into(), path, bytes, at, model, source }
    }
}

/// What becomes of an offer.
#[derive(Debug)]
pub enum Begin {
    /// The picture is stored under the offered name; it was there, or another name of the same picture was.
    Already(Stored),
    /// Parts are wanted.
    Wanted(Transfer),
}

/// What came of looking for a place for an offered picture.
enum Place {
    Begun(Begin),
    /// The file under this name has to be hashed first.
    Unknown(Name),
}

impl From<Begin> for Place {
    fn from(begin: Begin) -> Self {
        Self::Begun(begin)
    }
}

/// How much is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Load {
    /// Unfinished pictures.
    pub partials: usize,
    /// Those of them that a connection works on.
    pub active: usize,
    /// Bytes that are missing of those that a connection works on.
    pub outstanding: u64,
}

/// The inbox. Cheap to clone.
///
/// Everything but [`Inbox::settle`] and [`Inbox::load`] blocks on the disk, mostly for less than a millisecond;
/// from asynchronous code, call it where blocking is allowed. One receiver at a time can have an inbox open.
#[derive(Debug, Clone)]
pub struct Inbox(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    ops: Option<Sender<Op>>,
    writer: Option<JoinHandle<()>>,
}

/// What the inbox and its writer thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub folder: Folder,
    pub options: InboxOptions,
    arriving: Mutex<Arriving>,
    reader: Mutex<Connection>,
    changes: watch::Sender<()>,
    _lock: File,
}

impl Shared {
    /// Locked before the state of a [`Partial`], never after it.
    pub fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A connection to look things up; locked after [`Self::arriving`].
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What is to be done with every picture that is stored from now on.
    pub fn tasks(&self) -> Vec<Task> {
        let wanted = [
            (Task::Decode, self.options.decode.is_some()),
            (Task::Upload, self.options.upload),
            (Task::Notify, self.options.notify),
        ];
        wanted.into_iter().filter_map(|(task, wanted)| wanted.then_some(task)).collect()
    }

    /// Tells that the journal has changed.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Whether the file of a stored picture is still there.
    pub fn is_there(&self, picture: &SavedPicture) -> bool {
        disk::length(&picture.name.path(&self.folder.out)) == Some(picture.bytes)
    }
}

impl Inbox {
    /// Opens an inbox, and cleans up after whatever ended the last receiver: what had arrived stays, what was
    /// finished but not recorded is recorded, what belongs to nothing is removed.
    ///
    /// # Errors
    /// [`Error::InUse`], or where the folder cannot be written.
    pub fn open(options: InboxOptions) -> Result<Self> {
        let folder = Folder::open(&options.out)?;
        let lock = folder.lock()?;
        let (reader, db) = (Mutex::new(folder.database()?), folder.database()?);
        let shared = Arc::new(Shared {
            folder,
            options,
            arriving: Mutex::default(),
            reader,
            changes: watch::Sender::default(),
            _lock: lock,
        });
        let mut writer = Writer::new(Arc::clone(&shared), db);
        crate::recover::recover(&shared, &mut writer)?;
        let (ops, queue) = mpsc::channel();
        let thread = std::thread::Builder::new().name("aecodec-journal".into());
        let thread = thread.spawn(move || writer.run(&queue)).map_err(Error::io(&shared.folder.out))?;
        Ok(Self(Arc::new(Handle { shared, ops: Some(ops), writer: Some(thread) })))
    }

    /// Decides about an offer. Parts that arrived earlier from the same sender are not asked for again.
    ///
    /// # Errors
    /// [`Error::Refused`] with a reason for the sender; the journal's or the disk's.
    pub fn begin(&self, peer: &PublicKey, offer: &Offer) -> Result<Begin> {
        let shared = &self.0.shared;
        let offered = Name::parse(&offer.name)?;
        let (hash, bytes) = (offer.hash, self.check_parts(&offer.parts)?);
        let pixels = u64::from(offer.source.width) * u64::from(offer.source.height);
        let limit = self.0.shared.options.pixels;
        if pixels > limit {
            return Err(Refusal::Pixels { pixels, limit }.into());
        }
        let about = About { peer: *peer, hash, offered, model: offer.model, source: offer.source };
        let mut found = Found::default();
        loop {
            match self.place(offer, about.clone(), bytes, &found)? {
                Place::Begun(begin) => return Ok(begin),
                Place::Unknown(name) => {
                    let hash = disk::hash(&name.path(&shared.folder.out))?;
                    found.insert(name, hash);
                }
            }
        }
    }

    /// Finds a place for an offered picture, as far as the hashes that were found allow it.
    fn place(&self, offer: &Offer, about: About, bytes: u64, found: &Found) -> Result<Place> {
        let shared = &self.0.shared;
        let (peer, hash, key) = (about.peer, about.hash, Key::of(&about));
        let mut arriving = shared.arriving();
        if let Some(picture) = self.stored_as(&about)? {
            return Ok(Begin::Already(picture).into());
        }
        if let Some(partial) = arriving.get(&key) {
            if partial.lengths == offer.parts && !matches!(partial.inner().phase, Phase::Gone) {
                arriving.hold(&key);
                return Ok(Begin::Wanted(Transfer::new(self.clone(), partial)).into());
            }
            // Cut anew by another release: the parts do not fit together.
            arriving.remove(&partial);
            self.forget(&partial)?;
        }
        let twin = self.twin(&hash)?;
        if twin.is_none() {
            self.make_room(&mut arriving, &peer, bytes)?;
        }
        let choice = arriving.choose(shared, &about, bytes, found)?;
        let (name, how) = match (choice, twin) {
            (Choice::Unknown(name), _) => return Ok(Place::Unknown(name)),
            (Choice::Ours(name), _) => (name, How::Adopt),
            (Choice::Free(name), Some(twin)) => (name, How::Link(twin)),
            (Choice::Free(name), None) => {
                let id = arriving.next_id();
                let saved = SavedPartial {
                    id,
                    about,
                    name,
                    parts: offer.parts.clone(),
                    have: Vec::new(),
                    touched: now(),
                };
                let partial = Arc::new(Partial::new(saved, shared.folder.part(id)));
                arriving.insert(Arc::clone(&partial));
                arriving.hold(&key);
                drop(arriving);
                let transfer = Transfer::new(self.clone(), Arc::clone(&partial));
                self.send(Op::Save(partial))?;
                return Ok(Begin::Wanted(transfer).into());
            }
        };
        arriving.reserve(&name, &about);
        drop(arriving);
        let last = |reply| Op::Final(Box::new(Final::new(about, name.clone(), bytes, how, reply)));
        let result = self.wait(last);
        shared.arriving().unreserve(&name);
        result.map(|stored| Begin::Already(stored).into())
    }

    /// A stored picture with this hash whose file is there.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn find(&self, hash: &Hash) -> Result<Option<Stored>> {
        let shared = &self.0.shared;
        let found = journal::stored(&shared.reader(), hash)?;
        let picture = found.into_iter().find(|picture| shared.is_there(picture));
        Ok(picture.map(|picture| Stored::new(&shared.folder.out, picture)))
    }

    /// Up to `limit` pictures with a task that is still to be done, the oldest first, after the one with the number
    /// `after` (0: from the first). Nothing is due to be announced before it is uploaded.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn pending(&self, task: Task, after: i64, limit: usize) -> Result<Vec<Stored>> {
        let shared = &self.0.shared;
        let found = journal::pending(&shared.reader(), task, after, limit)?;
        Ok(found.into_iter().map(|picture| Stored::new(&shared.folder.out, picture)).collect())
    }

    /// Whether a task is still to be done for the picture with this number.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn is_pending(&self, id: i64, task: Task) -> Result<bool> {
        journal::is_pending(&self.0.shared.reader(), id, task)
    }

    /// Wakes whoever waits for news of stored pictures and of their tasks, when the journal has them.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.shared.changes.subscribe()
    }

    /// Notes that a task has ended. Returns at once; if it is lost in a crash, the task is done once more.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn settle(&self, id: i64, task: Task, outcome: Outcome) -> Result<()> {
        self.send(Op::Settle(id, task, outcome))
    }

    /// Gives up unfinished pictures that have not been heard of for too long, and says how many. To be called now
    /// and then.
    ///
    /// # Errors
    /// Returns an error if a file cannot be removed.
    pub fn expire(&self) -> Result<usize> {
        let before = now() - self.0.shared.options.expire.as_secs() as i64;
        let old = self.0.shared.arriving().take_idle(|partial| partial.touched() < before);
        old.iter().try_for_each(|partial| self.forget(partial))?;
        Ok(old.len())
    }

    /// How much is on its way.
    pub fn load(&self) -> Load {
        self.0.shared.arriving().load()
    }

    /// The folder of the finished pictures.
    pub fn out(&self) -> &Path {
        &self.0.shared.folder.out
    }

    /// Where files are written that are renamed when they are finished.
    pub(crate) fn folder(&self) -> &Folder {
        &self.0.shared.folder
    }

    pub(crate) fn send(&self, op: Op) -> Result<()> {
        let ops = self.0.ops.as_ref().ok_or(Error::Closed)?;
        ops.send(op).map_err(|_| Error::Closed)
    }

    /// Has the writer do something and waits for its answer.
    pub(crate) fn wait(&self, op: impl FnOnce(SyncSender<Result<Stored>>) -> Op) -> Result<Stored> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(op(reply))?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Throws away a picture that was arriving.
    pub(crate) fn discard(&self, partial: &Arc<Partial>) -> Result<()> {
        self.0.shared.arriving().remove(partial);
        self.forget(partial)
    }

    /// A transfer has ended.
    pub(crate) fn release(&self, partial: &Arc<Partial>) {
        self.0.shared.arriving().release(partial);
    }

    /// Removes the file and the row of a picture that nobody can find any more.
    fn forget(&self, partial: &Arc<Partial>) -> Result<()> {
        partial.inner_mut().phase = Phase::Gone;
        partial.close();
        disk::remove(&partial.path)?;
        partial.name.previews(&self.0.shared.folder.out).try_for_each(|path| disk::remove(&path))?;
        self.send(Op::Drop(partial.id))
    }

    fn check_parts(&self, parts: &[u32]) -> Result<u64> {
        let limit = self.0.shared.options.picture_bytes;
        if parts.is_empty() || parts.contains(&0) {
            return Err(Refusal::Parts("there are none, or an empty one").into());
        }
        let bytes = parts.iter().map(|&part| u64::from(part)).sum();
        if bytes > limit { Err(Refusal::TooLarge { bytes, limit }.into()) } else { Ok(bytes) }
    }

    /// The picture that was stored for this offer. One whose file was taken out of the inbox is forgotten.
    fn stored_as(&self, about: &About) -> Result<Option<Stored>> {
        let shared = &self.0.shared;
        let db = shared.reader();
        let Some(found) = journal::stored_as(&db, &about.hash, &about.offered)? else { return Ok(None) };
        if shared.is_there(&found) {
            return Ok(Some(Stored::new(&shared.folder.out, found)));
        }
        journal::forget(&db, found.id)?;
        Ok(None)
    }

    /// The file of the same picture under whatever name.
    fn twin(&self, hash: &Hash) -> Result<Option<PathBuf>> {
        Ok(self.find(hash)?.map(|picture| picture.path))
    }

    /// Sees to it that a picture of this size fits the sender's share and the disk.
    fn make_room(&self, arriving: &mut Arriving, peer: &PublicKey, bytes: u64) -> Result<()> {
        let options = &self.0.shared.options;
        loop {
            let (count, held) = arriving.share(peer);
            let over = if count + 1 > options.partials {
                Refusal::TooMuch { what: "pictures", found: count as u64 + 1, limit: options.partials as u64 }
            } else if held + bytes > options.partial_bytes {
                Refusal::TooMuch { what: "bytes", found: held + bytes, limit: options.partial_bytes }
            } else {
                break;
            };
            let Some(oldest) = arriving.take_oldest_idle(peer) else { return Err(over.into()) };
            self.forget(&oldest)?;
        }
        let free = disk::free(&options.out)?.saturating_sub(arriving.load().outstanding);
        if bytes.saturating_add(options.reserve) > free {
            return Err(Refusal::DiskFull { bytes, free, reserve: options.reserve }.into());
        }
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Without a sender the writer finishes what is queued and ends.
        self.ops = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
