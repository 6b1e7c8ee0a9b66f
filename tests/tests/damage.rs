//! A damaged stream is still a picture: cut anywhere, it shows what arrived; hurt in one place, it is hurt only there.

use aecodec::container::{self, Chunk, ChunkKind};
use aecodec::{Color, Concealment, Decoded, EncodeOptions, Error, Limits, Metadata, Mode, Picture, psnr};
use aecodec_tests::{decode, decode_with, encode_with, mask, model, photo, quality, small_groups};

/// A picture of 4 x 3 groups, with everything that a stream can hold.
fn grouped() -> (Picture, Vec<u8>) {
    let mut picture = photo(200, 150, Color::Rgb, 31);
    picture.alpha = Some(mask(200, 150, 32));
    picture.metadata = Metadata { xmp: Some(b"<x:xmpmeta/>".to_vec()), ..Metadata::default() };
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    (picture, bytes)
}

fn chunks(bytes: &[u8]) -> Vec<Chunk<'_>> {
    container::read(bytes, &Limits::default()).expect("a sound header").chunks
}

/// The parts that a decode lacks, by name.
fn lost(decoded: &Decoded) -> Vec<String> {
    decoded.damage.iter().map(|damage| damage.part.to_string()).collect()
}

/// Names of the chunks that a cut at `end` takes something of.
fn cut_parts(chunks: &[Chunk], end: u64) -> Vec<String> {
    let cut = |c: &&Chunk| c.length > 0 && c.offset + c.length > end;
    chunks.iter().filter(cut).map(|c| c.kind.to_string()).collect()
}

#[test]
fn a_cut_stream_names_what_it_lost() {
    let (picture, bytes) = grouped();
    let chunks = chunks(&bytes);
    for border in chunks.iter().map(|c| c.offset).chain([bytes.len() as u64]) {
        for end in [border, border - 1].into_iter().filter(|&end| end >= chunks[0].offset) {
            let found = decode(&bytes[..end as usize]);
            assert_eq!(lost(&found), cut_parts(&chunks, end), "cut at {end}");
            assert_eq!(found.hash_matches, (end == bytes.len() as u64).then_some(true), "cut at {end}");
            let whole = |kind| !cut_parts(&chunks, end).contains(&kind);
            let alpha =
                if whole("alpha".into()) { picture.alpha.clone() } else { Some(vec![255; 200 * 150]) };
            assert!(found.picture.alpha == alpha, "cut at {end}");
            let metadata =
                if whole("metadata".into()) { picture.metadata.clone() } else { Metadata::default() };
            assert_eq!(found.picture.metadata, metadata, "cut at {end}");
        }
    }
}

/// Each pass that arrives makes the picture better, or at the least no worse. The hyper-latents, which come first, only predict
/// the passes: of a group that has nothing else, nothing is promised.
#[test]
fn what_arrives_improves_the_picture() {
    let (picture, bytes) = grouped();
    let mut best = 0.0;
    for chunk in chunks(&bytes) {
        let end = (chunk.offset + chunk.length) as usize;
        let [found, concealed] = [Concealment::Zeros, Concealment::Neighbours].map(|concealment| {
            let found = decode_with(&bytes[..end], |options| options.concealment = concealment);
            psnr(&picture.samples, &found.picture.samples).unwrap_or(f64::INFINITY)
        });
        if matches!(chunk.kind, ChunkKind::Hyper { .. }) {
            continue;
        }
        assert!(concealed >= found - 0.3, "{}: {concealed} dB concealed, {found} dB with zeros", chunk.kind);
        // A group's first pass may guess wrong what its later ones put right, in a small part of the picture.
        assert!(found > best - 0.05, "{}: {found} dB after {best} dB", chunk.kind);
        best = f64::max(best, found);
    }
    assert!(best > 20.0, "{best} dB");
}

