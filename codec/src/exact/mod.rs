//! Exact coding: samples without a model, each within a given error of the original, which may be 0 (docs/format.md,
//! section 9).
//!
//! A group is coded pixel by pixel as a series of decisions. Several contexts predict each decision, a mixer combines their
//! predictions, and an arithmetic coder writes it. The method is that of the PAQ family of compressors; the prediction of
//! samples is a linear one whose weights adapt by normalised least mean squares.

pub(crate) mod bits;
mod choose;
mod decode;
mod deep;
mod encode;
mod group;
pub(crate) mod mix;
mod palette;
mod pixels;
mod residual;
mod rows;
mod samples;
#[cfg(test)]
mod tests;
mod wide;

pub(crate) use choose::Survey;
pub(crate) use decode::Plan;
pub use decode::mode_shares;
pub(crate) use deep::encode_deep;
pub(crate) use encode::{Exact, Job};
pub use group::GroupMode;
