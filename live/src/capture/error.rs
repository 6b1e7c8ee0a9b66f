//! What can go wrong with a pipe of frames.

use std::io;

/// Errors of a pipe of frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The pipe cannot be read.
    #[error("the frames cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The stream cannot be read any further.
    #[error("frame {frame}: {detail}")]
    Stream {
        /// Number of the frame, from 0.
        frame: u64,
        /// What was found and what was expected.
        detail: String,
    },
    /// This frame is lost; the next call continues after it.
    #[error("frame {frame} is skipped: {source}")]
    Frame {
        /// Number of the frame, from 0.
        frame: u64,
        /// What is wrong with it.
        source: aecodec::Error,
    },
}

impl FrameError {
    /// Whether the frames after this one can still be read.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Frame { .. })
    }
}
