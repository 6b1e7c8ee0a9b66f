//! The inbox: takes offers, keeps what arrives, and gives finished pictures their names. No picture is stored twice
//! or in part.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec_proto::message::Offer;
use aecodec_proto::{Hash, PublicKey};
use tokio::sync::watch;

use crate::arriving::{Arriving, Choice, Found, Key, Load};
use crate::error::Refusal;
use crate::handle::Handle;
use crate::journal::{self, About, Outcome, SavedPartial, Task};
use crate::name::Name;
use crate::options::InboxOptions;
use crate::partial::{Partial, Phase};
use crate::recover::recover;
use crate::shared::Shared;
use crate::state::{Folder, now};
use crate::stored::Stored;
use crate::transfer::Transfer;
use crate::writer::{Final, How, Op, Writer};
use crate::{Result, disk};

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

/// The inbox. It is cheap to clone.
///
/// Every method except [`Inbox::settle`] and [`Inbox::load`] blocks on the disk, usually for less than a
/// millisecond. In asynchronous code, call them where blocking is allowed. One receiver at a time can have an inbox
/// open.
#[derive(Debug, Clone)]
pub struct Inbox(Arc<Handle>);

impl Inbox {
    /// Opens an inbox, and cleans up after whatever ended the last receiver. Parts that had arrived stay, pictures
    /// that were finished but not recorded are recorded, and files that belong to nothing are removed.
    ///
    /// # Errors
    /// Returns [`crate::Error::InUse`] if another receiver has the folder open, or an error if the folder cannot be
    /// written.
    pub fn open(options: InboxOptions) -> Result<Self> {
        let shared = Arc::new(Shared::open(options)?);
        let db = shared.folder.database()?;
        let mut writer = Writer::new(Arc::clone(&shared), db);
        recover(&shared, &mut writer)?;
        Ok(Self(Arc::new(Handle::start(shared, writer)?)))
    }

    /// Answers an offer. Parts that arrived earlier from the same sender are not asked for again.
    ///
    /// # Errors
    /// Returns [`crate::Error::Refused`] with a reason for the sender, or an error if the journal or the disk fails.
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
                return Ok(Begin::Wanted(Transfer::new(Arc::clone(&self.0), partial)).into());
            }
            // Another release cut the picture into other parts, which do not fit together.
            arriving.remove(&partial);
            self.0.forget(&partial)?;
        }
        let twin = self.twin(&hash)?;
        if twin.is_none() {
            self.make_room(&mut arriving, &peer, bytes)?;
        }
        let choice = arriving.choose(&shared.options, &shared.reader(), &about, bytes, found)?;
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
                let transfer = Transfer::new(Arc::clone(&self.0), Arc::clone(&partial));
                self.0.send(Op::Save(partial))?;
                return Ok(Begin::Wanted(transfer).into());
            }
        };
        arriving.reserve(&name, &about);
        drop(arriving);
        let last = |reply| Op::Final(Box::new(Final::new(about, name.clone(), bytes, how, reply)));
        let result = self.0.wait(last);
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
        self.0.shared.changes()
    }

    /// Records that a task has ended. Returns at once. If the record is lost in a crash, the task is done once
    /// more.
    ///
    /// # Errors
    /// Returns [`crate::Error::Closed`] if the thread that writes the journal has ended.
    pub fn settle(&self, id: i64, task: Task, outcome: Outcome) -> Result<()> {
        self.0.send(Op::Settle(id, task, outcome))
    }

    /// Drops unfinished pictures of which nothing has arrived for too long, and returns how many. Call it from time
    /// to time.
    ///
    /// # Errors
    /// Returns an error if a file cannot be removed.
    pub fn expire(&self) -> Result<usize> {
        let before = now() - self.0.shared.options.expire.as_secs() as i64;
        let old = self.0.shared.arriving().take_idle(|partial| partial.touched() < before);
        old.iter().try_for_each(|partial| self.0.forget(partial))?;
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
            self.0.forget(&oldest)?;
        }
        let free = disk::free(&options.out)?.saturating_sub(arriving.load().outstanding);
        if bytes.saturating_add(options.reserve) > free {
            return Err(Refusal::DiskFull { bytes, free, reserve: options.reserve }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
