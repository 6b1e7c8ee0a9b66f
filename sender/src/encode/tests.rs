//! Promises of the encoder that the pipeline builds on.

use super::*;
use aecodec::Quality;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

fn model() -> Arc<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fast/fast.aem");
    Arc::new(Model::parse(&fs::read(path).unwrap()).unwrap())
}

fn sample(name: &str) -> SourceFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name);
    found(&path)
}

fn found(path: &Path) -> SourceFile {
    let metadata = fs::metadata(path).unwrap();
    SourceFile {
        path: path.to_owned(),
        name: "x.aec".into(),
        bytes: metadata.len(),
        modified: modified(&metadata),
        kind: Kind::Picture,
        naming: crate::name::Naming::Own,
    }
}

#[test]
fn the_fingerprint_tells_what_changes_the_bytes() {
    let one = Settings::new(model());
    let changed = |change: fn(&mut Settings)| {
        let mut settings = one.clone();
        change(&mut settings);
        settings.fingerprint(Kind::Picture)
    };
    let prints = [
        one.fingerprint(Kind::Picture),
        one.fingerprint(Kind::Aec),
        changed(|s| s.target = Target::Quality(Quality::new(50.5).unwrap())),
        changed(|s| s.target = Target::BitsPerPixel(50.0)),
        changed(|s| s.target = Target::Psnr(50.0)),
        changed(|s| s.target = Target::Bytes(50)),
        changed(|s| s.group_log2 = 9),
        changed(|s| s.mode = Mode::Learned),
        changed(|s| s.mode = Mode::Exact { error: 0 }),
        changed(|s| s.mode = Mode::Exact { error: 1 }),
    ];
    for (i, print) in prints.iter().enumerate() {
        assert!(!prints[..i].contains(print), "{i}");
    }
    assert_eq!(changed(|s| s.limits.pixels = 7), prints[0]);
}

#[test]
fn a_target_is_aimed_at_and_its_psnr_is_that_of_the_decode() {
    let mut settings = Settings::new(model());
    settings.target = Target::Bytes(9000);
    let file = sample("interior-gray.png");
    let encoder = Encoder::new(settings, 2);
    let Opened::Picture(bytes) = encoder.open(&file).unwrap() else { panic!("a picture") };
    let made = encoder.encode(&file, bytes.clone()).unwrap();
    assert!(made.reached && made.aec.bytes.len() <= 9000);

    let (picture, _) = files::read(&bytes, &Limits::default()).unwrap();
    let decoded = aecodec::decode(&made.aec.bytes, &model(), &aecodec::DecodeOptions::default()).unwrap();
    assert_eq!(made.aec.source.psnr, aecodec::psnr(&picture.samples, &decoded.picture.samples));
    assert_eq!(made.aec.source.bytes, file.bytes);
}

#[test]
fn exact_pictures_keep_all_of_their_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ramp.pgm");
    let samples: Vec<u8> = (0..4096_u16).flat_map(u16::to_be_bytes).collect();
    fs::write(&path, [&b"P5 64 64 4095\n"[..], &samples].concat()).unwrap();
    for error in [0, 9] {
        let mut settings = Settings::new(model());
        settings.mode = Mode::Exact { error };
        let (file, encoder) = (found(&path), Encoder::new(settings, 1));
        let Opened::Picture(bytes) = encoder.open(&file).unwrap() else { panic!("a picture") };
        let made = encoder.encode(&file, bytes).unwrap();
        assert_eq!((made.notices, made.aec.model), (vec![], Hash(model().id())));
        let options = aecodec::DecodeOptions::default();
        let (found, _) = aecodec::decode_deep(&made.aec.bytes, &model(), &options).unwrap();
        let errors = (0..4096).zip(&found.samples).map(|(a, b): (u16, _)| a.abs_diff(*b));
        let largest = errors.max().unwrap();
        assert!((u16::from(error > 0)..=error).contains(&largest), "{largest} for {error}");
    }
}

#[test]
fn a_file_of_several_pictures_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.gif");
    let frame = [&[0x2C; 1][..], &[0; 9], &[2, 2, 0x4C, 1, 0]].concat();
    let gif = [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &frame, &frame, b"\x3B"].concat();
    fs::write(&path, gif).unwrap();
    let (file, encoder) = (found(&path), Encoder::new(Settings::new(model()), 1));
    let Opened::Picture(bytes) = encoder.open(&file).unwrap() else { panic!("a picture") };
    let error = encoder.encode(&file, bytes).unwrap_err();
    let Error::Picture { source, .. } = error else { panic!("{error}") };
    assert!(
        source.to_string().contains("2 pictures") && source.to_string().contains("--all-frames"),
        "{source}"
    );
}

#[test]
fn a_file_that_is_not_what_was_found_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    fs::write(&path, "before").unwrap();
    let file = found(&path);
    assert_eq!(read(&file, &Limits::default()).unwrap(), b"before");
    for content in ["longer than before", "short", ""] {
        fs::write(&path, content).unwrap();
        assert!(matches!(read(&file, &Limits::default()), Err(Error::Changed { .. })), "{content}");
    }
    let touched = SourceFile { modified: file.modified - 1, ..found(&path) };
    assert!(matches!(read(&touched, &Limits::default()), Err(Error::Changed { .. })));
}

#[test]
fn limits_are_kept() {
    let mut settings = Settings::new(model());
    settings.limits.pixels = 1000;
    let encoder = Encoder::new(settings, 1);
    let file = sample("interior-gray.png");
    let Opened::Picture(bytes) = encoder.open(&file).unwrap() else { panic!("a picture") };
    let error = encoder.encode(&file, bytes).unwrap_err();
    assert!(matches!(error, Error::Picture { source: aecodec::Error::Limit { .. }, .. }), "{error}");
    assert!(encoder.open(&sample("interior-gray.aec")).is_err());
}

#[test]
fn cores_are_never_lent_twice_and_large_pictures_get_their_turn() {
    let cores = Cores::new(4);
    let lent = AtomicUsize::new(0);
    let whole = AtomicUsize::new(0);
    thread::scope(|scope| {
        for i in 0..12 {
            let (cores, lent, whole) = (&cores, &lent, &whole);
            scope.spawn(move || {
                let count = if i % 3 == 0 { 4 } else { 1 };
                for _ in 0..50 {
                    let taken = cores.take(count);
                    assert!(lent.fetch_add(taken.count, Ordering::SeqCst) + count <= 4);
                    thread::yield_now();
                    lent.fetch_sub(taken.count, Ordering::SeqCst);
                    whole.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(whole.into_inner(), 600);
    assert_eq!(*cores.free(), 4);
}
