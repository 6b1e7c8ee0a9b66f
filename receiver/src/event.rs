//! What a receiver reports: senders that come and go, pictures, and live frames.

use std::net::SocketAddr;

use aecodec_proto::PublicKey;
use aecodec_proto::figures::Picture;
use aecodec_proto::message::FrameReport;

use crate::decode::Finished;
use crate::preview::PreviewWritten;
use crate::stored::Stored;

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A sender was not admitted, or broke the protocol.
    Refused {
        /// Its address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A sender has connected.
    Connected {
        /// Its key.
        peer: PublicKey,
        /// Its name.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// Whether it came with an invitation, for the first time.
        enrolled: bool,
    },
    /// A sender has disconnected.
    Disconnected {
        /// Its key.
        peer: PublicKey,
        /// Its name.
        name: String,
        /// How it ended.
        reason: String,
    },
    /// A picture is stored, or was stored before.
    Arrived(Arrived),
    /// A preview of a picture that is arriving.
    Previewed(PreviewWritten),
    /// A picture was decoded, or could not be decoded.
    Decoded(Finished),
    /// Something other than the storing of pictures does not work; it is tried again.
    Trouble {
        /// What does not work.
        what: &'static str,
        /// The error.
        error: String,
    },
    /// What became of a live frame.
    Frame {
        /// Its sender.
        from: String,
        /// What became of it.
        shown: FrameReport,
    },
    /// A picture is not taken.
    Declined {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// A picture that has its receipt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arrived {
    /// The picture.
    pub stored: Stored,
    /// Name of its sender.
    pub from: String,
    /// Its figures. Those of the wire count what this connection carried since the previous receipt.
    pub figures: Picture,
}
