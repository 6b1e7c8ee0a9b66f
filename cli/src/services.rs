//! The services that `aecodec receive` works with: an object store, messages on NATS, figures for Prometheus.

use aecodec_proto::PublicKey;
use aecodec_receiver::listener::Event;
use aecodec_receiver::metrics::Metrics;
use aecodec_receiver::notify::Notifier;
use aecodec_receiver::store::Store;
use aecodec_receiver::{Inbox, Result, Stages};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::pairing::{self, Listen};

#[derive(clap::Args)]
pub struct ServiceArgs {
    /// Upload each .aec to s3://bucket/prefix or file:///folder before its receipt; the environment holds the
    /// credentials (AWS_ACCESS_KEY_ID and so on)
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Announce each picture on nats://host:port/subject (JetStream)
    #[arg(long, value_name = "URL")]
    notify: Option<String>,
    /// Serve metrics for Prometheus on http://ADDR:PORT/metrics
    #[arg(long, value_name = "ADDR:PORT", value_parser = pairing::addresses_of)]
    metrics: Option<Listen>,
}

/// The services that were asked for.
pub struct Services {
    store: Option<Store>,
    notifier: Option<Notifier>,
    metrics: Option<Listen>,
}

impl ServiceArgs {
    /// Reads the URLs and opens the store. Nothing connects yet.
    pub fn open(&self) -> Result<Services> {
        let store = self.store.as_deref().map(Store::open).transpose()?;
        let notifier = self.notify.as_deref().map(Notifier::parse).transpose()?;
        Ok(Services { store, notifier, metrics: self.metrics.clone() })
    }
}

impl Services {
    pub fn uploads(&self) -> bool {
        self.store.is_some()
    }

    pub fn notifies(&self) -> bool {
        self.notifier.is_some()
    }

    /// Begins to serve the figures, if that was asked for.
    pub fn metrics(&self) -> Result<Metrics> {
        let served = self.metrics.as_ref().map(|listen| listen.first(Metrics::serve)).transpose()?;
        Ok(served.unwrap_or_default())
    }

    /// Adds the upload to what happens to each picture.
    pub fn join(&self, stages: &mut Stages) {
        if let Some(store) = &self.store {
            stages.upload(store.clone());
        }
    }

    /// Starts what runs beside the receiver: the uploads that an earlier run left, the messages, the gauges.
    pub fn start(
        self,
        beside: &mut JoinSet<()>,
        inbox: &Inbox,
        receiver: PublicKey,
        stages: &Stages,
        metrics: Metrics,
        events: &mpsc::UnboundedSender<Event>,
    ) {
        let trouble = |what: &'static str| {
            let events = events.clone();
            move |error: &aecodec_receiver::Error| {
                let _ = events.send(Event::Trouble { what, error: error.to_string() });
            }
        };
        if let Some(store) = self.store.clone() {
            let (inbox, trouble) = (inbox.clone(), trouble("object store"));
            beside.spawn(async move {
                if let Err(error) = store.resume(&inbox, &trouble).await {
                    trouble(&error);
                }
            });
        }
        if self.metrics.is_some() {
            let (inbox, pool) = (inbox.clone(), stages.pool().cloned());
            beside.spawn(async move { metrics.watch(inbox, pool).await });
        }
        if let Some(notifier) = self.notifier {
            let (inbox, trouble) = (inbox.clone(), trouble("NATS"));
            beside.spawn(async move { notifier.run(inbox, receiver, self.store, trouble).await });
        }
    }
}
