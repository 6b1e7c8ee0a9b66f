//! Inter coding: a frame that is coded from the latents of an earlier one, its reference (docs/format.md, section 10).
//!
//! An I-frame is a learned `.aec` stream. A P-frame holds what has changed since its reference: the *activity* of each
//! position of the latents, and the symbols of the positions that are active. All other positions keep the latents of the
//! reference. The method is conditional coding (Li, Li and Lu, *Deep contextual video compression*, 2021) in the domain of
//! the latents, with the four passes of the context model.

mod activity;
mod choice;
mod compensate;
mod decode;
mod encode;
mod motion;
mod paint;
mod painter;
mod predict;
mod prior;
mod reference;
mod search;
mod stream;
#[cfg(all(test, feature = "embedded"))]
mod tests;
mod walk;
mod warp;

pub use decode::decode_frame;
pub use encode::{EncodedFrame, FrameOptions, encode_frame};
pub use painter::Painter;
pub use prior::TemporalPrior;
pub use reference::Reference;
pub use stream::FrameHeader;
