//! A picture that is encoded group by group has the stream of a whole encode.

use aecodec::{Color, Model, Picture, Profile, Quality, Region, Target};
use aecodec_tests::photo;
use aecodec_web::parts::{self, Crop};
use aecodec_web::rgba::{self, Kind};

const SIDE: u32 = 128;

/// The RGBA of a rectangle.
fn cut(rgba: &[u8], width: u32, [left, top, right, bottom]: [u32; 4]) -> Vec<u8> {
    let row = |y: u32| &rgba[((y * width + left) * 4) as usize..((y * width + right) * 4) as usize];
    (top..bottom).flat_map(row).copied().collect()
}

/// The streams of all groups.
fn groups(picture: &Picture, model: &Model, quality: Quality) -> Vec<Vec<u8>> {
    let (rgba, margin) = (rgba::of(picture), parts::margin(model));
    let (width, height) = (picture.width, picture.height);
    let mut streams = Vec::new();
    for y in (0..height).step_by(SIDE as usize) {
        for x in (0..width).step_by(SIDE as usize) {
            let [left, top] = [x, y].map(|start| start.saturating_sub(margin));
            let (right, bottom) = ((x + SIDE + margin).min(width), (y + SIDE + margin).min(height));
            let group =
                Region { x: x - left, y: y - top, width: SIDE.min(width - x), height: SIDE.min(height - y) };
            let crop = cut(&rgba, width, [left, top, right, bottom]);
            let crop = Crop { rgba: &crop, size: (right - left, bottom - top), group };
            streams.push(parts::encode(&crop, picture.color, model, quality, 7).expect("a group"));
        }
    }
    streams
}

#[test]
fn groups_join_to_the_stream_of_the_whole_picture() {
    let quality = Quality::new(60.0).expect("between 0 and 100");
    for (profile, color, has_alpha) in [
        (Profile::Fast, Color::Rgb, false),
        (Profile::Best, Color::Rgb, true),
        (Profile::Fast, Color::Gray, true),
    ] {
        let model = Model::embedded(profile).expect("the built-in model");
        let mut picture = photo(300, 270, color, 5);
        if has_alpha {
            picture.alpha = Some((0..300 * 270).map(|i| (i / 300) as u8).collect());
        }
        let streams = groups(&picture, &model, quality);
        let streams: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
        let joined = parts::join(&streams, (300, 270), picture.alpha.as_deref()).expect("all groups");

        let mut options = aecodec::EncodeOptions::default();
        (options.target, options.group_log2) = (Target::Quality(quality), 7);
        let whole = aecodec::encode(&picture, &model, &options).expect("a picture");
        let decoded = aecodec::decode(&joined, &model, &Default::default()).expect("a stream");
        let recorded = parts::record(&joined, decoded.pixel_hash).expect("a stream");
        assert!(recorded == whole.bytes, "{profile:?} {color:?}");
    }
}

#[test]
fn groups_that_do_not_fit_are_refused() {
    let quality = Quality::default();
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let picture = photo(200, 100, Color::Rgb, 3);
    let streams = groups(&picture, &model, quality);
    let streams: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    assert!(parts::join(&streams, (200, 100), None).is_ok());
    assert!(parts::join(&streams[..1], (200, 100), None).is_err());
    assert!(parts::join(&[streams[1], streams[0]], (200, 100), None).is_err());
    assert!(parts::join(&streams, (210, 100), None).is_err());
    assert!(parts::join(&[], (200, 100), None).is_err());
    assert!(parts::join(&[&streams[0][..40], streams[1]], (200, 100), None).is_err());

    let rgba = rgba::of(&picture);
    for (x, width) in [(8, 64), (0, 0), (0, 201), (192, 16), (0, 200), (u32::MAX - 15, 32)] {
        let crop = Crop { rgba: &rgba, size: (200, 100), group: Region { x, y: 0, width, height: 64 } };
        assert!(parts::encode(&crop, Color::Rgb, &model, quality, 7).is_err(), "{width} at {x}");
    }
    assert!(rgba::picture(&rgba[1..], 200, 100, Kind { color: Color::Rgb, alpha: false }).is_err());
}

#[test]
fn alpha_and_colour_are_stored_only_if_they_say_something() {
    let gray = rgba::of(&photo(20, 10, Color::Gray, 1));
    assert_eq!(rgba::kind(&gray), Kind { color: Color::Gray, alpha: false });
    let mut changed = gray.clone();
    changed[7] = 254;
    changed[41] ^= 1;
    assert_eq!(rgba::kind(&changed), Kind { color: Color::Rgb, alpha: true });
    let picture = rgba::picture(&changed, 20, 10, rgba::kind(&changed)).expect("a picture");
    assert_eq!(rgba::of(&picture), changed);
}
