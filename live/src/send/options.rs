//! What a live session sends, to which receiver, and how.

use std::sync::Arc;
use std::time::Duration;

use aecodec::{Limits, Model};
use aecodec_proto::Identity;
use aecodec_sender::{Destination, Outbox};

use crate::capture::Format;
use crate::control::Config;

/// What to send, to which receiver, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The receiver.
    pub target: Destination,
    /// The identity of this sender.
    pub identity: Identity,
    /// Name of this host, for people.
    pub label: String,
    /// The model to compress with.
    pub model: Arc<Model>,
    /// Format of the frames.
    pub format: Format,
    /// The most frames per second; frames that come sooner wait. `None` takes them as they come.
    pub pace: Option<f64>,
    /// How quality follows the path.
    pub control: Config,
    /// Bounds on a frame.
    pub limits: Limits,
    /// The session fails after this time without a connection.
    pub patience: Duration,
    /// Where the receiver is remembered when it was reached, so that its name is enough the next time.
    pub remember: Option<Arc<Outbox>>,
}

impl Options {
    /// The default options, which take frames as they come.
    pub fn new(
        target: Destination,
        identity: Identity,
        label: String,
        model: Arc<Model>,
        format: Format,
    ) -> Self {
        Self {
            target,
            identity,
            label,
            model,
            format,
            pace: None,
            control: Config::default(),
            limits: Limits::default(),
            patience: Duration::from_secs(600),
            remember: None,
        }
    }
}
