//! Tests of streams whose headers claim more than they hold: they give a picture or an error, the same pixels as a decode
//! without the shortcut for empty groups, and they cost no work for what is not there.

use crate::container::{self, Chunk, ChunkState, Header};
use crate::{
    Color, Concealment, DecodeOptions, Decoder, EncodeOptions, Error, Limits, Model, Picture, Profile,
    Region, decode, encode,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::sync::Arc;

fn model() -> Arc<Model> {
    Model::embedded(Profile::Fast).expect("the built-in model")
}

/// The header of a gray picture.
fn claim(width: u32, height: u32, group_log2: u8) -> Header {
    Header {
        gray: true,
        alpha: false,
        metadata: false,
        source_16bit: false,
        orientation: 1,
        profile: 1,
        width,
        height,
        quality: 3200,
        group_log2,
        model: model().short_id(),
        pixel_hash: [0; 4],
        exact: None,
        maximum: 255,
    }
}

/// A stream with this header. The groups for which `wanted` is true take their substreams from `from`; the others are empty.
fn sparse(header: &Header, from: &[Chunk], wanted: impl Fn(usize) -> bool) -> Vec<u8> {
    let groups = header.groups().count() as usize;
    let kept = |i: usize| match from.get(i).map(|chunk| chunk.state) {
        Some(ChunkState::Present(bytes)) if wanted(i % groups) => bytes.to_vec(),
        _ => Vec::new(),
    };
    container::write(header, None, None, &(0..5 * groups).map(kept).collect::<Vec<_>>()).expect("sound parts")
}

/// The pixels of a decode, its list of missing parts, and whether empty groups are copied; without `shortcut` they are
/// decoded like the others.
fn decoded(bytes: &[u8], options: &DecodeOptions, shortcut: bool) -> (Vec<u8>, Vec<String>, bool) {
    let model = model();
    // Groups that are copied are not concealed.
    let options = &DecodeOptions { concealment: Concealment::Zeros, ..options.clone() };
    let mut decoder = Decoder::new(bytes, &model, options).expect("a sound header");
    let used = decoder.copies_empty_groups();
    if !shortcut {
        decoder.decode_empty_groups();
    }
    let mut samples = Vec::new();
    let outcome = decoder.run(|rows| {
        samples.extend_from_slice(rows);
        Ok(())
    });
    let damage = outcome.expect("a sink that takes everything").damage;
    (samples, damage.iter().map(ToString::to_string).collect(), used)
}

#[test]
fn empty_groups_are_copied_as_they_would_be_decoded() {
    let picture = Picture::new(
        700,
        600,
        Color::Gray,
        (0..700 * 600_u64).map(|i| ((i % 700 / 3 + i / 700 / 5) % 200 + (i * i / 977) % 50) as u8).collect(),
    );
    let picture = picture.expect("a picture");
    for (width, height, group_log2, wanted) in [
        (1500, 1300, 6, (|g| g == 100 || g == 277) as fn(usize) -> bool),
        (1433, 1301, 6, |g| g % 97 == 5),
        (2400, 1900, 7, |g| g == 0),
        (2000, 2900, 8, |g| g == 40),
        (2300, 4300, 10, |_| false),
        (1200, 4900, 10, |g| g == 9),
    ] {
        // Groups of another picture: it does not matter what they hold.
        let options = EncodeOptions { group_log2, ..EncodeOptions::default() };
        let whole = encode(&picture, &model(), &options).expect("an encode").bytes;
        let chunks = container::read(&whole, &Limits::default()).expect("a sound stream").chunks;
        let header = claim(width, height, group_log2);
        let groups = header.groups().count() as usize;
        let from: Vec<Chunk> =
            (0..5 * groups).map(|i| chunks[i / groups * (chunks.len() / 5)].clone()).collect();
        let bytes = sparse(&header, &from, wanted);

        let what = format!("{width}x{height} in groups of 2^{group_log2}");
        let mut options = DecodeOptions { threads: 2, ..DecodeOptions::default() };
        let (found, missing, used) = decoded(&bytes, &options, true);
        let (expected, all, _) = decoded(&bytes, &options, false);
        assert!(used, "{what}: worth the shortcut");
        assert_eq!(missing, all, "{what}");
        assert!(found == expected, "{what}");

        // A part of it, in strips of other sizes.
        if width * height > 3_000_000 {
            continue;
        }
        (options.threads, options.window) = (1, (96, 200));
        options.region = Some(Region { x: 77, y: 133, width: width - 101, height: height - 200 });
        let (found, ..) = decoded(&bytes, &options, true);
        assert!(found == decoded(&bytes, &options, false).0, "{what}, a part");
    }
}

/// A group is empty if its hyper-latents are truncated, damaged, or no substream at all.
#[test]
fn groups_without_sound_hyper_latents_are_empty() {
    let header = claim(2300, 4300, 10);
    let groups = header.groups().count() as usize;
    let mut first = None;
    for z in [&[][..], &[0], &[0, 0, 1, 0], &[255; 30]] {
        let substreams: Vec<Vec<u8>> =
            (0..5 * groups).map(|i| if i < groups { z.to_vec() } else { vec![7] }).collect();
        let bytes = container::write(&header, None, None, &substreams).expect("sound parts");
        let options = DecodeOptions::default();
        let (found, missing, used) = decoded(&bytes, &options, true);
        assert!(used, "{z:?}");
        assert_eq!(missing.len(), groups, "{z:?}: one line for each group");
        assert!(missing[1].starts_with("z of group 1: substream: "), "{}", missing[1]);
        assert!(first.get_or_insert_with(|| found.clone()) == &found, "{z:?}: one picture like the other");
    }
}

#[test]
fn a_damaged_picture_of_a_few_groups_takes_no_shortcut() {
    let bytes = sparse(&claim(700, 600, 6), &[], |_| false);
    let decoder_of = |region: Option<Region>| {
        let options = DecodeOptions { region, ..DecodeOptions::default() };
        Decoder::new(&bytes, &model(), &options).expect("a sound header").copies_empty_groups()
    };
    assert!(decoder_of(None));
    assert!(!decoder_of(Some(Region { x: 100, y: 100, width: 300, height: 300 })));
}

/// The header and table of a stream, with a sound checksum, and what follows.
fn sealed(mut head: Vec<u8>, rest: &[u8]) -> Vec<u8> {
    head.extend(crc32fast::hash(&head).to_le_bytes());
    head.extend_from_slice(rest);
    head
}

fn side() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..400, 1_u32..20_000, any::<u32>(), (0_u32..32).prop_map(|log2| 1 << log2)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default()
    })]

    /// Any header gives an error or a picture within the limits, and never a panic.
    #[test]
    fn any_header_gives_an_error_or_a_picture(
        (width, height) in (side(), side()), flags in 0_u8..20, orientation in 0_u8..10, quality in 0_u16..6500,
        group_log2 in prop_oneof![6_u8..=14, any::<u8>()], lengths in prop::collection::vec(0_u8..60, 0..600),
        rest in prop::collection::vec(any::<u8>(), 0..400), pixels in 0_u32..24, bytes in 0_u32..29,
        threads in prop_oneof![0_usize..3, Just(usize::MAX)], passes: u8, window: (u32, u32),
        region in prop::option::of((any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), 0_u8..32)),
    ) {
        let header = Header { width, height, quality, ..claim(1, 1, group_log2) };
        let mut head = b"\x89AEC\r\n\x1a\n\x01".to_vec();
        head.extend([flags, orientation, 1]);
        head.extend(width.to_le_bytes());
        head.extend(height.to_le_bytes());
        head.extend(quality.to_le_bytes());
        head.push(group_log2);
        head.extend(header.model);
        head.extend([1, 2, 3, 4]);
        // As many entries as the header asks for, or as there are.
        let wanted = header.groups().count().saturating_mul(5).saturating_add(u64::from((flags >> 1 & 1) + (flags >> 2 & 1)));
        let mut at = 0;
        for i in 0..wanted.min(3000) as usize {
            let length = lengths.get(i).copied().unwrap_or(0);
            let chunk = rest.get(at..at + usize::from(length)).unwrap_or_default();
            head.push(length);
            head.extend(crc32fast::hash(chunk).to_le_bytes());
            at += usize::from(length);
        }
        let stream = sealed(head, &rest);
        let mut options = DecodeOptions { threads, passes, window, ..DecodeOptions::default() };
        options.limits.pixels = 1 << pixels;
        options.limits.bytes = 1 << bytes;
        options.region = region.map(|(x, y, w, h, shift)| Region {
            x: x >> shift, y: y >> shift, width: w >> shift, height: h >> shift,
        });
        let area = options.region.map_or((width, height), |region| (region.width, region.height));
        match decode(&stream, &model(), &options) {
            Ok(found) => {
                let picture = &found.picture;
                prop_assert_eq!((picture.width, picture.height), area);
                prop_assert!(picture.samples.len() as u64 <= options.limits.bytes);
                prop_assert!(found.hash_matches != Some(true));
            }
            Err(Error::Limit { needed, limit, .. }) => prop_assert!(needed > limit),
            Err(_) => {}
        }
    }
}
