//! Seeds: inputs that lead deep into each target, made from the files of this repository and from generated ones.

use crate::random::Random;
use crate::streams::samples;
use crate::tiny;
use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, model_file};
use std::fs;
use std::path::Path;

/// The longest file that is a seed: longer ones are slow to mutate and to decode.
const LONGEST: u64 = 24 << 10;

/// The seeds of a target, in an order that does not depend on the machine.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "decode" => streams(),
        "header" => streams().into_iter().filter(|bytes| bytes.len() < 2000).collect(),
        "parts" => [streams(), noise(16)].concat(),
        "rows" => [pictures(), noise(16)].concat(),
        "pictures" => pictures(),
        "clip" => {
            let clips = [vec![crate::targets::clip_seed()], files_in("tests/conformance", "aecs")].concat();
            let clips = clips.into_iter().map(|clip| [vec![0], clip].concat());
            clips.chain(noise(20)).collect()
        }
        "model" => {
            let packed = model_file::pack(tiny::plain()).expect("a plain file").into_owned();
            [vec![packed], noise(30)].concat()
        }
        "ticket" => {
            let texts = ["\u{3}a/b c/d.aec", "\u{3}.aecodec/x.aec", "\u{3}..\\x.aec", "\u{1}aec1"];
            [texts.map(|text| text.as_bytes().to_vec()).to_vec(), noise(30)].concat()
        }
        _ => noise(60),
    }
}

/// Streams of the tiny model, those of the conformance set, and the small ones of `samples/`.
fn streams() -> Vec<Vec<u8>> {
    let tiny = samples().iter().map(|sample| sample.bytes.clone());
    tiny.chain(files_in("tests/conformance", "aec")).chain(files_in("samples", "aec")).collect()
}

/// Picture files of every format that can be written, and small ones by hand.
fn pictures() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = [
        &b"P5 3 2 255\nabcdef"[..],
        b"P6\n# comment\n2 1\n65535\n\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06",
        b"P1\n4 2\n1 0 1 0 0 1 0 1\n",
        b"P4 9 2\n\xf0\x80\x0f\x00",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\nabcd",
        b"qoif\0\0\0\x02\0\0\0\x01\x03\0\xfe\x01\x02\x03\xc0\0\0\0\0\0\0\0\x01",
        b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x03\0",
        b"II*\0\x0e\0\0\0\x01\x02\x03\x04\x05\x06\x08\0\0\x01\x03\0\x01\0\0\0\x02\0\0\0\x01\x01\x03\0\x01\0\0\0\x01\0\0\0\x02\x01\x03\0\x01\0\0\0\x08\0\0\0\x03\x01\x03\0\x01\0\0\0\x01\0\0\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0\x11\x01\x04\0\x01\0\0\0\x08\0\0\0\x15\x01\x03\0\x01\0\0\0\x01\0\0\0\x17\x01\x04\0\x01\0\0\0\x02\0\0\0\0\0\0\0",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    let mut picture = crate::streams::picture(21, 13, Color::Rgb, 1);
    picture.metadata.xmp = Some(b"<x:xmpmeta/>".to_vec());
    picture.metadata.icc = Some(vec![7; 200]);
    picture.metadata.exif = Some(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec());
    let gray = crate::streams::picture(9, 17, Color::Gray, 2);
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Pnm] {
        for picture in [&picture, &gray] {
            found.extend(files::write(picture, format, &WriteOptions::default()).map(|(bytes, _)| bytes));
        }
    }
    picture.alpha = Some((0..21 * 13).map(|i| i as u8).collect());
    found.extend(files::write(&picture, Format::Png, &WriteOptions::default()).map(|(bytes, _)| bytes));
    found.extend(files::write(&picture, Format::WebP, &WriteOptions::default()).map(|(bytes, _)| bytes));
    found
}

/// Noise, whose first byte takes every small value: it chooses between the parts of a target.
fn noise(count: u64) -> Vec<Vec<u8>> {
    let one = |number: u64| {
        let mut random = Random::new(number);
        let length = 20 + random.below(200);
        let first = number as u8;
        [first].into_iter().chain((0..length).map(|_| random.number() as u8)).collect()
    };
    (0..count).map(one).collect()
}

/// The files of a folder of this repository with this extension, by name, without the long ones.
fn files_in(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.retain(|path| fs::metadata(path).is_ok_and(|file| file.len() <= LONGEST));
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}
