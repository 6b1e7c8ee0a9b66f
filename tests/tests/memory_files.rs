//! A reader of picture files holds no more memory than its limits allow for: little for a bomb, and a bounded number of
//! bytes per pixel for a picture. This is the only test of its file, because it watches the memory of the whole program.

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Error, Limits};
use aecodec_tests::{mask, peak, photo};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes per pixel that a reader may hold, as `--max-pixels` assumes, and bytes in addition to them.
const PER_PIXEL: usize = 16;
const ANYWAY: usize = 4 << 20;

#[test]
fn readers_hold_little_for_a_bomb_and_bounded_memory_for_a_picture() {
    let mut picture = photo(1200, 900, Color::Rgb, 71);
    let pixels = 1200 * 900;
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Pnm] {
        for alpha in [false, true] {
            if alpha && !matches!(format, Format::Png | Format::WebP) {
                continue;
            }
            picture.alpha = alpha.then(|| mask(1200, 900, 72));
            let (bytes, _) =
                files::write(&picture, format, &WriteOptions::default()).expect("a sound picture");
            let (found, taken) = peak(&MEMORY, || files::read(&bytes, &Limits::default()));
            assert!(found.is_ok(), "{format}");
            assert!(taken < PER_PIXEL * pixels + ANYWAY, "{format}: {taken} bytes for {pixels} pixels");
            // Its samples alone are above this limit, and its header says so.
            let mut limits = Limits::default();
            limits.bytes = 1 << 20;
            let (found, taken) = peak(&MEMORY, || files::read(&bytes, &limits));
            assert!(matches!(found, Err(Error::Limit { .. })), "{format}: {:?}", found.err());
            assert!(taken < bytes.len() + (1 << 20), "{format}: {taken} bytes for a refusal");
        }
    }
    for (name, bytes) in bombs() {
        let (found, taken) = peak(&MEMORY, || files::read(&bytes, &Limits::default()));
        assert!(
            matches!(found, Err(Error::Limit { .. } | Error::Truncated { .. })),
            "{name}: {:?}",
            found.err()
        );
        assert!(taken < bytes.len() + ANYWAY, "{name}: {taken} bytes for {} bytes", bytes.len());
    }
}

/// Small files that claim to be large pictures.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let small = photo(16, 16, Color::Rgb, 73);
    let written = |format| files::write(&small, format, &WriteOptions::default()).expect("a sound picture").0;
    let mut png = written(Format::Png);
    png[16..24].copy_from_slice(&[30_000_u32.to_be_bytes(), 30_000_u32.to_be_bytes()].concat());
    let checksum = crc32fast::hash(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let mut jpeg = written(Format::Jpeg);
    let frame =
        jpeg.windows(2).position(|pair| matches!(pair, [0xFF, 0xC0 | 0xC2])).expect("a frame header") + 5;
    jpeg[frame..frame + 4].copy_from_slice(&[0xFF, 0xF0, 0xFF, 0xF0]);
    let ppm = b"P6 30000 30000 255\n".to_vec();
    let mut qoi = b"qoif".to_vec();
    qoi.extend([15_000_u32.to_be_bytes(), 15_000_u32.to_be_bytes()].concat());
    qoi.extend([3, 0, 0xFE, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 1]);
    vec![("PNG", png), ("JPEG", jpeg), ("PNM", ppm), ("QOI", qoi)]
}
