//! A live session: frames from a pipe, each encoded for the path as it is now, sent in parts, and given up if it is
//! late.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec::resize::{Filter, resize};
use aecodec::{Check, EncodeOptions, Limits, Model, Target};
use aecodec_proto::Close;
use aecodec_proto::figures::Wire;
use aecodec_proto::message::{Frame, FrameReport};
use aecodec_proto::parts::{self, StreamHeader};
use aecodec_proto::sender::{Output, Session};
use aecodec_sender::connect::{Connector, Cut, Link, Messages, write};
use aecodec_sender::outbox::Known;
use bytes::Bytes;
use quinn::{Connection, VarInt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep, timeout};

use super::options::Options;
use crate::capture::{Captured, FrameError, Frames, Reader, Slot};
use crate::control::{Controller, Decision, Path, Scale};
use crate::{Error, Result};

/// How often late parts are looked for.
const TICK: Duration = Duration::from_millis(20);
/// Pause before connecting again.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes that wait in the connection beyond those in flight. They are few, so that a coarse part does not have to
/// wait for parts that were written before it.
const BUFFER: std::ops::RangeInclusive<u64> = 32 << 10..=4 << 20;

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The receiver has answered with its welcome.
    Connected {
        /// Its name.
        label: String,
        /// Its address.
        address: String,
    },
    /// There is no connection; frames are dropped until there is one.
    Disconnected {
        /// Why.
        cut: Cut,
    },
    /// A frame is being sent.
    Sent(Sent),
    /// What became of a frame.
    Shown(FrameReport),
    /// A frame of the pipe cannot be read; the next one may be readable.
    Damaged {
        /// Why.
        error: String,
    },
}

/// A frame that is being sent.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sent {
    /// Its number.
    pub seq: u64,
    /// Its quality.
    pub quality: f64,
    /// The scale of its sides at which it was coded, up to 1.
    pub scale: f64,
    /// The number of its bytes that are sent.
    pub bytes: u64,
    /// The number of its parts that are sent, of five.
    pub parts: usize,
    /// Bytes of its samples.
    pub raw: u64,
    /// The estimated rate of the path in bits per second.
    pub rate: f64,
}

/// How a session ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Frames that were read.
    pub captured: u64,
    /// Frames that were sent, at least in part.
    pub sent: u64,
    /// Frames that the receiver showed.
    pub shown: u64,
    /// Those of them that were shown by their deadline.
    pub in_time: u64,
    /// Bytes of the samples of the frames that were read.
    pub raw: u64,
    /// Bytes of the frames that were sent.
    pub bytes: u64,
    /// What the network carried.
    pub wire: Wire,
    /// Time from the first frame to the last.
    pub took: Duration,
    /// Why it ended early, if it did.
    pub cut: Option<Cut>,
}

/// Sends the frames of `pipe` until it ends, `stop` becomes true, or there was no connection for too long.
///
/// # Errors
/// Returns an error if the pipe cannot be read any further. A receiver that cannot be reached is reported in the
/// summary.
pub async fn stream(
    options: Options,
    pipe: impl Read + Send + 'static,
    events: mpsc::UnboundedSender<Event>,
    mut stop: watch::Receiver<bool>,
) -> Result<Summary> {
    let Options { target, identity, label, model, format, pace, control, limits, patience, remember } =
        options;
    let start = Instant::now();
    let slot = Arc::new(Slot::default());
    let frames = Frames::new(format, pipe, limits);
    let damaged = {
        let events = events.clone();
        Box::new(move |error: &FrameError| {
            let _ = events.send(Event::Damaged { error: error.to_string() });
        })
    };
    let reader = Reader { slot: slot.clone(), start, pace, on_full: control.on_full, damaged };
    std::thread::spawn(move || reader.run(frames));

    let mut known = Known::of(&target);
    let mut connector = Connector::new(identity, target, label);
    let mut live = Live {
        start,
        deadline: control.deadline,
        controller: Controller::new(control),
        model,
        limits,
        slot,
        events,
        summary: Summary::default(),
    };
    let mut alone_since = Instant::now();
    while !*stop.borrow() && !live.slot.is_over() {
        let left = patience.saturating_sub(alone_since.elapsed());
        let connected = tokio::select! {
            connected = timeout(left, connector.connect()) => connected,
            _ = stop.changed() => break,
        };
        let cut = match connected {
            Ok(Ok(link)) => {
                let address = link.connection.remote_address().to_string();
                known.reached(&address, &link.label);
                live.tell(Event::Connected { label: link.label.clone(), address });
                if let Some(outbox) = remember.clone() {
                    let entry = known.clone();
                    tokio::task::spawn_blocking(move || outbox.remember(&entry))
                        .await
                        .map_err(|error| Error::thread(&error))??;
                }
                let done = live.drive(link, &mut stop).await;
                alone_since = Instant::now();
                match done {
                    Ok(()) => break,
                    Err(cut) => cut,
                }
            }
            Ok(Err(cut)) => cut,
            Err(_) => Cut::Path(format!("no connection for {} seconds", patience.as_secs())),
        };
        if !cut.may_pass() || alone_since.elapsed() >= patience {
            live.summary.cut = Some(cut);
            break;
        }
        live.tell(Event::Disconnected { cut });
        sleep(PAUSE).await;
    }
    let over = live.slot.close();
    connector.finish().await;
    live.summary.captured = over.captured;
    live.summary.raw = over.raw;
    live.summary.took = over.last.saturating_sub(over.first.unwrap_or_default());
    match over.error {
        Some(error) => Err(Error::Frames(error)),
        None => Ok(live.summary),
    }
}

