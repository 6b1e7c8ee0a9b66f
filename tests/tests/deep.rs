//! Exact streams of more than 8 bits per sample: what comes back, with any threads and groups, of parts, and after damage.

use aecodec::{
    Color, DecodeOptions, DeepPicture, EncodeOptions, Error, Mode, Outcome, Region, container, decode_deep,
    encode_deep,
};
use aecodec_tests::{decode, model};

/// Waves with noise and graded alpha.
fn picture(width: u32, height: u32, color: Color, alpha: bool, maximum: u16) -> DeepPicture {
    let (w, channels) = (width as usize, color.channels());
    let noise = |i: usize| (i as u32 + 1).wrapping_mul(2_654_435_761) >> 26;
    let sample = |i: usize| {
        let (x, y) = (i / channels % w, i / channels / w);
        let wave = 0.5 + 0.4 * ((x + 2 * y) as f64 / 40.0).sin();
        ((wave * f64::from(maximum)) as u32 + noise(i)).min(maximum.into()) as u16
    };
    let samples = (0..w * height as usize * channels).map(sample).collect();
    let mut picture = DeepPicture::new(width, height, color, maximum, samples).expect("a picture");
    picture.alpha =
        alpha.then(|| (0..w * height as usize).map(|i| (i % (usize::from(maximum) + 1)) as u16).collect());
    picture
}

fn encoded(picture: &DeepPicture, error: u16, group_log2: u8, threads: usize) -> Vec<u8> {
    let mut options = EncodeOptions::default();
    (options.mode, options.group_log2, options.threads) = (Mode::Exact { error }, group_log2, threads);
    encode_deep(picture, &model(), &options).expect("an encode").bytes
}

fn decoded(bytes: &[u8], change: impl Fn(&mut DecodeOptions)) -> (DeepPicture, Outcome) {
    let mut options = DecodeOptions::default();
    change(&mut options);
    decode_deep(bytes, &model(), &options).expect("a decode")
}

#[test]
fn pictures_of_every_kind_come_back() {
    for (color, alpha) in [(Color::Gray, false), (Color::Gray, true), (Color::Rgb, false), (Color::Rgb, true)]
    {
        for maximum in [256, 4095, 65535] {
            let mut original = picture(150, 90, color, alpha, maximum);
            original.orientation = 6;
            original.metadata.cicp = Some([9, 16, 0, 1]);
            for (group_log2, threads) in [(10, 1), (6, 3)] {
                let bytes = encoded(&original, 0, group_log2, threads);
                let (found, outcome) = decoded(&bytes, |options| options.threads = threads);
                assert!(found == original, "{color:?}, alpha {alpha}, up to {maximum}");
                assert_eq!(outcome.hash_matches, Some(true));
                assert!(bytes == encoded(&original, 0, group_log2, 1), "any number of threads");
            }
            // Whoever knows 8 bits alone gets them.
            let narrow = decode(&encoded(&original, 0, 10, 1));
            assert!(narrow.picture == original.rounded());
            assert_eq!(narrow.hash_matches, Some(true));
        }
    }
}

#[test]
fn errors_stay_within_their_bound() {
    let original = picture(90, 70, Color::Rgb, true, 65535);
    let mut before = encoded(&original, 0, 10, 1).len();
    for error in [1, 20, 3000] {
        let bytes = encoded(&original, error, 10, 1);
        let (found, outcome) = decoded(&bytes, |_| ());
        assert_eq!(outcome.hash_matches, Some(true));
        assert!(found.alpha == original.alpha, "alpha is exact");
        let largest = original.samples.iter().zip(&found.samples).map(|(a, b)| a.abs_diff(*b)).max();
        assert!((1..=error).contains(&largest.expect("samples")), "{largest:?} for {error}");
        assert!(bytes.len() < before, "{} bytes for {error}", bytes.len());
        before = bytes.len();
    }
}

#[test]
fn a_region_is_a_crop() {
    let original = picture(150, 90, Color::Rgb, false, 4095);
    let bytes = encoded(&original, 0, 6, 1);
    for (x, y, width, height) in [(0, 0, 1, 1), (60, 60, 70, 10), (149, 0, 1, 90)] {
        let region = Region { x, y, width, height };
        let (found, _) = decoded(&bytes, |options| options.region = Some(region));
        let row = |y: u32| &original.samples[(y as usize * 150 + x as usize) * 3..][..width as usize * 3];
        let expected: Vec<u16> = (y..y + height).flat_map(row).copied().collect();
        assert!(found.samples == expected, "{region:?}");
    }
}

#[test]
fn a_stream_that_is_cut_gives_its_first_rows() {
    let original = picture(80, 64, Color::Gray, false, 4095);
    let bytes = encoded(&original, 0, 6, 1);
    let (found, outcome) = decoded(&bytes[..bytes.len() - 1], |_| ());
    assert_eq!((outcome.damage.len(), outcome.hash_matches), (1, None));
    for (a, b) in original.samples.chunks(80).zip(found.samples.chunks(80)) {
        assert!(a[..64] == b[..64], "the first group is whole");
    }
    assert_eq!(found.samples.last(), Some(&2048), "what is missing is gray");
}

#[test]
fn what_does_not_fit_is_refused() {
    let original = picture(64, 64, Color::Gray, false, 4095);
    let mut above = original.clone();
    above.samples[7] = 4096;
    let mut options = EncodeOptions::default();
    options.mode = Mode::Exact { error: 0 };
    assert!(matches!(encode_deep(&above, &model(), &options), Err(Error::Invalid { what: "picture", .. })));
    options.limits.bytes = 1 << 20;
    assert!(matches!(encode_deep(&original, &model(), &options), Err(Error::Limit { .. })));

    let bytes = encoded(&original, 0, 10, 1);
    assert_eq!(container::read(&bytes, &options.limits).expect("a stream").header.maximum, 4095);
    let mut decode = DecodeOptions::default();
    decode.limits.bytes = 1 << 20;
    assert!(matches!(decode_deep(&bytes, &model(), &decode), Err(Error::Limit { .. })));
}
