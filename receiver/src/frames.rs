//! Live frames as the receiver takes them from a connection. Who shows them is decided elsewhere: `aecodec-live` has a
//! [`ShowFrames`] that decodes them in time.

use std::fmt;

use aecodec_proto::message::{Frame, FrameReport};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// The most chunks of one sender that wait to be handled.
const CHUNKS: usize = 256;

/// Shows the live frames of senders.
pub trait ShowFrames: fmt::Debug + Send + Sync {
    /// Starts to show the frames of one sender, until [`FrameFeed::inputs`] ends. It is called inside the runtime of
    /// the receiver and must not block.
    fn start(&self, feed: FrameFeed);
}

/// The live frames of one sender, for the one who shows them.
pub struct FrameFeed {
    /// The name of the sender.
    pub sender: String,
    /// What arrives.
    pub inputs: mpsc::Receiver<FrameInput>,
    /// To be set to the number of the newest frame whose [`FrameInput::Announced`] was handled. The chunks of a frame
    /// are held back until then, because they may overtake it.
    pub announced: watch::Sender<Option<u64>>,
    /// Takes a report on each frame, for the sender.
    pub reports: mpsc::UnboundedSender<FrameReport>,
    /// Takes the error of a frame that could not be decoded or written.
    pub trouble: Box<FrameTrouble>,
}

/// Takes an error of the one who shows frames.
pub type FrameTrouble = dyn Fn(&dyn std::error::Error) + Send + Sync;

impl fmt::Debug for FrameFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameFeed").field("sender", &self.sender).finish_non_exhaustive()
    }
}

/// Something of a live frame that arrived.
#[derive(Debug)]
pub enum FrameInput {
    /// A frame was announced.
    Announced(Frame),
    /// Bytes of a part of a frame that was announced, in order within the part.
    Chunk {
        /// The frame.
        seq: u64,
        /// The part.
        part: u32,
        /// Its next bytes.
        bytes: Bytes,
    },
}

/// The receiver's end of a [`FrameFeed`]. The feed ends when all clones are dropped.
#[derive(Debug, Clone)]
pub(crate) struct FrameIntake {
    inputs: mpsc::Sender<FrameInput>,
    announced: watch::Receiver<Option<u64>>,
}

impl FrameIntake {
    /// Starts to show the frames of `sender`.
    pub fn start(
        shower: &dyn ShowFrames,
        sender: String,
        reports: mpsc::UnboundedSender<FrameReport>,
        trouble: impl Fn(&dyn std::error::Error) + Send + Sync + 'static,
    ) -> Self {
        let (inputs, arriving) = mpsc::channel(CHUNKS);
        let (newest, announced) = watch::channel(None);
        shower.start(FrameFeed {
            sender,
            inputs: arriving,
            announced: newest,
            reports,
            trouble: Box::new(trouble),
        });
        Self { inputs, announced }
    }

    /// Waits until a frame was announced. False if frames are no longer shown.
    pub async fn announced(&self, seq: u64) -> bool {
        let mut announced = self.announced.clone();
        announced.wait_for(|newest| newest.is_some_and(|newest| seq <= newest)).await.is_ok()
    }

    /// Something arrived. Waits if more arrives than can be handled. False if frames are no longer shown.
    pub async fn put(&self, input: FrameInput) -> bool {
        self.inputs.send(input).await.is_ok()
    }
}
