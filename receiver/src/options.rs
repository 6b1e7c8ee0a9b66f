//! How an inbox works.

use std::path::PathBuf;
use std::time::Duration;

use aecodec::files::Format;

/// How an inbox works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxOptions {
    /// The folder of the finished pictures.
    pub out: PathBuf,
    /// The most bytes of one picture. The default is 1 GiB.
    pub picture_bytes: u64,
    /// The most pixels of one picture, according to its sender. The default is 2^28.
    pub pixels: u64,
    /// The most unfinished pictures of one sender. The default is 1024. Beyond it, the oldest pictures that no
    /// connection is sending make room.
    pub partials: usize,
    /// The most bytes of those pictures. The default is 16 GiB.
    pub partial_bytes: u64,
    /// Bytes of the disk that stay free. The default is 64 MiB.
    pub reserve: u64,
    /// Unfinished pictures are dropped if nothing arrives for this long. The default is 7 days.
    pub expire: Duration,
    /// Pictures are decoded to this format: [`crate::Task::Decode`] is recorded for each. The default is `None`.
    pub decode: Option<Format>,
    /// Pictures are uploaded to an object store: [`crate::Task::Upload`] is recorded for each. The default is `false`.
    pub upload: bool,
    /// Pictures are announced: [`crate::Task::Notify`] is recorded for each. The default is `false`.
    pub notify: bool,
    #[cfg(test)]
    pub(crate) crash: Option<Step>,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self {
            out: "inbox".into(),
            picture_bytes: 1 << 30,
            pixels: 1 << 28,
            partials: 1024,
            partial_bytes: 16 << 30,
            reserve: 64 << 20,
            expire: Duration::from_secs(7 * 24 * 3600),
            decode: None,
            upload: false,
            notify: false,
            #[cfg(test)]
            crash: None,
        }
    }
}

/// Where a crash can leave a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Placed,
    Flushed,
    Recorded,
}
