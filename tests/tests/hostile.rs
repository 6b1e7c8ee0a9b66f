//! No bytes bring the decoder down, and none pass for the picture that was encoded.
//!
//! Checksums stop most damage at the door; here they are repaired after it, so that it reaches the coder, the
//! network and the metadata. A case that fails names its number: the same number is the same bytes.

use aecodec::container::{self, ChunkKind, ChunkState, Header};
use aecodec::{Color, DecodeOptions, Limits, Metadata, Region};
use aecodec_tests::{
    Random, decode, encode_with, mask, model, photo, quality, resealed, small_groups, toward,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of the header's fixed fields.
const FIELDS: usize = 35;

/// A stream taken apart, to be put together again with sound checksums.
struct Parts {
    header: Header,
    metadata: Vec<u8>,
    alpha: Vec<u8>,
    substreams: Vec<Vec<u8>>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let stream = container::read(bytes, &Limits::default()).expect("a sound stream");
        let whole = |kind| stream.bytes(kind).expect("a whole chunk").to_vec();
        let substreams = stream.chunks[2..].iter().map(|chunk| match chunk.state {
            ChunkState::Present(bytes) => bytes.to_vec(),
            _ => panic!("{} is not whole", chunk.kind),
        });
        Self {
            metadata: whole(ChunkKind::Metadata),
            alpha: whole(ChunkKind::Alpha),
            substreams: substreams.collect(),
            header: stream.header.clone(),
        }
    }

    fn together(&self) -> Vec<u8> {
        container::write(&self.header, Some(&self.metadata), Some(&self.alpha), &self.substreams)
            .expect("as many parts as before")
    }
}

/// One picture in six groups, and the same in one: there other sides of the picture leave the table as it is.
fn streams() -> [Vec<u8>; 2] {
    let mut picture = photo(130, 90, Color::Rgb, 41);
    picture.alpha = Some(mask(130, 90, 42));
    let block = Some(b"not much, but a little to damage".to_vec());
    picture.metadata = Metadata { icc: block.clone(), exif: block.clone(), xmp: block, cicp: None };
    [small_groups(quality(55.0)), toward(quality(55.0))].map(|o| encode_with(&picture, &o).bytes)
}

/// Overwrites one to eight bytes.
fn scratch(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.number() as u8;
        }
    }
}

/// Runs `count` cases, each with numbers of its own, and decodes what they make.
fn endures(count: u64, mut case: impl FnMut(&[u8], &mut Random) -> Vec<u8>) {
    let streams = streams();
    let sound = streams.each_ref().map(|bytes| decode(bytes).pixel_hash);
    for number in 0..count {
        let random = &mut Random::new(number);
        let which = random.below(streams.len());
        let bytes = case(&streams[which], random);
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(&bytes, &sound[which], random)));
        assert!(outcome.is_ok(), "case {number}");
    }
}

/// Decodes with options that vary, and checks that the answer is sound whatever it says.
fn judge(bytes: &[u8], sound: &[u8; 32], random: &mut Random) {
    let mut options = DecodeOptions::default();
    options.threads = 1 + random.below(2);
    options.passes = [4, 4, 4, 2, 0][random.below(5)];
    options.region = [None, None, None, Some(Region { x: 60, y: 1, width: 9, height: 80 })][random.below(4)];
    // A few fields make a picture of 2^30 pixels, which is sound but takes minutes.
    options.limits.pixels = 40_000;
    let Ok(decoded) = aecodec::decode(bytes, &model(), &options) else { return };
    let picture = &decoded.picture;
    let pixels = picture.width as usize * picture.height as usize;
    assert_eq!(picture.samples.len(), pixels * picture.color.channels());
    assert!(picture.alpha.as_ref().is_none_or(|alpha| alpha.len() == pixels));
    if decoded.hash_matches == Some(true) {
        assert!(&decoded.pixel_hash == sound, "another picture passes for this one");
        assert!(decoded.damage.is_empty(), "a damaged stream is told to be sound: {:?}", decoded.damage);
    }
}

#[test]
fn scratched_streams_are_endured() {
    endures(150, |bytes, random| {
        let mut bytes = bytes.to_vec();
        scratch(&mut bytes, random);
        if random.below(3) == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        bytes
    });
}

#[test]
fn scratched_substreams_with_sound_checksums_are_endured() {
    endures(200, |bytes, random| {
        let mut parts = Parts::of(bytes);
        let which = random.below(parts.substreams.len());
        let substream = &mut parts.substreams[which];
        match random.below(4) {
            0 => substream.truncate(random.below(substream.len() + 1)),
            1 => substream.extend((0..1 + random.below(40)).map(|i| i as u8)),
            2 => substream.fill_with(|| random.number() as u8),
            _ => scratch(substream, random),
        }
        parts.together()
    });
}

#[test]
fn substreams_in_each_others_place_are_endured() {
    endures(60, |bytes, random| {
        let mut parts = Parts::of(bytes);
        let count = parts.substreams.len();
        parts.substreams.swap(random.below(count), random.below(count));
        parts.together()
    });
}

#[test]
fn scratched_alpha_and_metadata_with_sound_checksums_are_endured() {
    endures(60, |bytes, random| {
        let mut parts = Parts::of(bytes);
        let part = if random.below(2) == 0 { &mut parts.alpha } else { &mut parts.metadata };
        scratch(part, random);
        if random.below(4) == 0 {
            part.truncate(random.below(part.len()));
        }
        parts.together()
    });
}

#[test]
fn scratched_lengths_with_a_sound_checksum_are_endured() {
    endures(150, |bytes, random| resealed(bytes, |header| scratch(&mut header[FIELDS..], random)));
}

#[test]
fn scratched_fields_with_a_sound_checksum_are_endured() {
    endures(200, |bytes, random| {
        // Nothing gets by another signature, version or model: those fields are left alone.
        let fields = [9, 10, 11, 12, 13, 16, 17, 20, 21, 22, 31, 34];
        resealed(bytes, |header| {
            for _ in 0..1 + random.below(2) {
                header[fields[random.below(fields.len())]] = random.number() as u8 >> random.below(8);
            }
        })
    });
}

#[test]
fn noise_is_endured() {
    endures(100, |bytes, random| {
        let sound = random.below(bytes.len());
        let noise = (0..random.below(400)).map(|_| random.number() as u8);
        bytes[..sound].iter().copied().chain(noise.collect::<Vec<u8>>()).collect()
    });
}
