//! The conformance set: each file of `tests/conformance/` decodes to what its manifest says, or is refused as it says.

use aecodec::clip::{ClipDecoder, ClipReader, Record};
use aecodec::{
    Color, Concealment, DecodeOptions, Decoded, DeepPicture, Error, Limits, Model, Profile, TemporalPrior,
    container,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");

#[test]
fn every_valid_file_decodes_as_the_manifest_says() {
    let entries = entries("picture");
    assert!(entries.len() > 20, "a manifest of {} pictures", entries.len());
    for entry in entries {
        let (name, bytes) = read(&entry);
        let found = decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let stream = container::read(&bytes, &Limits::default()).expect("a header that has been read");
        let picture = &found.picture;
        let mode = match (picture.color, picture.alpha.is_some()) {
            (Color::Gray, false) => "gray",
            (Color::Gray, true) => "gray+alpha",
            (Color::Rgb, false) => "rgb",
            (Color::Rgb, true) => "rgb+alpha",
        };
        let metadata = &picture.metadata;
        let cicp = metadata.cicp.map(Vec::from);
        let blocks =
            [("cicp", &cicp), ("exif", &metadata.exif), ("icc", &metadata.icc), ("xmp", &metadata.xmp)];
        let blocks: serde_json::Map<String, Value> = blocks
            .into_iter()
            .filter_map(|(kind, block)| Some((kind.to_owned(), json!(hash(&[block.as_deref()?])))))
            .collect();
        let report = json!({
            "width": picture.width,
            "height": picture.height,
            "mode": mode,
            "orientation": picture.orientation,
            "source_bits": picture.source_bits,
            "quality": stream.header.quality,
            "group_log2": stream.header.group_log2,
            "metadata": blocks,
            "trailing": stream.trailing,
            "pixel_hash": match found.hash_matches {
                None => "none",
                Some(true) => "match",
                Some(false) => "mismatch",
            },
            "hash": hash_of_samples(&bytes, &found, stream.header.maximum),
        });
        if stream.header.exact.is_none() && stream.header.is_deep() {
            assert_eq!(hash_of_deep(&bytes), entry["hash_16"], "{name}");
        }
        for (field, value) in report.as_object().expect("an object") {
            assert_eq!(value, &entry[field], "{name}: {field}");
        }
        assert_missing(&name, &found, &entry);
    }
}

#[test]
fn every_clip_decodes_as_the_manifest_says() {
    let entries = entries("clip");
    assert!(entries.len() > 20, "a manifest of {} clips", entries.len());
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let prior = TemporalPrior::embedded(Profile::Fast).expect("its temporal prior");
    for entry in entries {
        let (name, bytes) = read(&entry);
        let mut reader = ClipReader::new(&bytes[..]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut decoder = ClipDecoder::new(&model, &prior, options());
        let mut frames = Vec::new();
        while let Some(record) = reader.next().unwrap_or_else(|e| panic!("{name}: {e}")) {
            frames.push(report_of(&record, &mut decoder));
        }
        assert_eq!(json!(reader.rate().map(|(count, seconds)| [count, seconds])), entry["rate"], "{name}");
        assert_eq!(reader.is_cut(), entry["cut"], "{name}");
        assert_eq!(json!(frames), entry["frames"], "{name}");
    }
}

#[test]
fn every_invalid_file_is_refused_as_the_manifest_says() {
    let entries = entries("error");
    assert!(entries.len() > 10, "a manifest of {} errors", entries.len());
    for entry in entries {
        let (name, bytes) = read(&entry);
        let refusal = if is_clip(&name) { ClipReader::new(&bytes[..]).err() } else { decode(&bytes).err() };
        let Some(error) = refusal else { panic!("{name}: decoded, expected {}", entry["errors"]) };
        let allowed = entry["errors"].as_array().expect("a list of kinds");
        assert!(allowed.contains(&json!(kind(&error))), "{name}: {error}, expected one of {allowed:?}");
    }
}

#[test]
fn every_file_of_the_folder_is_in_the_manifest() {
    let listed: BTreeSet<String> = ["picture", "clip", "error"]
        .into_iter()
        .flat_map(entries)
        .map(|entry| text(&entry, "file"))
        .collect();
    let folder = fs::read_dir(FOLDER).expect("tests/conformance");
    let names = folder.map(|entry| entry.expect("a folder that can be read").file_name());
    let there: BTreeSet<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| is_clip(name) || Path::new(name).extension().is_some_and(|e| e == "aec"))
        .collect();
    assert_eq!(listed, there);
}

/// The entries of the manifest with this result.
fn entries(result: &str) -> Vec<Value> {
    let bytes = fs::read(format!("{FOLDER}/manifest.json")).expect("tests/conformance/manifest.json");
    let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest in JSON");
    let files = manifest["files"].as_array().expect("a list of files").clone();
    files.into_iter().filter(|entry| entry["result"] == result).collect()
}

/// The name and the bytes of an entry's file.
fn read(entry: &Value) -> (String, Vec<u8>) {
    let name = text(entry, "file");
    let bytes = fs::read(format!("{FOLDER}/{name}")).unwrap_or_else(|e| panic!("{name}: {e}"));
    (name, bytes)
}

fn text(entry: &Value, field: &str) -> String {
    entry[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {entry}")).to_owned()
}

fn is_clip(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "aecs")
}

/// What the manifest says about a frame of a clip.
fn report_of(record: &Record, decoder: &mut ClipDecoder<'_>) -> Value {
    let kind = record.kind.letter().to_string();
    let decoded = if record.intact { decoder.push(record.kind, &record.bytes).ok() } else { None };
    let Some(picture) = decoded else { return json!({ "kind": kind, "hash": "lost" }) };
    let mode = match picture.color {
        Color::Gray => "gray",
        Color::Rgb => "rgb",
    };
    json!({
        "kind": kind,
        "width": picture.width,
        "height": picture.height,
        "mode": mode,
        "hash": hash(&[&picture.samples]),
    })
}

/// The built-in model that the header names, or `fast` if it names none of them.
fn model_of(bytes: &[u8]) -> Arc<Model> {
    let named = container::read(bytes, &Limits::default()).ok().map(|stream| stream.header.model);
    let [best, fast] = [Profile::Best, Profile::Fast].map(|p| Model::embedded(p).expect("a built-in model"));
    if Some(best.short_id()) == named { best } else { fast }
}

fn decode(bytes: &[u8]) -> aecodec::Result<Decoded> {
    aecodec::decode(bytes, &model_of(bytes), &options())
}

/// The hash of the samples, each of which has two bytes if the stream is one of more than 8 bits.
fn hash_of_samples(bytes: &[u8], found: &Decoded, maximum: u16) -> String {
    let picture = &found.picture;
    if maximum == 255 {
        return hash(&[&picture.samples, picture.alpha.as_deref().unwrap_or_default()]);
    }
    let model = Model::embedded(Profile::Fast).expect("the built-in model");
    let (deep, outcome) = aecodec::decode_deep(bytes, &model, &options()).expect("a stream that was decoded");
    assert!(deep.rounded() == *picture, "decode rounds what decode_deep returns");
    assert_eq!(outcome.hash_matches, found.hash_matches);
    of_deep(&deep)
}

/// The hash of the samples of 16 bits.
fn hash_of_deep(bytes: &[u8]) -> String {
    of_deep(&aecodec::decode_deep(bytes, &model_of(bytes), &options()).expect("a stream that was decoded").0)
}

fn of_deep(deep: &DeepPicture) -> String {
    let bytes = |samples: &[u16]| -> Vec<u8> { samples.iter().flat_map(|v| v.to_le_bytes()).collect() };
    hash(&[&bytes(&deep.samples), &bytes(deep.alpha.as_deref().unwrap_or_default())])
}

fn options() -> DecodeOptions {
    // What a decoder shows in place of lost groups is its own choice; the set expects zeros.
    let mut options = DecodeOptions::default();
    options.concealment = Concealment::Zeros;
    options
}

/// The name that the manifest has for an error.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Signature { .. } => "signature",
        Error::Version { .. } => "version",
        Error::Truncated { .. } => "truncated",
        Error::Invalid { .. } => "invalid",
        Error::Checksum { .. } => "checksum",
        Error::UnknownModel { .. } => "unknown-model",
        Error::Limit { .. } => "limit",
        _ => "another",
    }
}

/// Every missing part has its line, which begins with the name of the part.
fn assert_missing(name: &str, found: &Decoded, entry: &Value) {
    let parts: Vec<&str> =
        entry["missing"].as_array().expect("a list of parts").iter().filter_map(Value::as_str).collect();
    let lost: Vec<String> = found.damage.iter().map(ToString::to_string).collect();
    assert_eq!(lost.len(), parts.len(), "{name}: {lost:?}, expected {parts:?}");
    for part in parts {
        let says = |line: &String| {
            // A part that holds too much is reported as "alpha of 12 is above the limit".
            line.strip_prefix(part).is_some_and(|rest| rest.starts_with([':', ' ']))
        };
        assert!(lost.iter().any(says), "{name}: no {part} in {lost:?}");
    }
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}
