//! Stands in for `screens` in builds without live frames: there is no option, and senders of live frames are refused.

use std::path::Path;

use aecodec_receiver::Service;
use anyhow::Result;

#[derive(clap::Args)]
pub struct ScreenArgs {}

impl ScreenArgs {
    pub fn use_stdout(&self) -> bool {
        false
    }

    pub fn show(&self, _: &mut Service, _: &Path) -> Result<()> {
        Ok(())
    }
}
