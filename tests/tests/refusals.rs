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

/// Options are public values: anything may stand in them, and nothing of it is a panic.
#[test]
fn options_of_any_value_are_endured() {
    let bytes = encode(&picture(), 50.0).bytes;
    let all = aecodec::decode(&bytes, &model(), &DecodeOptions::default()).expect("a sound stream");
    for threads in [0, 1, 1000, usize::MAX] {
        let mut options = toward(quality(50.0));
        options.threads = threads;
        assert!(aecodec::encode(&picture(), &model(), &options).expect("a sound picture").bytes == bytes);
        for window in [(0, 0), (1, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
            let mut options = DecodeOptions::default();
            (options.threads, options.window, options.passes) = (threads, window, u8::MAX);
            let found = aecodec::decode(&bytes, &model(), &options).expect("a sound stream");
            assert!(found.picture == all.picture, "{threads} threads, {window:?}");
        }
    }
    for value in [0, 1, u64::MAX] {
        let (mut encode, mut decode) = (toward(quality(50.0)), DecodeOptions::default());
        for limits in [&mut encode.limits, &mut decode.limits] {
            (limits.pixels, limits.bytes, limits.metadata) = (value, value, value);
        }
        let encoded = aecodec::encode(&picture(), &model(), &encode);
        let decoded = aecodec::decode(&bytes, &model(), &decode);
        assert_eq!((encoded.is_ok(), decoded.is_ok()), (value > 1, value > 1), "limits of {value}");
    }
    let outside = [0, 1, 20, u32::MAX];
    for (x, y) in outside.into_iter().flat_map(|x| outside.map(|y| (x, y))) {
        for (width, height) in [(0, 0), (0, 5), (u32::MAX, 1), (u32::MAX, u32::MAX), (20, 30), (1, 1)] {
            let mut options = DecodeOptions::default();
            options.region = Some(aecodec::Region { x, y, width, height });
            let inside = width > 0
                && height > 0
                && u64::from(x) + u64::from(width) <= 20
                && u64::from(y) + u64::from(height) <= 30;
            let found = aecodec::decode(&bytes, &model(), &options);
            assert_eq!(found.is_ok(), inside, "{width}x{height} at {x},{y}");
        }
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 100.1] {
        assert_eq!(aecodec::Quality::new(value), None, "{value}");
    }
}

/// A source that claims the largest picture of all is refused before a row of it is read.
#[test]
fn a_source_that_claims_more_than_a_machine_holds_is_refused() {
    struct Claim(aecodec::PictureInfo);
    impl aecodec::Source for Claim {
        fn head(&self) -> &aecodec::PictureInfo {
            &self.0
        }
        fn read(&mut self, _: &mut [u8]) -> aecodec::Result<()> {
            panic!("nothing is to be read");
        }
        fn rewind(&mut self) -> aecodec::Result<()> {
            Ok(())
        }
    }
    for (width, height, group_log2) in
        [(u32::MAX, u32::MAX, 6), (u32::MAX, u32::MAX, 14), (u32::MAX, 1, 10), (1 << 20, 1 << 20, 6)]
    {
        let mut options = toward(quality(50.0));
        options.group_log2 = group_log2;
        options.limits.pixels = u64::MAX;
        let mut source = Claim(aecodec::PictureInfo::new(width, height, Color::Rgb));
        let error = aecodec::encode_rows(&mut source, &model(), &options).expect_err("a picture too large");
        assert!(matches!(error, Error::Limit { .. }), "{width}x{height}: {error}");
    }
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
