//! Shows the live frames of one sender: waits for their parts, decodes at the right moment, and writes what is shown.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aecodec::{DecodeOptions, Limits, Picture};
use aecodec_proto::message::{Frame, Shown};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::presenter::{Presenter, Show};
use super::screen::{PictureFile, Screen, Y4m};
use crate::models::Models;
use crate::{Error, Result};

/// Chunks that wait to be looked at.
const CHUNKS: usize = 256;
/// Parts that came before their frame was announced: that message may have been lost and sent again.
const EARLY_BYTES: usize = 4 << 20;

/// Where live frames are shown.
#[derive(Clone)]
pub enum Outlet {
    /// A picture file for each sender in this folder, `NAME.live.jpg`, always the newest frame.
    Folder(PathBuf),
    /// This picture file.
    File(PathBuf),
    /// A y4m stream with this many frames a second. It has the size of its first frame.
    Stream(Arc<Mutex<Output>>),
}

/// A y4m stream that has begun, or has not.
pub struct Output {
    writer: Option<Box<dyn Write + Send>>,
    stream: Option<(Y4m<Box<dyn Write + Send>>, (u32, u32))>,
    rate: (u32, u32),
}

impl Outlet {
    /// A y4m stream into this writer, at `rate` frames a second.
    pub fn stream(writer: Box<dyn Write + Send>, rate: u32) -> Self {
        Self::Stream(Arc::new(Mutex::new(Output { writer: Some(writer), stream: None, rate: (rate, 1) })))
    }

    fn write(&self, sender: &str, picture: Picture, screen: &mut Screen) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let name: String =
                    sender.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                file(folder.join(format!("{name}.live.jpg")), &picture)
            }
            Self::File(path) => file(path.clone(), &picture),
            Self::Stream(output) => {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                output.write(picture, screen)
            }
        }
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) | Self::File(path) => f.debug_tuple("Outlet").field(path).finish(),
            Self::Stream(_) => f.write_str("Outlet(stream)"),
        }
    }
}

impl Output {
    fn write(&mut self, picture: Picture, screen: &mut Screen) -> Result<()> {
        let io = |error: io::Error| Error::Io { path: "the y4m stream".into(), source: error };
        if let Some(writer) = self.writer.take() {
            let size = (picture.width, picture.height);
            self.stream = Some((Y4m::new(writer, size, self.rate).map_err(io)?, size));
        }
        let Some((stream, size)) = &mut self.stream else { return Ok(()) };
        stream.write(&screen.fit(picture, *size)?).map_err(io)
    }
}

fn file(path: PathBuf, picture: &Picture) -> Result<()> {
    let invalid = || Error::Invalid {
        what: "live picture",
        found: path.display().to_string(),
        detail: "its name has to end in png, jpg, webp or ppm".into(),
    };
    PictureFile::new(&path).ok_or_else(invalid)?.write(picture).map_err(Error::Codec)
}

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Input {
    /// A frame was announced.
    Frame(Frame),
    /// Bytes of a part, in order within the part.
    Chunk { seq: u64, part: u32, bytes: Bytes },
}

/// One sender's frames. It ends when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct View(mpsc::Sender<Input>);

impl View {
    /// Starts showing. Reports go to `reports`, failures to write or decode to `trouble`.
    pub fn start(
        sender: String,
        outlet: Outlet,
        models: Models,
        reports: mpsc::UnboundedSender<Shown>,
        trouble: impl Fn(&Error) + Send + 'static,
    ) -> Self {
        let (inputs, arriving) = mpsc::channel(CHUNKS);
        let desk = Desk {
            start: Instant::now(),
            presenter: Presenter::default(),
            announced: None,
            early: BTreeMap::new(),
            tools: Some((Screen::default(), Screen::default())),
            sender,
            outlet,
            models,
            reports,
        };
        tokio::spawn(desk.run(arriving, trouble));
        Self(inputs)
    }

    /// Something arrived. Waits where more arrives than can be looked at; false where the view has ended.
    pub async fn put(&self, input: Input) -> bool {
        self.0.send(input).await.is_ok()
    }
}

/// Buffers for enlarging: to the frame's size, and to the stream's.
type Tools = (Screen, Screen);

/// What came of a decode: the time it took.
type Outcome = (Tools, Result<Duration>);

struct Desk {
    start: Instant,
    presenter: Presenter,
    /// The newest frame that was announced.
    announced: Option<u64>,
    /// Chunks of frames that are not announced yet.
    early: BTreeMap<(u64, u32), Vec<Bytes>>,
    tools: Option<Tools>,
    sender: String,
    outlet: Outlet,
    models: Models,
    reports: mpsc::UnboundedSender<Shown>,
}

impl Desk {
    async fn run(mut self, mut arriving: mpsc::Receiver<Input>, trouble: impl Fn(&Error)) {
        let mut decoding: Option<JoinHandle<Outcome>> = None;
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
                    let result = match done {
                        Ok((tools, result)) => {
                            self.tools = Some(tools);
                            result
                        }
                        Err(error) => {
                            self.tools = Some(Tools::default());
                            Err(Error::thread(&error))
                        }
                    };
                    let now = self.now();
                    let report = match result {
                        Ok(took) => self.presenter.decoded(now, took),
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

    fn report(&self, reports: impl IntoIterator<Item = Shown>) {
        for report in reports {
            let _ = self.reports.send(report);
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Frame(frame) => {
                let seq = frame.seq;
                let passed = self.presenter.announced(now, frame);
                self.report(passed);
                self.announced = Some(seq);
                let later = self.early.split_off(&(seq + 1, 0));
                for ((seq, part), chunks) in std::mem::replace(&mut self.early, later) {
                    chunks.iter().for_each(|bytes| self.presenter.arrived(now, seq, part, bytes));
                }
            }
            Input::Chunk { seq, part, bytes } if self.announced.is_some_and(|announced| seq <= announced) => {
                self.presenter.arrived(now, seq, part, &bytes);
            }
            Input::Chunk { seq, part, bytes } => {
                let held: usize = self.early.values().flatten().map(Bytes::len).sum();
                if held + bytes.len() <= EARLY_BYTES {
                    self.early.entry((seq, part)).or_default().push(bytes);
                }
            }
        }
    }

    /// Decodes a frame and shows it when it is due.
    fn decode(&mut self, show: Show) -> JoinHandle<Outcome> {
        let (models, outlet, sender) = (self.models.clone(), self.outlet.clone(), self.sender.clone());
        let (mut tools, start) = (self.tools.take().unwrap_or_default(), self.start);
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut work = || {
                let limits = Limits::default();
                let model = models.of(&show.bytes, &limits)?;
                let mut options = DecodeOptions::default();
                options.passes = show.passes;
                let picture = aecodec::decode(&show.bytes, &model, &options)?.picture;
                let picture = tools.0.fit(picture, show.size)?;
                let took = began.elapsed();
                // Not before its time: frames are to follow each other evenly.
                std::thread::sleep((start + show.due).saturating_duration_since(Instant::now()));
                outlet.write(&sender, picture, &mut tools.1)?;
                Ok(took)
            };
            let result = work();
            (tools, result)
        })
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}
