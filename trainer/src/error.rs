//! What can go wrong while training.

use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of training or refinement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tensor library refused an operation: shapes that do not fit, or a device that failed.
    #[error("tensors: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The codec refused a picture or a model.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
    /// Weights that are not those of a network of this kind.
    #[error("weights: `{name}` {detail}")]
    Weights {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint that cannot be gone on from.
    #[error("checkpoint {}: {detail}", path.display())]
    Checkpoint {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A folder without a picture that is large enough.
    #[error("{}: no picture with both sides of {side} pixels or more ({skipped} files skipped)", path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
        /// Smallest side that is asked for.
        side: usize,
        /// Files that were unreadable or too small.
        skipped: usize,
    },
    /// A name or number that means nothing here.
    #[error("{what}: {detail}")]
    Invalid {
        /// What it was meant for.
        what: &'static str,
        /// What was found and what was expected.
        detail: String,
    },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn weights(name: &str, detail: impl Into<String>) -> Self {
        Self::Weights { name: name.to_owned(), detail: detail.into() }
    }
}
