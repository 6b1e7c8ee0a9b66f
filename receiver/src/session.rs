//! One sender's connection: reads its messages and parts, has them stored, and sends receipts.

mod end;
mod streams;
mod task;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::figures::{Picture, Wire};
use aecodec_proto::framing::{self, Framer};
use aecodec_proto::message::{Enrol, Frame, FrameReport, Offer, StoredWhen, ToReceiver, ToSender};
use aecodec_proto::parts::StreamHeader;
use aecodec_proto::receiver::{Entry, Models, Output, Session};
use aecodec_proto::tls::ENROL_LABEL;
use aecodec_proto::{Close, Hash, PublicKey, Violation};
use bytes::BytesMut;
use quinn::{Connection, ReadError, RecvStream, SendStream, VarInt};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connections::{Connections, plain};
use crate::decode::Finished;
use crate::error::Refusal;
use crate::event::{Arrived, Event};
use crate::frames::{FrameInput, FrameIntake};
use crate::inbox::Begin;
use crate::peers::Enrolled;
use crate::stored::Stored;
use crate::{Error, Result};

use end::End;
use streams::{body, carried, chunks, header};
use task::{Arriving, Done, NewPeer};

/// How often a picture is transferred at most if it is damaged on this end's disk.
const TRIES: u8 = 2;

/// Serves a sender that the handshake has admitted, until it is gone.
pub(crate) async fn serve(connection: Connection, key: PublicKey, entry: Entry, shared: &Arc<Connections>) {
    let address = plain(connection.remote_address());
    let Some(_present) = shared.count(key) else {
        connection.close(VarInt::from_u32(Close::Trouble as u32), b"too many connections");
        shared.stages.metrics().refused("too many");
        return shared.tell(Event::Refused { address, reason: "it has too many connections".into() });
    };
    let mut served = Served::new(connection.clone(), key, entry, shared.clone());
    let end = served.run().await;
    // The sender did not have these models either, so the pictures stay undecoded.
    for stored in std::mem::take(&mut served.undecoded).into_values().flatten() {
        served.cannot_decode(stored);
    }
    let name = std::mem::take(&mut served.name);
    let Some((close, kind, reason)) = end.refusal() else {
        return shared.tell(Event::Disconnected { peer: served.peer, name, reason: end.to_string() });
    };
    connection.close(VarInt::from_u32(close as u32), reason.as_bytes());
    shared.stages.metrics().refused(kind);
    shared.tell(Event::Refused { address, reason });
}

struct Served {
    connection: Connection,
    /// The sender's own key, once it is known.
    peer: PublicKey,
    entry: Entry,
    name: String,
    /// The name that a known sender has here; it counts more than what the sender calls itself.
    given: Option<String>,
    shared: Arc<Connections>,
    session: Session,
    arriving: HashMap<u64, Arriving>,
    tasks: JoinSet<std::result::Result<Done, End>>,
    /// Held while a model is read, so that only one model at a time takes memory.
    model: Arc<Mutex<()>>,
    /// Takes live frames, once there was one.
    intake: Option<FrameIntake>,
    reports: (mpsc::UnboundedSender<FrameReport>, mpsc::UnboundedReceiver<FrameReport>),
    /// Pictures that wait for a model.
    undecoded: HashMap<Hash, Vec<Stored>>,
    wire: Wire,
}

impl Served {
    fn new(connection: Connection, key: PublicKey, entry: Entry, shared: Arc<Connections>) -> Self {
        let options = &shared.options;
        let session = Session::new(
            options.limits.clone(),
            options.label.clone(),
            entry,
            options.models,
            shared.stages.previews(),
        );
        Self {
            connection,
            peer: key,
            entry,
            name: key.short(),
            given: None,
            shared,
            session,
            arriving: HashMap::new(),
            tasks: JoinSet::new(),
            model: Arc::default(),
            intake: None,
            reports: mpsc::unbounded_channel(),
            undecoded: HashMap::new(),
            wire: Wire::default(),
        }
    }

