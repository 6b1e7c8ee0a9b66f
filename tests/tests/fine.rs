//! Learned streams of pictures with more than 8 bits per sample: finer than 8 bits, and with the same 8 bits for whoever reads no
//! more.

use aecodec::{
    Coding, Color, DecodeOptions, Decoder, DeepPicture, EncodeOptions, Error, Mode, Outcome, Region, Target,
    container, decode_deep, encode_deep,
};
use aecodec_tests::{decode, decode_with, model, quality, small_groups, toward};

/// A gradient of `maximum` + 1 steps from the top left to the bottom right.
fn gradient(width: u32, height: u32, color: Color, maximum: u16) -> DeepPicture {
    let (w, h, channels) = (width as usize, height as usize, color.channels());
    let sample = |i: usize| {
        let (x, y, c) = (i / channels % w, i / channels / w, i % channels);
        let share = (x * h + y) as f64 / (w * h) as f64;
        let share = if c == 1 { 1.0 - share } else { share };
        (share * f64::from(maximum)).round() as u16
    };
    let samples = (0..w * h * channels).map(sample).collect();
    DeepPicture::new(width, height, color, maximum, samples).expect("a picture")
}

fn learned(target: Target) -> EncodeOptions {
    let mut options = toward(target);
    options.mode = Mode::Learned;
    options
}

fn decoded(bytes: &[u8], change: impl Fn(&mut DecodeOptions)) -> (DeepPicture, Outcome) {
    let mut options = DecodeOptions::default();
    change(&mut options);
    decode_deep(bytes, &model(), &options).expect("a decode")
}

fn psnr(a: &[u16], b: &[u16]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (65535f64.powi(2) * a.len() as f64 / squares).log10()
}

#[test]
fn a_gradient_of_12_bits_stays_a_gradient() {
    for color in [Color::Gray, Color::Rgb] {
        let original = gradient(640, 320, color, 4095);
        let encoded = encode_deep(&original, &model(), &learned(quality(80.0))).expect("an encode");
        let (found, outcome) = decoded(&encoded.bytes, |_| ());
        assert_eq!((found.maximum, outcome.hash_matches), (65535, Some(true)));
        let filled = original.filled();
        let fine = psnr(&filled.samples, &found.samples);
        let coarse: Vec<u16> = found.rounded().samples.iter().map(|&v| 257 * u16::from(v)).collect();
        let coarse = psnr(&filled.samples, &coarse);
        let mut values: Vec<u16> = found.samples.iter().map(|v| v / 16).collect();
        values.sort_unstable();
        values.dedup();
        println!("{color:?}: {} values of 12 bits, {fine:.2} dB, {coarse:.2} dB in 8 bits", values.len());
        assert!(values.len() > 2000, "{} values", values.len());
        assert!((encoded.psnr.expect("an error") - fine).abs() < 1e-6);
        assert!(fine > coarse + 0.1, "{fine} dB, in 8 bits {coarse} dB");
        // Smooth: the mean of a column and of its neighbour differ as in the original, within an 8-bit step.
        let mean = |samples: &[u16], x: usize| {
            let channels = color.channels();
            let column = samples.iter().skip(x * channels).step_by(640 * channels);
            column.map(|&v| f64::from(v)).sum::<f64>() / 320.0
        };
        for x in 8..631 {
            let step = |samples: &[u16]| mean(samples, x + 1) - mean(samples, x);
            let off = (step(&found.samples) - step(&filled.samples)).abs();
            assert!(off < 257.0, "column {x}: off by {off} of 65536");
        }
    }
}

#[test]
fn whoever_reads_8_bits_gets_the_samples_that_the_fine_ones_round_to() {
    for color in [Color::Gray, Color::Rgb] {
        let original = gradient(150, 90, color, 65535);
        let mut options = small_groups(quality(60.0));
        options.mode = Mode::Learned;
        let bytes = encode_deep(&original, &model(), &options).expect("an encode").bytes;
        assert!(container::read(&bytes, &options.limits).expect("a stream").header.is_deep());
        let narrow = decode(&bytes);
        assert_eq!((narrow.hash_matches, narrow.picture.source_bits), (Some(true), 16));
        let (fine, outcome) = decoded(&bytes, |_| ());
        assert_eq!(outcome.pixel_hash, narrow.pixel_hash);
        for (narrow, fine) in narrow.picture.samples.iter().zip(&fine.samples) {
            assert!(fine.abs_diff(257 * u16::from(*narrow)) <= 257, "{fine} for {narrow}");
        }
        for threads in [2, 5] {
            assert!(decoded(&bytes, |options| options.threads = threads).0 == fine);
        }
        let region = Region { x: 70, y: 33, width: 50, height: 40 };
        let (part, _) = decoded(&bytes, |options| options.region = Some(region));
        let row = |y: u32| {
            let channels = color.channels();
            &fine.samples[(y as usize * 150 + 70) * channels..][..50 * channels]
        };
        assert!(part.samples == (33..73).flat_map(row).copied().collect::<Vec<_>>());
    }
}

