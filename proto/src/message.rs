//! What the two ends say to each other on the control stream (docs/protocol.md, section 4).

use serde::{Deserialize, Serialize};

use crate::{Hash, PublicKey};

/// Version of the protocol; the ALPN carries it as well.
pub const VERSION: u16 = 1;

/// From the sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToReceiver {
    /// The first message.
    Hello {
        /// [`VERSION`].
        version: u16,
        /// Name of the sending host, for people.
        label: String,
        /// Present when the connection was made with an invitation instead of the sender's own key.
        enrol: Option<Enrol>,
    },
    /// A picture that the sender holds.
    Offer(Offer),
    /// An offer cannot be kept: the receiver no longer waits for its parts.
    Withdraw {
        /// The offer.
        id: u64,
    },
    /// A live frame; its parts follow at once.
    Frame(Frame),
}

/// Proof that the sender that holds the invitation also holds its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// The sender's own key, which the receiver knows from now on.
    pub key: PublicKey,
    /// That key's signature over the connection's exported keying material.
    pub signature: Vec<u8>,
}

/// The offer of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Number of the picture on this connection.
    pub id: u64,
    /// Relative path below the receiver's folder, `/` between its parts, ending in `.aec`.
    pub name: String,
    /// Hash of the `.aec`.
    pub hash: Hash,
    /// Lengths in bytes of the parts in which it travels, in the order of the file.
    pub parts: Vec<u32>,
    /// The model that decodes it.
    pub model: Hash,
    /// What it was made from.
    pub source: Source,
    /// A small `.aec` of a large picture, for a first preview. It is empty if there is none or if the receiver
    /// shows no previews.
    pub thumbnail: Vec<u8>,
}

impl Offer {
    /// Bytes of the whole `.aec`.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|&part| u64::from(part)).sum()
    }

    /// Where a part begins in the file, and its length.
    pub fn range(&self, part: u32) -> Option<(u64, u32)> {
        let length = *self.parts.get(part as usize)?;
        let before = &self.parts[..part as usize];
        Some((before.iter().map(|&part| u64::from(part)).sum(), length))
    }
}

/// The picture before it was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Bytes of the file that was compressed.
    pub bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes of its samples without compression.
    pub raw: u64,
    /// PSNR in dB by the sender's own exact decode; `None` if it is not known.
    pub psnr: Option<f64>,
}

/// A live frame. Its parts are those of its `.aec`: header and hyper-latents, then pass 0 to 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The number of the captured frame. It grows by one for each; dropped frames leave gaps.
    pub seq: u64,
    /// When it was captured, in microseconds on the sender's clock.
    pub captured: u64,
    /// The frame has to be shown within this many milliseconds of its capture.
    pub deadline: u32,
    /// Width at which it is shown; it may be coded with a smaller width.
    pub width: u32,
    /// Height at which it is shown.
    pub height: u32,
    /// Lengths of its parts in bytes.
    pub parts: Vec<u32>,
}

/// From the receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToSender {
    /// The answer to the first message.
    Welcome {
        /// [`VERSION`].
        version: u16,
        /// Name of the receiving host, for people.
        label: String,
        /// The number of offers that may be unsettled at a time.
        window: u32,
        /// Whether the receiver accepts models that it does not know.
        takes_models: bool,
        /// Whether the receiver shows previews, so that offers should bring a thumbnail.
        previews: bool,
    },
    /// Parts of an offered picture that the receiver lacks, as (first, count).
    Want {
        /// The offer.
        id: u64,
        /// Ranges of parts, ascending.
        parts: Vec<(u32, u32)>,
    },
    /// The receiver lacks the model with this hash. Pictures do not wait for it.
    NeedModel {
        /// The model.
        hash: Hash,
    },
    /// The picture is on the receiver's disk under its name, flushed.
    Receipt(Receipt),
    /// The offer is not taken; the sender must not offer it again on this connection.
    Refused {
        /// The offer.
        id: u64,
        /// Why, in words.
        reason: String,
    },
    /// What became of a live frame.
    Shown(FrameReport),
}

/// A picture is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The offer.
    pub id: u64,
    /// Hash of what was stored.
    pub hash: Hash,
    /// Whether the picture was there before.
    pub stored: StoredWhen,
    /// Milliseconds from the offer to the first preview, if one was made.
    pub first_preview: Option<u32>,
    /// Milliseconds from the offer to its last byte.
    pub last_byte: u32,
}

/// How a picture came to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredWhen {
    /// Over this connection.
    Now,
    /// It was there already.
    Before,
}

/// What became of a live frame. The sender controls its rate by these reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameReport {
    /// The frame.
    pub seq: u64,
    /// Passes that were decoded; `None` if the frame was not shown.
    pub passes: Option<u8>,
    /// Bytes of it that arrived.
    pub bytes: u32,
    /// Milliseconds after its deadline; negative if it was shown before it.
    pub lateness: i32,
    /// Milliseconds of decoding.
    pub decode: u16,
    /// Recent rate of arrival in bytes per second.
    pub rate: u32,
}
