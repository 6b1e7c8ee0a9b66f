//! What can go wrong between the two ends, and the codes with which a connection is closed.

use crate::Hash;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One of this end's own files cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The key file contains no key, or others can read it.
    #[error("key file {path}: {detail}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A ticket was mistyped or cut short.
    #[error("this is not a ticket: {0}")]
    Ticket(&'static str),
    /// The cryptographic library refused.
    #[error("cryptography: {0}")]
    Crypto(String),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {0}")]
    Violation(#[from] Violation),
}

/// How a peer broke the protocol. The connection is closed; nothing that was stored is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message is longer than the protocol allows.
    #[error("a message of {length} bytes, expected at most {limit}")]
    Oversized {
        /// Bytes that were announced.
        length: u64,
        /// Bytes that are accepted.
        limit: u64,
    },
    /// Bytes that are not a message.
    #[error("bytes that are not a message: {0}")]
    Malformed(String),
    /// A message at the wrong time.
    #[error("{message} at the wrong time: {detail}")]
    Unexpected {
        /// Its name.
        message: &'static str,
        /// What was expected.
        detail: &'static str,
    },
    /// The other end speaks another version.
    #[error("protocol version {found}, expected {expected}")]
    Version {
        /// The peer's.
        found: u16,
        /// Ours.
        expected: u16,
    },
    /// An offer with a field that is out of range.
    #[error("offer {id}: {detail}")]
    Offer {
        /// The offer.
        id: u64,
        /// The field.
        detail: String,
    },
    /// Something refers to an offer that is not open.
    #[error("{message} for offer {id}, which is not open")]
    UnknownOffer {
        /// The message.
        message: &'static str,
        /// The offer.
        id: u64,
    },
    /// A part that was not asked for, is on its way already, or does not exist.
    #[error("part {part} of offer {id} was not expected")]
    Part {
        /// The offer.
        id: u64,
        /// The part.
        part: u32,
    },
    /// A stream that is longer or shorter than what it carries.
    #[error("a stream of {found} bytes, although {expected} were announced")]
    StreamLength {
        /// Bytes that came.
        found: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// A receipt for something else, or before everything was sent.
    #[error("a receipt for offer {id} that cannot be true: {detail}")]
    LyingReceipt {
        /// The offer.
        id: u64,
        /// Why not.
        detail: &'static str,
    },
    /// A model was asked for that no offer needs.
    #[error("the model {0} was asked for without need")]
    Model(Hash),
    /// What was sent as a model is another model, or is not a model.
    #[error("what was sent as the model {0} is not that model")]
    WrongModel(Hash),
    /// The proof of a new key is not valid.
    #[error("the new key's signature does not fit this connection")]
    Enrol,
    /// The peer did not send in time.
    #[error("nothing came for {seconds} seconds while {waiting} was due")]
    Slow {
        /// What was due.
        waiting: &'static str,
        /// For how long.
        seconds: u64,
    },
}

/// Codes with which an application closes a connection or stops a stream (docs/protocol.md, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Close {
    /// Everything is settled.
    Done = 0,
    /// The peer broke the protocol.
    Violation = 1,
    /// The invitation is spent, or the key unknown.
    NotAdmitted = 2,
    /// This end is being shut down; try again later.
    ShuttingDown = 3,
    /// This end has a problem, for example a full disk; try again later.
    Trouble = 4,
    /// A part of a live frame came too late to be useful.
    TooLate = 5,
}

impl Close {
    /// The meaning of a code.
    pub fn of(code: u64) -> Option<Self> {
        [Self::Done, Self::Violation, Self::NotAdmitted, Self::ShuttingDown, Self::Trouble, Self::TooLate]
            .into_iter()
            .find(|&close| close as u64 == code)
    }
}
