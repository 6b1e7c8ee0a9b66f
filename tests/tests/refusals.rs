//! What makes no sense is refused with an error that says so, before any work is done.

use aecodec::{Color, DecodeOptions, EncodeOptions, Error, Picture, Target};
use aecodec_tests::{encode, model, photo, quality, resealed, toward};

fn picture() -> Picture {
    photo(20, 30, Color::Rgb, 61)
}

fn refused(picture: &Picture, options: &EncodeOptions) -> Error {
    aecodec::encode(picture, &model(), options).expect_err("nothing that can be encoded")
}

#[test]
fn targets_that_are_no_size_are_refused() {
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for target in [Target::BitsPerPixel(value), Target::Psnr(value)] {
            let error = refused(&picture(), &toward(target));
            assert!(matches!(error, Error::Invalid { .. }), "{target:?}: {error}");
        }
    }
}

#[test]
fn groups_out_of_range_are_refused() {
    for group_log2 in [0, 5, 15, 255] {
        let mut options = toward(quality(50.0));
        options.group_log2 = group_log2;
        let error = refused(&picture(), &options);
        assert!(matches!(error, Error::Invalid { what: "group size", .. }), "{group_log2}: {error}");
    }
}

#[test]
fn pictures_above_the_limit_are_refused() {
    let mut options = toward(quality(50.0));
    options.limits.pixels = 599;
    let error = refused(&picture(), &options);
    assert!(matches!(error, Error::Limit { needed: 600, limit: 599, .. }), "{error}");
}

/// The fields of a picture are public: anything may stand in them.
#[test]
fn pictures_that_contradict_themselves_are_refused() {
    let changes: [fn(&mut Picture); 7] = [
        |p| p.width = 0,
        |p| p.height = 31,
        |p| (p.width, p.height) = (u32::MAX, u32::MAX),
        |p| p.color = Color::Gray,
        |p| p.alpha = Some(vec![255; 599]),
        |p| p.orientation = 0,
        |p| p.orientation = 9,
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut picture = picture();
        change(&mut picture);
        let error = refused(&picture, &toward(quality(50.0)));
        assert!(matches!(error, Error::Invalid { what: "picture", .. }), "change {i}: {error}");
    }
}

#[test]
fn samples_that_fit_no_picture_are_refused() {
    for (width, height, samples) in [(0, 0, 0), (2, 2, 11), (2, 2, 13), (u32::MAX, u32::MAX, 12)] {
        let found = Picture::new(width, height, Color::Rgb, vec![0; samples]);
        assert!(matches!(found, Err(Error::Invalid { what: "picture", .. })), "{width}x{height}");
    }
}

#[test]
fn a_stream_of_another_model_is_refused_by_name() {
    let bytes = resealed(&encode(&picture(), 50.0).bytes, |header| header[23] ^= 1);
    match aecodec::decode(&bytes, &model(), &DecodeOptions::default()) {
        Err(Error::UnknownModel { needed, loaded }) => {
            assert!(needed != loaded && needed[2..] == loaded[2..])
        }
        other => panic!("{other:?}"),
    }
}
