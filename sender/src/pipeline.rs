//! Turns sources into prepared pictures: skips those that have a receipt, takes those in the spool, and compresses
//! the rest.
//!
//! It has its own threads and a queue of a few pictures. When the network does not take them, compression stops.

use std::path::PathBuf;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use aecodec::Model;
use aecodec_proto::{Hash, PublicKey};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::encode::{Aec, Encoder, Opened, Settings, caught};
use crate::name::Naming;
use crate::outbox::{Outbox, Sent, Spooled};
use crate::prepared::{Memory, Prepared};
use crate::preview::Seen;
use crate::screen::Share;
use crate::source::{self, SourceFile};
use crate::watch::{self, Watcher};
use crate::{Error, Result};

/// Files that are found but not yet read: enough to keep every thread busy.
const AHEAD: usize = 64;

/// What to send, to which receiver, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Files and folders that are sent once.
    pub paths: Vec<PathBuf>,
    /// Folders that are watched for new and changed files until the pipeline is cancelled.
    pub watch: Vec<PathBuf>,
    /// How folders are watched.
    pub watching: watch::Options,
    /// How pictures are compressed.
    pub settings: Settings,
    /// The receiver to which they are sent.
    pub receiver: PublicKey,
    /// What becomes of files that the receiver has a receipt for.
    pub resend: Resend,
    /// Threads that compress. The default, 0, means one for each core.
    pub threads: usize,
    /// Pictures that wait in the queue. The default is 16. A longer queue keeps the connection busy if sizes differ
    /// much.
    pub queue: usize,
    /// Bytes of memory for pictures that wait or are being sent. The default is 64 MiB. Beyond it, they are read
    /// from their files again, which costs little as long as the system caches them.
    pub memory: u64,
}

impl Options {
    /// The default options, with nothing to send yet.
    pub fn new(receiver: PublicKey, model: Arc<Model>) -> Self {
        Self {
            paths: Vec::new(),
            watch: Vec::new(),
            watching: watch::Options::default(),
            settings: Settings::new(model),
            receiver,
            resend: Resend::default(),
            threads: 0,
            queue: 16,
            memory: 64 << 20,
        }
    }
}

/// What becomes of files that the receiver has a receipt for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resend {
    /// They are skipped.
    #[default]
    Never,
    /// They are offered again. The receiver still asks only for what it lacks.
    Always,
}

/// Something that happened before the network.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The files that were found at the start. Those of watched folders are not included.
    Planned {
        /// Files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The receiver already has it, according to an earlier receipt.
    Skipped {
        /// The source.
        file: SourceFile,
        /// What the receipt was for.
        sent: Sent,
    },
    /// A picture was compressed; it comes through the queue next.
    Encoded {
        /// The source.
        file: SourceFile,
        /// Bytes of the `.aec`.
        bytes: u64,
        /// PSNR in dB of what every receiver will decode; `None` if that is exact.
        psnr: Option<f64>,
        /// False if the target cannot be reached and this is the nearest to it.
        reached: bool,
        /// What could not be kept unchanged, in words.
        notices: Vec<String>,
        /// Time from opening the source to the spooled `.aec`.
        took: Duration,
    },
    /// The screen looked at a file. It is told before the file is offered.
    Screened {
        /// The source.
        file: SourceFile,
        /// How much of it is sent.
        share: Share,
        /// Bytes of the `.aec` that is sent.
        bytes: u64,
        /// Why the file could not be judged, and is sent in full.
        doubt: Option<String>,
    },
    /// A source is offered under a name that is not its own, because a receiver would refuse its own name or
    /// another source has it.
    Renamed {
        /// The source, with the name that it gets.
        file: SourceFile,
    },
    /// A file of a watched folder has not changed for long, but does not seem finished.
    Doubtful(watch::Doubtful),
    /// A source cannot be sent; the others are sent all the same.
    Failed {
        /// Why, with the file.
        error: Error,
    },
    /// A watched folder cannot be reached.
    Away {
        /// The folder.
        folder: PathBuf,
    },
    /// A watched folder is there again.
    Back {
        /// The folder.
        folder: PathBuf,
    },
}

/// The running pipeline. It ends when everything is prepared, when it is cancelled, or when `pictures` is closed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pipeline {
    /// Pictures, roughly in the order of their sources. It is closed when there will be no more.
    pub pictures: mpsc::Receiver<Prepared>,
    /// Events. The pipeline never waits for their reader.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Stops it.
    pub cancel: Cancel,
}

