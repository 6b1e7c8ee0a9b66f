//! The decode pool: turns stored pictures into files that common programs can open, a bounded number at a time.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, Limits, Model, container};
use tokio::sync::mpsc;

use crate::error::caught;
use crate::inbox::Inbox;
use crate::journal::{Outcome, Task};
use crate::models::Models;
use crate::name::Name;
use crate::stored::Stored;
use crate::{Error, Result, disk};

/// The function that decodes; tests use their own.
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
    /// Format of the pictures, which has to be that of the inbox's options.
    pub format: Format,
    /// How they are written.
    pub write: WriteOptions,
    /// Pictures decoded at a time, with one thread each. The default, 0, means one for each core. Each takes memory
    /// for a whole picture.
    pub threads: usize,
    /// The most pictures that wait. Beyond it, [`Pool::submit`] waits too, and with it the sender. The default is
    /// 64.
    pub queue: usize,
    /// Pictures of more pixels are not decoded. The default is 2^28. Each pixel takes 20 bytes of memory until the
    /// picture is written.
    pub pixels: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { format: Format::Png, write: WriteOptions::default(), threads: 0, queue: 64, pixels: 1 << 28 }
    }
}

/// The result of decoding one picture.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The picture. Its `.aec` stays in either case.
    pub stored: Stored,
    /// The decoded picture, or why there is none.
    pub result: Result<Decoded>,
}

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// Its path.
    pub path: PathBuf,
    /// Whether the pixels are those that the encoder saw; `None` if parts of the stream are damaged, or if it
    /// contains no hash of the pixels.
    pub hash_matches: Option<bool>,
    /// Whether parts of the stream are damaged.
    pub damaged: bool,
    /// Time of decoding, without reading and writing files.
    pub took: Duration,
    /// One line for each damaged part of the stream, and for each property that the format cannot hold.
    pub notices: Vec<String>,
}

/// The threads that decode. The pool is cheap to clone; the threads end when the last clone is dropped and nothing
/// waits.
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
            // Keeps the threads running until these pictures are decoded.
            spawn("aecodec-resume", inbox, move || {
                let _ = left.into_iter().all(|job| queue.blocking_send(job).is_ok());
            })?;
        }
        Ok(pool)
    }

    /// Has a picture decoded, unless it already waits for that. Waits while too many pictures wait. The future may
    /// be dropped without losing anything, because the journal has the picture.
    ///
    /// # Errors
    /// Returns [`Error::Closed`] if the pool or the inbox has ended.
    pub async fn submit(&self, stored: Stored) -> Result<()> {
        let place = self.queue.reserve().await.map_err(|_| Error::Closed)?;
        if queued(&self.queued).insert(stored.id) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            place.send(stored);
        }
        Ok(())
    }

    /// Stops decoding: pictures that wait are decoded at the next start.
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
                // It stays pending until the model is available.
                Err(Error::NoModel(_)) => None,
                Err(_) => Some(Outcome::Failed),
            };
            if let Some(outcome) = outcome {
                // If the journal is closed, the picture is decoded once more at the next start.
                let _ = self.inbox.settle(stored.id, Task::Decode, outcome);
            }
            queued(&self.queued).remove(&stored.id);
            let name = stored.name.clone();
            let told = caught(&name, || {
                (self.report)(Finished { stored, result });
                Ok(())
            });
            // The report panicked; the panic hook has already reported that.
            drop(told);
        }
    }

    fn decode(&self, stored: &Stored) -> Result<Decoded> {
        let bytes = fs::read(&stored.path).map_err(Error::io(&stored.path))?;
        let mut options = DecodeOptions::default();
        options.limits = limits(self.options.pixels);
        let model = self.models.of(&bytes, &options.limits)?;
        let begun = Instant::now();
        let PoolOptions { format, write, .. } = &self.options;
        // Samples of more than 8 bits stay as they are, if the format can hold them.
        let (outcome, took, (bytes, notices)) =
            if format.is_deep() && container::read(&bytes, &options.limits)?.header.is_deep() {
                let (picture, outcome) = aecodec::decode_deep(&bytes, &model, &options)?;
                (outcome, begun.elapsed(), files::write_deep(&picture, *format, write)?)
            } else {
                let (picture, outcome) = (self.codec)(&bytes, &model, &options)?.into_parts();
                (outcome, begun.elapsed(), files::write(&picture, *format, write)?)
            };
        let (out, name) = (self.inbox.out(), Name::trusted(stored.name.clone()));
        let path = name.decoded(out, self.options.format.extension());
        disk::replace(&path, &bytes, &self.inbox.folder().scratch())?;
        name.previews(out).try_for_each(|preview| disk::remove(&preview))?;
        let damaged = !outcome.damage.is_empty();
        let damage = outcome.damage.iter().map(ToString::to_string);
        let notices = damage.chain(notices.iter().map(ToString::to_string)).collect();
        Ok(Decoded { path, hash_matches: outcome.hash_matches, damaged, took, notices })
    }
}

#[cfg(test)]
mod tests;
