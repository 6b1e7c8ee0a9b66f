//! Finds similar pictures and near-duplicates by the latents of a learned image codec.
//!
//! A [`Describer`] turns a picture of any kind, or an `.aec` file without its synthesis, into [`Features`] and a
//! [`SemanticHash`]. An [`Index`] keeps them in one SQLite file; [`search`] and [`duplicates`] compare them. `docs/search.md`
//! explains the method and gives figures.
//!
//! ```
//! use aecodec::{Color, ModelRegistry, Picture};
//! use aecodec_search::Describer;
//!
//! let describer = Describer::new(ModelRegistry::embedded())?;
//! let ramp = |width: usize| {
//!     let samples = (0..width * 60).map(|i| (i % width * 250 / width) as u8).collect();
//!     Picture::new(width as u32, 60, Color::Gray, samples)
//! };
//! let (small, large) = (describer.describe_picture(&ramp(80)?)?, describer.describe_picture(&ramp(320)?)?);
//! assert!(small.features.similarity(&large.features) > 0.9);
//! # Ok::<(), aecodec_search::Error>(())
//! ```

mod describe;
mod error;
mod features;
mod hash;
mod index;
mod npy;
mod pool;
mod projection;
mod sheet;
mod similar;
mod view;

pub use describe::{Describer, Description, content_hash};
pub use error::{Error, Result};
pub use features::Features;
pub use hash::{BITS, SemanticHash, nearest};
pub use index::{Entry, Index, Stamp};
pub use npy::write_npy;
pub use pool::pool;
pub use sheet::sheet;
pub use similar::{Match, Threshold, duplicates, search};
pub use view::View;