/// A frame that was encoded.
struct Encoded {
    seq: u64,
    at: Duration,
    size: (u32, u32),
    quality: f64,
    scale: Scale,
    raw: u64,
    took: Duration,
    bytes: Bytes,
}

struct Live {
    start: Instant,
    deadline: Duration,
    controller: Controller,
    model: Arc<Model>,
    limits: Limits,
    slot: Arc<Slot>,
    events: mpsc::UnboundedSender<Event>,
    summary: Summary,
}

impl Live {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Sends over one connection until the frames end or it is cut.
    async fn drive(&mut self, link: Link, stop: &mut watch::Receiver<bool>) -> std::result::Result<(), Cut> {
        let Link { connection, mut control, mut messages, mut session, .. } = link;
        let before = self.summary.wire;
        let mut streams: JoinSet<(u64, u32, Fate)> = JoinSet::new();
        let mut resets: HashMap<(u64, u32), oneshot::Sender<()>> = HashMap::new();
        let mut encoding: Option<JoinHandle<Option<Encoded>>> = None;
        let mut waiting = Duration::ZERO;
        let mut waiting_frame: Option<Captured> = None;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let slot = self.slot.clone();
        loop {
            while let Some(output) = session.poll() {
                match output {
                    Output::Send(message) => write(&mut control, &message).await?,
                    Output::Shown(shown) => {
                        let now = self.now();
                        self.controller.shown(now, &shown);
                        self.summary.shown += u64::from(shown.passes.is_some());
                        self.summary.in_time += u64::from(shown.passes.is_some() && shown.lateness <= 0);
                        self.tell(Event::Shown(shown));
                    }
                    _ => {}
                }
            }
            if encoding.is_none()
                && waiting.is_zero()
                && let Some(frame) = waiting_frame.take().or_else(|| slot.take())
            {
                self.observe(&connection);
                let size = (frame.picture.width, frame.picture.height);
                match self.controller.frame(self.now(), frame.at, size) {
                    Decision::Encode { quality, scale } => {
                        encoding = Some(self.encode(frame, quality, scale));
                    }
                    Decision::Drop => {}
                    Decision::Wait(time) => (waiting, waiting_frame) = (time, Some(frame)),
                }
            }
            let idle = encoding.is_none() && waiting_frame.is_none();
            if *stop.borrow() || slot.is_over() && idle && streams.is_empty() {
                // The last frames are still to be shown.
                let time = self.deadline + 2 * connection.rtt();
                let _ = timeout(time, self.farewell(&mut messages, &mut session)).await;
                self.count(&connection, before);
                connection.close(VarInt::from_u32(Close::Done as u32), b"done");
                return Ok(());
            }
            tokio::select! {
                message = messages.next() => match message {
                    Ok(message) => if let Err(violation) = session.handle(message) {
                        connection.close(VarInt::from_u32(Close::Violation as u32), violation.to_string().as_bytes());
                        return Err(violation.into());
                    },
                    Err(cut) => {
                        self.count(&connection, before);
                        return Err(cut);
                    }
                },
                encoded = async { encoding.as_mut().expect("checked").await }, if encoding.is_some() => {
                    encoding = None;
                    if let Ok(Some(encoded)) = encoded
                        && let Some(frame) = self.encoded(encoded, &connection, &mut streams, &mut resets)
                    {
                        session.frame(frame);
                    }
                }
                Some(sent) = streams.join_next(), if !streams.is_empty() => {
                    if let Ok((seq, part, fate)) = sent {
                        resets.remove(&(seq, part));
                        if fate == Fate::Acknowledged {
                            let now = self.now();
                            self.controller.acknowledged(now, seq, part as usize);
                        }
                    }
                }
                () = slot.filled.notified(), if encoding.is_none() && waiting_frame.is_none() => {}
                () = sleep(waiting), if waiting_frame.is_some() => waiting = Duration::ZERO,
                _ = stop.changed() => {}
                _ = tick.tick() => {
                    self.observe(&connection);
                    for late in self.controller.late(self.now()) {
                        resets.retain(|&(seq, part), _| seq != late.seq || (part as usize) < late.from);
                    }
                }
            }
        }
    }