    /// Serves until the connection is over. Returns the reason.
    async fn run(&mut self) -> End {
        let end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if matches!(end, End::Closed(_)) && !self.undecoded.is_empty() {
            let _ = timeout(self.shared.options.limits.stall, self.last_models()).await;
        }
        end
    }

    /// The sender leaves as soon as a model has arrived, possibly before the model was read and stored.
    async fn last_models(&mut self) {
        while let Some(done) = self.tasks.join_next().await {
            if let Ok(Ok(done @ Done::Model(_, Ok(())))) = done {
                let _ = self.done(done);
            }
        }
    }

    async fn serve(&mut self) -> std::result::Result<std::convert::Infallible, End> {
        if self.entry == Entry::Known {
            let (peers, key) = (self.shared.peers.clone(), self.peer);
            let given = tokio::task::spawn_blocking(move || peers.name_of(&key)).await;
            // It does not matter if the name cannot be read.
            self.given = given.ok().and_then(Result::ok).flatten();
        }
        let limits = self.shared.options.limits.clone();
        let slow = |waiting| Violation::Slow { waiting, seconds: limits.hello.as_secs() };
        let opened = timeout(limits.hello, self.connection.accept_bi()).await;
        let (mut control, mut stream) =
            opened.map_err(|_| slow("the control stream"))?.map_err(End::Closed)?;
        let _ = control.set_priority(i32::MAX);
        let greeting = tokio::time::sleep(limits.hello);
        tokio::pin!(greeting);
        let mut framer = Framer::<ToReceiver>::default();
        loop {
            self.outputs(&mut control).await?;
            let connection = self.connection.clone();
            tokio::select! {
                biased;
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => match done {
                    Ok(done) => self.done(done?)?,
                    Err(error) => return Err(End::Trouble(Error::thread(&error))),
                },
                chunk = stream.read_chunk(64 << 10, true) => match chunk {
                    Ok(Some(chunk)) => {
                        framer.push(&chunk.bytes);
                        while let Some(message) = framer.take()? {
                            self.session.handle(message)?;
                            // One message at a time, so that the number of outputs is bounded.
                            self.outputs(&mut control).await?;
                        }
                    }
                    // No message can follow; the connection should be closed.
                    Ok(None) => return Err(match timeout(limits.hello, connection.closed()).await {
                        Ok(closed) => End::Closed(closed),
                        Err(_) => slow("the end of the connection").into(),
                    }),
                    Err(ReadError::ConnectionLost(error)) => return Err(End::Closed(error)),
                    Err(error) => return Err(Violation::Malformed(error.to_string()).into()),
                },
                stream = connection.accept_uni() => {
                    let stream = stream.map_err(End::Closed)?;
                    self.tasks.spawn(async move {
                        let header = header(stream, limits.stall).await?;
                        Ok(header.map_or(Done::Nothing, |(stream, header, rest)| Done::Header(stream, header, rest)))
                    });
                }
                Some(shown) = self.reports.1.recv() => {
                    self.shared.stages.metrics().frame(&shown);
                    self.shared.tell(Event::Frame { from: self.name.clone(), shown });
                    self.session.shown(shown);
                }
                () = &mut greeting, if self.session.is_new() => return Err(slow("the greeting").into()),
            }
        }
    }

