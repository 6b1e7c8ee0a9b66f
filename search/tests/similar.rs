//! Changed copies of pictures are found, and an index stays right while files come, change and go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use aecodec::resize::{Filter, resize};
use aecodec::{Color, Limits, Mode, ModelRegistry, Picture, Profile, files};
use aecodec_search::{
    Describer, Description, Entry, Error, Index, Stamp, Threshold, content_hash, duplicates, search,
};
use aecodec_tests::photo;
use aecodec_tests::{quality, toward};

const SIDES: (u32, u32) = (640, 480);

fn describer() -> Describer {
    Describer::new(ModelRegistry::embedded()).expect("the built-in model")
}

fn picture(seed: u64) -> Picture {
    photo(SIDES.0, SIDES.1, Color::Rgb, seed)
}

fn entries(describer: &Describer, count: u64) -> Vec<Entry> {
    let entry = |seed: u64| Entry {
        path: seed.to_string().into(),
        description: describer.describe_picture(&picture(seed)).expect("a description"),
    };
    (0..count).map(entry).collect()
}

fn cropped(picture: &Picture, left: u32, top: u32, (width, height): (u32, u32)) -> Picture {
    let row = |y: u32| {
        let start = 3 * (y * picture.width + left) as usize;
        &picture.samples[start..start + 3 * width as usize]
    };
    let samples = (top..top + height).flat_map(row).copied().collect();
    Picture::new(width, height, Color::Rgb, samples).expect("a picture")
}

fn brighter(picture: &Picture) -> Picture {
    let samples = picture.samples.iter().map(|&sample| (u32::from(sample) * 6 / 5).min(255) as u8).collect();
    Picture::new(picture.width, picture.height, Color::Rgb, samples).expect("a picture")
}

fn jpeg(picture: &Picture) -> Vec<u8> {
    let mut options = files::WriteOptions::default();
    options.jpeg_quality = 40;
    files::write(picture, files::Format::Jpeg, &options).expect("a JPEG").0
}

fn coded(picture: &Picture, profile: Profile, change: impl FnOnce(&mut aecodec::EncodeOptions)) -> Vec<u8> {
    let model = aecodec::Model::embedded(profile).expect("the built-in model");
    let mut options = toward(quality(10.0));
    change(&mut options);
    aecodec::encode(picture, &model, &options).expect("an encode").bytes
}

/// Copies that differ in size, format, quality, model or brightness.
fn copies(describer: &Describer, original: &Picture) -> Vec<(&'static str, Description)> {
    let half = resize(original, (SIDES.0 / 2, SIDES.1 / 2), Filter::Hamming).expect("a picture");
    let read = |bytes: &[u8]| describer.describe(bytes, &Limits::default()).expect("a description");
    let seen = |picture: &Picture| describer.describe_picture(picture).expect("a description");
    vec![
        ("half the size", seen(&half)),
        ("JPEG at quality 40", read(&jpeg(original))),
        ("brighter", seen(&brighter(original))),
        ("fast at quality 10", read(&coded(original, Profile::Fast, |_| {}))),
        ("best at quality 10", read(&coded(original, Profile::Best, |_| {}))),
        ("exact", read(&coded(original, Profile::Fast, |options| options.mode = Mode::Exact { error: 0 }))),
    ]
}

#[test]
fn copies_of_other_sizes_formats_and_qualities_are_found_first() {
    let describer = describer();
    let entries = entries(&describer, 45);
    for seed in [0, 17, 42] {
        let original = picture(seed);
        for (change, copy) in copies(&describer, &original) {
            let found = search(&entries, &copy, 3);
            assert_eq!(found.len(), 3);
            assert_eq!(found[0].index as u64, seed, "{change}: {found:?}");
            assert!(found[0].similarity > found[1].similarity, "{change}: {found:?}");
            let by_hash = entries.iter().map(|entry| entry.description.hash.distance(copy.hash));
            assert_eq!(by_hash.clone().min(), by_hash.clone().nth(seed as usize), "{change}");
        }
    }
}

#[test]
fn crops_of_photographs_are_found_first() {
    let describer = describer();
    let mut entries = entries(&describer, 20);
    let samples = ["brick", "harbour-night", "hills", "sign", "still-life"].map(sample);
    for sample in &samples {
        let description = describer.describe_picture(sample).expect("a description");
        entries.push(Entry { path: "sample".into(), description });
    }
    let mut firsts = 0;
    for (i, sample) in samples.iter().enumerate() {
        let (width, height) = (sample.width * 4 / 5, sample.height * 4 / 5);
        for (left, top) in [(0, 0), (sample.width - width, 0), (sample.width / 10, sample.height / 10)] {
            let crop = cropped(sample, left, top, (width, height));
            let crop = describer.describe_picture(&crop).expect("a description");
            firsts += usize::from(search(&entries, &crop, 1)[0].index == 20 + i);
        }
    }
    assert!(firsts >= 14, "{firsts} of 15 crops");
}

