//! Drives one connection: offers prepared pictures, sends the parts that are wanted, and collects receipts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::figures::Wire;
use aecodec_proto::message::{Receipt, ToReceiver};
use aecodec_proto::parts::StreamHeader;
use aecodec_proto::sender::{Outcome, Output, Part};
use aecodec_proto::{Close, Hash};
use bytes::Bytes;
use quinn::{Connection, SendStream, StoppedError, VarInt, WriteError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::connect::{Cut, Link, write};
use crate::prepared::{Content, Prepared};

/// Parts on their way into the connection at a time, at most.
const STREAMS: usize = 64;
/// The send buffer holds twice what is in flight, and at least this: more would only delay coarse parts that
/// become due.
const BUFFER: std::ops::RangeInclusive<u64> = 256 << 10..=32 << 20;
/// How often the send buffer follows the path.
const ADAPT: Duration = Duration::from_millis(50);

/// Pictures that are offered and not settled. They outlive a connection.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    next: u64,
    pictures: HashMap<u64, (Arc<Prepared>, Instant)>,
}

impl Pending {
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    fn add(&mut self, prepared: Prepared) -> u64 {
        let id = self.next;
        self.next += 1;
        self.pictures.insert(id, (Arc::new(prepared), Instant::now()));
        id
    }
}

/// What the connection tells its owner.
pub(crate) enum News {
    /// The receiver has said welcome.
    Begin,
    /// The receiver has it.
    Receipt { picture: Arc<Prepared>, receipt: Receipt, took: Duration },
    /// The receiver does not take it.
    Refused { picture: Arc<Prepared>, reason: String },
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
        session.offer(pending.pictures[&id].0.offer(id));
    }
    let mut streams: JoinSet<Result<u64, Cut>> = JoinSet::new();
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
                    let Some((picture, since)) = pending.pictures.remove(&id) else { continue };
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
                        write(&mut control, &ToReceiver::Model { hash, bytes: bytes.len() as u64 }).await?;
                        brought.spawn(send_model(connection.clone(), bytes));
                    }
                }
                _ => {}
            }
        }
        let room = buffer(&connection);
        while streams.len() < STREAMS && (in_streams == 0 || in_streams < room) {
            let Some(part) = session.next_part() else { break };
            let Some((picture, _)) = pending.pictures.get(&part.id) else { continue };
            in_streams += u64::from(part.length);
            streams.spawn(send_part(connection.clone(), picture.clone(), part));
        }
        if *stop.borrow() || exhausted && session.is_idle() && brought.is_empty() {
            let _ = news.send(counters(&connection));
            connection.close(VarInt::from_u32(Close::Done as u32), b"done");
            return Ok(());
        }
        tokio::select! {
            biased;
            message = messages.next() => match message {
                Ok(message) => {
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
                Ok(Ok(bytes)) => in_streams = in_streams.saturating_sub(bytes),
                Ok(Err(cut)) => {
                    connection.close(VarInt::from_u32(Close::Trouble as u32), b"a source cannot be read");
                    return Err(cut);
                }
                Err(error) => return Err(Cut::Local(error.to_string())),
            },
            Some(sent) = brought.join_next(), if !brought.is_empty() => {
                sent.map_err(|error| Cut::Local(error.to_string()))??;
            }
            picture = pictures.recv(), if !exhausted && session.has_room() => match picture {
                Some(prepared) => {
                    let id = pending.add(prepared);
                    session.offer(pending.pictures[&id].0.offer(id));
                }
                None => exhausted = true,
            },
            // The loop looks at its value.
            _ = stop.changed() => {}
            _ = adapt.tick() => connection.set_send_window(buffer(&connection)),
        }
    }
}

/// Bytes that may wait in the connection.
fn buffer(connection: &Connection) -> u64 {
    (2 * connection.stats().path.cwnd).clamp(*BUFFER.start(), *BUFFER.end())
}

/// Sends a part on a stream of its own; gives its length once the connection holds all of it.
async fn send_part(connection: Connection, picture: Arc<Prepared>, part: Part) -> Result<u64, Cut> {
    let bytes = match &picture.content {
        Content::Memory(_) => picture.part(part.part),
        Content::File(_) => {
            let picture = picture.clone();
            let read = tokio::task::spawn_blocking(move || picture.part(part.part)).await;
            read.map_err(|error| Cut::Local(error.to_string()))?
        }
    };
    let bytes = bytes.map_err(|error| Cut::Local(error.to_string()))?;
    let header = StreamHeader::Part { id: part.id, part: part.part };
    send(&connection, header, bytes, part.priority).await?;
    Ok(part.length.into())
}

/// Sends a model and waits until all of it has arrived: there is no receipt for it.
async fn send_model(connection: Connection, bytes: Bytes) -> Result<(), Cut> {
    // As urgent as a coarse part: without it nothing that arrives can be shown.
    let Some(stream) = send(&connection, StreamHeader::Model, bytes, -1).await? else { return Ok(()) };
    match stream.stopped().await {
        Err(StoppedError::ConnectionLost(error)) => Err(Cut::of(&error)),
        _ => Ok(()),
    }
}

/// Gives the stream, or none where the receiver has no use for it any more.
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
