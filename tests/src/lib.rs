//! Tests across crates live in `tests/`; here is what they share: generated pictures, and short ways to code them.

pub mod chromium;
pub mod impair;
pub mod link;
pub mod memory_net;
pub mod netns;
mod photo;

pub use aecodec_fuzz::Random;
pub use photo::{mask, photo};

use aecodec::{
    DecodeOptions, Decoded, EncodeOptions, Encoded, Limits, Model, Picture, Profile, Quality, Target,
    container,
};
use peak_alloc::PeakAlloc;
use std::sync::Arc;

/// The built-in model.
pub fn model() -> Arc<Model> {
    Model::embedded(Profile::Fast).expect("the built-in model")
}

/// A quality of the scale 0 to 100.
pub fn quality(value: f64) -> Target {
    Target::Quality(Quality::new(value).expect("between 0 and 100"))
}

/// The usual options, with this target.
pub fn toward(target: Target) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    options.target = target;
    options
}

/// Groups of 64 x 64 pixels, the smallest: small pictures have many.
pub fn small_groups(target: Target) -> EncodeOptions {
    let mut options = toward(target);
    options.group_log2 = 6;
    options
}

/// Encodes at a quality with the usual options.
pub fn encode(picture: &Picture, at: f64) -> Encoded {
    encode_with(picture, &toward(quality(at)))
}

/// Encodes with options of the test's own.
pub fn encode_with(picture: &Picture, options: &EncodeOptions) -> Encoded {
    aecodec::encode(picture, &model(), options).expect("a sound picture")
}

/// Decodes all of a stream.
pub fn decode(bytes: &[u8]) -> Decoded {
    decode_with(bytes, |_| ())
}

/// Decodes with options of the test's own.
pub fn decode_with(bytes: &[u8], choose: impl FnOnce(&mut DecodeOptions)) -> Decoded {
    let mut options = DecodeOptions::default();
    choose(&mut options);
    aecodec::decode(bytes, &model(), &options).expect("a stream with a sound header")
}

/// A stream whose header and table were altered, their checksum made good again. `change` gets all before the checksum.
pub fn resealed(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let stream = container::read(bytes, &Limits::default()).expect("a sound stream");
    let seal = stream.chunks[0].offset as usize - 4;
    let mut bytes = bytes.to_vec();
    change(&mut bytes[..seal]);
    let checksum = crc32fast::hash(&bytes[..seal]);
    bytes[seal..seal + 4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Runs `work`; with its result, the most memory that it held at any one time. `memory` is the program's allocator.
pub fn peak<T>(memory: &PeakAlloc, work: impl FnOnce() -> T) -> (T, usize) {
    let before = memory.current_usage();
    memory.reset_peak_usage();
    let found = work();
    (found, memory.peak_usage().saturating_sub(before))
}
