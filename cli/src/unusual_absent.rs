//! `aecodec send` without `--only-unusual`, which this build lacks.

use std::path::PathBuf;
use std::sync::Arc;

use aecodec_sender::Screen;
use anyhow::Result;

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {}

impl Args {
    /// None.
    pub fn screen(&self, _: Option<&PathBuf>) -> Result<Option<Arc<dyn Screen>>> {
        Ok(None)
    }
}
