//! What can go wrong in a benchmark.

use std::path::PathBuf;

/// An error of the benchmark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture cannot be read.
    #[error("{}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        source: aecodec::Error,
    },
    /// A codec failed on a picture.
    #[error("{codec}: {detail}")]
    Codec {
        /// The codec's id.
        codec: String,
        /// What it said.
        detail: String,
    },
    /// The table of external codecs does not make sense.
    #[error("{file}: {detail}")]
    Table {
        /// The table's file.
        file: String,
        /// Where and why.
        detail: String,
    },
    /// The report cannot be made.
    #[error("the report cannot be made: {0}")]
    Report(String),
    /// There is no picture on which every codec worked.
    #[error("no picture could be measured")]
    NoPictures,
}

/// A result of the benchmark.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a codec.
    pub fn codec(codec: &str, detail: impl Into<String>) -> Self {
        Self::Codec { codec: codec.to_owned(), detail: detail.into() }
    }

    /// An error on a file.
    pub fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
