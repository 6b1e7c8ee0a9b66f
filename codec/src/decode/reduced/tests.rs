use super::*;
use crate::{Color, EncodeOptions, Mode, Profile, decode, encode, psnr};

const SIZES: [ReducedSize; 4] =
    [ReducedSize::Half, ReducedSize::Quarter, ReducedSize::Eighth, ReducedSize::Longest(100)];

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../samples/{name}.aec", env!("CARGO_MANIFEST_DIR"))).expect("a sample")
}

fn model_of(name: &str) -> std::sync::Arc<Model> {
    let profile = if name.ends_with("best") { Profile::Best } else { Profile::Fast };
    Model::embedded(profile).expect("the built-in model")
}

/// The means of the areas of a full picture.
fn means(picture: &Picture, size: ReducedSize) -> Picture {
    let (x, y) = size.axes((picture.width, picture.height), 1);
    let mut reducer = Reducer::new(x, y, picture.color.channels());
    reducer.push(&picture.samples);
    Picture::new(x.to() as u32, y.to() as u32, picture.color, reducer.finish()).expect("a picture")
}

#[test]
fn a_smaller_picture_looks_like_the_full_one_made_smaller() {
    for (name, least) in [
        ("hills", 34.0),
        ("harbour-night", 34.0),
        ("still-life", 34.0),
        ("still-life-best", 34.0),
        ("interior-gray", 34.0),
        ("sign", 30.0),
    ] {
        let (bytes, model, options) = (sample(name), model_of(name), DecodeOptions::default());
        let full = decode(&bytes, &model, &options).expect("a decode").picture;
        for size in SIZES {
            let small = decode_reduced(&bytes, &model, size, &options).expect("a decode").picture;
            let expected = means(&full, size);
            assert_eq!((small.width, small.height), (expected.width, expected.height), "{name} {size:?}");
            let found = psnr(&small.samples, &expected.samples).unwrap_or(f64::INFINITY);
            assert!(found >= least, "{name} {size:?}: {found:.1} dB");
            // Only the patches of an eighth are read from the latents.
            let exact = !size.needs_only_patches((full.width, full.height));
            assert!(!exact || small.samples == expected.samples, "{name} {size:?}");
        }
    }
}

#[test]
fn threads_change_nothing_and_the_hash_is_that_of_the_smaller_picture() {
    let (bytes, model) = (sample("hills"), model_of("hills"));
    let mut options = DecodeOptions::default();
    let one = decode_reduced(&bytes, &model, ReducedSize::Longest(96), &options).expect("a decode");
    options.threads = 3;
    let three = decode_reduced(&bytes, &model, ReducedSize::Longest(96), &options).expect("a decode");
    assert_eq!(one.picture, three.picture);
    assert_eq!(one.pixel_hash, *blake3::hash(&one.picture.samples).as_bytes());
    assert_eq!(one.hash_matches, None);
    let half = decode_reduced(&bytes, &model, ReducedSize::Half, &options).expect("a decode");
    assert_eq!(half.hash_matches, Some(true), "the full picture was decoded");
}

#[test]
fn exact_streams_give_the_means_of_their_samples() {
    let samples = (0..150 * 97 * 3).map(|i: u32| (i / 450 + i % 7) as u8).collect();
    let mut picture = Picture::new(150, 97, Color::Rgb, samples).expect("a picture");
    picture.alpha = Some((0..150 * 97).map(|i| (i % 251) as u8).collect());
    (picture.orientation, picture.metadata.icc, picture.metadata.exif) =
        (6, Some(vec![7; 40]), Some(vec![8; 20]));
    let options = EncodeOptions { mode: Mode::Exact { error: 0 }, ..EncodeOptions::default() };
    let model = model_of("fast");
    let bytes = encode(&picture, &model, &options).expect("an encode").bytes;
    for size in SIZES {
        let small =
            decode_reduced(&bytes, &model, size, &DecodeOptions::default()).expect("a decode").picture;
        let expected = means(&picture, size);
        let alpha =
            Picture::new(150, 97, Color::Gray, picture.alpha.clone().expect("alpha")).expect("a plane");
        assert_eq!(small.samples, expected.samples);
        assert_eq!(small.alpha, Some(means(&alpha, size).samples));
        assert_eq!((small.orientation, &small.metadata.icc), (6, &picture.metadata.icc));
        assert_eq!(small.metadata.exif, None);
    }
}

#[test]
fn alpha_of_learned_streams_is_averaged() {
    let (bytes, model, options) = (sample("glass-alpha"), model_of("glass-alpha"), DecodeOptions::default());
    let full = decode(&bytes, &model, &options).expect("a decode").picture;
    let alpha =
        Picture::new(full.width, full.height, Color::Gray, full.alpha.expect("alpha")).expect("a plane");
    for size in SIZES {
        let small = decode_reduced(&bytes, &model, size, &options).expect("a decode").picture;
        assert_eq!(small.alpha, Some(means(&alpha, size).samples), "{size:?}");
    }
}

#[test]
fn sides_are_rounded_and_small_pictures_stay() {
    let (bytes, model, mut options) = (sample("sign"), model_of("sign"), DecodeOptions::default());
    let full = decode(&bytes, &model, &options).expect("a decode").picture;
    for most in [1, 7, 64, 511, 768, u32::MAX] {
        let small = decode_reduced(&bytes, &model, ReducedSize::Longest(most), &options).expect("a decode");
        let longest = full.width.max(full.height);
        assert_eq!(small.picture.width.max(small.picture.height), most.min(longest));
        assert!(most < longest || small.picture.samples == full.samples);
    }
    options.region = Some(crate::Region { x: 0, y: 0, width: 1, height: 1 });
    let refused = decode_reduced(&bytes, &model, ReducedSize::Half, &options);
    assert!(matches!(refused, Err(Error::Invalid { what: "region", .. })));
}

/// Other machines must paint the same thumbnail.
#[test]
fn a_thumbnail_has_the_same_bytes_on_every_machine() {
    let (bytes, model) = (sample("hills"), model_of("hills"));
    let small = decode_reduced(&bytes, &model, ReducedSize::Longest(128), &DecodeOptions::default());
    let hash = super::super::hex(&small.expect("a decode").pixel_hash);
    assert_eq!(hash, "03d56c9b90a0adf77d4a06dbb13b0ea5cab38764a25c7b2ba986e385eac39a92");
}

#[test]
fn what_a_cut_stream_still_holds_is_painted() {
    let (bytes, model, options) = (sample("hills"), model_of("hills"), DecodeOptions::default());
    let cut = &bytes[..bytes.len() * 3 / 4];
    let small = decode_reduced(cut, &model, ReducedSize::Eighth, &options).expect("a decode");
    assert!(!small.damage.is_empty());
    let whole = decode_reduced(&bytes, &model, ReducedSize::Eighth, &options).expect("a decode");
    let found = psnr(&small.picture.samples, &whole.picture.samples);
    assert!(found.is_some_and(|found| found > 15.0), "{found:?}");
}
