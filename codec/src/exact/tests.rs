//! Tests of groups on their own: every mode, kind of picture and small size, with and without errors.

use super::bits::Whole;
use super::group::{GroupMode, Shape, decode, encode};
use super::wide;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Kinds of pictures: flat, of two colours, of few, a gradient, noise, and blocks with some noise.
fn sample(kind: u8, x: usize, y: usize, k: usize) -> u8 {
    let noise = |x: usize, y: usize| {
        let mut n = (x * 7919 + y * 104_729 + k * 1_299_709 + 1) as u32;
        n = (n ^ n >> 15).wrapping_mul(0x2c1b_3c6d);
        n = (n ^ n >> 12).wrapping_mul(0x297a_2d39);
        ((n ^ n >> 15) & 255) as u8
    };
    match kind {
        0 => 77,
        1 => 255 * u8::from(noise(x / 3, y / 2) > 128),
        2 => noise(x / 4, y / 4) & 0xC0,
        3 => (3 * x + 2 * y + 40 * k) as u8,
        4 => noise(x, y),
        _ => {
            if noise(x / 8, y / 8) > 200 {
                noise(x, y)
            } else {
                noise(x / 8, 0)
            }
        }
    }
}

fn picture(shape: Shape, kind: u8) -> Vec<u8> {
    let Shape { width, height, channels, .. } = shape;
    (0..width * height * channels)
        .map(|i| sample(kind, i / channels % width, i / channels / width, i % channels))
        .collect()
}

/// Encodes a group, and decodes it; returns the substream.
fn coded(shape: Shape, original: &[u8]) -> Vec<u8> {
    let mut expected = original.to_vec();
    let bytes = encode(shape, &mut expected);
    let mut found = vec![0; original.len()];
    let rows = decode(shape, &bytes, Whole::Yes, &mut found).expect("an own substream");
    assert_eq!(rows, shape.height);
    assert!(found == expected, "a decoder gets what the encoder saw");
    let first_is_alpha = usize::from(shape.alpha);
    for (a, b) in original.chunks_exact(shape.channels).zip(found.chunks_exact(shape.channels)) {
        assert_eq!(a[..first_is_alpha], b[..first_is_alpha], "alpha is exact");
        assert!(a.iter().zip(b).all(|(a, b)| u16::from(a.abs_diff(*b)) <= shape.error), "{a:?} became {b:?}");
    }
    assert!(bytes.len() <= original.len() + 1, "{} bytes for {} samples", bytes.len(), original.len());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150, failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default()
    })]

    #[test]
    fn every_small_picture_comes_back_within_its_error(
        width in 1_usize..=70, height in 1_usize..=70, channels in 1_usize..=4, kind in 0_u8..6,
        error in prop_oneof![3 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => Just(5), 1 => any::<u8>()],
    ) {
        let shape = Shape { width, height, channels, alpha: channels == 2 || channels == 4, error: error.into(), maximum: 255 };
        coded(shape, &picture(shape, kind));
    }

    /// Whatever the bytes are, a decoder returns rows or an error.
    #[test]
    fn any_bytes_give_rows_or_an_error(
        width in 1_usize..=40, height in 1_usize..=40, channels in 1_usize..=4, mode in 0_u8..5,
        bytes in prop::collection::vec(any::<u8>(), 0..300), whole: bool, error: u8,
    ) {
        let shape = Shape { width, height, channels, alpha: channels == 2 || channels == 4, error: error.into(), maximum: 255 };
        let bytes = [&[mode][..], &bytes].concat();
        let mut samples = vec![0; width * height * channels];
        let whole = if whole { Whole::Yes } else { Whole::No };
        if let Ok(rows) = decode(shape, &bytes, whole, &mut samples) {
            prop_assert!(rows <= height);
        }
    }
}

#[test]
fn each_mode_is_chosen_for_what_it_is_made_for() {
    let shape = Shape { width: 64, height: 64, channels: 3, alpha: false, error: 0, maximum: 255 };
    for (kind, mode) in [(4, GroupMode::Stored), (2, GroupMode::Palette), (5, GroupMode::Pixels)] {
        let bytes = coded(shape, &picture(shape, kind));
        assert_eq!(GroupMode::of(&bytes), Some(mode), "kind {kind}");
    }
    let smooth = |i: usize| {
        let (x, y, k) = (i / 3 % 64, i / 192, i % 3);
        (100.0 + 60.0 * ((x + 2 * y) as f64 / 17.0).sin()) as u8 + sample(4, x, y, k) % 12
    };
    let photograph: Vec<u8> = (0..64 * 64 * 3).map(smooth).collect();
    assert_eq!(GroupMode::of(&coded(shape, &photograph)), Some(GroupMode::Samples));
}

#[test]
fn a_flat_group_takes_a_few_bytes() {
    let shape = Shape { width: 1024, height: 256, channels: 3, alpha: false, error: 0, maximum: 255 };
    let bytes = coded(shape, &picture(shape, 0));
    assert!(bytes.len() < 100, "{} bytes", bytes.len());
}

