//! Progressive previews: decodes the part of a picture that has arrived, and keeps `<name>.preview.<ext>` up to
//! date.
//!
//! One thread serves all pictures, and only the newest state of each waits. So a fast network causes fewer
//! previews, never a queue of old ones.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use aecodec::container::{self, ChunkKind, ChunkState, PASSES};
use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, Limits};

use crate::decode::{Codec, spawn};
use crate::error::caught;
use crate::inbox::Inbox;
use crate::models::Models;
use crate::name::Name;
use crate::transfer::Transfer;
use crate::{Error, Result, disk};

/// The time between two previews of one picture is at least this multiple of the time that the last one took.
const REST: u32 = 2;
/// The most pixels of a thumbnail, whatever its sender says.
const THUMBNAIL_PIXELS: u64 = 1 << 20;

/// How previews are made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PreviewOptions {
    /// Format of the previews. The default is JPEG, which viewers open fastest.
    pub format: Format,
    /// Threads for one preview. The default, 0, means one for each core.
    pub threads: usize,
    /// Pictures of more pixels than this get no preview, because a preview is decoded at full size. The default is
    /// 64 million.
    pub pixels: u64,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        Self { format: Format::Jpeg, threads: 0, pixels: 64 << 20 }
    }
}

/// A preview that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreviewWritten {
    /// Final name of the picture, relative to the inbox.
    pub name: String,
    /// Path of the preview.
    pub path: PathBuf,
    /// Whole passes that it shows, 0 to 4; 0 is the coarsest.
    pub passes: u8,
    /// Bytes that had arrived.
    pub bytes: u64,
}

/// The thread that makes previews. It is cheap to clone, and ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Previews(Arc<Owner>);

#[derive(Debug)]
struct Owner(Arc<Shared>);

struct Shared {
    inbox: Inbox,
    models: Models,
    options: PreviewOptions,
    table: Mutex<Table>,
    news: Condvar,
    codec: Codec,
    report: Box<dyn Fn(Result<PreviewWritten>) + Send + Sync>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Previews").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Table {
    pictures: HashMap<String, Picture>,
    closed: bool,
}

#[derive(Debug)]
struct Picture {
    transfer: Weak<Transfer>,
    /// The thumbnail, which is shown before anything else has arrived.
    thumbnail: Option<Vec<u8>>,
    /// More has arrived than was shown.
    news: bool,
    /// No preview is made before this time.
    rest: Option<Instant>,
    shown: Option<Level>,
    /// Its decode has panicked, so no more previews of it are made.
    given_up: bool,
}

/// A preview to make.
struct Due {
    name: String,
    transfer: Arc<Transfer>,
    thumbnail: Option<Vec<u8>>,
    shown: Option<Level>,
}

/// How much of a picture can be shown: whole passes, then the share of the bytes in sixteenths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Level {
    passes: u8,
    sixteenths: u64,
}

