//! The errors of this crate.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be read.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
    /// The index cannot be read or written.
    #[error("the index cannot be read or written: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file is no index, or it is damaged.
    #[error(
        "the file is no index of aecodec, or it is damaged; choose another name, or delete it and run aecodec index again"
    )]
    NotAnIndex,
    /// The index is of another version.
    #[error("the index has version {found}, expected {expected}; delete it and run aecodec index again")]
    Version {
        /// The version that this build reads.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// The name of a file cannot be stored.
    #[error("the name is not UTF-8; rename the file")]
    Name,
}

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