#[test]
fn a_substream_that_is_cut_gives_its_first_rows() {
    for (kind, channels) in [(2, 3), (3, 1), (4, 3), (5, 4)] {
        let shape = Shape { width: 50, height: 60, channels, alpha: channels == 4, error: 0, maximum: 255 };
        let original = picture(shape, kind);
        let bytes = coded(shape, &original);
        let mut before = 0;
        for length in (0..bytes.len()).step_by(7) {
            let mut found = vec![0; original.len()];
            let rows =
                decode(shape, &bytes[..length], Whole::No, &mut found).expect("the beginning of a substream");
            assert!((before..=60).contains(&rows), "kind {kind}: more bytes, {rows} rows after {before}");
            let known = rows * 50 * channels;
            assert!(found[..known] == original[..known], "kind {kind}, {length} of {} bytes", bytes.len());
            before = rows;
        }
        assert!(before > 30, "kind {kind}: {before} of 60 rows from nearly all bytes");
    }
}

#[test]
fn bytes_that_are_missing_or_left_are_damage() {
    let shape = Shape { width: 50, height: 60, channels: 3, alpha: false, error: 0, maximum: 255 };
    for kind in [2, 3, 4, 5] {
        let bytes = coded(shape, &picture(shape, kind));
        let mut samples = vec![0; 50 * 60 * 3];
        let mut damaged = |bytes: &[u8]| decode(shape, bytes, Whole::Yes, &mut samples).is_err();
        assert!(damaged(&bytes[..bytes.len() / 2]), "kind {kind}, cut");
        assert!(damaged(&[&bytes[..], &[1; 8]].concat()), "kind {kind}, longer");
        assert!(damaged(&[&[9], &bytes[1..]].concat()), "kind {kind}, unknown mode");
    }
}

/// A picture of up to `maximum` whose differences are about `grain`.
fn deep(shape: Shape, grain: u32) -> Vec<u16> {
    let Shape { width, height, channels, maximum, .. } = shape;
    let mut level = u32::from(maximum) / 2;
    let mut next = |i: usize| {
        let noise = (i as u32 + 1).wrapping_mul(2_654_435_761) >> 8;
        level = (level + noise % (2 * grain + 1)).saturating_sub(grain).min(maximum.into());
        level as u16
    };
    (0..width * height * channels).map(&mut next).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100, failure_persistence: None, rng_seed: RngSeed::Fixed(12), ..ProptestConfig::default()
    })]

    #[test]
    fn every_small_picture_of_more_bits_comes_back_within_its_error(
        width in 1_usize..=40, height in 1_usize..=40, channels in 1_usize..=4,
        maximum in prop_oneof![Just(u16::MAX), Just(4095), 256_u16..=u16::MAX],
        grain in prop_oneof![0_u32..40, Just(1000), Just(65535)],
        error in prop_oneof![3 => Just(0_u16), 1 => 1_u16..300, 1 => Just(u16::MAX)],
    ) {
        let alpha = channels == 2 || channels == 4;
        let shape = Shape { width, height, channels, alpha, error: error.min(maximum), maximum };
        let original = deep(shape, grain);
        let mut expected = original.clone();
        let bytes = wide::encode(shape, &mut expected);
        let mut found = vec![0; original.len()];
        prop_assert_eq!(wide::decode(shape, &bytes, Whole::Yes, &mut found).expect("an own substream"), height);
        prop_assert!(found == expected, "a decoder gets what the encoder saw");
        for (i, (a, b)) in original.iter().zip(&found).enumerate() {
            let allowed = if alpha && i % channels == 0 { 0 } else { shape.error };
            prop_assert!(a.abs_diff(*b) <= allowed, "{} became {}", a, b);
        }
        prop_assert!(bytes.len() <= 2 * original.len() + 1);
    }

    #[test]
    fn any_bytes_give_rows_of_more_bits_or_an_error(
        width in 1_usize..=40, height in 1_usize..=40, channels in 1_usize..=4, mode in 0_u8..5, scale in 0_u8..14,
        bytes in prop::collection::vec(any::<u8>(), 0..300), whole: bool, error: u16, maximum in 256_u16..,
    ) {
        let alpha = channels == 2 || channels == 4;
        let shape = Shape { width, height, channels, alpha, error, maximum };
        let bytes = [&[mode, scale][..], &bytes].concat();
        let mut samples = vec![0; width * height * channels];
        let whole = if whole { Whole::Yes } else { Whole::No };
        if let Ok(rows) = wide::decode(shape, &bytes, whole, &mut samples) {
            prop_assert!(rows <= height);
            prop_assert!(samples[..rows * width * channels].iter().all(|&sample| sample <= maximum));
        }
    }
}

#[test]
fn smooth_pictures_of_more_bits_take_few_bytes() {
    let shape = Shape { width: 256, height: 256, channels: 1, alpha: false, error: 0, maximum: 65535 };
    // A ramp over all values, and the noise of a sensor of 12 bits in 16.
    let mut ramp: Vec<u16> = (0..=65535).collect();
    let bytes = wide::encode(shape, &mut ramp);
    assert!(bytes.len() < 3000, "{} bytes for every value in order", bytes.len());
    let mut sensor: Vec<u16> = (0..65536)
        .map(|i| (20_000 + i / 256 * 40 + u32::from(sample(4, i as usize, 7, 1)) % 64) as u16)
        .collect();
    let bytes = wide::encode(shape, &mut sensor);
    assert!(bytes.len() < 54_000, "{} bytes for 6 bits of noise", bytes.len());
}
