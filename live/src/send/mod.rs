//! Sends live frames: encodes each for the path as it is now, and gives up what would be late.

mod options;
mod stream;

pub use options::Options;
pub use stream::{Event, Sent, Summary, stream};
