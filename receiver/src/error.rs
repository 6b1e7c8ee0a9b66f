//! The errors of the receiver, with the values that say where they happened.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use aecodec_proto::Hash;

/// Errors of the receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port cannot be bound.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The protocol's library refuses a key or a setting.
    #[error(transparent)]
    Proto(aecodec_proto::Error),
    /// A bug in this program.
    #[error("internal error ({0}); please report it")]
    Thread(String),
    /// A bug in this program that concerns one picture; the others are not affected.
    #[error("{name}: internal error ({cause}); please report it with the file")]
    Internal {
        /// The picture.
        name: String,
        /// What the panic said.
        cause: String,
    },
    /// Another receiver runs on the same folder.
    #[error("another receiver uses {0}: stop it, or choose another --out")]
    InUse(PathBuf),
    /// The state was written by a later release.
    #[error("{path} has version {found}, but this build reads version {expected}; update aecodec")]
    StateVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version of this build.
        expected: i64,
    },
    /// The offer is not taken; the reason is for the sender to read.
    #[error("{0}")]
    Refused(Refusal),
    /// The disk is full. What has arrived stays.
    #[error("the disk of {0} is full")]
    Full(PathBuf),
    /// The bytes do not fit the part.
    #[error("part {part}: {length} bytes at {offset} are more than its {expected}")]
    Range {
        /// The part.
        part: u32,
        /// Where the bytes begin in it.
        offset: u32,
        /// How many bytes there are.
        length: usize,
        /// Length of the part.
        expected: u32,
    },
    /// Parts are missing.
    #[error("{missing} of {parts} parts have not arrived")]
    Incomplete {
        /// Parts that have not arrived.
        missing: usize,
        /// All parts.
        parts: usize,
    },
    /// What arrived is not what was offered; it was thrown away.
    #[error("{name}: what arrived has the hash {found}, offered was {expected}; it was thrown away")]
    WrongHash {
        /// The picture.
        name: String,
        /// Hash of what arrived.
        found: Hash,
        /// Hash of the offer.
        expected: Hash,
    },
    /// The transfer was given up before it was complete.
    #[error("{0}: the transfer was given up; the picture has to be offered again")]
    Dropped(String),
    /// The thread that writes the journal has ended.
    #[error("the receiver is shutting down")]
    Closed,
    /// There never was such an invitation, or it was withdrawn.
    #[error("no such invitation")]
    UnknownInvitation,
    /// Another sender has used the one-time invitation.
    #[error("the invitation was used already")]
    SpentInvitation,
    /// No model with this identity is available.
    #[error(
        "the model {0} is not available: give it with --model, or accept it from senders with --accept-models"
    )]
    NoModel(String),
    /// A file is not the model that its name says.
    #[error("{path}: its hash is {found}, expected {expected}")]
    WrongModel {
        /// The file, or where the bytes came from.
        path: String,
        /// Hash of the bytes.
        found: Hash,
        /// The hash that was asked for.
        expected: Hash,
    },
    /// An address or URL is not valid.
    #[error("{what} `{found}`: {detail}")]
    Invalid {
        /// What it is for.
        what: &'static str,
        /// What was given, without secrets.
        found: String,
        /// What is wrong.
        detail: String,
    },
    /// The object store did not store or return an object.
    #[error("object store: {0}")]
    Store(String),
    /// NATS did not take a message.
    #[error("NATS: {0}")]
    Notify(String),
    /// The metrics cannot be served.
    #[error("metrics: {0}")]
    Metrics(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal could not be read or written.
    #[error("journal: {0}")]
    Journal(#[source] JournalError),
    /// A finished picture could not be recorded. It is not lost: when it is offered again, it is recognised.
    #[error("the picture could not be recorded: {0}")]
    Unrecorded(String),
    /// A picture could not be decoded.
    #[error(transparent)]
    Codec(#[from] aecodec::Error),
}

/// What SQLite says about a journal that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JournalError(rusqlite::Error);

impl JournalError {
    pub(crate) fn is_disk_full(&self) -> bool {
        self.0.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Journal(JournalError(error))
    }
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name cannot be that of a file below the folder.
    #[error("the name `{name}` is not taken: {why}")]
    Name {
        /// The name, shortened and without control characters.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The parts do not make a picture.
    #[error("the parts are not taken: {0}")]
    Parts(&'static str),
    /// The picture is larger than this receiver takes.
    #[error("{bytes} bytes are above this receiver's limit of {limit}")]
    TooLarge {
        /// Bytes of the picture.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The picture has more pixels than this receiver takes.
    #[error("{pixels} pixels are above this receiver's limit of {limit}")]
    Pixels {
        /// Pixels of the picture.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// Too much of the sender's is unfinished.
    #[error("{found} {what} on their way are above this receiver's limit of {limit} for one sender")]
    TooMuch {
        /// Pictures or bytes.
        what: &'static str,
        /// How many there would be.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk has no room for it.
    #[error("{bytes} bytes do not fit: the disk has {free} left, {reserve} of them in reserve")]
    DiskFull {
        /// Bytes that would be written.
        bytes: u64,
        /// Free bytes, without those that other transfers still need.
        free: u64,
        /// Bytes that have to stay free.
        reserve: u64,
    },
}

impl Refusal {
    /// One word, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Name { .. } => "name",
            Self::Parts(_) => "parts",
            Self::TooLarge { .. } | Self::Pixels { .. } => "too_large",
            Self::TooMuch { .. } => "too_much",
            Self::DiskFull { .. } => "disk_full",
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    pub(crate) fn thread(error: &tokio::task::JoinError) -> Self {
        Self::Thread(error.to_string())
    }

    /// Adds the file to an error of the system, and distinguishes a full disk from other errors.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path.into()),
            _ => Self::Io { path: path.into(), source },
        }
    }
}

/// Result with this library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Turns a panic into an error of the picture that caused it, so that nothing else is affected.
pub(crate) fn caught<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let internal = |panic: Box<dyn Any + Send>| Error::Internal { name: name.into(), cause: cause(&*panic) };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(panic)))
}

/// The message of a panic.
fn cause(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown cause".into())
}
