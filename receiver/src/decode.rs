//! The decode pool: turns stored pictures into files that everybody can open, a bounded number at a time.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, Limits, Model};
use tokio::sync::mpsc;

use crate::error::caught;
use crate::inbox::{Inbox, Stored};
use crate::journal::{Outcome, Task};
use crate::models::Models;
use crate::name::Name;
use crate::{Error, Result, disk};

/// What decodes; tests have their own.
pub(crate) type Codec =
    Box<dyn Fn(&[u8], &Model, &DecodeOptions) -> aecodec::Result<aecodec::Decoded> + Send + Sync>;

/// Bounds on the decoding of a picture of at most so many pixels: a decode holds ten bytes for each, and some for its
/// windows.
pub(crate) fn limits(pixels: u64) -> Limits {
    let mut limits = Limits::default();
    (limits.pixels, limits.bytes) = (pixels, pixels.saturating_mul(16).saturating_add(256 << 20));
    limits
}

/// How pictures are decoded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Format of the pictures; that of the inbox's options.
    pub format: Format,
    /// How they are written.
    pub write: WriteOptions,
    /// Pictures decoded at a time, one thread each. 0 is one for each core, and the default. Each takes memory for a
    /// whole picture.
    pub threads: usize,
    /// Pictures that wait. When this many do, [`Pool::submit`] waits too, and with it the sender. Default 64.
    pub queue: usize,
    /// Pictures of more pixels are not decoded. Default 2^28; each takes 20 bytes of memory until it is written.
    pub pixels: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { format: Format::Png, write: WriteOptions::default(), threads: 0, queue: 64, pixels: 1 << 28 }
    }
}

/// A picture that was decoded, or was not.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The picture; its `.aec` stays in either case.
    pub stored: Stored,
    /// What became of it.
    pub result: Result<Decoded>,
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the pixels are those that the encoder saw; none where parts of the stream are damaged, or no hash of the
    /// pixels is recorded in it.
    pub hash_matches: Option<bool>,
    /// Whether parts of the stream are damaged.
    pub damaged: bool,
    /// Decoding alone, without reading and writing files.
    pub took: Duration,
    /// One line for each part of the stream that is damaged, and for each thing that the format cannot carry.
    pub notices: Vec<String>,
}

/// Threads that decode. Cheap to clone; they end when the last clone is gone and nothing waits.
#[derive(Debug, Clone)]
pub struct Pool {
    queue: mpsc::Sender<Stored>,
    waiting: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    /// Numbers of the pictures that wait or are being decoded.
    queued: Arc<Mutex<HashSet<i64>>>,
}

impl Pool {
    /// Starts the threads, and has them decode what an earlier run left undecoded. `report` is called for each
    /// picture, from the threads.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read, or no thread be started.
    pub fn start(
        inbox: &Inbox,
        models: &Models,
        options: PoolOptions,
        report: impl Fn(Finished) + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_with(inbox, models, options, Box::new(aecodec::decode), report)
    }

    pub(crate) fn start_with(
        inbox: &Inbox,
        models: &Models,
        options: PoolOptions,
        codec: Codec,
        report: impl Fn(Finished) + Send + Sync + 'static,
    ) -> Result<Self> {
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        let left = inbox.pending(Task::Decode, 0, usize::MAX >> 1)?;
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let waiting = Arc::new(AtomicUsize::new(left.len()));
        let stopped = Arc::new(AtomicBool::new(false));
        let queued: HashSet<i64> = left.iter().map(|stored| stored.id).collect();
        let queued = Arc::new(Mutex::new(queued));
        let worker = Worker {
            inbox: inbox.clone(),
            models: models.clone(),
            options,
            jobs: Mutex::new(jobs),
            waiting: Arc::clone(&waiting),
            stopped: Arc::clone(&stopped),
            queued: Arc::clone(&queued),
            codec,
            report: Box::new(report),
        };
        let worker = Arc::new(worker);
        for _ in 0..threads {
            let worker = Arc::clone(&worker);
            spawn("aecodec-decode", inbox, move || worker.run())?;
        }
        let pool = Self { queue, waiting, stopped, queued };
        if !left.is_empty() {
            let queue = pool.queue.clone();
            // Keeps the threads at work until these are through.
            spawn("aecodec-resume", inbox, move || {
                let _ = left.into_iter().all(|job| queue.blocking_send(job).is_ok());
            })?;
        }
        Ok(pool)
    }

    /// Has a picture decoded, unless it waits for that already. Waits while too many do; the journal knows of it, so
    /// giving up the wait loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn submit(&self, stored: Stored) -> Result<()> {
        let place = self.queue.reserve().await.map_err(|_| Error::Closed)?;
        if queued(&self.queued).insert(stored.id) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            place.send(stored);
        }
        Ok(())
    }

    /// Decodes nothing further: what waits is decoded at the next start.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Pictures that wait or are being decoded.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

fn queued(queued: &Mutex<HashSet<i64>>) -> MutexGuard<'_, HashSet<i64>> {
    queued.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn spawn(name: &str, inbox: &Inbox, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(Error::io(inbox.out()))
}

struct Worker {
    inbox: Inbox,
    models: Models,
    options: PoolOptions,
    jobs: Mutex<mpsc::Receiver<Stored>>,
    waiting: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    queued: Arc<Mutex<HashSet<i64>>>,
    codec: Codec,
    report: Box<dyn Fn(Finished) + Send + Sync>,
}

impl Worker {
    fn run(&self) {
        // The lock is held by the thread that waits for the next picture, not while it decodes.
        let next = || self.jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).blocking_recv();
        while let Some(stored) = next() {
            if self.stopped.load(Ordering::Relaxed) {
                continue;
            }
            let result = caught(&stored.name, || self.decode(&stored));
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            let outcome = match &result {
                Ok(_) => Some(Outcome::Done),
                // It stays to be done until there is one.
                Err(Error::NoModel(_)) => None,
                Err(_) => Some(Outcome::Failed),
            };
            if let Some(outcome) = outcome {
                // Where the journal is closed, it is decoded once more at the next start.
                let _ = self.inbox.settle(stored.id, Task::Decode, outcome);
            }
            queued(&self.queued).remove(&stored.id);
            let name = stored.name.clone();
            let told = caught(&name, || {
                (self.report)(Finished { stored, result });
                Ok(())
            });
            // Whoever listens has failed; the panic itself was told by the panic hook.
            drop(told);
        }
    }

    fn decode(&self, stored: &Stored) -> Result<Decoded> {
        let bytes = fs::read(&stored.path).map_err(Error::io(&stored.path))?;
        let mut options = DecodeOptions::default();
        options.limits = limits(self.options.pixels);
        let model = self.models.of(&bytes, &options.limits)?;
        let begun = Instant::now();
        let decoded = (self.codec)(&bytes, &model, &options)?;
        let took = begun.elapsed();
        let (bytes, notices) = files::write(&decoded.picture, self.options.format, &self.options.write)?;
        let (out, name) = (self.inbox.out(), Name::trusted(stored.name.clone()));
        let path = name.decoded(out, self.options.format.extension());
        disk::replace(&path, &bytes, &self.inbox.folder().scratch())?;
        name.previews(out).try_for_each(|preview| disk::remove(&preview))?;
        let damaged = !decoded.missing.is_empty();
        let notices = decoded.missing.into_iter().chain(notices.iter().map(ToString::to_string)).collect();
        Ok(Decoded { path, hash_matches: decoded.hash_matches, damaged, took, notices })
    }
}

#[cfg(test)]
mod tests;
