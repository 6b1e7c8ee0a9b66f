//! Promises of the pipeline, with the repository's own samples.

use super::*;
use crate::prepared::Content;
use aecodec::{DecodeOptions, Quality, Target};
use std::fs;
use std::path::Path;

struct Fixture {
    folder: tempfile::TempDir,
    outbox: Arc<Outbox>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let outbox = Arc::new(Outbox::open(&folder.path().join("state")).unwrap());
        Self { folder, outbox }
    }

    /// Puts a sample of the repository among the sources.
    fn sample(&self, name: &str, target: &str) -> &Self {
        let target = self.input().join(target);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name), target).unwrap();
        self
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn options(&self) -> Options {
        let mut options = Options::new(PublicKey([5; 32]), model());
        options.settings.target = Target::Quality(Quality::new(20.0).unwrap());
        options.paths = vec![self.input()];
        options.threads = 2;
        options
    }

    /// Runs to the end. Returns the pictures by name, and the events.
    fn run(&self, options: Options) -> (Vec<Prepared>, Vec<Event>) {
        let mut pipeline = Pipeline::start(options, self.outbox.clone());
        let mut pictures = Vec::new();
        while let Some(picture) = pipeline.pictures.blocking_recv() {
            pictures.push(picture);
        }
        let mut events = Vec::new();
        while let Some(event) = pipeline.events.blocking_recv() {
            events.push(event);
        }
        pictures.sort_by(|a, b| a.file.name.cmp(&b.file.name));
        (pictures, events)
    }
}

fn model() -> Arc<Model> {
    static MODEL: std::sync::OnceLock<Arc<Model>> = std::sync::OnceLock::new();
    let read = || {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fast/fast.aem");
        Arc::new(Model::parse(&fs::read(path).unwrap()).unwrap())
    };
    MODEL.get_or_init(read).clone()
}

fn whole(picture: &Prepared) -> Vec<u8> {
    (0..picture.parts.len() as u32).flat_map(|part| picture.part(part).unwrap()).collect()
}

fn count(events: &[Event], wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().filter(|event| wanted(event)).count()
}

#[test]
fn pictures_are_compressed_and_aec_files_are_sent_as_they_are() {
    let fixture = Fixture::new();
    fixture.sample("interior-gray.png", "gray.png").sample("glass-alpha.aec", "sub/glass.aec");
    let (pictures, events) = fixture.run(fixture.options());
    assert_eq!(
        pictures.iter().map(|p| p.file.name.as_str()).collect::<Vec<_>>(),
        ["gray.aec", "sub/glass.aec"]
    );
    assert_eq!(count(&events, |event| matches!(event, Event::Encoded { .. })), 1);

    for picture in &pictures {
        let bytes = whole(picture);
        assert_eq!(Hash::of(&bytes), picture.hash);
        assert_eq!(picture.model, Hash(model().id()));
        let decoded = aecodec::decode(&bytes, &model(), &DecodeOptions::default()).unwrap().picture;
        assert_eq!((decoded.width, decoded.height), (picture.source.width, picture.source.height));
        let raw = decoded.samples.len() + decoded.alpha.map_or(0, |alpha| alpha.len());
        assert_eq!(picture.source.raw, raw as u64);
        assert_eq!(picture.offer(7).bytes(), bytes.len() as u64);
    }
    let [gray, glass] = pictures.as_slice() else { unreachable!() };
    assert!(gray.source.psnr.unwrap() > 25.0);
    assert_eq!(glass.source.psnr, None);
    assert_eq!(whole(glass), fs::read(&glass.file.path).unwrap());
}

#[test]
fn what_was_receipted_is_skipped_unless_asked_for() {
    let fixture = Fixture::new();
    fixture.sample("interior-gray.png", "gray.png").sample("glass-alpha.aec", "glass.aec");
    let (pictures, _) = fixture.run(fixture.options());
    fixture.outbox.receipted(&PublicKey([5; 32]), &pictures).unwrap();

    let (again, events) = fixture.run(fixture.options());
    assert!(again.is_empty());
    let skipped = |event: &Event| matches!(event, Event::Skipped { sent, .. } if pictures.iter().any(|p| p.hash == sent.hash));
    assert_eq!(count(&events, skipped), 2);

    let mut options = fixture.options();
    options.receiver = PublicKey([6; 32]);
    assert_eq!(fixture.run(options).0.len(), 2, "another receiver has nothing yet");
    let mut options = fixture.options();
    options.resend = Resend::Always;
    assert_eq!(fixture.run(options).0.len(), 2);
    let mut options = fixture.options();
    options.settings.target = Target::Quality(Quality::new(21.0).unwrap());
    assert_eq!(fixture.run(options).0.len(), 1, "the .aec has no settings");
}

