//! Clips: sequences of frames in one file, `.aecs` (docs/format.md, section 12).
//!
//! ```
//! use aecodec::clip::{ClipDecoder, ClipEncoder, ClipOptions, ClipReader, ClipWriter};
//! use aecodec::{Color, DecodeOptions, Model, Picture, Profile, TemporalPrior};
//!
//! let model = Model::embedded(Profile::Fast)?;
//! let prior = TemporalPrior::embedded(Profile::Fast)?;
//! let frame = |light: u8| Picture::new(64, 48, Color::Gray, vec![light; 64 * 48]);
//!
//! let mut encoder = ClipEncoder::new(&model, &prior, ClipOptions::default());
//! let mut writer = ClipWriter::new(Vec::new(), Some((10, 1)))?;
//! for light in [90, 90, 120] {
//!     let coded = encoder.push(&frame(light)?)?;
//!     writer.write(coded.kind, &coded.bytes)?;
//! }
//! let file = writer.into_inner();
//!
//! let mut decoder = ClipDecoder::new(&model, &prior, DecodeOptions::default());
//! let mut reader = ClipReader::new(&file[..])?;
//! let mut decoded = Vec::new();
//! while let Some(record) = reader.next()? {
//!     decoded.push(decoder.push(record.kind, &record.bytes)?.clone());
//! }
//! assert_eq!(decoded.len(), 3);
//! assert!(decoded[2].samples[0].abs_diff(120) < 4);
//! # Ok::<(), aecodec::Error>(())
//! ```

mod coder;
mod file;
#[cfg(all(test, feature = "embedded"))]
mod tests;

pub use coder::{ClipDecoder, ClipEncoder, ClipFrame, ClipOptions};
pub use file::{ClipReader, ClipWriter, Entry, FrameKind, Record};
