//! Everything of a picture comes back: its colour mode, alpha, metadata, orientation and depth.

use aecodec::{Color, Metadata, Picture, psnr};
use aecodec_tests::{decode, encode, mask, photo};

/// Gray and colour, each with and without alpha.
fn pictures() -> [Picture; 4] {
    let with_alpha = |color| {
        let mut picture = photo(97, 61, color, 3);
        picture.alpha = Some(mask(97, 61, 4));
        picture
    };
    [
        photo(97, 61, Color::Gray, 3),
        photo(97, 61, Color::Rgb, 3),
        with_alpha(Color::Gray),
        with_alpha(Color::Rgb),
    ]
}

fn through(picture: &Picture) -> Picture {
    let decoded = decode(&encode(picture, 70.0).bytes);
    assert!(decoded.damage.is_empty(), "{:?}", decoded.damage);
    assert_eq!(decoded.hash_matches, Some(true));
    decoded.picture
}

#[test]
fn every_mode_stays_what_it_is() {
    for picture in pictures() {
        let found = through(&picture);
        assert_eq!(found.color, picture.color);
        assert_eq!(found.samples.len(), picture.samples.len());
        assert_eq!(found.alpha.is_some(), picture.alpha.is_some());
        let quality = psnr(&picture.samples, &found.samples).unwrap_or(f64::INFINITY);
        assert!(quality > 30.0, "{:?}: {quality} dB", picture.color);
    }
}

#[test]
fn alpha_is_exact() {
    let [.., gray, rgb] = pictures();
    for mut picture in [gray, rgb] {
        for alpha in [mask(97, 61, 5), vec![0; 97 * 61], vec![255; 97 * 61]] {
            picture.alpha = Some(alpha);
            assert_eq!(through(&picture).alpha, picture.alpha);
        }
    }
}

#[test]
fn alpha_does_not_change_the_colours() {
    let [_, opaque, _, clear] = pictures();
    assert_eq!(opaque.samples, clear.samples);
    assert_eq!(through(&opaque).samples, through(&clear).samples);
}

#[test]
fn metadata_is_kept_byte_for_byte() {
    let icc = Some((0..3000_u32).map(|i| (i * i / 8) as u8).collect());
    let exif = Some(b"II*\0\x08\0\0\0\0\0".to_vec());
    let xmp = Some(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>".to_vec());
    let all = Metadata { icc, exif, xmp, cicp: Some([9, 18, 0, 1]) };
    for metadata in [
        Metadata::default(),
        Metadata { icc: all.icc.clone(), ..Metadata::default() },
        Metadata { exif: all.exif.clone(), ..Metadata::default() },
        Metadata { xmp: all.xmp.clone(), ..Metadata::default() },
        Metadata { xmp: Some(Vec::new()), ..Metadata::default() },
        all,
    ] {
        let mut picture = photo(20, 30, Color::Rgb, 6);
        picture.metadata = metadata;
        assert_eq!(through(&picture).metadata, picture.metadata);
    }
}

#[test]
fn orientation_is_kept_and_not_applied() {
    for orientation in 1..=8 {
        let mut picture = photo(20, 30, Color::Gray, 7);
        picture.orientation = orientation;
        let found = through(&picture);
        assert_eq!((found.orientation, found.width, found.height), (orientation, 20, 30));
    }
}

#[test]
fn depth_of_the_source_is_kept() {
    for bits in [8, 16] {
        let mut picture = photo(20, 30, Color::Rgb, 8);
        picture.source_bits = bits;
        assert_eq!(through(&picture).source_bits, bits);
    }
}
