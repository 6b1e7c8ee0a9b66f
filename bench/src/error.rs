//! The error type of the benchmark.

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
        /// The cause.
        source: std::io::Error,
    },
    /// A picture cannot be read.
    #[error("{}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: aecodec::Error,
    },
    /// A codec failed on a picture.
    #[error("{codec}: {detail}")]
    Codec {
        /// The codec's id.
        codec: String,
        /// The message.
        detail: String,
    },
    /// A table of external codecs or a file of curves is not valid.
    #[error("{file}: {detail}")]
    Table {
        /// The file.
        file: String,
        /// What is wrong, and where.
        detail: String,
    },
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Report(String),
    /// There is no picture that every codec could process.
    #[error("no picture could be measured")]
    NoPictures,
}

/// The result of the benchmark's functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error of a codec.
    pub fn codec(codec: &str, detail: impl Into<String>) -> Self {
        Self::Codec { codec: codec.to_owned(), detail: detail.into() }
    }

    /// Creates an error of a file.
    pub fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
