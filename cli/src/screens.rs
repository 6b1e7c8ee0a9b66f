//! `aecodec receive`: where live frames are shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aecodec_live::show::{Outlet, Screens};
use aecodec_receiver::Service;
use anyhow::Result;

use crate::failure::usage;

/// Frames per second in the header of a y4m stream; frames are written when they are shown.
const RATE: u32 = 10;

#[derive(clap::Args)]
pub struct ScreenArgs {
    /// Where to show live frames: a picture file that each frame replaces, or '-' for y4m on stdout, with results
    /// on stderr [default: NAME.live.jpg of each sender in the folder]
    #[arg(long, value_name = "FILE")]
    live: Option<PathBuf>,
}

impl ScreenArgs {
    /// Whether frames are written to stdout.
    pub fn use_stdout(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.as_os_str() == "-")
    }

    /// Has the frames shown; `folder` is for senders without a requested place.
    pub fn show(&self, service: &mut Service, folder: &Path) -> Result<()> {
        let outlet = match &self.live {
            Some(_) if self.use_stdout() => Outlet::stream(Box::new(std::io::stdout()), RATE),
            Some(file) => Outlet::file(file.clone()).map_err(|error| usage(error.to_string()))?,
            None => Outlet::Folder(folder.into()),
        };
        service.show_frames(Arc::new(Screens::new(outlet, folder.into(), service.models().clone())));
        Ok(())
    }
}