#[test]
fn nothing_is_compressed_twice_and_damage_in_the_spool_is_found() {
    let fixture = Fixture::new();
    fixture.sample("interior-gray.png", "gray.png");
    let (first, _) = fixture.run(fixture.options());
    let encoded = |events: &[Event]| count(events, |event| matches!(event, Event::Encoded { .. }));

    let (second, events) = fixture.run(fixture.options());
    assert_eq!(encoded(&events), 0);
    assert_eq!((second[0].hash, second[0].source), (first[0].hash, first[0].source));

    // As a power cut leaves it.
    let path = fixture.outbox.folder().join(format!("spool/{}.aec", first[0].hash));
    fs::write(&path, vec![0; fs::metadata(&path).unwrap().len() as usize]).unwrap();
    let (third, events) = fixture.run(fixture.options());
    assert_eq!(encoded(&events), 1);
    assert_eq!(Hash::of(&whole(&third[0])), first[0].hash);
}

#[test]
fn bad_files_are_told_and_stop_nothing() {
    let fixture = Fixture::new();
    fixture.sample("glass-alpha.aec", "good.aec");
    let whole = fs::read(fixture.input().join("good.aec")).unwrap();
    fs::write(fixture.input().join("cut.aec"), &whole[..whole.len() / 2]).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(fixture.input().join("flipped.aec"), flipped).unwrap();
    fs::write(fixture.input().join("text.png"), "no picture").unwrap();
    fs::write(fixture.input().join("empty.jpg"), "").unwrap();

    let (pictures, events) = fixture.run(fixture.options());
    assert_eq!(pictures.len(), 1);
    let mut told: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Failed { error } => Some(error.to_string()),
            _ => None,
        })
        .collect();
    told.sort();
    assert_eq!(told.len(), 4, "{told:?}");
    for (text, name) in told.iter().zip(["cut.aec", "empty.jpg", "flipped.aec", "text.png"]) {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn an_unknown_model_leaves_its_short_name() {
    let fixture = Fixture::new();
    fixture.sample("glass-alpha.aec", "a.aec");
    let mut options = fixture.options();
    let path = fixture.input().join("a.aec");
    let mut bytes = fs::read(&path).unwrap();
    let seal =
        aecodec::container::read(&bytes, &aecodec::Limits::default()).unwrap().chunks[0].offset as usize - 4;
    bytes[23..31].copy_from_slice(&[0xab; 8]);
    let checksum = crc32fast::hash(&bytes[..seal]);
    bytes[seal..seal + 4].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();

    let (pictures, _) = fixture.run(options.clone());
    assert_eq!(pictures[0].model.0[..8], [0xab; 8]);
    assert_eq!(pictures[0].model.0[8..], [0; 24]);
    options.settings.known_models = vec![Hash([0xab; 32])];
    assert_eq!(fixture.run(options).0[0].model, Hash([0xab; 32]));
}

#[test]
fn a_full_queue_stops_the_work_and_a_closed_one_ends_it() {
    let fixture = Fixture::new();
    for i in 0..20 {
        fixture.sample("glass-alpha.aec", &format!("{i:02}.aec"));
    }
    let mut options = fixture.options();
    options.queue = 2;
    options.memory = 0;
    let mut pipeline = Pipeline::start(options, fixture.outbox.clone());
    let first = pipeline.pictures.blocking_recv().unwrap();
    assert!(matches!(first.content, Content::File(_)), "without memory it stays in its file");
    assert!(pipeline.pictures.len() <= 2);
    pipeline.pictures.close();
    let mut rest = 0;
    while pipeline.pictures.blocking_recv().is_some() {
        rest += 1;
    }
    assert!(rest <= 2, "{rest} came after the end");
    // Every thread has released it.
    while pipeline.events.blocking_recv().is_some() {}
}

#[test]
fn cancelling_ends_a_watch() {
    let fixture = Fixture::new();
    fixture.sample("glass-alpha.aec", "a.aec");
    let mut options = fixture.options();
    options.paths.clear();
    options.watch = vec![fixture.input()];
    options.watching.interval = Duration::from_millis(1);
    options.watching.settle = Duration::from_millis(2);
    let mut pipeline = Pipeline::start(options, fixture.outbox.clone());
    assert_eq!(pipeline.pictures.blocking_recv().unwrap().file.name, "a.aec");
    fixture.sample("sign.aec", "b.aec");
    assert_eq!(pipeline.pictures.blocking_recv().unwrap().file.name, "b.aec");
    pipeline.cancel.cancel();
    assert!(pipeline.pictures.blocking_recv().is_none());
}

#[test]
fn a_thousand_small_files_are_prepared() {
    let fixture = Fixture::new();
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/interior-gray.aec")).unwrap();
    for i in 0..1000 {
        let path = fixture.input().join(format!("{}/{i}.aec", i % 10));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &bytes).unwrap();
    }
    let (pictures, _) = fixture.run(fixture.options());
    assert_eq!(pictures.len(), 1000);
    for batch in pictures.chunks(100) {
        fixture.outbox.receipted(&PublicKey([5; 32]), batch).unwrap();
    }
    let (none, events) = fixture.run(fixture.options());
    assert!(none.is_empty());
    assert_eq!(count(&events, |event| matches!(event, Event::Skipped { .. })), 1000);
}

