//! A whole receiver: the listener, and everything that happens to a picture, wired together.
//!
//! ```no_run
//! use aecodec_receiver::listener;
//! use aecodec_receiver::service::{Service, ServiceOptions};
//!
//! # async fn receive(stop: tokio::sync::watch::Receiver<bool>) -> aecodec_receiver::Result<()> {
//! let service = Service::open(ServiceOptions::new("inbox".into()))?;
//! let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
//! let running = service.start(listener::socket(([0, 0, 0, 0], 4743).into())?, events)?;
//! tokio::spawn(async move { while let Some(event) = told.recv().await { println!("{event:?}") } });
//! running.run(stop).await;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec_proto::Identity;
use aecodec_proto::name::STATE_FOLDER;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::decode::{Pool, PoolOptions};
use crate::event::Event;
use crate::frames::ShowFrames;
use crate::listener::{Options, Receiver};
use crate::metrics::Metrics;
#[cfg(feature = "services")]
use crate::notify::Notifier;
use crate::preview::PreviewOptions;
#[cfg(feature = "services")]
use crate::store::Store;
use crate::{Error, Inbox, InboxOptions, Models, Peers, Result, Stages};

/// The file of the receiver's key, in the state folder.
const KEY: &str = "key";

/// What a receiver does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The folder of the pictures. The state is kept in `.aecodec` below it.
    pub out: PathBuf,
    /// Model files to use in addition to the built-in models.
    pub models: Vec<PathBuf>,
    /// The most pixels of a picture.
    pub pixels: u64,
    /// How senders are served.
    pub connections: Options,
    /// Decodes each picture to the format of these options. The default is `None`.
    pub decode: Option<PoolOptions>,
    /// Writes previews of pictures that are arriving. The default is `None`.
    pub preview: Option<PreviewOptions>,
    /// Uploads each picture before its receipt. The default is `None`.
    #[cfg(feature = "services")]
    pub store: Option<Store>,
    /// Announces each picture. The default is `None`.
    #[cfg(feature = "services")]
    pub notifier: Option<Notifier>,
}

impl ServiceOptions {
    /// The default options: pictures are stored in `out`, and nothing else happens to them.
    pub fn new(out: PathBuf) -> Self {
        Self {
            out,
            models: Vec::new(),
            pixels: 1 << 28,
            connections: Options::default(),
            decode: None,
            preview: None,
            #[cfg(feature = "services")]
            store: None,
            #[cfg(feature = "services")]
            notifier: None,
        }
    }

    fn inbox(&self) -> InboxOptions {
        let mut inbox = InboxOptions::default();
        inbox.out.clone_from(&self.out);
        inbox.pixels = self.pixels;
        inbox.decode = self.decode.as_ref().map(|pool| pool.format);
        #[cfg(feature = "services")]
        {
            (inbox.upload, inbox.notify) = (self.store.is_some(), self.notifier.is_some());
        }
        inbox
    }
}

/// The file that holds the key of the receiver of this folder.
pub fn key_file(out: &Path) -> PathBuf {
    out.join(STATE_FOLDER).join(KEY)
}

/// A receiver whose folder is open, and which does not listen yet.
pub struct Service {
    options: ServiceOptions,
    identity: Identity,
    inbox: Inbox,
    peers: Peers,
    models: Models,
    metrics: Metrics,
    frames: Option<Arc<dyn ShowFrames>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Service {
    /// Opens the folder of the pictures, and locks it against other receivers.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be used, if another receiver uses it, or if a model cannot be read.
    pub fn open(options: ServiceOptions) -> Result<Self> {
        let inbox = Inbox::open(options.inbox())?;
        let models = Models::open(&options.out, &options.models)?;
        let peers = Peers::open(&options.out)?;
        let identity = Identity::load_or_create(&key_file(&options.out)).map_err(Error::Proto)?;
        Ok(Self { options, identity, inbox, peers, models, metrics: Metrics::default(), frames: None })
    }

    /// The identity that tickets name.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The senders that may send.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// The models that decode pictures.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Shows live frames. Without this, a sender of live frames is refused.
    pub fn show_frames(&mut self, shower: Arc<dyn ShowFrames>) {
        self.frames = Some(shower);
    }

    /// Counts what happens in these figures.
    pub fn count_in(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    /// Starts everything but the listening on `socket`. Call it inside a tokio runtime. The events end when the
    /// service has ended.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read, a thread cannot be started, or the socket cannot be used.
    pub fn start(self, socket: UdpSocket, events: mpsc::UnboundedSender<Event>) -> Result<RunningService> {
        let Self { options, identity, inbox, peers, models, metrics, frames } = self;
        let mut stages = Stages::new(models, metrics.clone(), events.clone());
        if let Some(pool) = options.decode {
            stages.decode(&inbox, pool)?;
        }
        if let Some(preview) = options.preview {
            stages.preview(&inbox, preview)?;
        }
        if let Some(shower) = frames {
            stages.show_frames(shower);
        }
        #[cfg(feature = "services")]
        if let Some(store) = &options.store {
            stages.upload(store.clone());
        }
        let pool = stages.pool().cloned();
        #[cfg(feature = "services")]
        let beside =
            accompany(&inbox, &identity, (options.store, options.notifier), (metrics, pool.clone()), &events);
        #[cfg(not(feature = "services"))]
        let beside = JoinSet::new();
        let receiver = Receiver::new(socket, identity, inbox, peers, options.connections, stages, events)?;
        Ok(RunningService { receiver, pool, beside })
    }
}

/// Starts what runs beside the receiver: the uploads that an earlier run left, the messages, the gauges.
#[cfg(feature = "services")]
fn accompany(
    inbox: &Inbox,
    identity: &Identity,
    (store, notifier): (Option<Store>, Option<Notifier>),
    (metrics, pool): (Metrics, Option<Pool>),
    events: &mpsc::UnboundedSender<Event>,
) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    let trouble = |what: &'static str| {
        let events = events.clone();
        move |error: &Error| {
            let _ = events.send(Event::Trouble { what, error: error.to_string() });
        }
    };
    if let Some(store) = store.clone() {
        let (inbox, trouble) = (inbox.clone(), trouble("object store"));
        beside.spawn(async move {
            if let Err(error) = store.resume(&inbox, &trouble).await {
                trouble(&error);
            }
        });
    }
    if metrics.is_counting() {
        let inbox = inbox.clone();
        beside.spawn(async move { metrics.watch(inbox, pool).await });
    }
    if let Some(notifier) = notifier {
        let (inbox, receiver, trouble) = (inbox.clone(), identity.public(), trouble("NATS"));
        beside.spawn(async move { notifier.run(inbox, receiver, store, trouble).await });
    }
    beside
}

/// A receiver that is bound to its port.
#[derive(Debug)]
pub struct RunningService {
    receiver: Receiver,
    pool: Option<Pool>,
    beside: JoinSet<()>,
}

impl RunningService {
    /// The address to which it is bound.
    ///
    /// # Errors
    /// Returns an error if the system does not report it.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.receiver.address()
    }

    /// Receives until `stop` becomes true. What has arrived in part stays for the next time; the journal records
    /// which pictures still wait to be decoded, uploaded or announced.
    pub async fn run(mut self, stop: watch::Receiver<bool>) {
        self.receiver.run(stop).await;
        if let Some(pool) = self.pool {
            pool.stop();
        }
        self.beside.shutdown().await;
    }
}
