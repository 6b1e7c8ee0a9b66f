//! A whole run: the pipeline at one end, the receiver at the other, and a new connection whenever one is cut.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::figures::{Picture, Wire};
use aecodec_proto::{Hash, Identity};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout_at};

use crate::connect::{Connector, Cut, Destination};
use crate::outbox::{Known, Outbox};
use crate::pipeline::{self, Pipeline};
use crate::prepared::Prepared;
use crate::wire::{self, News, Pending};
use crate::{Error, Result};

/// First and longest pause before connecting again; it doubles in between.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(15)];
/// The most receipts that are recorded together.
const RECEIPTS: usize = 256;

/// What to send, to which receiver, and how long to try.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The receiver.
    pub target: Destination,
    /// Sources and settings.
    pub pipeline: pipeline::Options,
    /// The identity of this sender.
    pub identity: Identity,
    /// Name of this host, for people.
    pub label: String,
    /// Time without a connection, or with a receiver that takes nothing, after which the run fails.
    pub patience: Duration,
    /// Model files by their hash, for receivers that ask for one.
    pub models: HashMap<Hash, Bytes>,
}

impl Options {
    /// The default options, with ten minutes of patience.
    pub fn new(target: Destination, pipeline: pipeline::Options, identity: Identity, label: String) -> Self {
        let patience = Duration::from_secs(600);
        Self { target, pipeline, identity, label, patience, models: HashMap::new() }
    }
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// An event of the pipeline, before the network.
    Local(pipeline::Event),
    /// The receiver has answered with its welcome.
    Connected {
        /// Its name.
        label: String,
        /// Its address.
        address: String,
    },
    /// There is no connection; the sender tries again.
    Disconnected {
        /// Why.
        cut: Cut,
        /// The pause before the next try.
        pause: Duration,
    },
    /// The receiver has a picture on its disk.
    Delivered(Delivered),
    /// The receiver does not take a picture.
    Refused {
        /// The source.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A picture that has its receipt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivered {
    /// The source.
    pub path: PathBuf,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Its figures. Those of the wire count from the previous receipt.
    pub figures: Picture,
    /// Time from the offer to the receipt.
    pub receipt: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Pictures with a receipt of this run.
    pub delivered: u64,
    /// Pictures that the receiver does not take.
    pub refused: u64,
    /// Pictures that were not settled when the run ended.
    pub unsettled: u64,
    /// What the network carried, over all connections.
    pub wire: Wire,
    /// Last round trip.
    pub rtt: Duration,
    /// Time from the first welcome to the last receipt.
    pub took: Duration,
    /// Connections that were made.
    pub connections: u64,
    /// Why it ended early, if it did.
    pub cut: Option<Cut>,
}

/// Sends everything, over as many connections as it takes, until all has a receipt, `stop` becomes true, or there
/// was no connection for longer than the options allow. It connects when there is something to offer. The events
/// are for display; nothing waits for their reader.
///
/// # Errors
/// Returns an error if the journal cannot be written. A receiver that cannot be reached is not an error, but is
/// reported in the summary: everything that was compressed waits in the outbox.
pub async fn run(
    options: Options,
    outbox: Arc<Outbox>,
    events: mpsc::UnboundedSender<Event>,
    mut stop: watch::Receiver<bool>,
) -> Result<Summary> {
    let Options { target, pipeline: sources, identity, label, patience, models } = options;
    let receiver = target.receiver;
    let mut known = Known::of(&target);
    let starting = outbox.clone();
    let started = tokio::task::spawn_blocking(move || Pipeline::start(sources, starting)).await;
    let Pipeline { mut pictures, events: mut local, cancel, .. } = started.map_err(Error::thread)?;
    let (news, heard) = mpsc::unbounded_channel();
    let settled = tokio::spawn(settle(heard, outbox.clone(), receiver, events.clone()));
    let told = events.clone();
    let relay = tokio::spawn(async move {
        while let Some(event) = local.recv().await {
            let _ = told.send(Event::Local(event));
        }
    });

    let mut connector = Connector::new(identity, target, label);
    let mut pending = Pending::default();
    let mut summary = Summary::default();
    let (mut pause, mut alone_since) = (PAUSES[0], Instant::now());
    while !*stop.borrow() {
        let waits = pending.is_empty();
        tokio::select! {
            any = pending.any(&mut pictures) => if !any { break },
            _ = stop.changed() => continue,
        }
        if waits {
            alone_since = Instant::now();
        }
        let deadline = tokio::time::Instant::from_std(alone_since + patience);
        let connected = tokio::select! {
            connected = timeout_at(deadline, connector.connect()) => connected,
            _ = stop.changed() => break,
        };
        let cut = match connected {
            Ok(Ok(link)) => {
                summary.connections += 1;
                let _ = news.send(News::Begin);
                let (welcomed, progress) = (Instant::now(), pending.progress());
                let address = link.connection.remote_address().to_string();
                let _ = events.send(Event::Connected { label: link.label.clone(), address: address.clone() });
                known.reached(&address, &link.label);
                let (remembering, entry) = (outbox.clone(), known.clone());
                blocking(move || remembering.remember(&entry)).await?;
                let done = wire::drive(link, &mut pictures, &mut pending, &models, &mut stop, &news).await;
                let _ = news.send(News::End);
                let Err(cut) = done else { break };
                if matches!(cut, Cut::Trouble(_)) && pending.progress() == progress {
                    // This counts as no connection, except for the time that it lasted.
                    alone_since += welcomed.elapsed();
                } else {
                    (pause, alone_since) = (PAUSES[0], Instant::now());
                }
                cut
            }
            Ok(Err(cut)) => cut,
            Err(_) => Cut::Path(format!("no connection for {} seconds", patience.as_secs())),
        };
        if !cut.may_pass() || alone_since.elapsed() + pause > patience {
            summary.cut = Some(cut);
            break;
        }
        let _ = events.send(Event::Disconnected { cut, pause });
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.changed() => {}
        }
        pause = (2 * pause).min(PAUSES[1]);
    }
    cancel.cancel();
    pictures.close();
    connector.finish().await;
    drop(news);
    let totals = settled.await.map_err(Error::thread)??;
    // Its threads end when they have finished what they compress. If the run was cut, their events are not needed.
    if summary.cut.is_none() && !*stop.borrow() {
        let _ = relay.await;
    }
    summary.unsettled = pending.len() as u64;
    Ok(Summary { cut: summary.cut, connections: summary.connections, unsettled: summary.unsettled, ..totals })
}

