//! Unusual pictures are found and usual ones are not, from pictures and from coded files, and hostile files are refused.

use aecodec::{Color, Limits, ModelRegistry, Picture};
use aecodec_latents::anomaly::{Detector, Learner, View};
use aecodec_latents::{Error, Reader};
use aecodec_tests::{Random, encode, photo};

const SIDES: (u32, u32) = (192, 128);

fn reader() -> Reader {
    Reader::new(ModelRegistry::embedded()).expect("the built-in model")
}

/// Frames of a fixed camera: one scene in changing light, with noise.
fn frame(scene: &Picture, random: &mut Random) -> Picture {
    let strength = 90 + random.below(21) as u32;
    let lit = |&sample: &u8| (u32::from(sample) * strength / 100 + random.below(8) as u32).min(255) as u8;
    let samples = scene.samples.iter().map(lit).collect();
    Picture::new(scene.width, scene.height, Color::Rgb, samples).expect("a picture")
}

/// The frame with a piece of another picture, 40x40 pixels at a multiple of 8.
fn with_object(frame: &Picture, at: (u32, u32)) -> Picture {
    let other = photo(SIDES.0, SIDES.1, Color::Rgb, 99);
    let mut changed = frame.clone();
    for y in at.0..at.0 + 40 {
        let row = (3 * (y * SIDES.0 + at.1)) as usize;
        changed.samples[row..row + 120].copy_from_slice(&other.samples[row..row + 120]);
    }
    changed
}

fn learned(reader: &Reader, count: u32, coded: bool) -> (Detector, Picture, Random) {
    let (scene, mut random) = (photo(SIDES.0, SIDES.1, Color::Rgb, 5), Random::new(7));
    let mut learner = Learner::new(reader, View::Auto);
    for _ in 0..count {
        let frame = frame(&scene, &mut random);
        let code = if coded {
            reader.read(&encode(&frame, 50.0).bytes, &Limits::default())
        } else {
            reader.code(&frame)
        };
        learner.push(&code.expect("a code")).expect("a picture of the same size");
    }
    (learner.finish().expect("enough pictures"), scene, random)
}

#[test]
fn objects_are_found_where_they_are_and_false_alarms_stay_below_the_rate() {
    let reader = reader();
    for coded in [false, true] {
        let (detector, scene, mut random) = learned(&reader, 60, coded);
        assert_eq!(detector.size(), Some(SIDES));
        let limits = detector.thresholds(0.05).expect("enough pictures");
        let score = |picture: &Picture| {
            let code = if coded {
                reader.read(&encode(picture, 50.0).bytes, &Limits::default())
            } else {
                reader.code(picture)
            };
            let score = detector.score(&code.expect("a code")).expect("a score");
            (score.against(limits), score.heat(limits))
        };
        let mut alarms = 0;
        for i in 0..20 {
            let usual = frame(&scene, &mut random);
            alarms += u32::from(score(&usual).0 > 1.0);
            let at = (8 * (i % 11), 8 * (i % 19));
            let (above, heat) = score(&with_object(&usual, at));
            assert!(above > 1.0, "coded {coded}, object at {at:?}: {above}");
            let inside = heat.at(at.0 + 20, at.1 + 20);
            let outside = heat.at((at.0 + 84) % SIDES.1, (at.1 + 110) % SIDES.0);
            assert!(inside > 1.0 && outside < inside / 2.0, "at {at:?}: {inside}, outside {outside}");
        }
        assert!(alarms <= 3, "coded {coded}: {alarms} of 20 usual pictures");
    }
}

#[test]
fn pictures_of_different_views_share_one_gaussian() {
    let reader = reader();
    let mut learner = Learner::new(&reader, View::Auto);
    let wall = |seed: u64| photo(160 + 16 * (seed % 3) as u32, 120, Color::Rgb, 1000 + seed);
    for seed in 0..30 {
        learner.push(&reader.code(&wall(seed)).expect("a code")).expect("any size");
    }
    let detector = learner.finish().expect("enough pictures");
    assert_eq!(detector.size(), None);
    let limits = detector.thresholds(0.05).expect("enough pictures");
    // Noise of single pixels is in none of the pictures.
    let (mut noisy, mut random) = (wall(31), Random::new(1));
    noisy.samples.iter_mut().for_each(|sample| *sample = random.below(256) as u8);
    let score = detector.score(&reader.code(&noisy).expect("a code")).expect("a score");
    assert!(score.against(limits) > 1.0);
    let tiny = Picture::new(3, 2, Color::Gray, vec![100; 6]).expect("a picture");
    detector.score(&reader.code(&tiny).expect("a code")).expect("a score of any size");
}

#[test]
fn too_few_pictures_and_other_sizes_are_refused() {
    let reader = reader();
    let code = |width: u32| reader.code(&photo(width, 64, Color::Rgb, 1)).expect("a code");
    let mut learner = Learner::new(&reader, View::Fixed);
    learner.push(&code(64)).expect("the first picture");
    assert!(matches!(learner.push(&code(80)), Err(Error::Size { expected: (64, 64), found: (80, 64) })));
    assert!(matches!(learner.finish(), Err(Error::TooFew { rate: None, found: 1, .. })));
    let (detector, ..) = learned(&reader, 12, false);
    assert!(matches!(detector.thresholds(0.05), Err(Error::TooFew { expected: 19, found: 12, .. })));
    assert!(matches!(detector.thresholds(0.0), Err(Error::Rate(_))));
    assert!(matches!(detector.score(&code(64)), Err(Error::Size { expected: SIDES, .. })));
}

#[test]
fn a_file_keeps_the_detector_and_a_damaged_or_hostile_one_is_refused() {
    let reader = reader();
    let (detector, scene, mut random) = learned(&reader, 20, false);
    let bytes = detector.to_bytes().expect("a file");
    let again = Detector::parse(&bytes, &reader).expect("the same file");
    let code = reader.code(&frame(&scene, &mut random)).expect("a code");
    let scores = [&detector, &again].map(|detector| detector.score(&code).expect("a score"));
    assert_eq!((scores[0].error, scores[0].distance), (scores[1].error, scores[1].distance));

    assert!(matches!(Detector::parse(b"\x89PNG", &reader), Err(Error::Kind { .. })));
    let mut newer = bytes.clone();
    newer[7] = 2;
    assert!(matches!(Detector::parse(&newer, &reader), Err(Error::Version { expected: 1, found: 2 })));
    for length in [7, 8, 20, 40, 41, 100, bytes.len() - 1] {
        assert!(
            matches!(Detector::parse(&bytes[..length], &reader), Err(Error::Damaged(_))),
            "{length} bytes"
        );
    }
    // With a hash that fits: lengths and numbers that do not, in every part of the file.
    let sealed = |body: &[u8]| [b"aecano\n\x01", &blake3::hash(body).as_bytes()[..], body].concat();
    let mut random = Random::new(3);
    for i in 0..400 {
        let mut body = bytes[40..].to_vec();
        let end = if i < 200 { 200 } else { body.len() };
        for _ in 0..1 + random.below(4) {
            let at = random.below(end);
            body[at] = random.below(256) as u8;
        }
        // Whatever is accepted can be used.
        if let Ok(detector) = Detector::parse(&sealed(&body), &reader) {
            let _ = detector.score(&code);
            let _ = detector.thresholds(0.1);
        }
    }
    let mut body = bytes[40..].to_vec();
    body.push(0);
    assert!(matches!(Detector::parse(&sealed(&body), &reader), Err(Error::Damaged(_))));
}
