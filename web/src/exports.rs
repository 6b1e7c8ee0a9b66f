//! The functions of the WebAssembly module.
//!
//! A function that can fail returns 0 after an error, whose text is then the message. Otherwise it returns the number of the
//! resulting buffer, or 1, and the message is a report in JSON. A caller frees the buffers that it makes and gets.
#![allow(unsafe_code)] // `no_mangle` is the only unsafe thing here: names must be unique in the whole program.

use aecodec::{Color, Error, Region, Result};
use serde_json::json;

use crate::encode::{mode, options, quality};
use crate::parts::{self, Crop};
use crate::state::State;
use crate::{decode, encode, rgba};

// SAFETY of every export: no other function of the program has its name.

/// Makes a buffer of this many zeros, and returns its number.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_new(length: usize) -> u32 {
    State::with(|state| state.keep(vec![0; length]))
}

/// The address of a buffer; 0 if there is no such buffer. It is valid until the next call that makes or frees one.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_start(number: u32) -> *mut u8 {
    State::with(|state| state.buffer(number).map_or(std::ptr::null_mut(), |bytes| bytes.as_mut_ptr()))
}

/// The number of bytes of a buffer; 0 if there is no such buffer.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_length(number: u32) -> usize {
    State::with(|state| state.buffer(number).map_or(0, |bytes| bytes.len()))
}

/// Frees a buffer, if there is one with this number.
#[unsafe(no_mangle)]
pub extern "C" fn buffer_free(number: u32) {
    State::with(|state| drop(state.take(number)));
}

/// Returns a new buffer with the report of the last call, or the text of its error.
#[unsafe(no_mangle)]
pub extern "C" fn message() -> u32 {
    State::with(|state| {
        let text = state.message().as_bytes().to_vec();
        state.keep(text)
    })
}

/// The instruction set of the kernels: 1 for SIMD, 0 for plain instructions.
#[unsafe(no_mangle)]
pub extern "C" fn simd() -> u32 {
    u32::from(cfg!(target_feature = "simd128"))
}

/// Takes a buffer with a model file and adds the model. Reports its `profile`, its `id`, and the `margin` of
/// [`encode_part`].
#[unsafe(no_mangle)]
pub extern "C" fn model_add(file: u32) -> u32 {
    State::with(|state| {
        let file = state.take(file);
        let added = state.add_model(&file).map(|model| {
            let id = decode::hex(&model.short_id());
            (1, json!({ "profile": model.profile().name(), "id": id, "margin": parts::margin(&model) }))
        });
        state.report(added)
    })
}

/// Describes the stream in a buffer; see [`decode::info`].
#[unsafe(no_mangle)]
pub extern "C" fn info(stream: u32) -> u32 {
    State::with(|state| {
        let found = state.buffer(stream).map_or_else(|| Err(missing(stream)), |bytes| decode::info(bytes));
        state.report(found.map(|found| (1, found)))
    })
}

/// Decodes the stream in a buffer into a new one; see [`decode::decode`]. A width of 0 stands for the whole picture.
#[unsafe(no_mangle)]
pub extern "C" fn decode(stream: u32, passes: u32, x: u32, y: u32, width: u32, height: u32) -> u32 {
    State::with(|state| {
        let bytes = state.take(stream);
        let region = (width > 0).then_some(Region { x, y, width, height });
        let decoded = decode::decode(state.models(), &bytes, passes.min(4) as u8, region);
        state.restore(stream, bytes);
        let decoded = decoded.map(|(rgba, report)| (state.keep(rgba), report));
        state.report(decoded)
    })
}

/// Encodes RGBA `[height, width, 4]`; see [`encode::encode`]. `quality` is in 64ths; `mode` is 0 for the model, 1 for the way
/// that suits the picture and 2 for exact.
#[unsafe(no_mangle)]
pub extern "C" fn encode(
    rgba: u32,
    width: u32,
    height: u32,
    profile: u32,
    quality_64: u32,
    mode_number: u32,
) -> u32 {
    State::with(|state| {
        let pixels = state.take(rgba);
        let encoded = mode(mode_number as u8).and_then(|mode| {
            let options = options(mode, quality(quality_64)?, 10);
            encode::encode(&pixels, (width, height), &*state.model(profile as u8)?, &options)
        });
        state.restore(rgba, pixels);
        let encoded = encoded.map(|(bytes, report)| (state.keep(bytes), report));
        state.report(encoded)
    })
}

