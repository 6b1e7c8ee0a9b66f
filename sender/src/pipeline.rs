//! From sources to prepared pictures: skips what was receipted, takes what the spool holds, compresses the rest.
//!
//! Threads of its own, and a queue of a few pictures: when the network does not take them, compression stops.

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
use crate::source::{self, SourceFile};
use crate::watch::{self, Watcher};
use crate::{Error, Result};

/// Files that are found but not yet looked into: enough for every thread to go on.
const AHEAD: usize = 64;

/// What to send, to whom, and how.
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
    /// Whom they go to.
    pub receiver: PublicKey,
    /// What becomes of files that the receiver has a receipt for.
    pub resend: Resend,
    /// Threads that compress; 0, unless told, is one for each core.
    pub threads: usize,
    /// Pictures that wait in the queue; 16 unless told. More smooths the wire where sizes differ much.
    pub queue: usize,
    /// Bytes of memory for pictures that wait or travel; 64 MiB unless told. Beyond it they are read from their
    /// files again, which costs little as long as the system caches them.
    pub memory: u64,
}

impl Options {
    /// The usual ones, with nothing to send yet.
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
    /// This is to be sent; files of watched folders come on top.
    Planned {
        /// Files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The receiver has it, by an earlier receipt.
    Skipped {
        /// The source.
        file: SourceFile,
        /// What was receipted.
        sent: Sent,
    },
    /// A picture was compressed; it comes through the queue next.
    Encoded {
        /// The source.
        file: SourceFile,
        /// Bytes of the `.aec`.
        bytes: u64,
        /// PSNR in dB by an exact decode.
        psnr: f64,
        /// False where the target is out of reach and this is the nearest to it.
        reached: bool,
        /// What was not carried over as it was, in words.
        notices: Vec<String>,
        /// Time from opening the source to the spooled `.aec`.
        took: Duration,
    },
    /// A source is offered under a name that is not its own: a receiver would refuse that, or another source has it.
    Renamed {
        /// The source, with the name that it gets.
        file: SourceFile,
    },
    /// A file of a watched folder did not change for long and yet does not seem finished.
    Doubtful(watch::Doubtful),
    /// A source cannot be sent; the others go on.
    Failed {
        /// Why, with the file.
        error: Error,
    },
    /// A watched folder is out of reach.
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

/// The running pipeline. It ends when all is prepared, when it is cancelled, or when `pictures` is closed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pipeline {
    /// Pictures, roughly in the order of their sources. Closed when there will be no more.
    pub pictures: mpsc::Receiver<Prepared>,
    /// What happens on the way. Nothing waits for its reader.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Stops it.
    pub cancel: Cancel,
}

impl Pipeline {
    /// Looks for the sources and starts the threads.
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

/// Stops a pipeline; every clone does.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<(Mutex<bool>, Condvar)>);

impl Cancel {
    /// Nothing further is begun. What is being compressed is finished and spooled. Threads that wait for the queue
    /// go on when a picture is taken from it or it is closed.
    pub fn cancel(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it was called.
    pub fn is_cancelled(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this long, or until it is called.
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

/// Files that could not be read just now; those of a watched folder are tried again.
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
            // Looking takes a tenth of the time at most, on slow file systems and in large folders too.
            self.cancel.wait(interval.max(9 * began.elapsed()));
        }
    }

    /// Hands files on; false where nobody wants them any more.
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
        // Whoever does not listen does not want to know.
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
                // Lost with the power: it is made again.
                Err(_) => self.outbox.drop_spooled(&hash)?,
            }
        }
        let began = Instant::now();
        let picture = match self.encoder.open(&file)? {
            Opened::Picture(bytes) => bytes,
            Opened::Aec(aec) => {
                let path = file.path.clone();
                return Ok(Outcome::Prepared(self.prepared(file, settings, aec, &path)?.into(), None));
            }
        };
        let made = self.encoder.encode(&file, picture)?;
        let aec = made.aec;
        let psnr = aec.source.psnr;
        let path = self.outbox.spool(&self.receiver, &file, &settings, (&aec.hash, &aec.bytes), psnr)?;
        let event = Event::Encoded {
            file: file.clone(),
            bytes: aec.bytes.len() as u64,
            psnr: psnr.unwrap_or(f64::NAN),
            reached: made.reached,
            notices: made.notices,
            took: began.elapsed(),
        };
        Ok(Outcome::Prepared(self.prepared(file, settings, aec, &path)?.into(), Some(event)))
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
    /// With what to tell of it first.
    Prepared(Box<Prepared>, Option<Event>),
}

#[cfg(test)]
mod tests;
