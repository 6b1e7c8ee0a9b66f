//! The sender: finds pictures, compresses them, keeps those without a receipt, and sends them over QUIC.

pub mod connect;
mod encode;
mod error;
mod finished;
mod name;
pub mod outbox;
pub mod pipeline;
mod prepared;
mod preview;
mod run;
mod screen;
pub mod source;
pub mod watch;
mod wire;

pub use connect::{Cut, Destination};
pub use encode::Settings;
pub use error::{Error, JournalError, Result};
pub use finished::Doubt;
pub use name::Naming;
pub use outbox::Outbox;
pub use pipeline::Pipeline;
pub use prepared::{Content, Prepared};
pub use run::{Delivered, Event, Options, Summary, run};
pub use screen::{Screen, Share};
