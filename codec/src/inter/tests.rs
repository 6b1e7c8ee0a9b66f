use super::*;
use crate::kernel::Isa;
use crate::{
    Check, Color, DecodeOptions, EncodeOptions, Error, Model, Picture, Profile, Quality, Target, encode, psnr,
};
use std::sync::Arc;

const SIZE: (u32, u32) = (330, 190);

fn model() -> (Arc<Model>, Arc<TemporalPrior>) {
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    (model, TemporalPrior::embedded(Profile::Fast).expect("its temporal prior"))
}

/// A textured scene with a bright square of 40 pixels whose left edge is at `x`, if there is one.
fn scene(x: Option<usize>) -> Picture {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let texture = |x: usize, y: usize, c: usize| 60 + (x / 3 % 50) + (y / 2 % 40) + 7 * c + (x * y / 64) % 20;
    let mut samples = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for column in 0..width {
            let inside = x.is_some_and(|x| (x..x + 40).contains(&column) && (60..100).contains(&y));
            samples.extend(
                (0..3).map(|c| if inside { 220 - 30 * c as u8 } else { texture(column, y, c) as u8 }),
            );
        }
    }
    Picture::new(SIZE.0, SIZE.1, Color::Rgb, samples).expect("a picture")
}

fn options(quality: f64, group_log2: u8, threads: usize) -> FrameOptions {
    let target = Target::Quality(Quality::new(quality).expect("between 0 and 100"));
    let encode =
        EncodeOptions { target, group_log2, threads, check: Check::None, ..EncodeOptions::default() };
    FrameOptions { encode, ..FrameOptions::default() }
}

fn key(picture: &Picture, quality: f64) -> (Vec<u8>, Reference) {
    let (model, _) = model();
    let bytes = encode(picture, &model, &options(quality, 10, 1).encode).expect("an encode").bytes;
    let reference = Reference::of_stream(&bytes, &model, &DecodeOptions::default()).expect("sound");
    (bytes, reference)
}

#[test]
fn the_latents_of_an_i_frame_paint_what_its_decoder_paints() {
    let (model, _) = model();
    let (bytes, reference) = key(&scene(Some(50)), 60.0);
    let decoded = crate::decode(&bytes, &model, &DecodeOptions::default()).expect("sound");
    let painted = reference.picture(&model, &DecodeOptions::default()).expect("the picture");
    assert!(painted.samples == decoded.picture.samples);
}

#[test]
fn every_decoder_gets_the_frame_of_the_encoder() {
    let (model, prior) = model();
    for (quality, group_log2) in [(20.0, 6), (60.0, 8), (95.0, 14)] {
        let (_, first) = key(&scene(Some(50)), quality);
        let picture = scene(Some(90));
        let frame = encode_frame(&picture, &[&first], &model, &prior, &options(quality, group_log2, 1))
            .expect("a frame");
        let several = encode_frame(&picture, &[&first], &model, &prior, &options(quality, group_log2, 3))
            .expect("a frame");
        assert!(frame.bytes == several.bytes);
        for threads in [1, 4] {
            let options = DecodeOptions { threads, ..DecodeOptions::default() };
            let decoded = decode_frame(&frame.bytes, &first, &model, &prior, &options).expect("sound");
            assert!(decoded.id() == frame.reference.id() && decoded.latents == frame.reference.latents);
        }
    }
}

#[test]
fn what_has_not_changed_costs_next_to_nothing() {
    let (model, prior) = model();
    let (bytes, first) = key(&scene(None), 60.0);
    let same = encode_frame(&scene(None), &[&first], &model, &prior, &options(60.0, 8, 1)).expect("a frame");
    assert!(
        same.active < 0.05 && same.bytes.len() * 20 < bytes.len(),
        "{} of {}",
        same.bytes.len(),
        bytes.len()
    );

    let (bytes, _) = key(&scene(Some(50)), 60.0);
    let moved =
        encode_frame(&scene(Some(50)), &[&first], &model, &prior, &options(60.0, 8, 1)).expect("a frame");
    assert!(moved.active > 0.0 && moved.active < 0.5, "{}", moved.active);
    assert!(moved.bytes.len() * 3 < bytes.len(), "{} of {}", moved.bytes.len(), bytes.len());
    let painted = moved.reference.picture(&model, &DecodeOptions::default()).expect("the picture");
    let quality = |picture: &Picture| psnr(&picture.samples, &scene(Some(50)).samples).expect("a loss");
    let alone =
        key(&scene(Some(50)), 60.0).1.picture(&model, &DecodeOptions::default()).expect("the picture");
    assert!(quality(&painted) > quality(&alone) - 1.5, "{} and {}", quality(&painted), quality(&alone));
}

/// A scene of [`scene`]'s kind that the camera has passed by this many pixels.
fn panned(by: usize) -> Picture {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let sample = |i: usize| {
        let (y, x) = (i / width / 3, i / 3 % width + by);
        (90.0 + 50.0 * (x as f64 / 6.0).sin() + 40.0 * (y as f64 / 5.0 + x as f64 / 23.0).cos()) as u8
            + 9 * (i % 3) as u8
    };
    Picture::new(SIZE.0, SIZE.1, Color::Rgb, (0..width * height * 3).map(sample).collect())
        .expect("a picture")
}

