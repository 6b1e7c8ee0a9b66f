//! The page of `aecodec receive --web`.

use std::net::TcpListener;

use aecodec_gallery::Access;
pub use aecodec_gallery::Gallery;
use aecodec_receiver::Models;
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::pairing::{self, Listen};
use crate::report::Reporter;

#[derive(clap::Args)]
pub struct PageArgs {
    /// Serve a page with the pictures that arrive, on http://ADDR:PORT/; unless ADDR is this host alone, its address has a
    /// random token
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:4744", value_parser = pairing::addresses_of)]
    web: Option<Listen>,
}

impl PageArgs {
    /// The page, if there shall be one.
    pub fn open(&self, models: &Models) -> Result<Option<Page>> {
        self.web.as_ref().map(|listen| Page::open(listen, models.clone())).transpose()
    }
}

/// A page that is not served yet.
pub struct Page {
    listener: TcpListener,
    access: Access,
    gallery: Gallery,
}

impl Page {
    /// Binds the address.
    fn open(listen: &Listen, models: Models) -> Result<Self> {
        let listener = listen
            .first(TcpListener::bind)
            .context("cannot serve the page; choose another address with --web")?;
        listener.set_nonblocking(true)?;
        let access = Access::of(listener.local_addr()?)?;
        Ok(Self { listener, access, gallery: Gallery::new(models) })
    }

    /// Serves the page from now on, and prints its address. Call it inside a tokio runtime.
    pub fn start(self, reporter: &Reporter) -> Result<Gallery> {
        let Self { listener, access, gallery } = self;
        let url = format!("http://{}{}", listener.local_addr()?, access.root());
        reporter.result(&format!("pictures at {url}"), &json!({ "event": "page", "url": url }))?;
        tokio::spawn(gallery.clone().serve(tokio::net::TcpListener::from_std(listener)?, access));
        Ok(gallery)
    }
}
