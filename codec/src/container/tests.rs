//! Tests of the container: its bytes never change, no damage goes unnoticed, and no claimed size is trusted.

use super::*;
use crate::{Error, Limits, Metadata};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// 17 x 65 pixels: 2 x 5 latents, in one column of two groups.
fn header() -> Header {
    Header {
        gray: false,
        alpha: true,
        metadata: false,
        source_16bit: true,
        orientation: 6,
        profile: 1,
        width: 17,
        height: 65,
        quality: 3200,
        group_log2: 6,
        model: [1, 2, 3, 4, 5, 6, 7, 8],
        pixel_hash: [0xaa, 0xbb, 0xcc, 0xdd],
        exact: None,
        maximum: 255,
    }
}

fn substreams() -> Vec<Vec<u8>> {
    let p01 = b"p01".repeat(50);
    [b"z0".as_slice(), b"", b"p00", &p01, b"", b"", b"x", b"y", b"", b""].map(<[u8]>::to_vec).to_vec()
}

fn stream() -> Vec<u8> {
    write(&header(), None, Some(b"ALPHA"), &substreams()).expect("sound parts")
}

fn open(bytes: &[u8]) -> crate::Result<Stream<'_>> {
    read(bytes, &Limits::default())
}

/// The stream with another byte in its header, and a checksum that matches it.
fn altered(offset: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = stream();
    let table = bytes.len() - b"ALPHA".len() - substreams().concat().len() - 4;
    bytes[offset..offset + value.len()].copy_from_slice(value);
    let checksum = crc32fast::hash(&bytes[..table]);
    bytes[table..table + 4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn a_known_container_keeps_its_bytes() {
    // These bytes come from an implementation that was written from docs/format.md alone.
    let table = [
        0x89, 0x41, 0x45, 0x43, 0x0d, 0x0a, 0x1a, 0x0a, 0x01, 0x0a, 0x06, 0x01, 0x11, 0x00, 0x00, 0x00, 0x41,
        0x00, 0x00, 0x00, 0x80, 0x0c, 0x06, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0xaa, 0xbb, 0xcc,
        0xdd, 0x05, 0xda, 0xfb, 0xb4, 0x27, 0x02, 0x2f, 0xb3, 0xd0, 0xb2, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
        0x1d, 0xb7, 0x2f, 0x52, 0x96, 0x01, 0x7d, 0x92, 0xf4, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x83, 0x16, 0xdc, 0x8c, 0x01, 0x15, 0x26, 0xdb, 0xfb, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe3, 0xef, 0xf8, 0x27,
    ];
    let expected = [&table, b"ALPHA".as_slice(), &substreams().concat()].concat();
    assert_eq!(stream(), expected);
}

#[test]
fn what_was_written_is_read() {
    let bytes = stream();
    let read = open(&bytes).unwrap();
    assert_eq!((read.header.clone(), read.trailing), (header(), 0));
    assert_eq!(read.damaged().count(), 0);
    assert_eq!(read.bytes(ChunkKind::Metadata), None);
    assert_eq!(read.bytes(ChunkKind::Alpha), Some(b"ALPHA".as_slice()));
    assert_eq!(read.bytes(ChunkKind::Hyper { group: 0 }), Some(b"z0".as_slice()));
    assert_eq!(read.bytes(ChunkKind::Hyper { group: 1 }), Some(b"".as_slice()));
    assert_eq!(read.bytes(ChunkKind::Hyper { group: 2 }), None);
    assert_eq!(read.bytes(ChunkKind::Pass { pass: 0, group: 1 }), Some(b"p01".repeat(50).as_slice()));
    assert_eq!(read.bytes(ChunkKind::Pass { pass: 2, group: 1 }), Some(b"y".as_slice()));
    assert_eq!(read.bytes(ChunkKind::Pass { pass: 4, group: 0 }), None);
    for chunk in &read.chunks {
        let ChunkState::Present(found) = chunk.state else { panic!("{}", chunk.kind) };
        assert_eq!(found, &bytes[chunk.offset as usize..][..chunk.length as usize]);
    }
    let names: Vec<String> = read.chunks.iter().map(|chunk| chunk.kind.to_string()).collect();
    assert_eq!(names[..4], ["alpha", "z of group 0", "z of group 1", "pass 0 of group 0"]);

    let with_metadata = write(&header(), Some(b"META"), None, &substreams()).unwrap();
    let read = open(&with_metadata).unwrap();
    assert_eq!(read.bytes(ChunkKind::Metadata), Some(b"META".as_slice()));
    assert_eq!(read.bytes(ChunkKind::Alpha), None);
    assert_eq!(open(&[bytes.as_slice(), b"tail"].concat()).unwrap().trailing, 4);
}

#[test]
fn every_prefix_says_what_it_lacks() {
    let bytes = stream();
    let first = open(&bytes).unwrap().chunks[0].offset as usize;
    for end in 0..bytes.len() {
        match open(&bytes[..end]) {
            Err(Error::Signature { found, .. }) => assert!(end == 0 && found.is_empty()),
            Err(Error::Truncated { offset, missing, .. }) => {
                assert!(end < first && offset == end as u64 && end as u64 + missing <= first as u64);
            }
            Err(error) => panic!("{end}: {error}"),
            Ok(read) => {
                assert!(end >= first && read.damaged().count() > 0);
                for chunk in read.chunks {
                    let have = (end as u64).saturating_sub(chunk.offset).min(chunk.length);
                    match chunk.state {
                        ChunkState::Present(found) => assert_eq!(found.len() as u64, have),
                        state => assert_eq!(state, ChunkState::Truncated { have }),
                    }
                }
            }
        }
    }
}

#[test]
fn every_altered_byte_is_noticed() {
    let bytes = stream();
    let whole = open(&bytes).unwrap();
    for offset in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff, 0x5a] {
            let mut damaged = bytes.clone();
            damaged[offset] ^= flip;
            let Ok(read) = open(&damaged) else { continue };
            let hit: Vec<_> = read.damaged().collect();
            let [chunk] = hit[..] else { panic!("{} damaged chunks at {offset}", hit.len()) };
            assert_eq!(chunk.state, ChunkState::Corrupt);
            assert!((chunk.offset..chunk.offset + chunk.length).contains(&(offset as u64)));
            assert_eq!(read.header, whole.header);
        }
    }
}

