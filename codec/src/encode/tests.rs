//! Tests of the encoder: its check, its last rows, broken pictures, and targets.

use super::*;
use crate::encode;
use crate::{DecodeOptions, Profile, decode};

#[test]
fn an_unchecked_encode_differs_in_the_hash_alone() {
    let samples = (0..70 * 50 * 3).map(|i| (i * i / 977) as u8).collect();
    let picture = Picture::new(70, 50, Color::Rgb, samples).expect("a picture");
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let checked = encode(&picture, &model, &EncodeOptions::default()).expect("an encode");
    let options = EncodeOptions { check: Check::None, ..EncodeOptions::default() };
    let unchecked = encode(&picture, &model, &options).expect("an encode");
    assert!(unchecked.psnr.is_none() && checked.psnr.is_some());

    let [a, b] = [&checked, &unchecked]
        .map(|e| decode(&e.bytes, &model, &DecodeOptions::default()).expect("a sound stream"));
    assert_eq!((a.hash_matches, b.hash_matches), (Some(true), None));
    assert!(a.picture == b.picture && b.damage.is_empty());
    assert_eq!(checked.bytes.len(), unchecked.bytes.len());
}

#[test]
fn a_last_band_of_one_row_of_latents_is_coded() {
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    for height in [513, 520, 528, 529, 544, 560] {
        let samples = (0..70 * height).map(|i| (i / 70 + i % 70) as u8).collect();
        let picture = Picture::new(70, height as u32, Color::Gray, samples).expect("a picture");
        let options = EncodeOptions { group_log2: 6, threads: 2, ..EncodeOptions::default() };
        let encoded = encode(&picture, &model, &options).expect("an encode");
        assert!(encoded.psnr.is_some_and(|psnr| psnr > 30.0), "{height} rows: {:?} dB", encoded.psnr);
        let latents = analyse(&picture, &model, encoded.quality, &options).expect("latents");
        let given = encode_latents(&picture, &latents, &model, &options).expect("an encode");
        assert!(given.bytes == encoded.bytes, "{height} rows");
    }
}

/// Columns of saturated colours and of noise.
fn colourful() -> Picture {
    let sample = |i: usize| match i / 3 % 128 / 32 {
        0 => [0, 255, 0][i % 3],
        1 => [230, 20, 60][i % 3],
        2 => (i * i / 977 % 256) as u8,
        _ => (i / 3 % 128 + i / 384) as u8,
    };
    Picture::new(128, 96, Color::Rgb, (0..128 * 96 * 3).map(sample).collect()).expect("a picture")
}

fn toward(target: Target) -> EncodeOptions {
    EncodeOptions { target, ..EncodeOptions::default() }
}

#[test]
fn an_encode_says_where_it_went_wrong() {
    let model = Model::failing_on_high_qualities();
    let at = |quality| {
        let target = Target::Quality(Quality::new(quality).expect("a quality"));
        encode(&colourful(), &model, &toward(target)).expect("an encode")
    };
    let failed = at(95.0);
    assert!(failed.is_broken() && failed.broken > 0.3, "{} at {:?} dB", failed.broken, failed.psnr);
    let unchecked = EncodeOptions { check: Check::None, ..toward(Target::Quality(failed.quality)) };
    assert_eq!(encode(&colourful(), &model, &unchecked).expect("an encode").broken, 0.0);
}

/// The model fails from the middle of the scale on: no target makes the search end there.
#[test]
fn a_search_keeps_the_best_that_was_seen() {
    let (model, picture) = (Model::failing_on_high_qualities(), colourful());
    let scale = [0.0, 12.5, 25.0, 37.5].map(|quality| {
        let target = Target::Quality(Quality::new(quality).expect("a quality"));
        encode(&picture, &model, &toward(target))
            .expect("an encode")
            .psnr
            .expect("a decode that is not exact")
    });
    let best = scale.into_iter().fold(0.0, f64::max);
    for target in [Target::Psnr(best + 8.0), Target::Bytes(1 << 20), Target::BitsPerPixel(20.0)] {
        let found = encode(&picture, &model, &toward(target)).expect("an encode");
        assert!(found.psnr >= Some(best), "{target:?}: {:?} dB at quality {}", found.psnr, found.quality);
        assert_eq!(found.reached, !matches!(target, Target::Psnr(_)), "{target:?}");
    }
    let found = encode(&picture, &model, &toward(Target::Psnr(best - 0.5))).expect("an encode");
    assert!(found.reached && found.psnr > Some(0.9 * best), "{:?} dB for {best}", found.psnr);
}

#[test]
fn a_psnr_target_measures_even_unchecked() {
    let picture = Picture::new(32, 32, Color::Gray, (0..1024).map(|i| (i / 5) as u8).collect());
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let options =
        EncodeOptions { check: Check::None, target: Target::Psnr(36.0), ..EncodeOptions::default() };
    let encoded = encode(&picture.expect("a picture"), &model, &options).expect("an encode");
    assert!(encoded.psnr.is_some_and(|psnr| psnr <= 36.0));
}
