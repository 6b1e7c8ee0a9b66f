//! Shows the live frames of one sender: waits for their parts, decodes at the right moment, and writes what is shown.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aecodec::{DecodeOptions, Picture};
use aecodec_proto::message::{Frame, FrameReport};
use bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::presenter::{Presenter, Show};
use super::screen::{PictureFile, Screen, Y4m};
use crate::models::Models;
use crate::{Error, Result};

/// The most chunks that wait to be handled.
const CHUNKS: usize = 256;
/// The most pixels of a frame that is decoded.
const PIXELS: u64 = 1 << 25;

/// The most decoded frames that wait for their time.
const READY: usize = 8;

/// Where live frames are shown.
#[derive(Clone)]
pub enum Outlet {
    /// A picture file `NAME.live.jpg` for each sender in this folder, which always contains the newest frame.
    Folder(PathBuf),
    /// Shows frames in this picture file.
    File(PathBuf),
    /// A y4m stream with this many frames per second in its header. It has the size of its first frame.
    Stream(Arc<Mutex<Output>>),
}

type Writer = Box<dyn Write + Send>;

/// A y4m stream, before or after its first frame.
pub struct Output {
    writer: Option<Writer>,
    stream: Option<(Y4m<Writer>, (u32, u32))>,
    rate: (u32, u32),
}

impl Outlet {
    /// Shows frames as a y4m stream in this writer, at `rate` frames per second.
    pub fn stream(writer: Box<dyn Write + Send>, rate: u32) -> Self {
        Self::Stream(Arc::new(Mutex::new(Output { writer: Some(writer), stream: None, rate: (rate, 1) })))
    }

    /// Shows frames in this picture file.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if its name does not end in png, jpg, webp or ppm.
    pub fn file(path: PathBuf) -> Result<Self> {
        picture_file(&path)?;
        Ok(Self::File(path))
    }

    /// Does all the work of showing a picture except for the last step.
    fn prepare(&self, sender: &str, picture: Picture) -> Result<Ready> {
        match self {
            Self::Folder(folder) => {
                let name: String =
                    sender.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
                file(&folder.join(format!("{name}.live.jpg")), &picture)
            }
            Self::File(path) => file(path, &picture),
            Self::Stream(output) => Ok(Ready::Stream(output.clone(), picture)),
        }
    }
}

/// Decides where the live frames of each sender are shown: the first sender has the requested place, the others
/// have their own files.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    first: Outlet,
    taken: Arc<AtomicBool>,
}

/// Held by the sender that has the requested place.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicBool>);

impl Stage {
    pub fn new(first: Outlet) -> Self {
        Self { first, taken: Arc::default() }
    }