#[test]
fn a_moving_camera_is_followed() {
    let (model, prior) = model();
    let (bytes, first) = key(&panned(0), 60.0);
    let given = options(60.0, 8, 2);
    let moved = encode_frame(&panned(9), &[&first], &model, &prior, &given).expect("a frame");
    assert!(FrameHeader::parse(&moved.bytes).expect("a header").motion);
    let without = FrameOptions { motion: false, ..given };
    let still = encode_frame(&panned(9), &[&first], &model, &prior, &without).expect("a frame");
    assert!(!FrameHeader::parse(&still.bytes).expect("a header").motion);
    let sizes = [moved.bytes.len(), still.bytes.len(), bytes.len()];
    assert!(sizes[0] * 3 < sizes[1] * 2 && sizes[0] * 2 < sizes[2], "{sizes:?}");
    let decode = DecodeOptions { threads: 3, ..DecodeOptions::default() };
    // Nothing depends on whether the reference was painted before.
    for reference in [&first, &key(&panned(0), 60.0).1] {
        let decoded = decode_frame(&moved.bytes, reference, &model, &prior, &decode).expect("sound");
        assert_eq!(decoded.id(), moved.reference.id());
    }
}

#[test]
fn the_nearer_reference_is_taken() {
    let (model, prior) = model();
    let (far, near) = (key(&scene(Some(10)), 50.0).1, key(&scene(Some(200)), 50.0).1);
    for references in [[&far, &near], [&near, &far]] {
        let frame = encode_frame(&scene(Some(200)), &references, &model, &prior, &options(50.0, 8, 1))
            .expect("a frame");
        assert_eq!(FrameHeader::parse(&frame.bytes).expect("a header").reference, near.id());
    }
}

#[test]
fn what_is_painted_anew_or_kept_is_the_whole_frame() {
    let (model, prior) = model();
    let options = DecodeOptions { threads: 2, ..DecodeOptions::default() };
    let mut painter = Painter::default();
    let mut frame = key(&scene(None), 50.0).1;
    for (x, quality) in [(Some(10), 50.0), (Some(250), 50.0), (None, 50.0), (None, 50.0), (Some(20), 60.0)] {
        let painted = painter.paint(&frame, &model, &options).expect("the picture").clone();
        assert!(painted == frame.picture(&model, &options).expect("the picture"), "{x:?}");
        let given = self::options(quality, 8, 1);
        frame = encode_frame(&scene(x), &[&frame], &model, &prior, &given).expect("a frame").reference;
    }
}

#[test]
fn another_reference_is_refused() {
    let (model, prior) = model();
    let (first, other) = (key(&scene(Some(50)), 60.0).1, key(&scene(Some(51)), 60.0).1);
    let frame =
        encode_frame(&scene(Some(90)), &[&first], &model, &prior, &options(60.0, 8, 1)).expect("a frame");
    let refused = decode_frame(&frame.bytes, &other, &model, &prior, &DecodeOptions::default());
    assert!(matches!(refused, Err(Error::Invalid { what: "P-frame", .. })), "{refused:?}");
    let small = Picture::new(16, 16, Color::Rgb, vec![0; 768]).expect("a picture");
    let refused = encode_frame(&small, &[&first], &model, &prior, &options(60.0, 8, 1));
    assert!(matches!(refused, Err(Error::Invalid { what: "frame", .. })));
    let best = Model::embedded(Profile::Best).expect("the built-in model");
    let refused = decode_frame(&frame.bytes, &first, &best, &prior, &DecodeOptions::default());
    assert!(matches!(refused, Err(Error::UnknownModel { .. })));
}

#[test]
fn a_damaged_frame_is_refused_or_equal() {
    let (model, prior) = model();
    let (_, first) = key(&scene(Some(50)), 30.0);
    let frame =
        encode_frame(&scene(Some(90)), &[&first], &model, &prior, &options(30.0, 8, 1)).expect("a frame");
    let decode = |bytes: &[u8]| decode_frame(bytes, &first, &model, &prior, &DecodeOptions::default());
    for cut in (0..frame.bytes.len()).step_by(7) {
        assert!(decode(&frame.bytes[..cut]).is_err(), "cut at {cut}");
    }
    for at in (0..frame.bytes.len()).step_by(11) {
        let mut bytes = frame.bytes.clone();
        bytes[at] ^= 0x55;
        if let Ok(decoded) = decode(&bytes) {
            assert_eq!(decoded.id(), frame.reference.id(), "byte {at}");
        }
    }
}

#[test]
fn all_instruction_sets_predict_the_same() {
    let (_, prior) = model();
    let (_, first) = key(&scene(Some(50)), 60.0);
    let classes: Vec<u8> =
        (0..first.latents.height * first.latents.width).map(|i| (i * i % 11 % 8) as u8).collect();
    let predict = |isa: Isa| {
        let mut scratch = crate::net::Scratch::default();
        let latents = crate::net::Plane::clone(&first.latents);
        let mut group =
            predict::Group::new(&prior.net, isa, latents, classes.clone(), Quality::default(), &mut scratch);
        for (i, change) in group.change.data.iter_mut().enumerate() {
            *change = (i * 31 % 37) as i16 - 18;
        }
        (0..4).map(|pass| group.predict(&prior.net, isa, pass, &mut scratch)).collect::<Vec<_>>()
    };
    let expected = predict(Isa::SCALAR);
    for isa in Isa::available() {
        for (a, b) in predict(isa).iter().zip(&expected) {
            assert!(a.scale == b.scale && a.mean == b.mean, "{}", isa.name());
        }
    }
}