fn sample(name: &str) -> Picture {
    let path = format!("{}/../samples/{name}.png", env!("CARGO_MANIFEST_DIR"));
    files::read(&std::fs::read(path).expect("a sample"), &Limits::default()).expect("a picture").0
}

#[test]
fn near_duplicates_are_grouped_and_strangers_are_not() {
    let describer = describer();
    let mut entries = entries(&describer, 20);
    for (change, description) in copies(&describer, &picture(7)).into_iter().filter(|(c, _)| *c != "brighter")
    {
        entries.push(Entry { path: change.into(), description });
    }
    let groups = duplicates(&entries, Threshold::default());
    assert_eq!(groups, [vec![7, 20, 21, 22, 23, 24]]);
}

#[test]
fn a_turned_copy_and_a_picture_on_white_are_seen_as_they_look() {
    let describer = describer();
    let original = picture(3);
    let seen = describer.describe_picture(&original).expect("a description");
    // Stored upside down, and turned by the orientation.
    let mut turned = original.clone();
    turned.samples = original.samples.chunks_exact(3).rev().flatten().copied().collect();
    turned.orientation = 3;
    assert_eq!(describer.describe_picture(&turned).expect("a description"), seen);
    // What is transparent does not count.
    let hidden = |sample| Picture {
        alpha: Some(vec![0; 64 * 64]),
        ..Picture::new(64, 64, Color::Gray, vec![sample; 64 * 64]).expect("a picture")
    };
    let [a, b] = [0, 200].map(|sample| describer.describe_picture(&hidden(sample)).expect("a description"));
    assert_eq!(a, b);
}

/// A folder with an index, and one description for all of its files, since only their bookkeeping is tested.
struct Place {
    folder: tempfile::TempDir,
    seen: Description,
}

impl Place {
    fn new() -> Self {
        let seen = describer().describe_picture(&picture(1)).expect("a description");
        Self { folder: tempfile::tempdir().expect("a folder"), seen }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn add(&self, index: &mut Index, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file");
        index.put(&path, stamp(&path), &content_hash(bytes), &self.seen).expect("an entry");
    }
}

fn stamp(path: &Path) -> Stamp {
    Stamp::of(&path.metadata().expect("a file"))
}

#[test]
fn an_index_knows_what_changed_moved_and_went() {
    let place = Place::new();
    let file = place.path("index.sqlite");
    let mut index = Index::create(&file).expect("an index");
    place.add(&mut index, "a", b"one");
    place.add(&mut index, "b", b"two");
    drop(index);

    let mut index = Index::create(&file).expect("the index again");
    assert_eq!(index.entries().expect("entries").len(), 2);
    let (a, b) = (place.path("a"), place.path("b"));
    assert!(index.is_current(&a, stamp(&a)).expect("an answer"));
    std::fs::write(&a, b"longer").expect("a file");
    assert!(!index.is_current(&a, stamp(&a)).expect("an answer"));
    assert_eq!(index.known(&content_hash(b"two")).expect("an answer").as_ref(), Some(&place.seen));
    assert_eq!(index.known(&content_hash(b"three")).expect("an answer"), None);

    // Only what is below the folder is removed.
    assert_eq!(index.retain(Path::new("/elsewhere"), &HashSet::new()).expect("a change"), 0);
    assert_eq!(index.retain(place.folder.path(), &HashSet::from([b.clone()])).expect("a change"), 1);
    let left: Vec<PathBuf> = index.entries().expect("entries").into_iter().map(|entry| entry.path).collect();
    assert_eq!(left, [b]);
}

#[test]
fn other_files_are_refused_and_stay_as_they_are() {
    let place = Place::new();
    let (text, other) = (place.path("notes.txt"), place.path("other.sqlite"));
    std::fs::write(&text, "no database, but text that is long enough for a page").expect("a file");
    let db = rusqlite::Connection::open(&other).expect("a database");
    db.execute_batch("CREATE TABLE mine (x)").expect("a table");
    drop(db);
    for path in [&text, &other] {
        let before = std::fs::read(path).expect("a file");
        assert!(Index::create(path).is_err() && Index::open(path).is_err());
        assert_eq!(std::fs::read(path).expect("a file"), before);
    }
    assert!(matches!(Index::open(&other), Err(Error::NotAnIndex)));
    assert!(Index::open(&place.path("absent")).is_err() && !place.path("absent").exists());
}
