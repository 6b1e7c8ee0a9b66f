//! Drives one connection: offers prepared pictures, sends the parts that are wanted, and collects receipts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::figures::Wire;
use aecodec_proto::message::{Offer, Receipt, ToSender};
use aecodec_proto::parts::StreamHeader;
use aecodec_proto::sender::{Outcome, Output, Part};
use aecodec_proto::{Close, Hash};
use bytes::Bytes;
use quinn::{Connection, SendStream, StoppedError, VarInt, WriteError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::Error;
use crate::connect::{Cut, Link, write};
use crate::prepared::{Content, Prepared};

/// The most parts that are written to the connection at a time.
const STREAMS: usize = 64;
/// The send buffer holds twice what is in flight, and at least this. A larger buffer would only delay coarse parts
/// that become due.
const BUFFER: std::ops::RangeInclusive<u64> = 256 << 10..=32 << 20;
/// How often the send buffer is adapted to the path.
const ADAPT: Duration = Duration::from_millis(50);

/// Pictures that are offered and not settled. They outlive a connection.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    next: u64,
    pictures: HashMap<u64, Waiting>,
    /// How often the receiver had more than it reported before.
    progress: u64,
}

/// A picture that is not settled.
#[derive(Debug)]
struct Waiting {
    picture: Arc<Prepared>,
    since: Instant,
    /// Parts that the receiver lacked by its last report.
    lacking: u32,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Grows with each picture that is settled, and with each picture of which the receiver has more than at its
    /// last report.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Waits until a picture is here or in the queue. Returns false if there will be none.
    pub async fn any(&mut self, pictures: &mut mpsc::Receiver<Prepared>) -> bool {
        if self.pictures.is_empty()
            && let Some(prepared) = pictures.recv().await
        {
            self.add(prepared);
        }
        !self.pictures.is_empty()
    }

    fn add(&mut self, prepared: Prepared) -> u64 {
        let id = self.next;
        self.next += 1;
        let picture = Arc::new(prepared);
        self.pictures.insert(id, Waiting { picture, since: Instant::now(), lacking: u32::MAX });
        id
    }

    fn offer(&self, id: u64) -> Offer {
        self.pictures[&id].picture.offer(id)
    }

    /// The receiver reports which parts it lacks.
    fn wanted(&mut self, id: u64, ranges: &[(u32, u32)]) {
        let Some(waiting) = self.pictures.get_mut(&id) else { return };
        let lacking = ranges.iter().fold(0_u32, |sum, &(_, count)| sum.saturating_add(count));
        // At its first report there is nothing to compare with.
        self.progress += u64::from(waiting.lacking != u32::MAX && lacking < waiting.lacking);
        waiting.lacking = lacking;
    }
}

/// What the connection reports to its owner.
pub(crate) enum News {
    /// The receiver has answered with its welcome.
    Begin,
    /// The receiver has the picture.
    Receipt { picture: Arc<Prepared>, receipt: Receipt, took: Duration },
    /// The receiver does not take the picture.
    Refused { picture: Arc<Prepared>, reason: String },
    /// The bytes of a picture can no longer be read.
    Failed(Error),
    /// What this connection has carried so far, and its round trip.
    Wire(Wire, Duration),
    /// The connection has ended.
    End,
}

/// What a connection has carried so far, and its round trip.
fn counters(connection: &Connection) -> News {
    let stats = connection.stats();
    let bytes = stats.udp_tx.bytes + stats.udp_rx.bytes;
    News::Wire(
        Wire { bytes, packets: stats.path.sent_packets, lost: stats.path.lost_packets },
        stats.path.rtt,
    )
}

