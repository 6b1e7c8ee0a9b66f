//! Exact streams: what comes back, how large they are, what is left of them if they are cut, and when they are chosen.

use aecodec::{
    Coding, Color, DecodeOptions, Decoder, EncodeOptions, Encoded, Error, Mode, Model, Picture, Profile,
    Region, decode, encode, encode_rows,
};
use aecodec_tests::{quality, toward};
use std::sync::Arc;

fn model() -> Arc<Model> {
    Model::embedded(Profile::Fast).expect("the built-in model")
}

fn noise(i: usize) -> u8 {
    let mut n = (i as u32).wrapping_mul(2_654_435_761) ^ 0x5bd1_e995;
    n = (n ^ n >> 15).wrapping_mul(0x2c1b_3c6d);
    (n >> 24) as u8
}

/// Boxes of a few colours, with a noisy area in the middle and graded alpha.
fn drawing(width: u32, height: u32, color: Color, alpha: bool) -> Picture {
    let (w, channels) = (width as usize, color.channels());
    let sample = |i: usize| {
        let (x, y, k) = (i / channels % w, i / channels / w, i % channels);
        if x % 90 > 70 && y % 60 > 40 { noise(i) } else { noise(x / 13 + 100 * (y / 9) + 7 * k) & 0xC0 }
    };
    let samples = (0..w * height as usize * channels).map(sample).collect();
    let mut picture = Picture::new(width, height, color, samples).expect("a picture");
    picture.alpha = alpha.then(|| (0..w * height as usize).map(|i| (i / 37) as u8).collect());
    picture
}

fn encoded(picture: &Picture, mode: Mode, group_log2: u8, threads: usize) -> Encoded {
    let mut options: EncodeOptions = toward(quality(50.0));
    (options.mode, options.group_log2, options.threads) = (mode, group_log2, threads);
    encode(picture, &model(), &options).expect("an encode")
}

const LOSSLESS: Mode = Mode::Exact { error: 0 };

#[test]
fn pictures_of_every_kind_come_back_with_any_threads_and_groups() {
    for (color, alpha) in [(Color::Gray, false), (Color::Gray, true), (Color::Rgb, false), (Color::Rgb, true)]
    {
        let mut picture = drawing(300, 170, color, alpha);
        picture.orientation = 6;
        picture.metadata.xmp = Some(b"<x/>".to_vec());
        for (group_log2, threads) in [(10, 1), (6, 3), (14, 2)] {
            let stream = encoded(&picture, LOSSLESS, group_log2, threads);
            assert_eq!((stream.psnr, stream.coding), (None, Coding::Exact { error: 0 }));
            let found = decode(&stream.bytes, &model(), &DecodeOptions::default()).expect("a decode");
            assert!(found.picture == picture, "{color:?}, alpha {alpha}");
            assert_eq!(found.hash_matches, Some(true));
            assert!(
                stream.bytes == encoded(&picture, LOSSLESS, group_log2, 1).bytes,
                "any number of threads"
            );
        }
    }
}

#[test]
fn every_sample_is_within_the_error_and_the_psnr_is_that_of_the_decode() {
    let picture = drawing(200, 150, Color::Rgb, true);
    let mut before = encoded(&picture, LOSSLESS, 7, 2).bytes.len();
    for error in [1, 2, 5] {
        let stream = encoded(&picture, Mode::Exact { error }, 7, 2);
        let found = decode(&stream.bytes, &model(), &DecodeOptions::default()).expect("a decode").picture;
        assert!(picture.samples.iter().zip(&found.samples).all(|(a, b)| u16::from(a.abs_diff(*b)) <= error));
        assert_eq!(found.alpha, picture.alpha, "alpha is exact");
        assert_eq!(stream.psnr, aecodec::psnr(&picture.samples, &found.samples));
        assert!(stream.bytes.len() < before, "{} bytes within {error}", stream.bytes.len());
        before = stream.bytes.len();
    }
}

#[test]
fn a_region_and_rows_are_those_of_the_whole_picture() {
    let picture = drawing(310, 190, Color::Rgb, true);
    let stream = encoded(&picture, LOSSLESS, 6, 2).bytes;
    let mut options = DecodeOptions::default();
    (options.threads, options.window) = (2, (5, 7));
    let mut rows = Vec::new();
    let model = model();
    let decoder = Decoder::new(&stream, &model, &options).expect("a sound stream");
    let take = |samples: &[u8]| {
        assert!(samples.len() <= 5 * 310 * 3, "no more rows at once than asked for");
        rows.extend_from_slice(samples);
        Ok(())
    };
    assert_eq!(decoder.run(take).expect("a decode").hash_matches, Some(true));
    assert!(rows == picture.samples);
    for (x, y, width, height) in [(0, 0, 1, 1), (60, 61, 70, 9), (200, 100, 110, 90), (309, 0, 1, 190)] {
        options.region = Some(Region { x, y, width, height });
        let found = decode(&stream, &model, &options).expect("a decode").picture;
        let of = |samples: &[u8], channels: usize| -> Vec<u8> {
            let row = |y: u32| &samples[(y * 310 + x) as usize * channels..][..width as usize * channels];
            (y..y + height).flat_map(row).copied().collect()
        };
        assert!(found.samples == of(&picture.samples, 3), "{x},{y}");
        assert_eq!(found.alpha, picture.alpha.as_deref().map(|alpha| of(alpha, 1)), "{x},{y}");
    }
}