/// Encodes a group from its crop; see [`parts::encode`]. `gray` is 1 if the whole picture is gray.
#[unsafe(no_mangle)]
pub extern "C" fn encode_part(
    crop: u32,
    crop_width: u32,
    crop_height: u32,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    gray: u32,
    profile: u32,
    quality_64: u32,
    group_log2: u32,
) -> u32 {
    State::with(|state| {
        let pixels = state.take(crop);
        let color = color(gray);
        let group = Region { x, y, width, height };
        let crop = Crop { rgba: &pixels, size: (crop_width, crop_height), group };
        let encoded = quality(quality_64).and_then(|quality| {
            parts::encode(&crop, color, &*state.model(profile as u8)?, quality, group_log2.min(255) as u8)
        });
        let encoded = encoded.map(|bytes| (state.keep(bytes), json!({})));
        state.report(encoded)
    })
}

/// Joins the streams of groups that follow each other in a buffer; see [`parts::join`]. `lengths` is a buffer with the number
/// of bytes of each, as 32-bit little-endian numbers. `alpha` is a buffer, or 0 if the picture is opaque. Takes all buffers.
#[unsafe(no_mangle)]
pub extern "C" fn join(streams: u32, lengths: u32, width: u32, height: u32, alpha: u32) -> u32 {
    State::with(|state| {
        let [streams, lengths] = [streams, lengths].map(|number| state.take(number));
        let alpha = (alpha > 0).then(|| state.take(alpha));
        let joined = divided(&streams, &lengths)
            .and_then(|groups| parts::join(&groups, (width, height), alpha.as_deref()))
            .map(|bytes| (state.keep(bytes), json!({})));
        state.report(joined)
    })
}

fn divided<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Result<Vec<&'a [u8]>> {
    let mut parts = Vec::new();
    for &length in lengths.as_chunks().0 {
        let length = u32::from_le_bytes(length) as usize;
        let Some((part, rest)) = bytes.split_at_checked(length) else {
            let detail = format!("{} bytes are left for {length}", bytes.len());
            return Err(Error::Invalid { what: "lengths", detail });
        };
        parts.push(part);
        bytes = rest;
    }
    Ok(parts)
}

/// Reports the `hash` of the colour samples of decoded RGBA, and their `psnr` against an original, which is null if they are
/// equal or if `original` is 0.
#[unsafe(no_mangle)]
pub extern "C" fn compare(original: u32, decoded: u32, gray: u32) -> u32 {
    State::with(|state| {
        let color = color(gray);
        let samples = |state: &mut State, number: u32| {
            let found = state.buffer(number).map(|rgba| rgba::samples(rgba, color));
            found.ok_or_else(|| missing(number))
        };
        let compared = samples(state, decoded).and_then(|b| {
            let a = (original > 0).then(|| samples(state, original)).transpose()?;
            let hash = decode::hex(blake3::hash(&b).as_bytes());
            Ok((1, json!({ "psnr": a.and_then(|a| aecodec::psnr(&a, &b)), "hash": hash })))
        });
        state.report(compared)
    })
}

/// Records the hash of the decoded RGBA of a stream in a new one; see [`parts::record`].
#[unsafe(no_mangle)]
pub extern "C" fn record(stream: u32, decoded: u32, gray: u32) -> u32 {
    State::with(|state| {
        let color = color(gray);
        let bytes = state.take(stream);
        let hash = state.buffer(decoded).map(|rgba| blake3::hash(&rgba::samples(rgba, color)));
        let recorded =
            hash.ok_or_else(|| missing(decoded)).and_then(|hash| parts::record(&bytes, *hash.as_bytes()));
        let recorded = recorded.map(|bytes| (state.keep(bytes), json!({})));
        state.report(recorded)
    })
}

fn color(gray: u32) -> Color {
    if gray == 1 { Color::Gray } else { Color::Rgb }
}

fn missing(number: u32) -> Error {
    Error::Invalid { what: "buffer", detail: format!("there is none with the number {number}") }
}