/// Sends until there is nothing left, `stop` is set, or the connection is cut. What is not settled stays in `pending`;
/// the receiver keeps the parts that it has.
pub(crate) async fn drive(
    link: Link,
    pictures: &mut mpsc::Receiver<Prepared>,
    pending: &mut Pending,
    models: &HashMap<Hash, Bytes>,
    stop: &mut tokio::sync::watch::Receiver<bool>,
    news: &mpsc::UnboundedSender<News>,
) -> Result<(), Cut> {
    let Link { connection, mut control, mut messages, mut session, .. } = link;
    let mut waiting: Vec<u64> = pending.pictures.keys().copied().collect();
    // In the order in which they were first offered: ids must rise.
    waiting.sort_unstable();
    for id in waiting {
        session.offer(pending.offer(id));
    }
    let mut streams: JoinSet<(Part, Result<(), Unsent>)> = JoinSet::new();
    let mut brought: JoinSet<Result<(), Cut>> = JoinSet::new();
    let mut in_streams = 0_u64;
    let mut exhausted = false;
    let mut adapt = interval(ADAPT);
    adapt.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while let Some(output) = session.poll() {
            match output {
                Output::Send(message) => write(&mut control, &message).await?,
                Output::Settled { id, outcome } => {
                    let Some(Waiting { picture, since, .. }) = pending.pictures.remove(&id) else { continue };
                    pending.progress += 1;
                    let _ = news.send(counters(&connection));
                    let _ = news.send(match outcome {
                        Outcome::Receipt(receipt) => {
                            News::Receipt { picture, receipt, took: since.elapsed() }
                        }
                        Outcome::Refused(reason) => News::Refused { picture, reason },
                    });
                }
                Output::SendModel(hash) => {
                    if let Some(bytes) = models.get(&hash).cloned() {
                        brought.spawn(send_model(connection.clone(), hash, bytes));
                    }
                }
                _ => {}
            }
        }
        let room = buffer(&connection);
        while streams.len() < STREAMS && (in_streams == 0 || in_streams < room) {
            let Some(part) = session.next_part() else { break };
            let Some(Waiting { picture, .. }) = pending.pictures.get(&part.id) else { continue };
            in_streams += u64::from(part.length);
            let sent = send_part(connection.clone(), picture.clone(), part);
            streams.spawn(async move { (part, sent.await) });
        }
        let settled = exhausted && session.is_idle() && brought.is_empty();
        if settled || *stop.borrow() {
            let _ = news.send(counters(&connection));
            let (close, reason) = match settled {
                true => (Close::Done, "done"),
                false => (Close::ShuttingDown, "the sender was stopped"),
            };
            connection.close(VarInt::from_u32(close as u32), reason.as_bytes());
            return Ok(());
        }
        tokio::select! {
            biased;
            message = messages.next() => match message {
                Ok(message) => {
                    if let ToSender::Want { id, parts } = &message {
                        pending.wanted(*id, parts);
                    }
                    if let Err(violation) = session.handle(message) {
                        let reason = violation.to_string();
                        connection.close(VarInt::from_u32(Close::Violation as u32), reason.as_bytes());
                        return Err(violation.into());
                    }
                }
                Err(cut) => {
                    let _ = news.send(counters(&connection));
                    return Err(cut);
                }
            },
            Some(sent) = streams.join_next(), if !streams.is_empty() => match sent {
                Ok((part, sent)) => {
                    in_streams = in_streams.saturating_sub(part.length.into());
                    match sent {
                        Ok(()) => {}
                        Err(Unsent::Cut(cut)) => return Err(cut),
                // The others are sent without it.
                        Err(Unsent::Unread(error)) => if pending.pictures.remove(&part.id).is_some() {
                            session.withdraw(part.id);
                            let _ = news.send(News::Failed(error));
                        }
                    }
                }
                Err(error) => return Err(Cut::Local(error.to_string())),
            },
            Some(sent) = brought.join_next(), if !brought.is_empty() => {
                sent.map_err(|error| Cut::Local(error.to_string()))??;
            }
            picture = pictures.recv(), if !exhausted && session.has_room() => match picture {
                Some(prepared) => {
                    let id = pending.add(prepared);
                    session.offer(pending.offer(id));
                }
                None => exhausted = true,
            },
            // The loop checks its value.
            _ = stop.changed() => {}
            _ = adapt.tick() => connection.set_send_window(buffer(&connection)),
        }
    }
}

/// Bytes that may wait in the connection.
fn buffer(connection: &Connection) -> u64 {
    (2 * connection.stats().path.cwnd).clamp(*BUFFER.start(), *BUFFER.end())
}

/// Why a part was not sent.
enum Unsent {
    /// The bytes of the part cannot be read.
    Unread(Error),
    /// The connection is lost.
    Cut(Cut),
}

/// Sends a part on its own stream. Returns as soon as the connection holds all of it.
async fn send_part(connection: Connection, picture: Arc<Prepared>, part: Part) -> Result<(), Unsent> {
    let bytes = match &picture.content {
        Content::Memory(_) => picture.part(part.part),
        Content::File(_) => {
            let read = tokio::task::spawn_blocking(move || picture.part(part.part)).await;
            read.unwrap_or_else(|error| Err(Error::thread(error)))
        }
    };
    let bytes = bytes.map_err(Unsent::Unread)?;
    let header = StreamHeader::Part { id: part.id, part: part.part };
    send(&connection, header, bytes, part.priority).await.map(drop).map_err(Unsent::Cut)
}

/// Sends a model and waits until all of it has arrived, because there is no receipt for it.
async fn send_model(connection: Connection, hash: Hash, bytes: Bytes) -> Result<(), Cut> {
    // As urgent as a coarse part: without it nothing that arrives can be shown.
    let header = StreamHeader::Model { hash, bytes: bytes.len() as u64 };
    let Some(stream) = send(&connection, header, bytes, -1).await? else { return Ok(()) };
    match stream.stopped().await {
        Err(StoppedError::ConnectionLost(error)) => Err(Cut::of(&error)),
        _ => Ok(()),
    }
}

/// Returns the stream, or `None` if the receiver no longer needs it.
async fn send(
    connection: &Connection,
    header: StreamHeader,
    bytes: Bytes,
    priority: i32,
) -> Result<Option<SendStream>, Cut> {
    let mut stream = connection.open_uni().await.map_err(|error| Cut::of(&error))?;
    let _ = stream.set_priority(priority);
    match fill(&mut stream, header, bytes).await {
        Ok(()) => {
            let _ = stream.finish();
            Ok(Some(stream))
        }
        Err(WriteError::Stopped(_)) => Ok(None),
        Err(WriteError::ConnectionLost(error)) => Err(Cut::of(&error)),
        Err(error) => Err(Cut::Path(error.to_string())),
    }
}

async fn fill(stream: &mut SendStream, header: StreamHeader, bytes: Bytes) -> Result<(), WriteError> {
    stream.write_all_chunks(&mut [header.encode().into(), bytes]).await
}