impl Pipeline {
    /// Starts the threads, which look for the sources and prepare them.
    pub fn start(options: Options, outbox: Arc<Outbox>) -> Self {
        let plan = source::plan(&options.paths);
        let (queue, pictures) = mpsc::channel(options.queue.max(1));
        let (events_in, events) = mpsc::unbounded_channel();
        let cancel = Cancel::default();
        let threads = match options.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let watchers = options.watch.iter().map(|folder| Watcher::new(folder, &options.watching)).collect();
        let work = Arc::new(Work {
            encoder: Encoder::new(options.settings, threads),
            memory: Memory::new(options.memory),
            receiver: options.receiver,
            resend: options.resend,
            outbox,
            events: events_in,
            cancel: cancel.clone(),
            unread: Unread::default(),
        });

        let (found_in, found) = std_mpsc::sync_channel(AHEAD);
        let found = Arc::new(Mutex::new(found));
        for _ in 0..threads {
            let (work, found, queue) = (work.clone(), found.clone(), queue.clone());
            thread::spawn(move || work.run(&found, &queue));
        }
        let feeder = Feeder {
            found: found_in,
            queue,
            events: work.events.clone(),
            cancel: cancel.clone(),
            unread: work.unread.clone(),
        };
        let interval = options.watching.interval;
        thread::spawn(move || feeder.run(plan, watchers, interval));
        Self { pictures, events, cancel }
    }
}

/// Stops a pipeline. All clones stop the same one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<(Mutex<bool>, Condvar)>);

impl Cancel {
    /// Stops the pipeline: no further file is begun, and files that are being compressed are finished and spooled.
    /// Threads that wait for the queue continue when a picture is taken from it or it is closed.
    pub fn cancel(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this long, or until [`Self::cancel`] is called.
    fn wait(&self, time: Duration) {
        let cancelled = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.0.1.wait_timeout_while(cancelled, time, |cancelled| !*cancelled);
    }
}

/// The thread that finds files.
struct Feeder {
    found: std_mpsc::SyncSender<SourceFile>,
    queue: mpsc::Sender<Prepared>,
    events: mpsc::UnboundedSender<Event>,
    cancel: Cancel,
    unread: Unread,
}

/// Files that could not be read for the moment; those of a watched folder are tried again.
type Unread = Arc<Mutex<Vec<PathBuf>>>;

impl Feeder {
    fn run(self, plan: source::Plan, mut watchers: Vec<Watcher>, interval: Duration) {
        let bytes = plan.files.iter().map(|file| file.bytes).sum();
        self.tell(Event::Planned { files: plan.files.len() as u64, bytes });
        self.failed(plan.failed);
        if !self.feed(plan.files) {
            return;
        }
        while !watchers.is_empty() && !self.stopped() {
            let began = Instant::now();
            let unread = std::mem::take(&mut *self.unread.lock().unwrap_or_else(PoisonError::into_inner));
            for watcher in &mut watchers {
                unread.iter().for_each(|path| watcher.again(path, began));
                let scan = watcher.scan(began);
                self.failed(scan.failed);
                scan.doubtful.into_iter().for_each(|doubtful| self.tell(Event::Doubtful(doubtful)));
                if let Some(reach) = scan.reach {
                    let folder = watcher.folder().to_owned();
                    self.tell(match reach {
                        watch::Reach::Away => Event::Away { folder },
                        watch::Reach::Back => Event::Back { folder },
                    });
                }
                if !self.feed(scan.files) {
                    return;
                }
            }
            // Looking takes at most a tenth of the time, even on slow file systems and in large folders.
            self.cancel.wait(interval.max(9 * began.elapsed()));
        }
    }

    /// Passes files on; false if the pipeline is being stopped.
    fn feed(&self, files: Vec<SourceFile>) -> bool {
        files.into_iter().all(|file| !self.stopped() && self.found.send(file).is_ok())
    }

    fn stopped(&self) -> bool {
        self.cancel.is_cancelled() || self.queue.is_closed()
    }

    fn failed(&self, errors: Vec<Error>) {
        for error in errors {
            self.tell(Event::Failed { error });
        }
    }

