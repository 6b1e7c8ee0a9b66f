//! Stands in for `services` in builds without that feature: there is no option, and nothing runs beside the receiver.

use aecodec_proto::PublicKey;
use aecodec_receiver::listener::Event;
use aecodec_receiver::metrics::Metrics;
use aecodec_receiver::{Inbox, Result, Stages};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[derive(clap::Args)]
pub struct ServiceArgs {}

/// No services.
pub struct Services;

impl ServiceArgs {
    pub fn open(&self) -> Result<Services> {
        Ok(Services)
    }
}

impl Services {
    pub fn uploads(&self) -> bool {
        false
    }

    pub fn notifies(&self) -> bool {
        false
    }

    pub fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::default())
    }

    pub fn join(&self, _: &mut Stages) {}

    pub fn start(
        self,
        _: &mut JoinSet<()>,
        _: &Inbox,
        _: PublicKey,
        _: &Stages,
        _: Metrics,
        _: &mpsc::UnboundedSender<Event>,
    ) {
    }
}
