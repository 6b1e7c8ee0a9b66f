//! The inbox: takes offers, keeps what arrives, and gives finished pictures their names. No picture is stored twice
//! or in part.

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
    /// The most bytes of one picture. The default is 1 GiB.
    pub picture_bytes: u64,
    /// The most pixels of one picture, according to its sender. The default is 2^28.
    pub pixels: u64,
    /// The most unfinished pictures of one sender. The default is 1024. Beyond it, the oldest pictures that no
    /// connection is sending make room.
    pub partials: usize,
    /// The most bytes of those pictures. The default is 16 GiB.
    pub partial_bytes: u64,
    /// Bytes of the disk that stay free. The default is 64 MiB.
    pub reserve: u64,
    /// Unfinished pictures are dropped if nothing arrives for this long. The default is 7 days.
    pub expire: Duration,
    /// Pictures are decoded to this format: [`Task::Decode`] is recorded for each. The default is `None`.
    pub decode: Option<Format>,
    /// Pictures are uploaded to an object store: [`Task::Upload`] is recorded for each. The default is `false`.
    pub upload: bool,
    /// Pictures are announced: [`Task::Notify`] is recorded for each. The default is `false`.
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
    /// Name relative to the inbox. It differs from the offered name if that was another picture's.
    pub name: String,
    /// Its path.
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

/// The answer to an offer.
#[derive(Debug)]
pub enum Begin {
    /// The picture is stored for this offer: it was already there, or the same picture was there under another
    /// name.
    Already(Stored),
    /// Parts are missing and have to be sent.
    Wanted(Transfer),
}

/// The result of looking for a place for an offered picture.
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

/// How much is arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Load {
    /// Unfinished pictures.
    pub partials: usize,
    /// Those of them that a connection is sending.
    pub active: usize,
    /// Bytes that are missing from the pictures that a connection is sending.
    pub outstanding: u64,
}

/// The inbox. It is cheap to clone.
///
/// Every method except [`Inbox::settle`] and [`Inbox::load`] blocks on the disk, usually for less than a
/// millisecond. In asynchronous code, call them where blocking is allowed. One receiver at a time can have an inbox
/// open.
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

    /// A connection for queries; locked after [`Self::arriving`].
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The tasks that are wanted for every picture that is stored from now on.
    pub fn tasks(&self) -> Vec<Task> {
        let wanted = [
            (Task::Decode, self.options.decode.is_some()),
            (Task::Upload, self.options.upload),
            (Task::Notify, self.options.notify),
        ];
        wanted.into_iter().filter_map(|(task, wanted)| wanted.then_some(task)).collect()
    }

    /// Reports that the journal has changed.
    pub fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Whether the file of a stored picture is still there.
    pub fn is_there(&self, picture: &SavedPicture) -> bool {
        disk::length(&picture.name.path(&self.folder.out)) == Some(picture.bytes)
    }
}

impl Inbox {
    /// Opens an inbox, and cleans up after whatever ended the last receiver. Parts that had arrived stay, pictures
    /// that were finished but not recorded are recorded, and files that belong to nothing are removed.
    ///
    /// # Errors
    /// Returns [`Error::InUse`] if another receiver has the folder open, or an error if the folder cannot be
    /// written.
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

    /// Answers an offer. Parts that arrived earlier from the same sender are not asked for again.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] with a reason for the sender, or an error if the journal or the disk fails.
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
            // Another release cut the picture into other parts, which do not fit together.
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

    /// Up to `limit` pictures with a pending task, the oldest first, after the one with the number `after` (0: from
    /// the first). No picture is due to be announced before it is uploaded.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn pending(&self, task: Task, after: i64, limit: usize) -> Result<Vec<Stored>> {
        let shared = &self.0.shared;
        let found = journal::pending(&shared.reader(), task, after, limit)?;
        Ok(found.into_iter().map(|picture| Stored::new(&shared.folder.out, picture)).collect())
    }

    /// Whether a task is pending for the picture with this number.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read.
    pub fn is_pending(&self, id: i64, task: Task) -> Result<bool> {
        journal::is_pending(&self.0.shared.reader(), id, task)
    }

    /// A receiver that is notified when the journal has new stored pictures or tasks.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.shared.changes.subscribe()
    }

    /// Records that a task has ended. Returns at once. If the record is lost in a crash, the task is done once
    /// more.
    ///
    /// # Errors
    /// Returns [`Error::Closed`] if the thread that writes the journal has ended.
    pub fn settle(&self, id: i64, task: Task, outcome: Outcome) -> Result<()> {
        self.send(Op::Settle(id, task, outcome))
    }

    /// Drops unfinished pictures of which nothing has arrived for too long, and returns how many. Call it from time
    /// to time.
    ///
    /// # Errors
    /// Returns an error if a file cannot be removed.
    pub fn expire(&self) -> Result<usize> {
        let before = now() - self.0.shared.options.expire.as_secs() as i64;
        let old = self.0.shared.arriving().take_idle(|partial| partial.touched() < before);
        old.iter().try_for_each(|partial| self.forget(partial))?;
        Ok(old.len())
    }

    /// How much is arriving.
    pub fn load(&self) -> Load {
        self.0.shared.arriving().load()
    }

    /// The folder of the finished pictures.
    pub fn out(&self) -> &Path {
        &self.0.shared.folder.out
    }

    /// The paths below the inbox.
    pub(crate) fn folder(&self) -> &Folder {
        &self.0.shared.folder
    }

    pub(crate) fn send(&self, op: Op) -> Result<()> {
        let ops = self.0.ops.as_ref().ok_or(Error::Closed)?;
        ops.send(op).map_err(|_| Error::Closed)
    }

    /// Sends an operation to the writer and waits for its answer.
    pub(crate) fn wait(&self, op: impl FnOnce(SyncSender<Result<Stored>>) -> Op) -> Result<Stored> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(op(reply))?;
        answer.recv().map_err(|_| Error::Closed)?
    }

    /// Drops a picture that was arriving.
    pub(crate) fn discard(&self, partial: &Arc<Partial>) -> Result<()> {
        self.0.shared.arriving().remove(partial);
        self.forget(partial)
    }

    /// A transfer has ended.
    pub(crate) fn release(&self, partial: &Arc<Partial>) {
        self.0.shared.arriving().release(partial);
    }

    /// Removes the file and the row of a picture that is no longer in the list of arriving pictures.
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

    /// The picture that was stored for this offer. If its file was removed from the inbox, its record is dropped.
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

    /// The file of the same picture, under any name.
    fn twin(&self, hash: &Hash) -> Result<Option<PathBuf>> {
        Ok(self.find(hash)?.map(|picture| picture.path))
    }

    /// Makes room for a picture of this size in the sender's share, and checks that it fits on the disk.
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
        // When the sender is dropped, the writer finishes what is queued and ends.
        self.ops = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
