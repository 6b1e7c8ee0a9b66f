//! How aecodec moves pictures: messages, tickets, identities, and a state machine for each end.

mod key;
pub mod message;
pub mod parts;
mod varint;

pub use key::{Hash, PublicKey};
