//! Picture files: reads PNG, JPEG, WebP, TIFF, BMP, PNM, QOI and GIF; writes PNG, JPEG, WebP, TIFF and PNM.
//!
//! ```
//! use aecodec::{Color, Limits, Picture, files};
//!
//! let picture = Picture::new(2, 1, Color::Gray, vec![10, 200])?;
//! let (bytes, notices) = files::write(&picture, files::Format::Png, &files::WriteOptions::default())?;
//! assert!(notices.is_empty());
//! let (again, _) = files::read(&bytes, &Limits::default())?;
//! assert_eq!(again, picture);
//! # Ok::<(), aecodec::Error>(())
//! ```

mod alpha;
mod directory;
mod exif;
mod format;
mod jpeg;
mod metadata;
mod notice;
mod png;
mod pnm;
mod read;
mod resolution;
mod rows;
pub mod sequence;
mod sniff;
mod tiff;
mod turn;
mod unpacked;
mod write;

pub use format::{Format, PngEffort, WriteOptions};
pub use notice::Notice;
pub use read::{read, read_deep};
pub use rows::{PictureReader, open, write_rows, writes_rows};
pub use sniff::readable;
pub use turn::upright;
pub use write::{write, write_deep};

#[cfg(test)]
mod tests;
