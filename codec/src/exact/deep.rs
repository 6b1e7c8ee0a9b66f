//! Encodes a picture of more than 8 bits per sample without loss, or with bounded errors, group by group.

use super::encode::{Exact, in_file_order, pixels};
use super::group::Shape;
use super::{samples, wide};
use crate::Result;
use crate::band::Grid;
use crate::container::{self, Header, recorded_hash};
use crate::deep::DeepPicture;
use crate::encoding::EncodeOptions;
use crate::measure::decibels_of;
use crate::picture::Color;
use crate::rect::Rect;
use crate::saturating::{product, sum};
use crate::threads;
use std::sync::{Mutex, PoisonError};

/// Encodes a picture; `metadata` is its chunk, and `error` the largest error of a colour sample.
///
/// # Errors
/// Returns [`crate::Error::Limit`] if this takes more memory than allowed.
pub(crate) fn encode_deep(
    picture: &DeepPicture,
    metadata: Option<&[u8]>,
    error: u16,
    options: &EncodeOptions,
) -> Result<Exact> {
    let head = picture.head();
    let size = (picture.height, picture.width);
    let needed = |threads: usize| {
        let grid = Grid::new(size, options.group_log2, threads);
        let rect = pixels(&grid.rect(0), &head);
        let pixel = picture.color.channels() + usize::from(picture.alpha.is_some());
        // The samples of a group, those of the trial, and both streams.
        let samples = product([rect.height(), rect.width(), pixel, 8]);
        let group = sum([product([pixel]).saturating_mul(samples::WIDE_BYTES), samples]);
        let all = product([picture.samples.len(), if error > 0 { 6 } else { 2 }]);
        sum([group.saturating_mul(threads.min(grid.groups()) as u64), all, 1 << 20])
    };
    let threads = threads::fitting(threads::count(options.threads), needed, options.limits.memory());
    options.limits.check_bytes(needed(threads))?;
    let grid = Grid::new(size, options.group_log2, threads);
    let groups: Vec<(Rect, Mutex<Coded>)> =
        (0..grid.groups()).map(|group| (pixels(&grid.rect(group), &head), Mutex::default())).collect();
    threads::for_each(
        threads,
        &groups,
        || (),
        |(), (rect, place)| {
            let mut samples = take(picture, rect);
            let bytes = wide::encode(shape(picture, rect, error), &mut samples);
            if error == 0 {
                samples = Vec::new();
            }
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Coded { bytes, samples };
        },
    );
    let (mut substreams, mut decoded) = (Vec::new(), Vec::new());
    if error > 0 {
        decoded.clone_from(&picture.samples);
    }
    for (rect, coded) in groups {
        let coded = coded.into_inner().unwrap_or_else(PoisonError::into_inner);
        substreams.push(coded.bytes);
        if error > 0 {
            put(picture, &rect, &coded.samples, &mut decoded);
        }
    }
    let samples = if error > 0 { &decoded } else { &picture.samples };
    let squares = picture.samples.iter().zip(samples).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    let header = Header {
        gray: picture.color == Color::Gray,
        alpha: picture.alpha.is_some(),
        metadata: metadata.is_some(),
        source_16bit: true,
        orientation: picture.orientation,
        profile: 0,
        width: picture.width,
        height: picture.height,
        quality: 0,
        group_log2: options.group_log2,
        model: container::NO_MODEL,
        pixel_hash: recorded_hash(&hash(samples)),
        exact: Some(error),
        maximum: picture.maximum,
    };
    let bytes = container::write_all(&header, metadata, None, substreams)?;
    Ok(Exact { bytes, psnr: decibels_of(squares, samples.len() as u64, picture.maximum) })
}

/// An encoded group.
#[derive(Default)]
struct Coded {
    bytes: Vec<u8>,
    /// Its decoded samples, if they are not those of the picture.
    samples: Vec<u16>,
}

fn hash(samples: &[u16]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for piece in samples.chunks(1 << 16) {
        hasher.update(&piece.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
    }
    hasher.finalize()
}

fn shape(picture: &DeepPicture, rect: &Rect, error: u16) -> Shape {
    let alpha = picture.alpha.is_some();
    let channels = picture.color.channels() + usize::from(alpha);
    Shape { width: rect.width(), height: rect.height(), channels, alpha, error, maximum: picture.maximum }
}

/// The samples of a group in the order in which they are coded.
fn take(picture: &DeepPicture, rect: &Rect) -> Vec<u16> {
    let (width, channels) = (picture.width as usize, picture.color.channels());
    let mut samples = Vec::with_capacity(rect.height() * rect.width() * (channels + 1));
    for y in rect.rows.clone() {
        for x in rect.columns.clone() {
            samples.extend(picture.alpha.as_ref().map(|alpha| alpha[y * width + x]));
            match picture.samples[(y * width + x) * channels..][..channels] {
                [r, g, b] => samples.extend([g, r, b]),
                ref gray => samples.extend_from_slice(gray),
            }
        }
    }
    samples
}

/// Puts the decoded colours of a group in their places.
fn put(picture: &DeepPicture, rect: &Rect, samples: &[u16], decoded: &mut [u16]) {
    let (width, channels) = (picture.width as usize, picture.color.channels());
    let skip = usize::from(picture.alpha.is_some());
    let places = rect.rows.clone().flat_map(|y| rect.columns.clone().map(move |x| y * width + x));
    for (pixel, place) in samples.chunks_exact(channels + skip).zip(places) {
        decoded[place * channels..][..channels].copy_from_slice(&in_file_order(&pixel[skip..])[..channels]);
    }
}