impl Previews {
    /// Starts the thread. `report` is called from it for each preview, and once for a picture of which none can be
    /// made because of a bug in this program.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn start(
        inbox: &Inbox,
        models: &Models,
        options: PreviewOptions,
        report: impl Fn(Result<PreviewWritten>) + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_with(inbox, models, options, Box::new(aecodec::decode), report)
    }

    pub(crate) fn start_with(
        inbox: &Inbox,
        models: &Models,
        options: PreviewOptions,
        codec: Codec,
        report: impl Fn(Result<PreviewWritten>) + Send + Sync + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            inbox: inbox.clone(),
            models: models.clone(),
            options,
            table: Mutex::default(),
            news: Condvar::new(),
            codec,
            report: Box::new(report),
        });
        let worker = Arc::clone(&shared);
        spawn("aecodec-preview", inbox, move || worker.run())?;
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// More of a picture has arrived. Returns at once.
    pub fn update(&self, transfer: &Arc<Transfer>) {
        self.tell(transfer, None);
    }

    /// A picture begins to arrive; this small `.aec` is shown until more of it is there. Returns at once.
    pub fn begin(&self, transfer: &Arc<Transfer>, thumbnail: Vec<u8>) {
        self.tell(transfer, Some(thumbnail));
    }

    fn tell(&self, transfer: &Arc<Transfer>, thumbnail: Option<Vec<u8>>) {
        let shared = &self.0.0;
        let mut table = shared.table();
        let picture = table.pictures.entry(transfer.name().into()).or_insert_with(|| Picture {
            transfer: Weak::new(),
            thumbnail: None,
            news: false,
            rest: None,
            shown: None,
            given_up: false,
        });
        picture.transfer = Arc::downgrade(transfer);
        picture.news = !picture.given_up;
        picture.thumbnail = thumbnail.or(picture.thumbnail.take());
        drop(table);
        shared.news.notify_one();
    }

    /// The picture is complete and will be decoded: its preview no longer changes, and the [`crate::decode::Pool`]
    /// replaces it.
    pub fn stop(&self, transfer: &Transfer) {
        self.0.0.table().pictures.remove(transfer.name());
    }

    /// Like [`Self::stop`], but also removes the preview: the picture was given up, or is not decoded. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// Returns an error if the file cannot be removed.
    pub fn remove(&self, transfer: &Transfer) -> Result<()> {
        self.stop(transfer);
        disk::remove(&self.0.0.path(transfer.name()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.table().closed = true;
        self.0.news.notify_one();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn path(&self, name: &str) -> PathBuf {
        Name::trusted(name.into()).preview(self.inbox.out(), self.options.format.extension())
    }

    fn run(&self) {
        while let Some(Due { name, transfer, thumbnail, shown }) = self.next() {
            let begun = Instant::now();
            let made = caught(&name, || match thumbnail {
                Some(bytes) => self.show_thumbnail(&name, &transfer, &bytes),
                None => self.make(&name, &transfer, shown),
            });
            let given_up = matches!(made, Err(Error::Internal { .. }));
            {
                let mut table = self.table();
                if let Some(picture) = table.pictures.get_mut(&name) {
                    picture.rest = Some(Instant::now() + REST * begun.elapsed());
                    picture.shown = made.as_ref().ok().copied().flatten().or(shown);
                    picture.given_up |= given_up;
                    picture.news &= !given_up;
                }
            }
            // Other prefixes show nothing yet, or need a model that is not available. They are not reported.
            if let Err(error @ Error::Internal { .. }) = made {
                self.tell(&name, Err(error));
            }
        }
    }

    /// Reports a preview, and continues even if that panics.
    fn tell(&self, name: &str, news: Result<PreviewWritten>) {
        let told = caught(name, || {
            (self.report)(news);
            Ok(())
        });
        drop(told);
    }

    /// Waits for a picture of which more has arrived; `None` at the end.
    fn next(&self) -> Option<Due> {
        let mut table = self.table();
        loop {
            if table.closed {
                return None;
            }
            table.pictures.retain(|_, picture| picture.transfer.strong_count() > 0);
            let now = Instant::now();
            let due = |picture: &Picture| {
                picture.rest.map_or(Duration::ZERO, |rest| rest.saturating_duration_since(now))
            };
            let waiting = table.pictures.iter_mut().filter(|(_, picture)| picture.news);
            let Some((name, picture)) = waiting.min_by_key(|(_, picture)| (due(picture), picture.shown))
            else {
                table = self.news.wait(table).unwrap_or_else(|poisoned| poisoned.into_inner());
                continue;
            };
            let wait = due(picture);
            if wait > Duration::ZERO {
                let woken = self.news.wait_timeout(table, wait);
                table = woken.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
                continue;
            }
            let thumbnail = picture.thumbnail.take();
            // The data that came with a thumbnail has not been shown.
            picture.news = thumbnail.is_some();
            if let Some(transfer) = picture.transfer.upgrade() {
                return Some(Due { name: name.clone(), transfer, thumbnail, shown: picture.shown });
            }
        }
    }

    /// Makes a preview if there is more to see than before.
    fn make(&self, name: &str, transfer: &Transfer, shown: Option<Level>) -> Result<Option<Level>> {
        let prefix = transfer.prefix()?;
        let total = transfer.bytes();
        let Some(level) = level(&prefix, total, &self.limits())? else { return Ok(None) };
        if prefix.len() as u64 == total || shown.is_some_and(|shown| level <= shown) {
            return Ok(None);
        }
        let model = self.models.of(&prefix, &self.limits())?;
        let mut options = DecodeOptions::default();
        (options.threads, options.limits) = (self.options.threads, self.limits());
        let decoded = (self.codec)(&prefix, &model, &options)?;
        self.write(name, transfer, &decoded.picture, level, prefix.len() as u64)
    }

    /// Shows the small picture that came with the offer.
    fn show_thumbnail(&self, name: &str, transfer: &Transfer, bytes: &[u8]) -> Result<Option<Level>> {
        let mut options = DecodeOptions::default();
        options.limits.pixels = THUMBNAIL_PIXELS;
        let model = self.models.of(bytes, &options.limits)?;
        let decoded = (self.codec)(bytes, &model, &options)?;
        let level = Level { passes: 0, sixteenths: 0 };
        self.write(name, transfer, &decoded.picture, level, bytes.len() as u64)
    }

    /// Puts a preview in its place; `arrived` bytes were needed for it.
    fn write(
        &self,
        name: &str,
        transfer: &Transfer,
        picture: &aecodec::Picture,
        level: Level,
        arrived: u64,
    ) -> Result<Option<Level>> {
        let (bytes, _) = files::write(picture, self.options.format, &WriteOptions::default())?;
        let path = self.path(name);
        let new = disk::fresh(&self.inbox.folder().scratch());
        fs::write(&new, bytes).map_err(Error::io(&new))?;
        disk::folders(self.inbox.out(), path.parent().unwrap_or(self.inbox.out()))?;
        // This is done under the lock, so that no preview appears after the picture was stopped.
        let table = self.table();
        if !table.pictures.contains_key(name) {
            disk::remove(&new)?;
            return Ok(None);
        }
        fs::rename(&new, &path).map_err(Error::io(&path))?;
        drop(table);
        transfer.previewed();
        self.tell(name, Ok(PreviewWritten { name: name.into(), path, passes: level.passes, bytes: arrived }));
        Ok(Some(level))
    }

    fn limits(&self) -> Limits {
        crate::decode::limits(self.options.pixels)
    }
}

/// What a prefix of a stream shows; `None` until all hyper-latents are there.
fn level(prefix: &[u8], total: u64, limits: &Limits) -> Result<Option<Level>> {
    let stream = match container::read(prefix, limits) {
        Ok(stream) => stream,
        Err(aecodec::Error::Truncated { .. }) => return Ok(None),
        Err(aecodec::Error::Signature { .. }) if prefix.is_empty() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let lost = stream.chunks.iter().filter(|chunk| !matches!(chunk.state, ChunkState::Present(_)));
    let first = lost.map(|chunk| chunk.kind).filter_map(|kind| match kind {
        ChunkKind::Pass { pass, .. } => Some(Some(pass)),
        ChunkKind::Hyper { .. } | ChunkKind::Exact { .. } => Some(None),
        ChunkKind::Metadata | ChunkKind::Alpha => None,
    });
    let sixteenths = prefix.len() as u64 * 16 / total.max(1);
    Ok(match first.min() {
        None => Some(Level { passes: PASSES, sixteenths }),
        Some(Some(passes)) => Some(Level { passes, sixteenths }),
        Some(None) => None,
    })
}

#[cfg(test)]
mod tests;