    /// Waits for the reports that have not come yet.
    async fn farewell(&mut self, messages: &mut Messages, session: &mut Session) {
        while let Ok(message) = messages.next().await {
            if session.handle(message).is_err() {
                return;
            }
            while let Some(output) = session.poll() {
                if let Output::Shown(shown) = output {
                    self.summary.shown += u64::from(shown.passes.is_some());
                    self.summary.in_time += u64::from(shown.passes.is_some() && shown.lateness <= 0);
                    self.tell(Event::Shown(shown));
                }
            }
        }
    }

    /// Reports the state of the transport to the controller, and keeps the send buffer as small as the path allows.
    fn observe(&mut self, connection: &Connection) {
        let path = connection.stats().path;
        self.controller.path(Path { window: path.cwnd, rtt: path.rtt });
        connection.set_send_window((path.cwnd + path.cwnd / 2).clamp(*BUFFER.start(), *BUFFER.end()));
    }

    fn count(&mut self, connection: &Connection, before: Wire) {
        let stats = connection.stats();
        self.summary.wire = Wire {
            bytes: before.bytes + stats.udp_tx.bytes + stats.udp_rx.bytes,
            packets: before.packets + stats.path.sent_packets,
            lost: before.lost + stats.path.lost_packets,
        };
    }

    fn encode(
        &self,
        frame: Captured,
        quality: aecodec::Quality,
        scale: Scale,
    ) -> JoinHandle<Option<Encoded>> {
        let (model, limits) = (self.model.clone(), self.limits);
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let Captured { seq, at, mut picture } = frame;
            let size = (picture.width, picture.height);
            let raw = picture.samples.len() as u64;
            picture.alpha = None;
            if scale < Scale::FULL {
                let orientation = picture.orientation;
                picture = resize(&picture, (scale.of(size.0), scale.of(size.1)), Filter::Hamming).ok()?;
                picture.orientation = orientation;
            }
            let mut options = EncodeOptions::default();
            options.target = Target::Quality(quality);
            options.check = Check::None;
            options.limits = limits;
            let encoded = aecodec::encode(&picture, &model, &options).ok()?;
            let (bytes, took) = (encoded.bytes.into(), began.elapsed());
            Some(Encoded { seq, at, size, quality: quality.value(), scale, raw, took, bytes })
        })
    }

    /// Opens streams for as much of a frame as will arrive in time. Returns its announcement.
    fn encoded(
        &mut self,
        encoded: Encoded,
        connection: &Connection,
        streams: &mut JoinSet<(u64, u32, Fate)>,
        resets: &mut HashMap<(u64, u32), oneshot::Sender<()>>,
    ) -> Option<Frame> {
        let Encoded { seq, at, size, quality, scale, raw, took, bytes } = encoded;
        let mut lengths = parts::passes(&bytes, &self.limits).ok()?;
        let count = self.controller.encoded(self.now(), seq, at, took, &lengths);
        lengths.truncate(count);
        if lengths.is_empty() {
            return None;
        }
        let mut from = 0;
        for (part, &length) in (0..).zip(&lengths) {
            let to = from + length as usize;
            let (reset, given_up) = oneshot::channel();
            resets.insert((seq, part), reset);
            streams.spawn(send_part(connection.clone(), seq, part, bytes.slice(from..to), given_up));
            from = to;
        }
        self.summary.sent += 1;
        self.summary.bytes += from as u64;
        let rate = 8.0 * self.controller.estimate().rate;
        let parts = lengths.len();
        self.tell(Event::Sent(Sent {
            seq,
            quality,
            scale: scale.factor(),
            bytes: from as u64,
            parts,
            raw,
            rate,
        }));
        Some(Frame {
            seq,
            captured: at.as_micros() as u64,
            deadline: self.deadline.as_millis() as u32,
            width: size.0,
            height: size.1,
            parts: lengths,
        })
    }
}

/// How a part's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    GivenUp,
}

/// Coarse parts are sent before all finer ones, and newer parts before older ones.
fn priority(seq: u64, part: u32) -> i32 {
    let order = (seq & 0xff_ffff) as i32 * 8 + 7 - part as i32;
    if part < 2 { (1 << 29) + order } else { order }
}

/// Sends a part until it is acknowledged or given up.
async fn send_part(
    connection: Connection,
    seq: u64,
    part: u32,
    bytes: Bytes,
    given_up: oneshot::Receiver<()>,
) -> (u64, u32, Fate) {
    let Ok(mut stream) = connection.open_uni().await else { return (seq, part, Fate::GivenUp) };
    let _ = stream.set_priority(priority(seq, part));
    let header = StreamHeader::Frame { seq, part }.encode().into();
    let sending = async {
        stream.write_all_chunks(&mut [header, bytes]).await.ok()?;
        stream.finish().ok()?;
        stream.stopped().await.ok()
    };
    let fate = tokio::select! {
        // `None` instead of a code: everything was acknowledged.
        stopped = sending => if stopped == Some(None) { Fate::Acknowledged } else { Fate::GivenUp },
        // Dropping the other end gives the part up.
        _ = given_up => Fate::GivenUp,
    };
    if fate == Fate::GivenUp {
        let _ = stream.reset(VarInt::from_u32(Close::TooLate as u32));
    }
    (seq, part, fate)
}