    /// Where another sender shows its frames; `folder` is for senders after the first.
    pub fn enter(&self, folder: &Path) -> (Outlet, Option<Place>) {
        if matches!(self.first, Outlet::Folder(_)) {
            (self.first.clone(), None)
        } else if self.taken.swap(true, Ordering::Relaxed) {
            (Outlet::Folder(folder.into()), None)
        } else {
            (self.first.clone(), Some(Place(self.taken.clone())))
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
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

/// A picture that can be shown at once.
enum Ready {
    File(PictureFile, NamedTempFile),
    Stream(Arc<Mutex<Output>>, Picture),
}

impl Ready {
    fn show(self, screen: &mut Screen) -> Result<()> {
        match self {
            Self::File(file, prepared) => file.show(prepared).map_err(Error::Codec),
            Self::Stream(output, picture) => {
                output.lock().unwrap_or_else(PoisonError::into_inner).write(picture, screen)
            }
        }
    }
}

fn picture_file(path: &Path) -> Result<PictureFile> {
    PictureFile::new(path).ok_or_else(|| Error::Invalid {
        what: "live picture",
        found: path.display().to_string(),
        detail: "its name has to end in png, jpg, webp or ppm".into(),
    })
}

fn file(path: &Path, picture: &Picture) -> Result<Ready> {
    let file = picture_file(path)?;
    let prepared = file.prepare(picture).map_err(Error::Codec)?;
    Ok(Ready::File(file, prepared))
}

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Input {
    /// A frame was announced.
    Frame(Frame),
    /// Bytes of a part of a frame that was announced, in order within the part.
    Chunk { seq: u64, part: u32, bytes: Bytes },
}

/// One sender's frames. It ends when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct View {
    inputs: mpsc::Sender<Input>,
    announced: watch::Receiver<Option<u64>>,
}

impl View {
    /// Starts showing. Reports are sent to `reports`, and failures to write or decode are passed to `trouble`.
    pub fn start(
        sender: String,
        outlet: Outlet,
        models: Models,
        reports: mpsc::UnboundedSender<FrameReport>,
        trouble: impl Fn(&Error) + Send + Sync + 'static,
    ) -> Self {
        let (inputs, arriving) = mpsc::channel(CHUNKS);
        let (newest, announced) = watch::channel(None);
        let trouble = Arc::new(trouble);
        let (shows, ready) = std::sync::mpsc::sync_channel(READY);
        let failed = trouble.clone();
        std::thread::spawn(move || show(&ready, &*failed));
        let desk = Desk {
            start: Instant::now(),
            presenter: Presenter::default(),
            announced: newest,
            screen: Some(Screen::default()),
            shows,
            sender,
            outlet,
            models,
            reports,
        };
        tokio::spawn(desk.run(arriving, move |error| trouble(error)));
        Self { inputs, announced }
    }

    /// Waits until a frame was announced, because its parts may overtake the announcement. False if the view has
    /// ended.
    pub async fn announced(&self, seq: u64) -> bool {
        let mut announced = self.announced.clone();
        announced.wait_for(|newest| newest.is_some_and(|newest| seq <= newest)).await.is_ok()
    }

    /// Something arrived. Waits if more arrives than can be handled. False if the view has ended.
    pub async fn put(&self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }
}

/// The thread that shows each picture when it is due: not earlier, so that frames follow each other evenly.
fn show(ready: &std::sync::mpsc::Receiver<(Instant, Ready)>, trouble: &dyn Fn(&Error)) {
    let mut screen = Screen::default();
    while let Ok((due, picture)) = ready.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if let Err(error) = picture.show(&mut screen) {
            trouble(&error);
        }
    }
}

/// The result of a decode.
type Outcome = (Screen, Result<Times>);

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
    /// Enlarges frames; `None` while a frame is being decoded.
    screen: Option<Screen>,
    shows: std::sync::mpsc::SyncSender<(Instant, Ready)>,
    sender: String,
    outlet: Outlet,
    models: Models,
    reports: mpsc::UnboundedSender<FrameReport>,
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
                        Ok((screen, result)) => {
                            self.screen = Some(screen);
                            result
                        }
                        Err(error) => Err(Error::thread(&error)),
                    };
                    let report = match result {
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

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Frame(frame) => {
                let seq = frame.seq;
                let passed = self.presenter.announced(now, frame);
                self.report(passed);
                self.announced.send_replace(Some(seq));
            }
            Input::Chunk { seq, part, bytes } => self.presenter.arrived(now, seq, part, &bytes),
        }
    }

    /// Decodes a frame and shows it when it is due.
    fn decode(&mut self, show: Show) -> JoinHandle<Outcome> {
        let (models, outlet, sender) = (self.models.clone(), self.outlet.clone(), self.sender.clone());
        let (mut screen, start) = (self.screen.take().unwrap_or_default(), self.start);
        let shows = self.shows.clone();
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut work = || {
                let limits = crate::decode::limits(PIXELS);
                let model = models.of(&show.bytes, &limits)?;
                let mut options = DecodeOptions::default();
                (options.passes, options.limits) = (show.passes, limits);
                let picture = aecodec::decode(&show.bytes, &model, &options)?.picture;
                let picture = screen.fit(picture, show.size)?;
                let decode = began.elapsed();
                let prepared = outlet.prepare(&sender, picture)?;
                let times = Times { ready: start.elapsed(), took: began.elapsed(), decode };
                // If too many are ready, this waits, because there is no hurry then.
                shows.send((start + show.due, prepared)).map_err(|_| Error::Closed)?;
                Ok(times)
            };
            let result = work();
            (screen, result)
        })
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_at_a_time_has_the_place_that_was_asked_for() {
        let stage = Stage::new(Outlet::File("live.png".into()));
        let enter = || stage.enter(Path::new("inbox"));
        let (first, place) = enter();
        assert!(matches!(first, Outlet::File(_)));
        assert!(matches!(enter(), (Outlet::Folder(folder), None) if folder == Path::new("inbox")));
        drop(place);
        assert!(matches!(enter(), (Outlet::File(_), Some(_))));
    }
}
