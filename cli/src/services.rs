//! The services that `aecodec receive` works with: an object store, messages on NATS, figures for Prometheus.

use aecodec_receiver::metrics::Metrics;
use aecodec_receiver::notify::Notifier;
use aecodec_receiver::store::Store;
use aecodec_receiver::{Result, ServiceOptions};

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

impl ServiceArgs {
    /// Reads the URLs and opens the store. Nothing connects yet.
    pub fn open(&self, options: &mut ServiceOptions) -> Result<()> {
        options.store = self.store.as_deref().map(Store::open).transpose()?;
        options.notifier = self.notify.as_deref().map(Notifier::parse).transpose()?;
        Ok(())
    }

    /// Begins to serve the figures, if that was asked for.
    pub fn metrics(&self) -> Result<Metrics> {
        let served = self.metrics.as_ref().map(|listen| listen.first(Metrics::serve)).transpose()?;
        Ok(served.unwrap_or_default())
    }
}
