//! Clips: `aecodec compress`, `decompress` and `info` on `.aecs` files.

mod compress;
mod decompress;
mod info;
mod shared;
mod source;

pub use compress::{ClipArgs, Settings, compress};
pub use decompress::{decompress, range};
pub use info::info;
pub use shared::{is_clip, is_stream};
