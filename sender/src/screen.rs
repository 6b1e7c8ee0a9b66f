//! Decides how much of a picture is sent.

use std::fmt;

use aecodec::ModelRegistry;
use aecodec_proto::Hash;

/// How much of a picture is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    Full,
    /// A picture of at most 256x256 pixels, of a few kilobytes.
    Preview,
}

/// Looks at pictures before they are compressed, and decides how much of them is sent.
pub trait Screen: fmt::Debug + Send + Sync {
    /// A hash of all that decides. If it changes, files that were sent are looked at again.
    fn identity(&self) -> Hash;

    /// Looks at a file, a picture or an `.aec`.
    ///
    /// # Errors
    /// Returns the reason in words if the file cannot be judged. It is sent in full, with a notice.
    fn look(&self, bytes: &[u8], limits: &aecodec::Limits) -> std::result::Result<Share, String>;

    /// The models to decode `.aec` files with, for their previews.
    fn models(&self) -> &ModelRegistry;
}