#[test]
fn a_cut_header_is_an_error() {
    let (_, bytes) = grouped();
    for end in 0..chunks(&bytes)[0].offset as usize {
        let found = aecodec::decode(&bytes[..end], &model(), &Default::default());
        let expected = if end == 0 {
            matches!(found, Err(Error::Signature { .. }))
        } else {
            matches!(found, Err(Error::Truncated { .. }))
        };
        assert!(expected, "cut at {end}: {found:?}");
    }
}

#[test]
fn every_pass_of_a_preview_is_better() {
    let (picture, bytes) = grouped();
    let previews = [0, 1, 2, 3, 4].map(|passes| decode_with(&bytes, |options| options.passes = passes));
    for preview in &previews {
        assert!(preview.damage.is_empty(), "a preview lacks nothing that it was asked for");
    }
    let quality =
        previews.map(|preview| psnr(&picture.samples, &preview.picture.samples).unwrap_or(f64::INFINITY));
    assert!(quality.windows(2).all(|pair| pair[0] < pair[1]), "{quality:?}");
}

#[test]
fn a_preview_is_the_stream_cut_after_that_pass() {
    let (_, bytes) = grouped();
    for passes in 0..=4 {
        let later = |c: &&Chunk| matches!(c.kind, ChunkKind::Pass { pass, .. } if pass >= passes);
        let end = chunks(&bytes).iter().find(later).map_or(bytes.len(), |c| c.offset as usize);
        let preview = decode_with(&bytes, |options| options.passes = passes);
        let cut = decode(&bytes[..end]);
        assert!(preview.picture == cut.picture, "{passes} passes");
        assert_eq!(preview.hash_matches, (passes == 4).then_some(true), "{passes} passes");
    }
}

/// Synthesis looks at neighbours, so damage reaches a little beyond its group, but no further.
#[test]
fn damage_stays_near_its_group() {
    const REACH: usize = 64;
    let picture = photo(320, 256, Color::Rgb, 33);
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    let whole = decode(&bytes).picture;
    let hit = |kind| matches!(kind, ChunkKind::Hyper { group: 6 } | ChunkKind::Pass { pass: 0, group: 12 });
    for chunk in chunks(&bytes).into_iter().filter(|c| hit(c.kind)) {
        let mut damaged = bytes.clone();
        damaged[chunk.offset as usize] ^= 0x40;
        let found = decode(&damaged);
        assert_eq!(lost(&found), [chunk.kind.to_string()]);

        let (ChunkKind::Hyper { group } | ChunkKind::Pass { group, .. }) = chunk.kind else { unreachable!() };
        let (left, top) = (group as usize % 5 * 64, group as usize / 5 * 64);
        let near = |v: usize, from: usize| (from.saturating_sub(REACH)..from + 64 + REACH).contains(&v);
        let mut inside = false;
        for (i, (a, b)) in whole.samples.iter().zip(&found.picture.samples).enumerate() {
            let (x, y) = (i / 3 % 320, i / 3 / 320);
            assert!(a == b || near(x, left) && near(y, top), "{}: pixel {x},{y}", chunk.kind);
            inside |= a != b;
        }
        assert!(inside, "{}: damage is seen where it is", chunk.kind);
    }
}

#[test]
fn bytes_after_the_last_chunk_change_nothing() {
    let (_, bytes) = grouped();
    let longer = decode(&[bytes.as_slice(), b"more"].concat());
    assert!(longer.picture == decode(&bytes).picture);
    assert_eq!(longer.hash_matches, Some(true));
}

#[test]
fn a_substream_that_is_cut_and_damaged_is_reported_once() {
    let picture = Picture::new(8, 8, Color::Gray, (0..64).map(|i| 4 * i).collect()).expect("a picture");
    let mut options = EncodeOptions::default();
    options.mode = Mode::Exact { error: 0 };
    let mut bytes = encode_with(&picture, &options).bytes;
    let start = chunks(&bytes).last().expect("one group").offset as usize;
    // Its first byte is the mode; no mode has this number.
    bytes[start] = 200;
    bytes.pop();
    let damage = decode(&bytes).damage;
    assert_eq!(damage.len(), 1, "{damage:?}");
}
