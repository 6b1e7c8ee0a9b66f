//! The streams of `samples/` decode to the same pixels for ever.

use aecodec::{EncodeOptions, Limits, Model, Profile, container, files};
use aecodec_tests::{encode_with, quality, toward};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples");
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/samples.txt");
const HEAD: &str = "\
# The streams of samples/: name, BLAKE3 of the file, BLAKE3 of its decoded samples (colour, then alpha if any).
# A line that changes is a change of the format or of a published stream. UPDATE_GOLDEN=1 cargo test -p aecodec-tests
# writes this list anew; do so only for streams that are made anew.
";

#[test]
fn samples_decode_as_they_always_did() {
    let streams = samples("aec");
    assert!(!streams.is_empty(), "no .aec in samples/: make them, then run with UPDATE_GOLDEN=1");
    let list: String = streams.iter().map(|path| line(path)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(Path::new(LIST).parent().expect("a folder")).expect("a folder that can be made");
        fs::write(LIST, format!("{HEAD}{list}")).expect("a list that can be written");
    }
    let stored = fs::read_to_string(LIST).expect("tests/golden/samples.txt");
    let stored: Vec<&str> = stored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(list.lines().collect::<Vec<_>>(), stored);
}

#[test]
fn a_sample_encodes_to_the_same_bytes_each_time() {
    let pictures = samples("png");
    let size = |path: &&PathBuf| fs::metadata(path).map_or(u64::MAX, |m| m.len());
    let smallest = pictures.iter().min_by_key(size).expect("a .png in samples/");
    let bytes = fs::read(smallest).expect("a file that can be read");
    let (picture, _) = files::read(&bytes, &Limits::default()).expect("a sound PNG");
    let with = |threads| {
        let mut options: EncodeOptions = toward(quality(50.0));
        options.threads = threads;
        encode_with(&picture, &options).bytes
    };
    let first = with(1);
    assert!(first == with(1), "{}: a second run", smallest.display());
    assert!(first == with(2), "{}: two threads", smallest.display());
}

/// Decodes a stream; its line of the list.
fn line(path: &Path) -> String {
    let name = path.file_name().expect("a name").to_string_lossy();
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let decoded = aecodec::decode(&bytes, &model(&bytes), &Default::default())
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(decoded.damage.is_empty(), "{name}: {:?}", decoded.damage);
    assert_eq!(decoded.hash_matches, Some(true), "{name}");
    let mut pixels = blake3::Hasher::new();
    pixels.update(&decoded.picture.samples).update(&decoded.picture.alpha.unwrap_or_default());
    format!("{name} {} {}\n", blake3::hash(&bytes), pixels.finalize())
}

/// The built-in model that a stream was made with.
fn model(bytes: &[u8]) -> Arc<Model> {
    let stream = container::read(bytes, &Limits::default()).expect("a sound header");
    let built_in = [Profile::Fast, Profile::Best].into_iter().filter_map(|p| Model::embedded(p).ok());
    built_in.into_iter().find(|m| m.short_id() == stream.header.model).expect("a built-in model's stream")
}

/// The files of samples/ with this extension, by name.
fn samples(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(SAMPLES).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("a folder that can be read").path());
    let mut found: Vec<PathBuf> = paths.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    found
}
