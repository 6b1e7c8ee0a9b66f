//! Uses the latents of a learned image codec for more than pictures.
//!
//! A [`Reader`] turns a picture, or an `.aec` file without its synthesis, into its [`Code`]. [`anomaly`] learns what the
//! pictures of a camera usually look like, and finds those that do not (`docs/anomaly.md`). [`segment`] names the class of
//! each pixel (`docs/segment.md`). [`Anatomy`] shows what the code of a file holds (`docs/latents.md`).
//!
//! ```
//! use aecodec::{Color, ModelRegistry, Picture};
//! use aecodec_latents::{Reader, anomaly};
//!
//! let reader = Reader::new(ModelRegistry::embedded())?;
//! let wall = |light: u8| Picture::new(96, 64, Color::Gray, vec![light; 96 * 64]);
//! let mut learner = anomaly::Learner::new(&reader, anomaly::View::Auto);
//! for i in 0..40 {
//!     learner.push(&reader.code(&wall(120 + i % 7)?)?)?;
//! }
//! let detector = learner.finish()?;
//!
//! let mut door = wall(123)?;
//! (20..50).for_each(|y| door.samples[96 * y + 30..96 * y + 60].fill(20));
//! let limits = detector.thresholds(0.05)?;
//! assert!(detector.score(&reader.code(&door)?)?.against(limits) > 1.0);
//! # Ok::<(), aecodec_latents::Error>(())
//! ```

mod anatomy;
pub mod anomaly;
mod code;
mod error;
mod linear;
pub mod segment;

pub use anatomy::{Anatomy, Pass};
pub use code::{Code, Reader};
pub use error::{Error, Result};