/// A file that is cut shows its first rows, whatever the length, and says that something is missing.
#[test]
fn a_cut_file_shows_its_first_rows() {
    let picture = drawing(150, 120, Color::Rgb, false);
    let stream = encoded(&picture, LOSSLESS, 10, 1).bytes;
    let table = stream.len() - 60 * stream.len() / 100;
    let mut most = 0;
    for length in (table..stream.len()).step_by(501) {
        let found = decode(&stream[..length], &model(), &DecodeOptions::default()).expect("a sound header");
        assert_eq!((found.damage.len(), found.hash_matches), (1, None));
        let pairs = found.picture.samples.chunks(450).zip(picture.samples.chunks(450));
        let rows = pairs.clone().take_while(|(a, b)| a == b).count();
        assert!(pairs.skip(rows).all(|(row, _)| row.iter().all(|&v| v == 128)), "the rest is gray");
        assert!(rows >= most, "{rows} rows from {length} bytes");
        most = rows;
    }
    assert!(most > 60, "{most} rows");
}

#[test]
fn no_file_exceeds_the_samples_by_more_than_64_bytes() {
    let of_noise = |width: u32, height: u32| {
        let samples = (0..(width * height * 3) as usize).map(noise).collect();
        Picture::new(width, height, Color::Rgb, samples).expect("a picture")
    };
    for (width, height, group_log2) in [(1, 1, 10), (70, 70, 6), (333, 40, 6), (500, 300, 7)] {
        let picture = of_noise(width, height);
        for mode in [LOSSLESS, Mode::Auto] {
            let stream = encoded(&picture, mode, group_log2, 1).bytes;
            assert!(stream.len() <= picture.samples.len() + 64, "{width}x{height}: {} bytes", stream.len());
        }
    }
}

#[test]
fn graphics_are_exact_and_photographs_keep_their_bytes() {
    let graphic = drawing(256, 256, Color::Rgb, false);
    assert_eq!(encoded(&graphic, Mode::Auto, 10, 1).coding, Coding::Exact { error: 0 });
    let smooth =
        |i: usize| (128.0 + 90.0 * ((i / 3 % 512) as f64 / 40.0 + (i / 1536) as f64 / 70.0).sin()) as u8;
    let samples = (0..512 * 384 * 3).map(|i| smooth(i).saturating_add(noise(i) % 16)).collect();
    let photograph = Picture::new(512, 384, Color::Rgb, samples).expect("a picture");
    let auto = encoded(&photograph, Mode::Auto, 10, 1);
    assert_eq!(auto.coding, Coding::Learned);
    assert!(auto.bytes == encoded(&photograph, Mode::Learned, 10, 1).bytes);
}

#[test]
fn photographs_have_smaller_groups_than_graphics() {
    let wave = |x: usize, y: usize| 128.0 + 90.0 * (x as f64 / 40.0 + y as f64 / 70.0).sin();
    let sample = |i: usize| (wave(i / 3 % 600, i / 1800) as u8).saturating_add(noise(i) % 16);
    let samples = (0..600 * 90 * 3).map(sample).collect();
    let photograph = Picture::new(600, 90, Color::Rgb, samples).expect("a picture");
    for (picture, side) in [(photograph, 9), (drawing(600, 90, Color::Rgb, false), 10)] {
        let stream = encoded(&picture, LOSSLESS, 10, 1);
        let header = aecodec::container::read(&stream.bytes, &Default::default()).expect("a stream").header;
        assert_eq!(header.group_log2, side);
        let found = decode(&stream.bytes, &model(), &DecodeOptions::default()).expect("a decode");
        assert!(found.picture.samples == picture.samples);
    }
}

#[test]
fn a_picture_of_16_bits_is_not_called_lossless() {
    let mut picture = drawing(20, 20, Color::Gray, false);
    picture.source_bits = 16;
    let mut options = EncodeOptions::default();
    options.mode = LOSSLESS;
    let refused = encode(&picture, &model(), &options);
    assert!(matches!(refused, Err(Error::Invalid { what: "picture", .. })), "{refused:?}");
}

#[test]
fn too_little_memory_is_an_error_before_it_is_taken() {
    let picture = drawing(400, 400, Color::Rgb, false);
    let stream = encoded(&picture, LOSSLESS, 10, 1).bytes;
    let mut options = DecodeOptions::default();
    options.limits.bytes = 400_000;
    let refused = decode(&stream, &model(), &options);
    assert!(matches!(refused, Err(Error::Limit { .. })), "{refused:?}");
    let mut options = EncodeOptions::default();
    options.mode = LOSSLESS;
    options.limits.bytes = 400_000;
    assert!(matches!(encode(&picture, &model(), &options), Err(Error::Limit { .. })));
}

/// Reading row by row gives the bytes of a picture in memory.
#[test]
fn rows_give_the_same_stream() {
    struct Rows(aecodec::PictureInfo, Vec<u8>, usize);
    impl aecodec::Source for Rows {
        fn head(&self) -> &aecodec::PictureInfo {
            &self.0
        }
        fn read(&mut self, rows: &mut [u8]) -> aecodec::Result<()> {
            rows.copy_from_slice(&self.1[self.2..][..rows.len()]);
            self.2 += rows.len();
            Ok(())
        }
        fn rewind(&mut self) -> aecodec::Result<()> {
            self.2 = 0;
            Ok(())
        }
    }
    let picture = drawing(200, 300, Color::Rgb, false);
    for mode in [LOSSLESS, Mode::Auto] {
        let mut options: EncodeOptions = toward(quality(50.0));
        (options.mode, options.group_log2) = (mode, 6);
        let mut rows = Rows(picture.head(), picture.samples.clone(), 0);
        let stream = encode_rows(&mut rows, &model(), &options).expect("an encode");
        assert!(stream.bytes == encoded(&picture, mode, 6, 1).bytes);
    }
}
