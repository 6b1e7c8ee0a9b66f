//! Every size comes back, from one pixel to six million.

use aecodec::{Color, psnr};
use aecodec_tests::{decode_with, encode, encode_with, photo, quality, toward};

/// What quality 80 keeps of any of these pictures, in dB; the smallest, which are little but edges, keep least.
const FLOOR: f64 = 26.0;

#[test]
fn colour_comes_back_at_every_size() {
    for (width, height) in [(1, 1), (7, 5), (1, 4096), (4096, 1), (16, 16), (63, 65), (513, 767)] {
        comes_back(width, height, Color::Rgb);
    }
}

#[test]
fn gray_comes_back_at_every_size() {
    for (width, height) in [(1, 1), (7, 5), (1, 4096), (4096, 1), (63, 65), (257, 129)] {
        comes_back(width, height, Color::Gray);
    }
}

#[test]
fn six_million_pixels_come_back() {
    comes_back(3000, 2000, Color::Rgb);
}

#[test]
fn one_pixel_is_a_small_file() {
    let picture = photo(1, 1, Color::Rgb, 1);
    let bytes = encode(&picture, 50.0).bytes;
    assert!(bytes.len() < 150, "{} bytes", bytes.len());
}

fn comes_back(width: u32, height: u32, color: Color) {
    let what = format!("{width}x{height} {color:?}");
    let picture = photo(width, height, color, u64::from(width + 7 * height));
    let mut options = toward(quality(80.0));
    options.threads = 2;
    let encoded = encode_with(&picture, &options);
    let decoded = decode_with(&encoded.bytes, |options| options.threads = 2);

    assert!(decoded.damage.is_empty(), "{what}: {:?}", decoded.damage);
    assert_eq!(decoded.hash_matches, Some(true), "{what}");
    let found = &decoded.picture;
    assert_eq!((found.width, found.height, found.color), (width, height, color), "{what}");
    let measured = psnr(&picture.samples, &found.samples);
    assert_eq!(measured, encoded.psnr, "{what}: PSNR told and PSNR measured");
    assert!(measured.is_none_or(|psnr| psnr > FLOOR), "{what}: {measured:?} dB");
    // The header alone is larger than a picture of a few pixels.
    let raw = picture.samples.len();
    assert!(encoded.bytes.len() < raw.max(350), "{what}: {} bytes of {raw}", encoded.bytes.len());
}