#[cfg(unix)]
#[test]
fn names_that_receivers_refuse_are_changed_and_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let fixture = Fixture::new();
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/interior-gray.aec")).unwrap();
    let names = [b"2026-11-27T19:32:25.aec".as_slice(), b"caf\xe9.aec", b"plain.aec"];
    for name in names {
        fs::write(fixture.input().join(std::ffi::OsStr::from_bytes(name)), &bytes).unwrap();
    }
    let (pictures, events) = fixture.run(fixture.options());
    let found: Vec<_> = pictures.iter().map(|picture| picture.file.name.as_str()).collect();
    assert_eq!(found.len(), 3);
    assert!(found[0].starts_with("2026-11-27T19_32_25~") && found[1].starts_with("caf_~"), "{found:?}");
    let told =
        |event: &Event| matches!(event, Event::Renamed { file } if found[..2].contains(&file.name.as_str()));
    assert_eq!(count(&events, |event| matches!(event, Event::Renamed { .. })), 2);
    assert_eq!(count(&events, told), 2);
}

/// Judges files by their bytes.
#[derive(Debug)]
struct BySize(aecodec::ModelRegistry);

impl crate::Screen for BySize {
    fn identity(&self) -> Hash {
        Hash::of(b"by size")
    }

    fn look(&self, bytes: &[u8], _: &aecodec::Limits) -> std::result::Result<Share, String> {
        match bytes.len() {
            ..20_000 => Err("too small to tell".into()),
            20_000..400_000 => Ok(Share::Preview),
            _ => Ok(Share::Full),
        }
    }

    fn models(&self) -> &aecodec::ModelRegistry {
        &self.0
    }
}

#[test]
fn usual_pictures_are_sent_as_previews() {
    let fixture = Fixture::new();
    fixture.sample("interior-gray.png", "usual.png").sample("hills.png", "unusual.png");
    fixture.sample("brick.aec", "usual.aec").sample("glass-alpha.aec", "doubtful.aec");
    let mut options = fixture.options();
    let mut models = aecodec::ModelRegistry::new();
    models.add("fast", model());
    options.settings.screen = Some(Arc::new(BySize(models)));
    let (pictures, events) = fixture.run(options.clone());
    let sides: Vec<(&str, u32)> = pictures.iter().map(|p| (p.file.name.as_str(), p.source.width)).collect();
    let small = |name: &str| sides.iter().any(|&(found, width)| found.starts_with(name) && width <= 256);
    assert!(small("usual") && !small("unusual") && !small("doubtful"), "{sides:?}");
    assert_eq!(sides.iter().filter(|(_, width)| *width == 256).count(), 2, "{sides:?}");
    let of =
        |wanted: Share| count(&events, |e| matches!(e, Event::Screened { share, .. } if *share == wanted));
    assert_eq!((of(Share::Preview), of(Share::Full)), (2, 2));
    assert_eq!(count(&events, |e| matches!(e, Event::Screened { doubt: Some(_), .. })), 1);
    for picture in &pictures {
        aecodec::decode(&whole(picture), &model(), &DecodeOptions::default()).expect("an .aec");
    }
    // Without the screen, the pictures are prepared anew, although previews wait in the spool.
    options.settings.screen = None;
    let (pictures, _) = fixture.run(options);
    assert!(pictures.iter().all(|picture| picture.source.width > 256));
}
