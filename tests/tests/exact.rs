//! One stream is one picture: threads, windows, regions and instruction sets do not change a sample.

use aecodec::kernel::Isa;
use aecodec::{Color, DecodeOptions, Error, Picture, Region};
use aecodec_fuzz::crop;
use aecodec_tests::{decode, decode_with, encode_with, mask, model, photo, quality, small_groups};
use std::process::Command;

/// A picture of 4 x 3 groups, those at the edges smaller, with its stream.
fn grouped() -> (Picture, Vec<u8>) {
    let mut picture = photo(201, 150, Color::Rgb, 21);
    picture.alpha = Some(mask(201, 150, 22));
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    (picture, bytes)
}

#[test]
fn threads_do_not_change_the_stream() {
    let (picture, bytes) = grouped();
    for threads in [2, 3, 0] {
        let mut options = small_groups(quality(60.0));
        options.threads = threads;
        assert!(encode_with(&picture, &options).bytes == bytes, "{threads} threads");
    }
}

#[test]
fn threads_do_not_change_the_picture() {
    let (_, bytes) = grouped();
    let alone = decode(&bytes);
    for threads in [2, 3, 0] {
        let more = decode_with(&bytes, |options| options.threads = threads);
        assert!(more.picture == alone.picture, "{threads} threads");
    }
}

#[test]
fn windows_do_not_change_the_picture() {
    let (_, bytes) = grouped();
    let whole = decode(&bytes);
    for window in [(0, 0), (8, 8), (9, 40), (24, 1000), (1000, 8), (64, 64), (u32::MAX, u32::MAX)] {
        let found = decode_with(&bytes, |options| options.window = window);
        assert!(found.picture == whole.picture, "windows of {window:?}");
    }
}

#[test]
fn a_region_is_a_crop() {
    let (_, bytes) = grouped();
    let whole = decode(&bytes).picture;
    for (x, y, width, height) in [
        (0, 0, 201, 150),
        (0, 0, 1, 1),
        (200, 149, 1, 1),
        (63, 63, 2, 2),
        (64, 64, 64, 64),
        (40, 30, 100, 80),
        (0, 127, 201, 2),
        (127, 0, 2, 150),
        (130, 70, 71, 80),
        (17, 3, 5, 9),
    ] {
        let region = Region { x, y, width, height };
        let found = decode_with(&bytes, |options| options.region = Some(region));
        assert!(found.picture == crop(&whole, region), "{region:?}");
        assert_eq!(found.hash_matches, None, "the stream holds no hash of a part");
    }
}

#[test]
fn a_region_outside_is_refused() {
    let (_, bytes) = grouped();
    for (x, y, width, height) in [
        (0, 0, 0, 1),
        (0, 0, 1, 0),
        (201, 0, 1, 1),
        (0, 150, 1, 1),
        (200, 0, 2, 1),
        (u32::MAX, 0, 2, 1),
        (1, 1, u32::MAX, u32::MAX),
    ] {
        let region = Some(Region { x, y, width, height });
        let mut options = DecodeOptions::default();
        options.region = region;
        let found = aecodec::decode(&bytes, &model(), &options);
        assert!(matches!(found, Err(Error::Invalid { what: "region", .. })), "{region:?}");
    }
}

/// The library asks for its instruction set once, so each gets a process of its own: this test again.
#[test]
fn instruction_sets_do_not_change_stream_or_picture() {
    const CHILD: &str = "AECODEC_TEST_CHILD";
    const MARK: &str = "stream and picture: ";
    if std::env::var_os(CHILD).is_some() {
        let (_, bytes) = grouped();
        let picture = decode(&bytes).pixel_hash;
        let hash = blake3::hash(&[blake3::hash(&bytes).as_bytes().as_slice(), &picture].concat());
        println!("{MARK}{} {hash}", Isa::chosen().name());
        return;
    }
    let hashes = Isa::available().into_iter().map(|isa| {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "instruction_sets_do_not_change_stream_or_picture", "--nocapture"])
            .env(CHILD, "1")
            .env("AECODEC_CPU", isa.name())
            .output()
            .expect("this program again");
        assert!(child.status.success(), "{isa:?}: {child:?}");
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        let line = text.split(MARK).nth(1).and_then(|rest| rest.lines().next()).expect("a line of hashes");
        let (name, hash) = line.split_once(' ').expect("a name and a hash");
        assert_eq!(name, isa.name(), "the instruction set that was asked for");
        hash.to_owned()
    });
    let hashes: Vec<String> = hashes.collect();
    assert!(hashes.iter().all(|hash| hash == &hashes[0]), "{hashes:?}");
}
