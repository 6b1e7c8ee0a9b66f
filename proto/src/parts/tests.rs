//! Promises of the parts: they cover a stream, whatever happened to it.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn stream_headers_survive_and_wait_for_all_their_bytes(number: u64, part: u32, kind in 0..3) {
        let header = match kind {
            0 => StreamHeader::Part { id: number, part },
            1 => StreamHeader::Frame { seq: number, part },
            _ => StreamHeader::Model { hash: Hash([part as u8; 32]), bytes: number },
        };
        let bytes = header.encode();
        prop_assert!(bytes.len() <= STREAM_HEADER_MAX);
        for end in 0..bytes.len() {
            prop_assert_eq!(StreamHeader::decode(&bytes[..end]), Ok(None));
        }
        prop_assert_eq!(StreamHeader::decode(&bytes), Ok(Some((header, bytes.len()))));
    }

    #[test]
    fn any_bytes_are_a_header_or_an_error(bytes: Vec<u8>) {
        let _ = StreamHeader::decode(&bytes);
    }
}

#[test]
fn pieces_above_the_largest_part_are_cut() {
    let mut parts = Vec::new();
    push(&mut parts, 5 * LARGEST + 7);
    assert_eq!(parts.iter().map(|&part| u64::from(part)).sum::<u64>(), 5 * LARGEST + 7);
    assert!(parts.iter().all(|&part| u64::from(part) <= 2 * LARGEST));
}

/// Noise as an `.aec` of many groups.
fn coded(width: u32, height: u32) -> Vec<u8> {
    let samples: Vec<u8> =
        (0..width * height * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
    let picture = aecodec::Picture::new(width, height, aecodec::Color::Rgb, samples).unwrap();
    let model = aecodec::Model::embedded(aecodec::Profile::Fast).unwrap();
    let mut options = aecodec::EncodeOptions::default();
    options.group_log2 = 6;
    options.target = aecodec::Target::Quality(aecodec::Quality::new(90.0).unwrap());
    aecodec::encode(&picture, &model, &options).unwrap().bytes
}

/// However a stream was cut or damaged, its parts are sound and cover what is there.
#[test]
fn a_stream_that_is_cut_or_damaged_has_parts_or_an_error() {
    let (whole, limits) = (coded(140, 70), aecodec::Limits::default());
    let sound = |bytes: &[u8]| {
        if let Ok(parts) = cut(bytes, &limits) {
            assert!(parts.iter().all(|part| (1..=PART_MAX).contains(part)));
            assert_eq!(parts.iter().map(|&part| part as usize).sum::<usize>(), bytes.len());
        }
        if let Ok(passes) = passes(bytes, &limits) {
            assert!(passes.iter().map(|&part| part as usize).sum::<usize>() <= bytes.len());
        }
    };
    (0..whole.len()).for_each(|end| sound(&whole[..end]));
    let strategy = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let changes = (strategy, any::<prop::sample::Index>());
    let mut runner = prop::test_runner::TestRunner::deterministic();
    let survives = runner.run(&changes, |(changes, end)| {
        let mut bytes = whole.clone();
        changes.iter().for_each(|(at, value)| bytes[at.index(whole.len())] = *value);
        sound(&bytes);
        sound(&bytes[..end.index(whole.len())]);
        Ok(())
    });
    survives.unwrap();
}

#[test]
fn parts_cover_a_stream_and_follow_its_passes() {
    let bytes = coded(300, 200);
    let limits = aecodec::Limits::default();
    let total = |parts: &[u32]| parts.iter().map(|&part| part as usize).sum::<usize>();
    assert_eq!(total(&cut(&bytes, &limits).unwrap()), bytes.len());
    let passes = passes(&bytes, &limits).unwrap();
    assert_eq!((passes.len(), total(&passes)), (5, bytes.len()));
    let first = &bytes[..total(&passes[..2])];
    let stream = aecodec::container::read(first, &limits).unwrap();
    let whole = stream.chunks.len() - stream.damaged().count();
    assert_eq!(whole * 5, stream.chunks.len() * 2, "z and pass 0 of every group, and no more");
}
