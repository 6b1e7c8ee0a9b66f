//! Decodes arbitrary bytes, and streams whose parts were changed behind sound checksums.

use crate::input::Input;
use crate::streams::{Parts, limits, options, samples};
use crate::tiny;
use aecodec::container::{self, ChunkState, Header};
use aecodec::{DecodeOptions, Decoded, Decoder, Model, ModelRegistry};
use std::sync::{Arc, LazyLock};

static MODELS: LazyLock<ModelRegistry> = LazyLock::new(|| {
    let mut models = ModelRegistry::embedded();
    models.add("tiny", tiny::model());
    models
});

pub fn arbitrary(bytes: &[u8]) {
    let Ok(stream) = container::read(bytes, &limits()) else {
        assert!(aecodec::decode(bytes, &tiny::model(), &options()).is_err(), "a header that is none");
        return;
    };
    let Ok(model) = MODELS.of(&stream.header) else { return };
    let mut options = options();
    if model.id() != tiny::model().id() {
        // The trained models take as long for a small picture as the tiny one for a large one.
        options.limits.pixels = 1 << 12;
    }
    check(bytes, &model, &options);
}

pub fn mutated(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sample = &samples()[input.below(samples().len())];
    let mut parts = Parts::of(&sample.bytes);
    let mut options = options();
    options.passes = input.one(&[4, 4, 4, 2, 0]);
    for _ in 0..1 + input.below(4) {
        parts.change(&mut input);
    }
    let Some(bytes) = parts.together() else { return };
    let Some(found) = check(&bytes, &tiny::model(), &options) else { return };
    if found.hash_matches == Some(true) && parts.header.pixel_hash == header(&sample.bytes).pixel_hash {
        assert!(found.picture.samples == sample.decoded.samples, "another picture passes for the sound one");
    }
}

fn header(bytes: &[u8]) -> Header {
    container::read(bytes, &limits()).expect("a sound stream").header
}

/// Decodes a stream as a whole and in rows, and checks all that is promised of the result.
pub fn check(bytes: &[u8], model: &Arc<Model>, options: &DecodeOptions) -> Option<Decoded> {
    let stream = container::read(bytes, &options.limits).ok()?;
    let found = aecodec::decode(bytes, model, options).ok()?;
    let (header, picture) = (&stream.header, &found.picture);
    assert_eq!((picture.width, picture.height), (header.width, header.height));
    let pixels = picture.width as usize * picture.height as usize;
    assert_eq!(picture.color.channels(), if header.gray { 1 } else { 3 });
    assert_eq!(picture.samples.len(), pixels * picture.color.channels());
    assert_eq!(picture.alpha.as_ref().map(Vec::len), header.alpha.then_some(pixels));
    if header.exact.is_none()
        && header.is_deep()
        && let Ok((deep, outcome)) = aecodec::decode_deep(bytes, model, options)
    {
        let near = |(fine, coarse): (&u16, &u8)| fine.abs_diff(257 * u16::from(*coarse)) <= 257;
        assert!(deep.samples.iter().zip(&picture.samples).all(near), "another picture in 16 bits");
        assert_eq!((outcome.pixel_hash, outcome.hash_matches), (found.pixel_hash, found.hash_matches));
    }
    if header.maximum == 255 {
        assert_eq!(&found.pixel_hash, blake3::hash(&picture.samples).as_bytes());
    } else if let Ok((deep, outcome)) = aecodec::decode_deep(bytes, model, options) {
        assert!(deep.rounded() == *picture, "another picture with all of its bits");
        assert!(deep.samples.iter().all(|&sample| sample <= header.maximum));
        let samples: Vec<u8> = deep.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(&found.pixel_hash, blake3::hash(&samples).as_bytes());
        assert_eq!((outcome.pixel_hash, outcome.hash_matches), (found.pixel_hash, found.hash_matches));
    }
    for chunk in &stream.chunks {
        let lost = found.damage.iter().filter(|damage| damage.part == chunk.kind).count();
        let absent = !matches!(chunk.state, ChunkState::Present(_));
        assert!(lost <= 1 && (lost == 1 || !absent), "{}: reported {lost} times", chunk.kind);
    }
    if found.hash_matches == Some(true) {
        assert!(found.damage.is_empty(), "a damaged stream passes for a sound one");
        assert_eq!(container::recorded_hash(&found.pixel_hash.into()), header.pixel_hash);
    }
    in_rows(bytes, model, options, &found);
    Some(found)
}

fn in_rows(bytes: &[u8], model: &Arc<Model>, options: &DecodeOptions, whole: &Decoded) {
    let mut samples = Vec::new();
    let decoder = Decoder::new(bytes, model, options).expect("rows need less than the whole");
    let outcome = decoder.run(|rows| {
        samples.extend_from_slice(rows);
        Ok(())
    });
    let outcome = outcome.expect("a sink that takes everything");
    assert!(samples == whole.picture.samples, "rows differ from the whole");
    assert_eq!(outcome.pixel_hash, whole.pixel_hash);
    assert_eq!(outcome.hash_matches, whole.hash_matches);
    let texts = |damage: &[aecodec::Damage]| damage.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(&outcome.damage), texts(&whole.damage));
}
