//! The error type of training and refinement.

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of training or refinement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tensor library failed: shapes do not match, or a device does not work.
    #[error("tensors: {0}")]
    Tensor(String),
    /// The codec refused a picture or a model.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
    /// The weights do not belong to such a network, or cannot be quantised.
    #[error("weights: `{name}` {detail}")]
    Weights {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A checkpoint cannot be read or written.
    #[error("checkpoint {}: {detail}", path.display())]
    Checkpoint {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A folder holds no picture that is large enough.
    #[error("{}: no picture with both sides of {side} pixels or more ({skipped} files skipped)", path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
        /// The smallest side that is required.
        side: usize,
        /// The number of files that are unreadable or too small.
        skipped: usize,
    },
    /// A name or a number is not valid here.
    #[error("{what}: {detail}")]
    Invalid {
        /// What it is for.
        what: &'static str,
        /// What was found, and what was expected.
        detail: String,
    },
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error.to_string())
    }
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn weights(name: &str, detail: impl Into<String>) -> Self {
        Self::Weights { name: name.to_owned(), detail: detail.into() }
    }
}
