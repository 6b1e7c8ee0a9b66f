//! What happens to a picture in addition to being stored: previews, the object store, decoding, figures for
//! Prometheus.

use std::fmt;
use std::sync::Arc;

use aecodec_proto::Hash;
use tokio::sync::mpsc;

use crate::decode::{Finished, Pool, PoolOptions};
use crate::event::Event;
use crate::frames::ShowFrames;
use crate::metrics::Metrics;
use crate::preview::{PreviewOptions, PreviewWritten, Previews};
#[cfg(feature = "services")]
use crate::store::Store;
use crate::transfer::Transfer;
use crate::{Begin, Error, Inbox, Models, Result, Stored, Task};

/// The stages of one receiver. They are cheap to clone.
#[derive(Clone)]
pub struct Stages {
    models: Models,
    pool: Option<Pool>,
    previews: Option<Previews>,
    #[cfg(feature = "services")]
    store: Option<Store>,
    frames: Option<Arc<dyn ShowFrames>>,
    metrics: Metrics,
    events: mpsc::UnboundedSender<Event>,
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stages").finish_non_exhaustive()
    }
}

impl Stages {
    /// Makes stages with these models, these figures, and nothing else.
    pub fn new(models: Models, metrics: Metrics, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            models,
            pool: None,
            previews: None,
            #[cfg(feature = "services")]
            store: None,
            frames: None,
            metrics,
            events,
        }
    }

    /// Decodes the stored pictures. The inbox must have been opened with the same format.
    ///
    /// # Errors
    /// Returns an error if the journal cannot be read, or if no thread can be started.
    pub fn decode(&mut self, inbox: &Inbox, options: PoolOptions) -> Result<()> {
        let (events, metrics) = (self.events.clone(), self.metrics.clone());
        let report = move |finished: Finished| {
            if let Ok(decoded) = &finished.result {
                metrics.decoded(decoded.took);
            }
            let _ = events.send(Event::Decoded(finished));
        };
        self.pool = Some(Pool::start(inbox, &self.models, options, report)?);
        Ok(())
    }

    /// Shows previews of pictures that are arriving.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn preview(&mut self, inbox: &Inbox, options: PreviewOptions) -> Result<()> {
        let events = self.events.clone();
        let report = move |news: Result<PreviewWritten>| {
            let _ = events.send(match news {
                Ok(shown) => Event::Previewed(shown),
                Err(error) => Event::Trouble { what: "preview", error: error.to_string() },
            });
        };
        self.previews = Some(Previews::start(inbox, &self.models, options, report)?);
        Ok(())
    }

    /// Shows live frames. Without this, a sender of live frames is refused.
    pub fn show_frames(&mut self, shower: Arc<dyn ShowFrames>) {
        self.frames = Some(shower);
    }

    /// Uploads each stored picture to an object store, before its receipt.
    #[cfg(feature = "services")]
    pub fn upload(&mut self, store: Store) {
        self.store = Some(store);
    }

    /// The decode pool, if there is one.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    pub(crate) fn frames(&self) -> Option<&dyn ShowFrames> {
        self.frames.as_deref()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn models(&self) -> &Models {
        &self.models
    }

    /// Whether pictures of this model can be decoded, or need not be.
    pub(crate) fn can_decode(&self, model: &Hash) -> bool {
        self.pool.is_none() && self.previews.is_none() || self.models.has(model)
    }

    /// Whether previews are shown.
    pub(crate) fn previews(&self) -> aecodec_proto::receiver::Previews {
        match self.previews {
            Some(_) => aecodec_proto::receiver::Previews::Show,
            None => aecodec_proto::receiver::Previews::Hide,
        }
    }

    /// A picture begins to arrive.
    pub(crate) fn begin(&self, transfer: &Arc<Transfer>, thumbnail: &mut Vec<u8>) {
        if let Some(previews) = self.previews.as_ref().filter(|_| !thumbnail.is_empty()) {
            previews.begin(transfer, std::mem::take(thumbnail));
        }
    }

    /// A part has arrived.
    pub(crate) fn part(&self, transfer: &Arc<Transfer>) {
        if let Some(previews) = &self.previews {
            previews.update(transfer);
        }
    }

    /// All of a picture has arrived: checks, flushes and names it. Blocks on the disk.
    pub(crate) fn complete(&self, transfer: &Transfer) -> Result<Stored> {
        let stored = transfer.complete();
        if let Some(previews) = &self.previews {
            match (&stored, &self.pool) {
                (Ok(_), Some(_)) => previews.stop(transfer),
                // A preview that cannot be removed is not a failure.
                _ => drop(previews.remove(transfer)),
            }
        }
        stored
    }

    /// A picture is stored. When this returns, it may get its receipt. If the queue of decodes is full, this waits,
    /// and so does the sender.
    pub(crate) async fn stored(&self, inbox: &Inbox, stored: &Stored) -> Result<()> {
        self.upload_now(inbox, stored).await?;
        if let Some(pool) = self.pool.as_ref().filter(|_| self.models.has(&stored.model)) {
            pool.submit(stored.clone()).await?;
        }
        Ok(())
    }

    /// A picture is already stored, perhaps under another name until now: does what was not yet done for it.
    pub(crate) async fn stored_before(&self, inbox: &Inbox, stored: &Stored) -> Result<Begin> {
        self.upload_now(inbox, stored).await?;
        if let Some(pool) = self.pool.as_ref().filter(|_| self.models.has(&stored.model)) {
            let (journal, id) = (inbox.clone(), stored.id);
            let pending = tokio::task::spawn_blocking(move || journal.is_pending(id, Task::Decode)).await;
            if pending.map_err(|error| Error::thread(&error))?? {
                pool.submit(stored.clone()).await?;
            }
        }
        Ok(Begin::Already(stored.clone()))
    }

    #[cfg(feature = "services")]
    async fn upload_now(&self, inbox: &Inbox, stored: &Stored) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let trouble = |error: &Error| {
            let _ = self.events.send(Event::Trouble { what: "object store", error: error.to_string() });
        };
        store.ensure(inbox, stored, trouble).await.map(drop)
    }

    #[cfg(not(feature = "services"))]
    async fn upload_now(&self, _: &Inbox, _: &Stored) -> Result<()> {
        Ok(())
    }

    /// A model has arrived, so pictures that waited for it can be decoded.
    pub(crate) async fn model_came(&self, waiting: Vec<Stored>) -> Result<()> {
        if let Some(pool) = &self.pool {
            for stored in waiting {
                pool.submit(stored).await?;
            }
        }
        Ok(())
    }
}
