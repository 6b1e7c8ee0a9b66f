//! The pictures that arrive on a connection, and the results of its tasks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aecodec_proto::message::Offer;
use aecodec_proto::parts::StreamHeader;
use aecodec_proto::{Hash, PublicKey};
use bytes::BytesMut;
use quinn::RecvStream;

use crate::Result;
use crate::inbox::Begin;
use crate::peers::Enrolled;
use crate::stored::Stored;
use crate::transfer::Transfer;

/// A picture that is arriving on this connection.
pub(super) struct Arriving {
    pub offer: Offer,
    pub since: Instant,
    pub transfer: Option<Arc<Transfer>>,
    pub tries: u8,
    pub last_byte: Option<Duration>,
}

/// The result of a task.
pub(super) enum Done {
    /// The header of a stream, which says what it carries.
    Header(RecvStream, StreamHeader, BytesMut),
    LookedUp(u64, Result<Begin>),
    Part(u64, u32, Result<()>),
    /// The sender gave up its stream.
    PartLost(u64, u32),
    Completed(u64, Result<Stored>),
    Model(Hash, Result<()>),
    /// The sender gave up its stream.
    ModelLost(Hash),
    Enrolled(Result<NewPeer>, String),
    /// Nothing remains to be done.
    Nothing,
}

/// A sender that has enrolled.
pub(super) struct NewPeer {
    pub key: PublicKey,
    pub enrolled: Enrolled,
    /// The name that it has here.
    pub name: Option<String>,
}