    fn tell(&self, event: Event) {
        // The events may have no reader.
        let _ = self.events.send(event);
    }
}

/// What the threads that prepare share.
struct Work {
    encoder: Encoder,
    memory: Memory,
    receiver: PublicKey,
    resend: Resend,
    outbox: Arc<Outbox>,
    events: mpsc::UnboundedSender<Event>,
    cancel: Cancel,
    unread: Unread,
}

impl Work {
    fn run(&self, found: &Mutex<std_mpsc::Receiver<SourceFile>>, queue: &mpsc::Sender<Prepared>) {
        while !self.cancel.is_cancelled() && !queue.is_closed() {
            let next = found.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(file) = next else { break };
            let path = file.path.clone();
            // A panic costs this file and nothing else.
            let event = match caught(&path, || self.one(file)) {
                Ok(Outcome::Skipped(file, sent)) => Event::Skipped { file, sent },
                Ok(Outcome::Prepared(prepared, event)) => {
                    if prepared.file.naming == Naming::Changed {
                        let _ = self.events.send(Event::Renamed { file: prepared.file.clone() });
                    }
                    if let Some(event) = event {
                        let _ = self.events.send(event);
                    }
                    if queue.blocking_send(*prepared).is_err() {
                        break;
                    }
                    continue;
                }
                Err(error) => {
                    if error.is_passing() {
                        self.unread.lock().unwrap_or_else(PoisonError::into_inner).push(path);
                    }
                    Event::Failed { error }
                }
            };
            let _ = self.events.send(event);
        }
    }

    fn one(&self, file: SourceFile) -> Result<Outcome> {
        let settings = self.encoder.settings().fingerprint(file.kind);
        if self.resend == Resend::Never
            && let Some(sent) = self.outbox.sent(&self.receiver, &file, &settings)?
        {
            return Ok(Outcome::Skipped(file, sent));
        }
        if let Some(spooled) = self.outbox.spooled(&self.receiver, &file, &settings)? {
            let hash = spooled.hash;
            match self.reuse(&file, settings, spooled) {
                Ok(prepared) => return Ok(Outcome::Prepared(prepared.into(), None)),
                // It was lost in a power cut: compress it again.
                Err(_) => self.outbox.drop_spooled(&hash)?,
            }
        }
        let began = Instant::now();
        let opened = self.encoder.open(&file)?;
        let (seen, preview) = self.encoder.look(&file, &opened).unzip();
        let made = match (preview.flatten(), opened) {
            (Some(preview), _) => preview,
            (None, Opened::Picture(bytes)) => self.encoder.encode(&file, bytes)?,
            (None, Opened::Aec(aec)) => {
                let path = file.path.clone();
                self.screened(&file, seen, &aec);
                return Ok(Outcome::Prepared(self.prepared(file, settings, aec, &path)?.into(), None));
            }
        };
        self.screened(&file, seen, &made.aec);
        let aec = made.aec;
        let psnr = aec.source.psnr;
        let path = self.outbox.spool(&self.receiver, &file, &settings, (&aec.hash, &aec.bytes), psnr)?;
        let event = Event::Encoded {
            file: file.clone(),
            bytes: aec.bytes.len() as u64,
            psnr: psnr.filter(|psnr| psnr.is_finite()),
            reached: made.reached,
            notices: made.notices,
            took: began.elapsed(),
        };
        Ok(Outcome::Prepared(self.prepared(file, settings, aec, &path)?.into(), Some(event)))
    }

    /// Tells what the screen said.
    fn screened(&self, file: &SourceFile, seen: Option<Seen>, aec: &Aec) {
        if let Some(Seen { share, doubt }) = seen {
            let bytes = aec.bytes.len() as u64;
            let _ = self.events.send(Event::Screened { file: file.clone(), share, bytes, doubt });
        }
    }

    /// A picture that was compressed before, if it is as it was.
    fn reuse(&self, file: &SourceFile, settings: Hash, spooled: Spooled) -> Result<Prepared> {
        let path = spooled.path;
        let bytes = std::fs::read(&path).map_err(Error::read(&path))?;
        let aec = self.encoder.check(&path, bytes, file.bytes, spooled.psnr)?;
        if aec.hash != spooled.hash {
            return Err(Error::Changed { path });
        }
        self.prepared(file.clone(), settings, aec, &path)
    }

    /// `path` holds the same bytes.
    fn prepared(
        &self,
        file: SourceFile,
        settings: Hash,
        aec: Aec,
        path: &std::path::Path,
    ) -> Result<Prepared> {
        let Aec { bytes, hash, parts, model, source, thumbnail } = aec;
        let content = self.memory.keep(Bytes::from(bytes), path)?;
        Ok(Prepared { file, settings, hash, parts, model, source, thumbnail: thumbnail.into(), content })
    }
}

enum Outcome {
    Skipped(SourceFile, Sent),
    /// The picture, after its events were sent.
    Prepared(Box<Prepared>, Option<Event>),
}

#[cfg(test)]
mod tests;
