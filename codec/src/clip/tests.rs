use super::*;
use crate::{Color, DecodeOptions, Error, Model, Picture, Profile, TemporalPrior};
use std::io::Cursor;
use std::sync::Arc;

fn model() -> (Arc<Model>, Arc<TemporalPrior>) {
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    (model, TemporalPrior::embedded(Profile::Fast).expect("its temporal prior"))
}

/// A scene of blotches, with a dark bar at column `x`.
fn scene(kind: usize, x: usize) -> Picture {
    let blotch = |row: usize, column: usize| {
        let place = (row / 5 * 37 + column / 7 * 101 + 13) * (2 * kind + 1);
        (place as u64 * 2_654_435_761) >> 7
    };
    let sample = |i: usize| {
        let (row, column) = (i / 160, i % 160);
        if (x..x + 16).contains(&column) { 20 } else { 40 + (blotch(row, column) % 180) as u8 }
    };
    Picture::new(160, 112, Color::Gray, (0..160 * 112).map(sample).collect()).expect("a picture")
}

fn coded(frames: &[Picture], key_interval: u32) -> Vec<ClipFrame> {
    let (model, prior) = model();
    let mut encoder =
        ClipEncoder::new(&model, &prior, ClipOptions { key_interval, ..ClipOptions::default() });
    frames.iter().map(|frame| encoder.push(frame).expect("a frame")).collect()
}

fn file(frames: &[ClipFrame]) -> Vec<u8> {
    let mut writer = ClipWriter::new(Vec::new(), Some((25, 2))).expect("a header");
    for frame in frames {
        writer.write(frame.kind, &frame.bytes).expect("a frame");
    }
    writer.into_inner()
}

fn kinds(frames: &[ClipFrame]) -> String {
    frames.iter().map(|frame| frame.kind.letter()).collect()
}

#[test]
fn a_scene_begins_with_an_i_frame_and_a_cut_is_noticed() {
    let frames: Vec<Picture> =
        [(0, 10), (0, 20), (0, 30), (1, 30), (1, 40), (1, 50)].map(|(kind, x)| scene(kind, x)).into();
    assert_eq!(kinds(&coded(&frames, 250)), "IPPIPP");
    assert_eq!(kinds(&coded(&frames, 2)), "IPIIPI");
    let sizes = [scene(0, 10), Picture::new(16, 16, Color::Gray, vec![9; 256]).expect("a picture")];
    assert_eq!(kinds(&coded(&sizes, 250)), "II");
}

#[test]
fn a_clip_is_decoded_from_any_i_frame_on() {
    let (model, prior) = model();
    let frames: Vec<Picture> = (0..6).map(|i| scene(0, 10 * i)).collect();
    let coded = coded(&frames, 3);
    assert_eq!(kinds(&coded), "IPPIPP");
    let file = file(&coded);
    let mut reader = ClipReader::new(Cursor::new(&file)).expect("a clip");
    assert_eq!(reader.rate(), Some((25, 2)));
    let entries = reader.entries().expect("entries");
    assert_eq!(entries.len(), 6);
    let mut decode = |from: usize| {
        reader.go_to(entries[from].offset).expect("an offset");
        let mut decoder = ClipDecoder::new(&model, &prior, DecodeOptions::default());
        let mut pictures = Vec::new();
        while let Some(record) = reader.next().expect("a record") {
            assert!(record.intact);
            pictures.push(decoder.push(record.kind, &record.bytes).expect("sound").samples.clone());
        }
        assert!(!reader.is_cut());
        pictures
    };
    let whole = decode(0);
    assert!(whole.len() == 6 && decode(3) == whole[3..]);
    for (decoded, frame) in whole.iter().zip(&coded) {
        let painted = frame.reference.picture(&model, &DecodeOptions::default()).expect("the picture");
        assert!(*decoded == painted.samples);
    }
}

#[test]
fn a_cut_file_is_whole_up_to_its_last_complete_frame() {
    let coded = coded(&[scene(0, 10), scene(0, 20), scene(0, 20)], 250);
    let file = file(&coded);
    let ends: Vec<u64> = {
        let mut reader = ClipReader::new(&file[..]).expect("a clip");
        std::iter::from_fn(|| reader.next().expect("a record").map(|_| reader.offset())).collect()
    };
    assert_eq!(ends.last().copied(), Some(file.len() as u64));
    for cut in 22..file.len() {
        let mut reader = ClipReader::new(Cursor::new(&file[..cut])).expect("a clip");
        let whole = ends.iter().filter(|&&end| end <= cut as u64).count();
        assert_eq!(reader.entries().expect("entries").len(), whole, "cut at {cut}");
        let read = std::iter::from_fn(|| reader.next().expect("a record")).count();
        let at_an_end = cut == 22 || ends.contains(&(cut as u64));
        assert_eq!((read, reader.is_cut()), (whole, !at_an_end), "cut at {cut}");
    }
    for cut in 0..22 {
        assert!(ClipReader::new(&file[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn damage_costs_the_frames_up_to_the_next_i_frame() {
    let (model, prior) = model();
    let coded = coded(&(0..6).map(|i| scene(0, 12 * i)).collect::<Vec<_>>(), 3);
    let mut file = file(&coded);
    let entries = ClipReader::new(Cursor::new(&file)).expect("a clip").entries().expect("entries");
    let last = entries[1].offset as usize + entries[1].length as usize;
    file[last] ^= 0x10;
    let mut reader = ClipReader::new(&file[..]).expect("a clip");
    let mut decoder = ClipDecoder::new(&model, &prior, DecodeOptions::default());
    let mut states = String::new();
    while let Some(record) = reader.next().expect("a record") {
        let sound = record.intact && decoder.push(record.kind, &record.bytes).is_ok();
        states.push(if sound { '+' } else { '-' });
    }
    // The third frame may name the first one as its reference.
    assert!(states == "+--+++" || states == "+-++++", "{states}");
}

#[test]
fn other_files_are_refused() {
    let file = file(&[]);
    let refused = |at: usize, value: u8| {
        let mut other = file.clone();
        other[at] = value;
        ClipReader::new(&other[..]).expect_err("altered")
    };
    assert!(matches!(refused(3, b'C'), Error::Signature { .. }));
    assert!(matches!(refused(8, 9), Error::Version { .. }));
    assert!(matches!(refused(9, 1), Error::Checksum { .. }));
    assert!(matches!(refused(20, !file[20]), Error::Checksum { .. }));
}
