//! The receiver: admits senders, stores the pictures that arrive, and decodes, uploads or announces them.
//!
//! [`Service`] is the whole receiver. Of its parts, [`Peers`] manages the known senders, and [`Inbox`] takes offers and stores pictures so that no picture is lost,
//! stored twice or stored in part, whatever ends the process.
//!
//! ```
//! use aecodec_proto::message::{Offer, Source};
//! use aecodec_proto::{Hash, PublicKey};
//! use aecodec_receiver::{Begin, Inbox, InboxOptions};
//!
//! let dir = tempfile::tempdir()?;
//! let mut options = InboxOptions::default();
//! options.out = dir.path().join("inbox");
//! let inbox = Inbox::open(options)?;
//!
//! let bytes = b"all of an .aec".to_vec();
//! let source = Source { bytes: 4000, width: 20, height: 10, raw: 600, psnr: Some(38.2) };
//! let (hash, parts) = (Hash::of(&bytes), vec![bytes.len() as u32]);
//! let offer = Offer { id: 0, name: "holiday/1.aec".into(), hash, parts, model: Hash([0; 32]), source, thumbnail: vec![] };
//! let sender = PublicKey([1; 32]);
//!
//! let Begin::Wanted(transfer) = inbox.begin(&sender, &offer)? else { panic!("it cannot be there yet") };
//! assert_eq!(transfer.missing(), [(0, 1)]);
//! transfer.write(0, 0, &bytes)?;
//! transfer.part_done(0)?;
//! let stored = transfer.complete()?;
//! assert_eq!(std::fs::read(stored.path)?, bytes);
//! assert!(matches!(inbox.begin(&sender, &offer)?, Begin::Already(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The library prints nothing.

mod arriving;
mod connections;
pub mod decode;
mod disk;
mod error;
mod event;
pub mod frames;
mod handle;
mod inbox;
mod journal;
pub mod listener;
pub mod metrics;
pub mod models;
mod name;
#[cfg(feature = "services")]
pub mod notify;
mod options;
mod partial;
pub mod peers;
pub mod preview;
mod recover;
pub mod service;
mod session;
mod shared;
pub mod stages;
mod state;
#[cfg(feature = "services")]
pub mod store;
mod stored;
mod transfer;
mod writer;

pub use arriving::Load;
pub use error::{Error, JournalError, Refusal, Result};
pub use event::Event;
pub use inbox::{Begin, Inbox};
pub use journal::{Outcome, Task};
pub use listener::Receiver;
pub use models::Models;
pub use options::InboxOptions;
pub use peers::Peers;
pub use service::{RunningService, Service, ServiceOptions};
pub use stages::Stages;
pub use stored::Stored;
pub use transfer::Transfer;
