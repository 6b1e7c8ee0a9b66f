//! How aecodec moves pictures: messages, tickets, identities, and a state machine for each end.
//!
//! Nothing here waits, sends or reads a clock. The drivers report what happened to [`sender::Session`] and
//! [`receiver::Session`], which answer with what to do next. So every order of events can be tested. The crates
//! `aecodec-sender` and `aecodec-receiver` drive them over QUIC. docs/protocol.md describes every byte.
//!
//! ```
//! use aecodec_proto::{Identity, PublicKey, Ticket};
//!
//! let receiver = Identity::generate()?;
//! let invitation = Identity::generate()?;
//! let ticket = Ticket {
//!     receiver: receiver.public(),
//!     addresses: vec!["192.0.2.7:4743".into()],
//!     invitation: Some(*invitation.seed()),
//! };
//! let copied: Ticket = ticket.to_string().parse()?;
//! assert_eq!(copied.receiver, receiver.public());
//! # Ok::<(), aecodec_proto::Error>(())
//! ```

pub mod congestion;
mod error;
#[cfg(test)]
mod examples;
pub mod figures;
pub mod framing;
pub mod identity;
mod key;
mod limits;
pub mod message;
pub mod name;
pub mod parts;
pub mod receiver;
pub mod sender;
#[cfg(test)]
mod tests;
mod ticket;
pub mod tls;
pub mod transport;
mod varint;

pub use error::{Close, Error, Result, Violation};
pub use identity::Identity;
pub use key::{Hash, PublicKey};
pub use limits::Limits;
pub use ticket::Ticket;
