//! Live frames: a camera's pictures, each coded for the path as it is now, and shown in time or not at all.
//!
//! At the sender, [`capture`] reads frames from a pipe, [`control`] decides what each may cost, and [`send`] puts the
//! two on a connection of `aecodec-sender`. At the receiver, [`show`] takes the frames that `aecodec-receiver` reads
//! from its connections, decodes each at the right moment, and writes it to a picture file or a y4m stream.
//!
//! The library prints nothing.

pub mod capture;
pub mod control;
mod error;
pub mod send;
pub mod show;

pub use error::{Error, Result};
