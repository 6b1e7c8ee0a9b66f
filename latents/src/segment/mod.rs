//! Semantic segmentation: names the class of each pixel from the latents, without decoding pixels.
//!
//! The head is a small network on places of 16x16 pixels. It is trained on pictures with label maps, either on their latents or, to
//! compare, on their pixels (Torfason et al., *Towards image understanding from deep compression without decoding*, 2018).

mod data;
mod file;
mod head;
mod labels;
mod score;
mod train;

pub(crate) use data::rgb;
pub use data::{Examples, Pair};
pub use head::{Head, Input};
pub use labels::{Labels, UNLABELLED};
pub use score::Confusion;
pub use train::{Options, Progress, Trained, train};
