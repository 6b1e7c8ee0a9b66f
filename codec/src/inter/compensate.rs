//! The latents of a reference whose blocks have moved.

use super::Reference;
use super::motion::Vector;
use super::warp::warp;
use crate::encode::analyse_only;
use crate::model::Model;
use crate::net::Plane;
use crate::quality::Quality;
use crate::{DecodeOptions, EncodeOptions, Result};

/// The latents of a reference after motion compensation: those of positions that have moved are the analysis, at `quality`, of its
/// picture with all blocks moved, and the others are its own.
///
/// # Errors
/// Returns the errors of [`Reference::picture`] and of an analysis.
pub(super) fn compensated(
    reference: &Reference,
    vectors: &[Vector],
    quality: Quality,
    model: &Model,
    options: &DecodeOptions,
) -> Result<Plane> {
    let mut latents = Plane::clone(&reference.latents);
    if vectors.iter().all(|&vector| vector == Vector::ZERO) {
        return Ok(latents);
    }
    let picture = warp(reference.painted(model, options)?, vectors, latents.width);
    let analysis =
        EncodeOptions { threads: options.threads, limits: options.limits, ..EncodeOptions::default() };
    let moved = analyse_only(&picture, model, quality, &analysis)?;
    let m = latents.channels;
    let positions = latents.data.chunks_exact_mut(m).zip(moved.chunks_exact(m)).zip(vectors);
    for ((own, moved), _) in positions.filter(|&(_, &vector)| vector != Vector::ZERO) {
        own.copy_from_slice(moved);
    }
    Ok(latents)
}