#[test]
fn fields_out_of_range_are_named() {
    for (offset, value, name) in [
        (9, [0x12].as_slice(), "flags"),
        (10, &[0], "orientation"),
        (10, &[9], "orientation"),
        (12, &[0, 0, 0, 0], "size"),
        (16, &[0, 0, 0, 0], "size"),
        (20, &[1, 25], "quality"),
        (22, &[5], "group_log2"),
        (22, &[15], "group_log2"),
        (22, &[255], "group_log2"),
        (35, &[0x80, 0], "table of chunks"),
        (35, &[0xff; 6], "table of chunks"),
    ] {
        match open(&altered(offset, value)) {
            Err(Error::Invalid { what, .. }) => assert_eq!(what, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(open(&altered(8, &[3])), Err(Error::Version { found: 3, .. })));
    // An exact stream names no model.
    assert!(matches!(open(&altered(8, &[2])), Err(Error::Invalid { .. })));
    assert!(matches!(open(b"\x89PNG\r\n\x1a\n...."), Err(Error::Signature { .. })));
    assert!(open(&altered(11, &[77])).is_ok(), "the profile is information only");
}

#[test]
fn a_small_file_cannot_announce_a_large_picture() {
    let huge = [60_000u32.to_le_bytes(), 60_000u32.to_le_bytes()].concat();
    let bytes = &altered(12, &huge)[..100];
    assert!(matches!(open(bytes), Err(Error::Limit { needed: 3_600_000_000, .. })));
    // 938 x 938 groups of five substreams, five bytes or more each.
    let limits = Limits { pixels: u64::MAX, ..Limits::default() };
    let end = 35 + 2 + 938 * 938 * 25 + 4 + 3 - 100;
    match read(bytes, &limits) {
        Err(Error::Truncated { offset: 100, missing, .. }) => assert_eq!(missing, end),
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(&altered(12, &[0xff; 8]), &limits), Err(Error::Truncated { .. })));
    assert!(matches!(read(&stream(), &Limits { bytes: 100, ..limits }), Err(Error::Limit { .. })));
}

#[test]
fn groups_tile_the_latents() {
    for (width, height, group_log2) in
        [(1, 1, 6), (17, 65, 6), (512, 512, 8), (513, 1000, 8), (16_385, 3, 14)]
    {
        let groups = Header { width, height, group_log2, ..header() }.groups();
        assert_eq!((groups.width, groups.height), (width.div_ceil(16), height.div_ceil(16)));
        let mut seen = vec![0; (groups.width * groups.height) as usize];
        for group in 0..groups.count() as u32 {
            let rect = groups.rect(group);
            for y in rect.y..rect.y + rect.h {
                for x in rect.x..rect.x + rect.w {
                    seen[(y * groups.width + x) as usize] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&times| times == 1), "{width}x{height}");
    }
}

/// The fields are public, so they may hold anything.
#[test]
fn fields_out_of_range_have_a_grid_and_make_no_stream() {
    for group_log2 in [0, 1, 3, 4, 5, 15, 36, 40, 255] {
        let header = Header { group_log2, width: u32::MAX, height: 70, ..header() };
        let groups = header.groups();
        assert_eq!(groups.side, if group_log2 < 6 { 4 } else { 1024 }, "{group_log2}");
        let last = groups.rect((groups.count() - 1) as u32);
        assert_eq!((last.x + last.w, last.y + last.h), (groups.width, groups.height), "{group_log2}");
        assert!(matches!(write(&header, None, None, &[]), Err(Error::Invalid { what: "group_log2", .. })));
    }
    let sound = Header { width: 64, height: 64, ..header() };
    let none = LatentRect { x: 0, y: 0, w: 0, h: 0 };
    assert_eq!((sound.groups().rect(1), sound.groups().rect(u32::MAX)), (none, none));
    let odd = Groups { columns: u32::MAX, rows: u32::MAX, side: u32::MAX, width: 1, height: 1 };
    assert_eq!(odd.rect(u32::MAX - 1), LatentRect { x: 1, y: 0, w: 0, h: 1 });
    assert_eq!(Header { width: 0, height: 0, ..header() }.groups().count(), 0);

    for (header, what) in [
        (Header { width: 0, ..sound.clone() }, "size"),
        (Header { quality: 6401, ..sound.clone() }, "quality"),
        (Header { orientation: 0, ..sound.clone() }, "orientation"),
        (sound.clone(), "number of substreams"),
        (Header { width: u32::MAX, height: u32::MAX, ..sound.clone() }, "number of substreams"),
    ] {
        match write(&header, None, None, &substreams()) {
            Err(Error::Invalid { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        }
    }
    assert!(write(&sound, None, None, &substreams()[..5]).is_ok());
}

#[test]
fn a_plane_of_alpha_of_another_size_is_refused() {
    for (samples, width, height) in
        [(0, 0, 0), (4, 0, 4), (4, 4, 0), (5, 2, 2), (3, 2, 2), (4, u32::MAX, u32::MAX)]
    {
        let packed = alpha::pack(&vec![7; samples], width, height);
        assert!(matches!(packed, Err(Error::Invalid { what: "alpha", .. })), "{width}x{height}");
    }
    for (width, height) in [(0, 0), (u32::MAX, 0), (0, 3), (u32::MAX, u32::MAX)] {
        let _ = alpha::unpack(&frame::pack(&[0; 3], 3), width, height);
        let _ = alpha::unpack(&frame::pack(&[], 3), width, height);
    }
}

/// Kinds are public values too, and so is the list of chunks.
#[test]
fn a_chunk_that_is_not_there_has_no_bytes() {
    let bytes = stream();
    let mut read = open(&bytes).unwrap();
    for (pass, group) in [(0, u32::MAX), (255, u32::MAX), (255, 0)] {
        assert_eq!(read.bytes(ChunkKind::Pass { pass, group }), None);
        assert_eq!(
            read.bytes(ChunkKind::Hyper { group }),
            if group == 0 { Some(b"z0".as_slice()) } else { None }
        );
    }
    read.chunks.clear();
    assert_eq!(read.bytes(ChunkKind::Alpha), None);
    assert_eq!(read.bytes(ChunkKind::Hyper { group: 0 }), None);
}

#[test]
fn metadata_round_trips() {
    for metadata in [
        Metadata::default(),
        Metadata {
            icc: Some(vec![7; 3000]),
            exif: Some(vec![]),
            xmp: Some(b"<x:xmpmeta/>".to_vec()),
            cicp: Some([9, 16, 0, 1]),
        },
        Metadata { exif: Some(b"II*\0".to_vec()), ..Metadata::default() },
    ] {
        assert_eq!(
            metadata::unpack(&metadata::pack(&metadata).unwrap(), &Limits::default()).unwrap(),
            metadata
        );
    }
}

#[test]
fn odd_metadata_is_judged() {
    let unpack = |records: &[u8]| metadata::unpack(&frame::pack(records, 3), &Limits::default());
    let unknown = [9, 2, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, b'x'];
    assert_eq!(unpack(&unknown).unwrap(), Metadata { xmp: Some(b"x".to_vec()), ..Metadata::default() });
    assert!(matches!(unpack(&[1, 0, 0, 0, 0, 1, 0, 0, 0, 0]), Err(Error::Invalid { .. })), "a kind twice");
    assert!(matches!(unpack(&[1, 9, 0, 0, 0, 1]), Err(Error::Truncated { missing: 8, .. })));
    assert!(matches!(unpack(&[1, 9, 0]), Err(Error::Truncated { missing: 2, .. })));
    assert!(metadata::unpack(b"not zstd", &Limits::default()).is_err());
    assert!(metadata::unpack(b"", &Limits::default()).is_err());
    let two = [frame::pack(&[], 3), frame::pack(&[], 3)].concat();
    assert!(metadata::unpack(&two, &Limits::default()).is_err(), "two frames");
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 8 << 20];
    let bomb = frame::pack(&zeros, 3);
    assert!(bomb.len() < 2_000);
    let limits = Limits { metadata: 1 << 20, ..Limits::default() };
    assert!(matches!(metadata::unpack(&bomb, &limits), Err(Error::Limit { limit: 0x10_0000, .. })));
    assert!(matches!(alpha::unpack(&bomb, 100, 100), Err(Error::Limit { limit: 10_100, .. })));
    // A small chunk for a large plane is refused for its content, before the plane is allocated.
    assert!(matches!(alpha::unpack(&bomb, u32::MAX, u32::MAX), Err(Error::Truncated { .. })));
}

#[test]
fn a_skippable_frame_has_no_content() {
    let skippable = b"\x50\x2A\x4D\x18\x03\0\0\0abc";
    assert!(metadata::unpack(skippable, &Limits::default()).unwrap().is_empty());
    assert!(matches!(alpha::unpack(skippable, 1, 1), Err(Error::Truncated { .. })));
    let before = [&skippable[..], &frame::pack(&[0, 7], 3)].concat();
    assert!(matches!(metadata::unpack(&before, &Limits::default()), Err(Error::Invalid { .. })));
    assert!(matches!(alpha::unpack(&before, 1, 1), Err(Error::Invalid { .. })));
}

#[test]
fn unknown_filters_are_refused() {
    assert!(matches!(alpha::unpack(&frame::pack(&[5, 0], 3), 1, 1), Err(Error::Invalid { .. })));
    assert_eq!(alpha::unpack(&frame::pack(&[4, 7, 9, 4, 1, 1], 3), 2, 2).unwrap(), [7, 16, 8, 17]);
}

#[test]
fn smooth_alpha_packs_well() {
    let ramp: Vec<u8> = (0..256 * 256).map(|i| ((i % 256 + i / 256) / 2) as u8).collect();
    assert!(alpha::pack(&ramp, 256, 256).unwrap().len() < 1_000);
}

fn plane() -> impl Strategy<Value = (u32, u32, Vec<u8>)> {
    let side = || prop_oneof![Just(1u32), 1u32..40];
    (side(), side(), any::<bool>()).prop_flat_map(|(width, height, mask)| {
        let sample = if mask { prop_oneof![Just(0), Just(255)].boxed() } else { any::<u8>().boxed() };
        (Just(width), Just(height), prop::collection::vec(sample, (width * height) as usize))
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
    })]

    #[test]
    fn alpha_round_trips((width, height, alpha) in plane()) {
        let packed = alpha::pack(&alpha, width, height).unwrap();
        prop_assert_eq!(alpha::unpack(&packed, width, height).unwrap(), alpha);
    }

    #[test]
    fn headers_round_trip(
        flags in any::<[bool; 2]>(), orientation in 1u8..=8, profile in any::<u8>(), width in 1u32..200,
        height in 1u32..200, quality in 0u16..=6400, group_log2 in 6u8..=14, model in any::<[u8; 8]>(),
        pixel_hash in any::<[u8; 4]>(),
    ) {
        let [gray, source_16bit] = flags;
        let header = Header {
            gray, alpha: false, metadata: true, source_16bit, orientation, profile, width, height, quality, group_log2,
            model, pixel_hash, exact: None,
 maximum: 255,
        };
        let count = 5 * header.groups().count() as usize;
        let bytes = write(&header, Some(b"m"), None, &vec![b"s".to_vec(); count]).unwrap();
        let read = open(&bytes).unwrap();
        prop_assert_eq!(&read.header, &header);
        prop_assert_eq!(read.damaged().count(), 0);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), skip in 0usize..40) {
        // A valid beginning leads the noise deeper into the parser.
        let noise = [&stream()[..skip], &bytes].concat();
        let _ = open(&noise);
        let _ = metadata::unpack(&bytes, &Limits::default());
        let _ = metadata::unpack(&frame::pack(&bytes, 1), &Limits::default());
        let _ = alpha::unpack(&frame::pack(&bytes, 1), 9, 9);
    }
}

#[test]
fn a_recorded_hash_is_never_the_mark_of_none() {
    let mut bytes = *blake3::hash(b"pixels").as_bytes();
    assert_eq!(recorded_hash(&bytes.into()), bytes[..4]);
    bytes[..4].fill(0);
    assert_eq!(recorded_hash(&bytes.into()), [0, 0, 0, 1]);
}
