//! The `.aec` container: header, table of chunks, metadata and alpha (docs/format.md, section 7).
//!
//! [`read`] never copies a chunk and never fails because of a damaged one: the state of each chunk says whether it is
//! present, truncated or corrupt, and the caller decides what is left of the picture.

pub mod alpha;
mod backup;
mod chunks;
pub(crate) mod frame;
mod header;
pub mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use backup::backup_length;
pub use chunks::{Chunk, ChunkKind, ChunkState, Stream, protect, read, write};
pub(crate) use chunks::{check_groups, length, record, write_all};
pub(crate) use header::GROUP_LOG2;
#[cfg(feature = "image")]
pub(crate) use header::SIGNATURE;
pub use header::{Groups, Header, LatentRect, NO_MODEL, NO_PIXEL_HASH, recorded_hash};

/// Number of passes of each group; its hyper-latents come before them.
pub const PASSES: u8 = 4;
