//! Stands in for `page` in builds without the feature `services`: there is no option and no page.

use aecodec_receiver::{Event, Models};
use anyhow::Result;

use crate::report::Reporter;

#[derive(clap::Args)]
pub struct PageArgs {}

impl PageArgs {
    pub fn open(&self, _: &Models) -> Result<Option<Page>> {
        Ok(None)
    }
}

/// There is none.
pub enum Page {}

impl Page {
    pub fn start(self, _: &Reporter) -> Result<Gallery> {
        match self {}
    }
}

/// There is none.
pub enum Gallery {}

impl Gallery {
    pub fn take(&self, _: &Event) {
        match *self {}
    }
}