    /// Does what the state machine asks for.
    async fn outputs(&mut self, control: &mut SendStream) -> std::result::Result<(), End> {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(message) => self.send(control, &message).await?,
                Output::Enrol { enrol, label } => self.enrol(enrol, label)?,
                Output::Greeted { label } => self.greeted(label, Enrolled::Before),
                Output::LookUp(offer) => self.look_up(offer),
                Output::Complete(id) => self.complete(id),
                Output::Frame(frame) => self.frame(frame).await?,
                // Its transfer ends; the parts that have arrived wait for another offer.
                Output::Withdrawn(id) => drop(self.arriving.remove(&id)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn send(&self, control: &mut SendStream, message: &ToSender) -> std::result::Result<(), End> {
        let stall = self.shared.options.limits.stall;
        match timeout(stall, control.write_all(&framing::encode(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed(self.connection.closed().await)),
            Err(_) => {
                Err(Violation::Slow { waiting: "reading the answers", seconds: stall.as_secs() }.into())
            }
        }
    }

    /// Verifies that the invited sender holds the key that it wants to be known by.
    fn enrol(&mut self, enrol: Enrol, label: String) -> std::result::Result<(), End> {
        let mut secret = [0; 64];
        let exported = self.connection.export_keying_material(&mut secret, ENROL_LABEL, &enrol.key.0);
        if exported.is_err() || !enrol.key.verifies(&secret, &enrol.signature) {
            return Err(Violation::Enrol.into());
        }
        let (peers, invitation) = (self.shared.peers.clone(), self.peer);
        self.tasks.spawn_blocking(move || {
            let key = enrol.key;
            let enrolled = peers.enrol(&invitation, &key, &label);
            let peer =
                enrolled.map(|enrolled| NewPeer { key, enrolled, name: peers.name_of(&key).ok().flatten() });
            Ok(Done::Enrolled(peer, label))
        });
        Ok(())
    }

    fn greeted(&mut self, label: String, enrolled: Enrolled) {
        let (peers, peer) = (self.shared.peers.clone(), self.peer);
        self.name = self.given.take().unwrap_or(label);
        self.tasks.spawn_blocking(move || {
            // It does not matter if this cannot be recorded.
            let _ = peers.seen(&peer);
            Ok(Done::Nothing)
        });
        self.shared.tell(Event::Connected {
            peer,
            name: self.name.clone(),
            address: plain(self.connection.remote_address()),
            enrolled: enrolled == Enrolled::Now,
        });
    }

    fn look_up(&mut self, offer: Offer) {
        let id = offer.id;
        let arriving = Arriving {
            offer: offer.clone(),
            since: Instant::now(),
            transfer: None,
            tries: 0,
            last_byte: None,
        };
        self.arriving.insert(id, arriving);
        if !self.shared.stages.can_decode(&offer.model) {
            self.session.need_model(offer.model);
        }
        self.begin(id, offer);
    }

    fn begin(&mut self, id: u64, offer: Offer) {
        let (inbox, peer) = (self.shared.inbox.clone(), self.peer);
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let looked_up = tokio::task::spawn_blocking(move || inbox.begin(&peer, &offer)).await;
            let begin = looked_up.unwrap_or_else(|error| Err(Error::thread(&error)));
            let begin = match begin {
                // An earlier connection may have ended before the upload was finished.
                Ok(Begin::Already(stored)) => shared.stages.stored_before(&shared.inbox, &stored).await,
                other => other,
            };
            Ok(Done::LookedUp(id, begin))
        });
    }

    fn complete(&mut self, id: u64) {
        let Some(arriving) = self.arriving.get_mut(&id) else { return };
        arriving.last_byte = Some(arriving.since.elapsed());
        let Some(transfer) = arriving.transfer.clone() else { return };
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let stages = shared.stages.clone();
            let completed = tokio::task::spawn_blocking(move || stages.complete(&transfer)).await;
            let stored = completed.unwrap_or_else(|error| Err(Error::thread(&error)));
            let stored = match stored {
                Ok(stored) => shared.stages.stored(&shared.inbox, &stored).await.map(|()| stored),
                Err(error) => Err(error),
            };
            Ok(Done::Completed(id, stored))
        });
    }

    fn done(&mut self, done: Done) -> std::result::Result<(), End> {
        match done {
            Done::Header(stream, header, rest) => self.stream(stream, header, rest)?,
            Done::LookedUp(id, Ok(Begin::Already(stored))) => self.arrived(id, stored, StoredWhen::Before),
            Done::LookedUp(id, Ok(Begin::Wanted(transfer))) => {
                let missing = transfer.missing();
                if let Some(arriving) = self.arriving.get_mut(&id) {
                    let transfer = Arc::new(transfer);
                    self.shared.stages.begin(&transfer, &mut arriving.offer.thumbnail);
                    arriving.transfer = Some(transfer);
                    self.session.want(id, missing);
                }
            }
            Done::Part(id, part, Ok(())) => self.session.part_done(id, part),
            Done::PartLost(id, part) => self.session.part_lost(id, part),
            Done::Completed(id, Ok(stored)) => self.arrived(id, stored, StoredWhen::Now),
            Done::Completed(id, Err(Error::WrongHash { .. })) if self.again(id) => {}
            Done::LookedUp(id, Err(error))
            | Done::Part(id, _, Err(error))
            | Done::Completed(id, Err(error)) => {
                self.declined(id, error)?;
            }
            Done::Enrolled(Ok(NewPeer { key, enrolled, name }), label) => {
                (self.peer, self.given) = (key, name);
                self.entry = Entry::Known;
                self.session.admit();
                self.greeted(label, enrolled);
            }
            Done::Model(hash, Ok(())) => {
                let waiting = self.undecoded.remove(&hash).unwrap_or_default();
                let stages = self.shared.stages.clone();
                self.tasks.spawn(async move {
                    stages.model_came(waiting).await.map_err(End::Trouble)?;
                    Ok(Done::Nothing)
                });
            }
            Done::ModelLost(hash) => self.session.model_lost(hash),
            Done::Model(hash, Err(Error::WrongModel { .. } | Error::Codec(_))) => {
                return Err(Violation::WrongModel(hash).into());
            }
            Done::Model(_, Err(error)) => return Err(End::Trouble(error)),
            Done::Enrolled(Err(error), _) => return Err(End::NotAdmitted(error.to_string())),
            Done::Nothing => {}
        }
        Ok(())
    }

    /// Asks for a whole picture once more, unless that was done too often.
    fn again(&mut self, id: u64) -> bool {
        let Some(arriving) = self.arriving.get_mut(&id) else { return false };
        arriving.tries += 1;
        arriving.transfer = None;
        let (again, offer) = (arriving.tries < TRIES, arriving.offer.clone());
        if again {
            self.begin(id, offer);
        }
        again
    }

    /// Sends the receipt.
    fn arrived(&mut self, id: u64, stored: Stored, when: StoredWhen) {
        let Some(arriving) = self.arriving.remove(&id) else { return };
        let stages = &self.shared.stages;
        let preview = arriving.transfer.and_then(|transfer| transfer.first_preview());
        let first_preview = preview.map(|at| at.saturating_duration_since(arriving.since));
        match self.shared.options.models {
            _ if stages.can_decode(&stored.model) => {}
            Models::Accept => self.undecoded.entry(stored.model).or_default().push(stored.clone()),
            Models::Refuse => self.cannot_decode(stored.clone()),
        }
        let last_byte = arriving.last_byte.unwrap_or_default();
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let (first_preview, last_byte) = (first_preview.map(millis), millis(last_byte));
        self.session.stored(id, when, first_preview, last_byte);
        let wire = carried(&self.connection);
        let since = Wire {
            bytes: wire.bytes - self.wire.bytes,
            packets: wire.packets - self.wire.packets,
            lost: wire.lost.saturating_sub(self.wire.lost),
        };
        self.wire = wire;
        let figures = Picture {
            name: stored.name.clone(),
            source: stored.source,
            bytes: stored.bytes,
            stored: when,
            wire: Some(since),
            first_preview,
            last_byte,
        };
        stages.metrics().arrived(&stored, when, since.bytes);
        self.shared.tell(Event::Arrived(Arrived { stored, from: self.name.clone(), figures }));
    }

    fn cannot_decode(&self, stored: Stored) {
        let result = Err(Error::NoModel(stored.model.short()));
        self.shared.tell(Event::Decoded(Finished { stored, result }));
    }

    /// A live frame begins.
    async fn frame(&mut self, frame: Frame) -> std::result::Result<(), End> {
        self.intake(frame.seq)?.put(FrameInput::Announced(frame)).await;
        Ok(())
    }

    /// Takes this sender's live frames. It is started with the first of them.
    fn intake(&mut self, seq: u64) -> std::result::Result<FrameIntake, End> {
        if let Some(intake) = &self.intake {
            return Ok(intake.clone());
        }
        let shared = self.shared.clone();
        let Some(shower) = self.shared.stages.frames() else {
            let detail = "live frame: this receiver does not show live frames".into();
            return Err(Violation::Offer { id: seq, detail }.into());
        };
        let trouble = move |error: &dyn std::error::Error| {
            shared.tell(Event::Trouble { what: "live frame", error: error.to_string() });
        };
        let intake = FrameIntake::start(shower, self.name.clone(), self.reports.0.clone(), trouble);
        Ok(self.intake.insert(intake).clone())
    }

    /// Declines a picture. A problem of this end closes the connection instead, so that the sender tries again
    /// later.
    fn declined(&mut self, id: u64, error: Error) -> std::result::Result<(), End> {
        let Some(arriving) = self.arriving.remove(&id) else { return Ok(()) };
        // A temporary problem closes the connection, so that the sender tries again later.
        let for_good = match &error {
            Error::Refused(refusal) => !matches!(refusal, Refusal::DiskFull { .. } | Refusal::TooMuch { .. }),
            other => matches!(other, Error::WrongHash { .. }),
        };
        if !for_good {
            return Err(End::Trouble(error));
        }
        let kind = if let Error::Refused(refusal) = &error { refusal.kind() } else { "hash" };
        self.shared.stages.metrics().declined(kind);
        let (name, reason) = (arriving.offer.name, error.to_string());
        self.shared.tell(Event::Declined { name, reason: reason.clone() });
        self.session.refuse(id, reason);
        Ok(())
    }

    /// Reads what a stream carries.
    fn stream(
        &mut self,
        stream: RecvStream,
        header: StreamHeader,
        rest: BytesMut,
    ) -> std::result::Result<(), End> {
        let stall = self.shared.options.limits.stall;
        match header {
            StreamHeader::Part { id, part } => {
                // A picture may have been declined while its parts were on their way.
                let Some(arriving) = self.arriving.get(&id) else { return Ok(()) };
                let length = self.session.part_begins(id, part)?;
                let Some(transfer) = arriving.transfer.clone() else { return Ok(()) };
                let stages = self.shared.stages.clone();
                self.tasks.spawn(async move {
                    let Some(bytes) = body(stream, rest, length, stall).await? else {
                        return Ok(Done::PartLost(id, part));
                    };
                    let write = move || {
                        transfer.write(part, 0, &bytes)?;
                        transfer.part_done(part)?;
                        stages.part(&transfer);
                        Ok(())
                    };
                    let written = tokio::task::spawn_blocking(write).await;
                    Ok(Done::Part(id, part, written.unwrap_or_else(|error| Err(Error::thread(&error)))))
                });
            }
            StreamHeader::Model { hash, bytes: length } => {
                self.session.model_begins(hash, length)?;
                let (models, turn) = (self.shared.stages.models().clone(), self.model.clone());
                self.tasks.spawn(async move {
                    let _turn = turn.lock().await;
                    let Some(bytes) = body(stream, rest, length as u32, stall).await? else {
                        return Ok(Done::ModelLost(hash));
                    };
                    let kept = tokio::task::spawn_blocking(move || models.keep(&hash, &bytes)).await;
                    Ok(Done::Model(hash, kept.unwrap_or_else(|error| Err(Error::thread(&error)))))
                });
            }
            StreamHeader::Frame { seq, part } => {
                let intake = self.intake(seq)?;
                self.tasks.spawn(async move {
                    chunks(stream, rest, seq, part, intake, stall).await?;
                    Ok(Done::Nothing)
                });
            }
        }
        Ok(())
    }
}
