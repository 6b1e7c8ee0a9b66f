//! The encoder lands where it is told to: targets, the quality scale, and the coder against the model's own bits.

use aecodec::container::{self, ChunkKind};
use aecodec::{Color, Encoded, Limits, Picture, Quality, Target};
use aecodec_tests::{encode, encode_with, photo, toward};

fn pictures() -> [Picture; 2] {
    [photo(192, 128, Color::Rgb, 11), photo(150, 170, Color::Gray, 12)]
}

fn aim(picture: &Picture, target: Target) -> Encoded {
    encode_with(picture, &toward(target))
}

/// Sizes and PSNR that lie well inside the scale of each picture.
fn inside(picture: &Picture) -> [Encoded; 2] {
    [encode(picture, 23.0), encode(picture, 71.0)]
}

#[test]
fn a_size_in_bytes_is_met_from_below() {
    for picture in pictures() {
        for wanted in inside(&picture).map(|e| e.bytes.len() as u64 + 7) {
            let found = aim(&picture, Target::Bytes(wanted));
            let bytes = found.bytes.len() as u64;
            assert!(found.reached && bytes <= wanted, "{bytes} bytes for {wanted}");
            assert!(bytes as f64 >= 0.98 * wanted as f64, "{bytes} bytes for {wanted}");
        }
    }
}

#[test]
fn bits_per_pixel_are_met_from_below() {
    for picture in pictures() {
        for wanted in inside(&picture).map(|e| e.bytes.len() as f64 * 8.1 / picture.pixels() as f64) {
            let found = aim(&picture, Target::BitsPerPixel(wanted));
            let bpp = found.bytes.len() as f64 * 8.0 / picture.pixels() as f64;
            assert!(found.reached && bpp <= wanted && bpp >= 0.98 * wanted, "{bpp} bpp for {wanted}");
        }
    }
}

#[test]
fn a_psnr_is_met_from_below() {
    for picture in pictures() {
        for wanted in inside(&picture).map(|e| e.psnr.expect("a decode that is not exact") + 0.3) {
            let found = aim(&picture, Target::Psnr(wanted));
            let psnr = found.psnr.expect("a decode that is not exact");
            assert!(found.reached && psnr <= wanted && psnr >= wanted - 0.02, "{psnr} dB for {wanted}");
        }
    }
}

/// A size and a rate are limits: who gives more than the picture can use has reached them.
#[test]
fn a_file_below_the_limit_at_the_highest_quality_is_reached() {
    for picture in pictures() {
        let full = encode(&picture, 100.0).bytes;
        for target in [
            Target::Bytes(full.len() as u64),
            Target::Bytes(3 * full.len() as u64),
            Target::Bytes(u64::MAX),
            Target::BitsPerPixel(100.0),
            Target::BitsPerPixel(f64::MAX),
        ] {
            let found = aim(&picture, target);
            assert!(found.reached, "{target:?}");
            assert_eq!(found.quality, Quality::MAX, "{target:?}");
            assert!(found.bytes == full, "{target:?}");
        }
    }
}

#[test]
fn a_target_out_of_reach_gets_the_nearest_end() {
    let [picture, _] = pictures();
    for (target, end) in [
        (Target::Bytes(0), Quality::MIN),
        (Target::Bytes(70), Quality::MIN),
        (Target::BitsPerPixel(1e-6), Quality::MIN),
        (Target::BitsPerPixel(f64::MIN_POSITIVE), Quality::MIN),
        (Target::Psnr(3.0), Quality::MIN),
        (Target::Psnr(95.0), Quality::MAX),
    ] {
        let found = aim(&picture, target);
        assert!(!found.reached, "{target:?}");
        assert_eq!(found.quality, end, "{target:?}");
    }
}

#[test]
fn more_quality_is_more_bytes_and_more_psnr() {
    let picture = photo(320, 256, Color::Rgb, 13);
    let scale = [0.0, 14.0, 29.0, 43.0, 57.0, 71.0, 86.0, 100.0];
    let points = scale.map(|at| encode(&picture, at)).map(|e| (e.bytes.len(), e.psnr));
    for pair in points.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{points:?}");
    }
}

#[test]
fn the_coder_spends_what_the_model_predicts() {
    let picture = photo(384, 320, Color::Rgb, 14);
    for at in [50.0, 75.0, 100.0] {
        let encoded = encode(&picture, at);
        let stream = container::read(&encoded.bytes, &Limits::default()).expect("a sound stream");
        let coded = |kind| matches!(kind, ChunkKind::Hyper { .. } | ChunkKind::Pass { .. });
        let bytes: u64 = stream.chunks.iter().filter(|c| coded(c.kind)).map(|c| c.length).sum();
        let ideal = encoded.model_bits / 8.0;
        assert!(bytes as f64 <= 1.005 * ideal + 80.0, "quality {at}: {bytes} bytes for {ideal}");
        assert!(bytes as f64 >= 0.995 * ideal, "quality {at}: {bytes} bytes for {ideal}");
    }
}
