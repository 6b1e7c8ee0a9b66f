//! The errors of the sender, with the files to which they happened.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of the sender.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A source is neither a picture that can be compressed nor an `.aec`.
    #[error("{}: {source}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: aecodec::Error,
    },
    /// An `.aec` has damaged or missing parts; sending it would only spread the damage.
    #[error("{}: {damaged} of {parts} parts are damaged or missing, first {first}; compress the picture again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Parts that are cut short or corrupt.
        damaged: usize,
        /// Parts that there should be.
        parts: usize,
        /// The first of them.
        first: String,
    },
    /// A source was changed while it was read.
    #[error("{} was changed while it was read; send it again when it is finished", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The state folder cannot be written or read.
    #[error("{}: {source}; free some space or choose another state folder", path.display())]
    State {
        /// The file or folder in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal cannot be written or read.
    #[error("{}: {source}", path.display())]
    Journal {
        /// The database.
        path: PathBuf,
        /// Why.
        source: JournalError,
    },
    /// The journal was written by a newer aecodec.
    #[error("{} has version {found}, this build knows {known}; update aecodec or choose another state folder", path.display())]
    JournalVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this build knows.
        known: i64,
    },
    /// There is no home folder to keep the state in.
    #[error("no home folder is set; say where the sender may keep its state")]
    NoHome,
    /// A bug in this program.
    #[error("{}: internal error ({cause}); please report it with the file", path.display())]
    Internal {
        /// The file at work.
        path: PathBuf,
        /// What the panic said.
        cause: String,
    },
    /// A bug in this program that concerns no file.
    #[error("internal error ({0}); please report it")]
    Thread(String),
}

/// What SQLite says about a journal that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JournalError(pub(crate) rusqlite::Error);

/// Result with this library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn picture(path: &Path) -> impl FnOnce(aecodec::Error) -> Self {
        |source| Self::Picture { path: path.to_owned(), source }
    }

    pub(crate) fn state(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::State { path: path.to_owned(), source }
    }

    pub(crate) fn thread(error: tokio::task::JoinError) -> Self {
        Self::Thread(error.to_string())
    }

    /// Whether the same file may succeed in a moment: it was being written, or its file system could not be
    /// reached.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Changed { .. })
    }
}
