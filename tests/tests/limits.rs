//! A file is refused before memory is taken on its word. One test alone, because it watches what the whole program
//! holds.

use aecodec::container::{self, Header};
use aecodec::{Color, DecodeOptions, Error, Limits};
use aecodec_tests::{encode, model, peak, photo};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What a refusal may hold: the table of a small stream and an error.
const REFUSAL: usize = 64 << 10;

#[test]
fn what_is_too_large_is_refused_before_it_is_allocated() {
    let small = encode(&photo(100, 80, Color::Rgb, 51), 50.0).bytes;
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    let usual = Limits::default();
    let no_pixels = limits(|l| l.pixels = u64::MAX);
    let none = limits(|l| (l.pixels, l.bytes) = (u64::MAX, u64::MAX));

    for (what, bytes, limits) in [
        ("3.6 billion pixels", announcing(60_000, 14), usual),
        ("25 GB of picture", announcing(60_000, 14), no_pixels),
        ("pixels just above the limit", small.clone(), limits(|l| l.pixels = 7_999)),
        ("memory just above the limit", small.clone(), limits(|l| l.bytes = 50_000)),
    ] {
        match refused(&bytes, limits) {
            Error::Limit { needed, limit, .. } => assert!(needed > limit, "{what}"),
            other => panic!("{what}: {other}"),
        }
    }
    // A table of 4.4 million chunks, and one of more than memory holds, in a hundred bytes.
    for (side, limits) in [(60_000, no_pixels), (u32::MAX, none)] {
        let error = refused(&announcing(side, 6)[..100], limits);
        assert!(matches!(error, Error::Truncated { .. }), "{side}: {error}");
    }
}

/// Decodes what must be refused, and checks that it costs next to nothing.
fn refused(bytes: &[u8], limits: Limits) -> Error {
    let model = model();
    let mut options = DecodeOptions::default();
    options.limits = limits;
    let (found, taken) = peak(&MEMORY, || aecodec::decode(bytes, &model, &options));
    assert!(taken < REFUSAL, "{taken} bytes for a refusal");
    found.expect_err("a picture too large")
}

/// A sound stream that announces a square picture and holds nothing of it; for small groups only its beginning.
fn announcing(side: u32, group_log2: u8) -> Vec<u8> {
    let header = Header {
        gray: false,
        alpha: false,
        metadata: false,
        source_16bit: false,
        orientation: 1,
        profile: 1,
        width: side.min(60_000),
        height: side.min(60_000),
        quality: 3200,
        group_log2: 14,
        model: model().short_id(),
        pixel_hash: [0; 4],
        exact: None,
        maximum: 255,
    };
    let mut bytes =
        container::write(&header, None, None, &vec![Vec::new(); 5 * header.groups().count() as usize])
            .expect("a sound header");
    bytes[12..16].copy_from_slice(&side.to_le_bytes());
    bytes[16..20].copy_from_slice(&side.to_le_bytes());
    bytes[22] = group_log2;
    bytes
}
