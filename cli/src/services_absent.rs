//! Stands in for `services` in builds without that feature: there is no option, and nothing runs beside the receiver.

use aecodec_receiver::metrics::Metrics;
use aecodec_receiver::{Result, ServiceOptions};

#[derive(clap::Args)]
pub struct ServiceArgs {}

impl ServiceArgs {
    pub fn open(&self, _: &mut ServiceOptions) -> Result<()> {
        Ok(())
    }

    pub fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::default())
    }
}
