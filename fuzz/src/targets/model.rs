//! Reads arbitrary model files and changed ones, and uses every model that is read.

use super::decode::check;
use crate::input::Input;
use crate::streams::{Parts, options, picture, samples};
use crate::tiny;
use aecodec::{Color, EncodeOptions, Model, Quality, Target, model_file};
use std::sync::Arc;

/// The largest file that is read: more than the tiny model.
const LONGEST: usize = 1 << 20;

pub fn run(bytes: &[u8]) {
    // Arbitrary bytes begin as a model file does.
    if bytes.starts_with(b"\x89AEM") {
        if let Ok(model) = Model::parse(bytes) {
            check_packing(bytes, &model);
            apply(model, &mut Input::new(&bytes[bytes.len() - 8..]));
        }
        return;
    }
    let mut input = Input::new(bytes);
    let mut file = tiny::plain().to_vec();
    for _ in 0..1 + input.below(5) {
        change(&mut file, &mut input);
    }
    let mut choices = input.clone();
    let Ok(model) = Model::parse(&file) else { return };
    if input.below(16) == 0 {
        check_packing(&file, &model);
    }
    apply(model, &mut choices);
}

/// Overwrites some numbers: those of the shapes, those at the end (gains and tables), or any.
fn change(file: &mut [u8], input: &mut Input) {
    let tables = 14_000.min(file.len());
    let at = match input.below(4) {
        0 => 8 + input.below(32),
        1 => file.len() - 1 - input.below(tables),
        _ => (input.word() as usize % file.len()) & !1,
    };
    let new = input.bytes(2);
    file.iter_mut().skip(at).zip(new).for_each(|(byte, &new)| *byte = new);
    // A whole run of weights at their limit makes accumulators wrap.
    if input.below(8) == 0 {
        let extreme = input.one(&[i16::MAX, i16::MIN]).to_le_bytes();
        let run = file[at..].as_chunks_mut::<2>().0;
        let count = input.short().into();
        run.iter_mut().take(count).for_each(|weight| *weight = extreme);
    }
}

fn check_packing(file: &[u8], model: &Model) {
    if file.len() > LONGEST {
        return;
    }
    let plain = model_file::unpack(file).expect("a file that was read");
    assert_eq!(&model.id(), blake3::hash(&plain).as_bytes());
    let packed = model_file::pack(&plain).expect("a plain file");
    assert!(model_file::unpack(&packed).expect("a packed file") == plain);
    assert_eq!(Model::parse(&packed).expect("a packed file").id(), model.id());
}

/// Encodes a picture with the model and decodes it, and decodes a stream of another model.
fn apply(model: Model, input: &mut Input) {
    let figures = model.figures();
    // The network is large enough to be slow: not what is tested here.
    if figures.c > 128 || figures.p > 128 || figures.ne + figures.nd > 4 {
        return;
    }
    let model = Arc::new(model);
    let mut parts = Parts::of(&samples()[2].bytes);
    parts.header.model = model.short_id();
    check(&parts.together().expect("a sound header"), &model, &options());

    let picture = picture(40, 24, input.one(&[Color::Gray, Color::Rgb]), 5);
    let mut toward = EncodeOptions::default();
    toward.target = Target::Quality(Quality::from_raw(input.short() % 6401).expect("a quality of the scale"));
    toward.group_log2 = 6;
    let encoded = aecodec::encode(&picture, &model, &toward).expect("a sound picture");
    let found = check(&encoded.bytes, &model, &options()).expect("a stream of the encoder");
    assert_eq!(found.hash_matches, Some(true), "{:?}", found.damage);
}
