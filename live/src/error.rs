//! What can go wrong with live frames.

use std::io;
use std::path::PathBuf;

use crate::capture::FrameError;

/// Errors of live frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream of frames cannot be read any further.
    #[error(transparent)]
    Frames(#[from] FrameError),
    /// The sender's journal cannot be used.
    #[error(transparent)]
    Sender(#[from] aecodec_sender::Error),
    /// The receiver lacks the model of a frame.
    #[error(transparent)]
    Receiver(#[from] aecodec_receiver::Error),
    /// A frame cannot be coded, decoded or written.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
    /// The name of the picture file does not say which format to write.
    #[error("live picture `{}`: its name has to end in png, jpg, webp or ppm", .0.display())]
    Outlet(PathBuf),
    /// The y4m stream cannot be written.
    #[error("the y4m stream: {0}")]
    Stream(io::Error),
    /// The thread that shows frames has ended.
    #[error("frames are no longer shown")]
    Closed,
    /// A bug in this program.
    #[error("internal error ({0}); please report it")]
    Thread(String),
}

/// Result with this library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn thread(error: &tokio::task::JoinError) -> Self {
        Self::Thread(error.to_string())
    }
}