/// Groups that hold nothing are copied, at every depth, and copied groups are those that would be synthesised.
#[test]
fn a_hollow_picture_is_the_same_in_fine_samples() {
    let original = gradient(640, 640, Color::Rgb, 65535);
    let mut options = small_groups(quality(50.0));
    options.mode = Mode::Learned;
    let bytes = encode_deep(&original, &model(), &options).expect("an encode").bytes;
    let cut = &bytes[..bytes.len() / 2];
    let (fine, outcome) = decoded(cut, |_| ());
    assert!(!outcome.damage.is_empty());
    let narrow = decode(cut);
    assert_eq!(outcome.pixel_hash, narrow.pixel_hash);
    let far = |(narrow, fine): (&u8, &u16)| fine.abs_diff(257 * u16::from(*narrow)) > 257;
    assert!(!narrow.picture.samples.iter().zip(&fine.samples).any(far));
}

#[test]
fn alpha_has_8_bits_and_targets_hold() {
    let mut original = gradient(90, 70, Color::Rgb, 4095);
    original.alpha = Some((0..90 * 70).map(|i| (i % 4096) as u16).collect());
    assert!(original.has_fine_alpha());
    let bytes = encode_deep(&original, &model(), &learned(quality(50.0))).expect("an encode").bytes;
    let (found, _) = decoded(&bytes, |_| ());
    let expected: Vec<u16> =
        original.rounded().alpha.expect("alpha").iter().map(|&a| 257 * u16::from(a)).collect();
    assert!(found.alpha == Some(expected));
    let coarse = DeepPicture { alpha: Some(vec![4095; 90 * 70]), ..original.clone() };
    assert!(!coarse.has_fine_alpha());

    original.alpha = None;
    for target in [Target::Bytes(700), Target::Psnr(38.0)] {
        let encoded = encode_deep(&original, &model(), &learned(target)).expect("an encode");
        let (found, outcome) = decoded(&encoded.bytes, |_| ());
        assert_eq!(outcome.hash_matches, Some(true));
        let found = psnr(&original.clone().filled().samples, &found.samples);
        assert!((found - encoded.psnr.expect("an error")).abs() < 1e-6);
        assert!(!matches!(target, Target::Bytes(most) if encoded.bytes.len() as u64 > most));
    }
}

/// Left to itself, the encoder finds what suits the picture: the model for soft gradients, and exact coding if that is smaller.
#[test]
fn the_mode_follows_from_the_picture() {
    let coding = |picture: &DeepPicture, value: f64| {
        let mut options = toward(quality(value));
        options.mode = Mode::Auto;
        encode_deep(picture, &model(), &options).expect("an encode").coding
    };
    assert_eq!(coding(&gradient(320, 200, Color::Rgb, 65535), 50.0), Coding::Learned);
    // Noise of two values takes a bit or two for each pixel if it is exact.
    let noise = |i: u32| {
        if i.wrapping_mul(2_654_435_761).rotate_left(11).wrapping_mul(40_503) >> 31 == 0 { 200 } else { 311 }
    };
    let noise =
        DeepPicture::new(160, 120, Color::Gray, 511, (0..160 * 120).map(noise).collect()).expect("a picture");
    assert_eq!(coding(&noise, 100.0), Coding::Exact { error: 0 });
}

/// The depth of a picture changes what its 8 bits cost by little: the network is the same.
#[test]
fn fine_samples_cost_what_8_bits_cost() {
    let original = gradient(320, 256, Color::Rgb, 65535);
    let fine = encode_deep(&original, &model(), &learned(quality(70.0))).expect("an encode");
    let narrow = aecodec::encode(&original.rounded(), &model(), &learned(quality(70.0))).expect("an encode");
    let (a, b) = (fine.bytes.len() as f64, narrow.bytes.len() as f64);
    assert!((a / b - 1.0).abs() < 0.1, "{a} bytes, {b} from 8 bits");
    let passes = |passes| {
        let rough = decode_with(&fine.bytes, |options| options.passes = passes);
        let (found, outcome) = decoded(&fine.bytes, |options| options.passes = passes);
        assert_eq!((outcome.pixel_hash, outcome.hash_matches), (rough.pixel_hash, None));
        psnr(&original.samples, &found.samples)
    };
    assert!(passes(1) < passes(3));
}

/// A picture that is too large for 16 bits can still be decoded row by row to 8 bits.
#[test]
fn rows_of_8_bits_need_less_memory() {
    let original = gradient(640, 640, Color::Rgb, 65535);
    let bytes = encode_deep(&original, &model(), &learned(quality(30.0))).expect("an encode").bytes;
    let (model, mut options) = (model(), DecodeOptions::default());
    let fits = |options: &DecodeOptions| Decoder::new(&bytes, &model, options).is_ok();
    options.limits.bytes = (1..)
        .map(|i| i << 18)
        .find(|&limit| {
            let mut options = options.clone();
            options.limits.bytes = limit;
            fits(&options)
        })
        .expect("a limit");
    assert!(matches!(decode_deep(&bytes, &model, &options), Err(Error::Limit { .. })));
}
