//! Clips of any bytes, and P-frames with changed bytes.

use crate::input::Input;
use crate::streams::{change, options};
use aecodec::clip::{ClipDecoder, ClipEncoder, ClipOptions, ClipReader, ClipWriter, FrameKind};
use aecodec::{Color, DecodeOptions, FrameHeader, Model, Profile, Reference, TemporalPrior, decode_frame};
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

/// The clip of a small scene, its first frame decoded, and its P-frame.
struct Sample {
    model: Arc<Model>,
    prior: Arc<TemporalPrior>,
    file: Vec<u8>,
    key: Reference,
    frame: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let prior = TemporalPrior::embedded(Profile::Fast).expect("its temporal prior");
    let first = crate::streams::picture(53, 37, Color::Rgb, 3);
    let mut second = first.clone();
    second.samples[600..2400].fill(200);
    let mut encoder = ClipEncoder::new(&model, &prior, ClipOptions::default());
    let mut writer = ClipWriter::new(Vec::new(), None).expect("a header");
    let [key, frame] = [&first, &second].map(|picture| encoder.push(picture).expect("a frame"));
    for coded in [&key, &frame] {
        writer.write(coded.kind, &coded.bytes).expect("a frame");
    }
    let frame =
        aecodec::encode_frame(&second, &[&key.reference], &model, &prior, &ClipOptions::default().frame);
    let frame = frame.expect("a P-frame").bytes;
    Sample { file: writer.into_inner(), key: key.reference, frame, model, prior }
});

/// The file of a small clip.
pub fn clip_seed() -> Vec<u8> {
    SAMPLE.file.clone()
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.byte().is_multiple_of(2) {
        arbitrary(input.rest());
    } else {
        mutated(&mut input);
    }
}

fn small() -> DecodeOptions {
    let mut options = options();
    options.limits.pixels = 1 << 12;
    options
}

/// A clip is an error, or frames of which each is an error or a picture, read one by one or listed.
fn arbitrary(bytes: &[u8]) {
    let Sample { model, prior, .. } = &*SAMPLE;
    let Ok(mut reader) = ClipReader::new(Cursor::new(bytes)) else { return };
    let entries = reader.entries().expect("memory");
    let mut decoder = ClipDecoder::new(model, prior, small());
    let mut count = 0;
    while let Some(record) = reader.next().expect("memory") {
        assert_eq!((record.kind, record.bytes.len()), (entries[count].kind, entries[count].length as usize));
        count += 1;
        // Frames behind a wrong checksum are decoded too: nothing may depend on it.
        let _ = decoder.push(record.kind, &record.bytes);
    }
    assert_eq!(count, entries.len());
}

/// A P-frame with changed bytes is refused, or decodes to the frame that its header names.
fn mutated(input: &mut Input) {
    let Sample { model, prior, key, frame, .. } = &*SAMPLE;
    let mut bytes = frame.clone();
    for _ in 0..1 + input.below(3) {
        change(&mut bytes, input);
    }
    if let Ok(decoded) = decode_frame(&bytes, key, model, prior, &small()) {
        assert_eq!(decoded.id(), FrameHeader::parse(&bytes).expect("a header").id);
    }
    let mut decoder = ClipDecoder::new(model, prior, small());
    let _ = decoder.push(FrameKind::Predicted, &bytes);
}
