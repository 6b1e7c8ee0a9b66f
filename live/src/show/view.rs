//! Shows the live frames of each sender: waits for their parts, decodes at the right moment, and writes what is shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec::{DecodeOptions, Limits};
use aecodec_proto::message::FrameReport;
use aecodec_receiver::Models;
use aecodec_receiver::frames::{FrameFeed, FrameInput, FrameTrouble, ShowFrames};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::outlet::{Outlet, Place, Ready, Stage};
use super::presenter::{Presenter, Show};
use super::screen::fit;
use crate::{Error, Result};

/// The most pixels of a frame that is decoded.
const PIXELS: u64 = 1 << 25;
/// The most decoded frames that wait for their time.
const READY: usize = 8;

/// Bounds on the decoding of a frame.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.pixels, limits.bytes) = (PIXELS, 16 * PIXELS + (256 << 20));
    limits
}

/// Shows the live frames of all senders of a receiver: those of the first in the requested place, those of the others
/// in picture files of their own.
#[derive(Debug)]
pub struct Screens {
    stage: Stage,
    folder: PathBuf,
    models: Models,
}

impl Screens {
    /// The first sender is shown in `outlet`, the others in `folder`. `models` decode the frames.
    pub fn new(outlet: Outlet, folder: PathBuf, models: Models) -> Self {
        Self { stage: Stage::new(outlet), folder, models }
    }
}

impl ShowFrames for Screens {
    fn start(&self, feed: FrameFeed) {
        let FrameFeed { sender, inputs, announced, reports, trouble } = feed;
        let trouble: Arc<FrameTrouble> = trouble.into();
        let (outlet, place) = self.stage.enter(&self.folder);
        let (shows, ready) = std::sync::mpsc::sync_channel(READY);
        let failed = trouble.clone();
        std::thread::spawn(move || show(&ready, &*failed));
        let desk = Desk {
            start: Instant::now(),
            presenter: Presenter::default(),
            announced,
            shows,
            sender,
            outlet,
            _place: place,
            models: self.models.clone(),
            reports,
        };
        tokio::spawn(desk.run(inputs, trouble));
    }
}

/// The thread that shows each picture when it is due: not earlier, so that frames follow each other evenly.
fn show(ready: &std::sync::mpsc::Receiver<(Instant, Ready)>, trouble: &FrameTrouble) {
    while let Ok((due, picture)) = ready.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Err(error) = picture.show() {
            trouble(&error);
        }
    }
}

/// When a decode was done.
struct Times {
    /// When the picture could be shown.
    ready: Duration,
    /// Time of everything until then, and of the decode alone.
    took: Duration,
    decode: Duration,
}

struct Desk {
    start: Instant,
    presenter: Presenter,
    /// The newest frame that was announced.
    announced: watch::Sender<Option<u64>>,
    shows: std::sync::mpsc::SyncSender<(Instant, Ready)>,
    sender: String,
    outlet: Outlet,
    /// Kept until the sender has left.
    _place: Option<Place>,
    models: Models,
    reports: mpsc::UnboundedSender<FrameReport>,
}

impl Desk {
    async fn run(mut self, mut arriving: mpsc::Receiver<FrameInput>, trouble: Arc<FrameTrouble>) {
        let mut decoding: Option<JoinHandle<Result<Times>>> = None;
        loop {
            let (show, passed) = self.presenter.next(self.now());
            self.report(passed);
            if let Some(show) = show {
                decoding = Some(self.decode(show));
            }
            let wake = self.presenter.wake().map(|at| self.start + at);
            tokio::select! {
                input = arriving.recv() => match input {
                    Some(input) => self.take(input),
                    None => return,
                },
                done = async { decoding.as_mut().expect("checked").await }, if decoding.is_some() => {
                    decoding = None;
                    let report = match done.unwrap_or_else(|error| Err(Error::thread(&error))) {
                        Ok(times) => self.presenter.decoded(times.ready, times.took, times.decode),
                        Err(error) => {
                            trouble(&error);
                            self.presenter.failed()
                        }
                    };
                    self.report(report);
                }
                () = sleep_until(wake), if wake.is_some() => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn report(&self, reports: impl IntoIterator<Item = FrameReport>) {
        for report in reports {
            let _ = self.reports.send(report);
        }
    }

    fn take(&mut self, input: FrameInput) {
        let now = self.now();
        match input {
            FrameInput::Announced(frame) => {
                let seq = frame.seq;
                let passed = self.presenter.announced(now, frame);
                self.report(passed);
                self.announced.send_replace(Some(seq));
            }
            FrameInput::Chunk { seq, part, bytes } => self.presenter.arrived(now, seq, part, &bytes),
        }
    }

    /// Decodes a frame and shows it when it is due.
    fn decode(&self, show: Show) -> JoinHandle<Result<Times>> {
        let (models, outlet, sender) = (self.models.clone(), self.outlet.clone(), self.sender.clone());
        let (shows, start) = (self.shows.clone(), self.start);
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let limits = limits();
            let model = models.of(&show.bytes, &limits)?;
            let mut options = DecodeOptions::default();
            (options.passes, options.limits) = (show.passes, limits);
            let picture = aecodec::decode(&show.bytes, &model, &options)?.picture;
            let picture = fit(picture, show.size)?;
            let decode = began.elapsed();
            let prepared = outlet.prepare(&sender, picture)?;
            let times = Times { ready: start.elapsed(), took: began.elapsed(), decode };
            // If too many are ready, this waits, because there is no hurry then.
            shows.send((start + show.due, prepared)).map_err(|_| Error::Closed)?;
            Ok(times)
        })
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}