/// Records receipts, many at a time, and only then reports them.
async fn settle(
    mut heard: mpsc::UnboundedReceiver<News>,
    outbox: Arc<Outbox>,
    receiver: aecodec_proto::PublicKey,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Summary> {
    let mut total = Summary::default();
    // Counters of the connections that have ended, of the present one, and what was reported of them.
    let (mut ended, mut present, mut reported) = <(Wire, Wire, Wire)>::default();
    let mut rtt = Duration::ZERO;
    let mut first: Option<Instant> = None;
    let mut batch = Vec::new();
    while heard.recv_many(&mut batch, RECEIPTS).await > 0 {
        let receipted: Vec<Arc<Prepared>> = batch
            .iter()
            .filter_map(|news| match news {
                News::Receipt { picture, .. } => Some(picture.clone()),
                _ => None,
            })
            .collect();
        if !receipted.is_empty() {
            let outbox = outbox.clone();
            blocking(move || outbox.receipted(&receiver, receipted.iter().map(Arc::as_ref))).await?;
        }
        for news in batch.drain(..) {
            match news {
                News::Begin => drop(first.get_or_insert_with(Instant::now)),
                News::Wire(wire, trip) => (present, rtt) = (wire, trip),
                News::End => ended = plus(ended, std::mem::take(&mut present)),
                News::Receipt { picture, receipt, took } => {
                    total.delivered += 1;
                    total.took = first.map_or(took, |first| first.elapsed());
                    let wire = plus(ended, present);
                    let figures = Picture {
                        name: picture.file.name.clone(),
                        source: picture.source,
                        bytes: picture.bytes(),
                        stored: receipt.stored,
                        wire: Some(since(wire, reported)),
                        first_preview: receipt.first_preview,
                        last_byte: receipt.last_byte,
                    };
                    reported = wire;
                    let (path, hash) = (picture.file.path.clone(), picture.hash);
                    let _ = events.send(Event::Delivered(Delivered { path, hash, figures, receipt: took }));
                }
                News::Failed(error) => {
                    let _ = events.send(Event::Local(pipeline::Event::Failed { error }));
                }
                News::Refused { picture, reason } => {
                    total.refused += 1;
                    let _ = events.send(Event::Refused { path: picture.file.path.clone(), reason });
                }
            }
        }
    }
    Ok(Summary { wire: plus(ended, present), rtt, ..total })
}

fn plus(a: Wire, b: Wire) -> Wire {
    Wire { bytes: a.bytes + b.bytes, packets: a.packets + b.packets, lost: a.lost + b.lost }
}

fn since(now: Wire, before: Wire) -> Wire {
    Wire {
        bytes: now.bytes.saturating_sub(before.bytes),
        packets: now.packets.saturating_sub(before.packets),
        lost: now.lost.saturating_sub(before.lost),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::thread)?
}
