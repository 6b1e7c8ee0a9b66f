//! Whole benchmarks over small pictures, with real codecs and with codecs that misbehave.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aecodec::{Color, Limits, Model, Picture, Profile, files};
use aecodec_bench::codec::{self, Aec, Codec, CodedFile, DecodedPicture, QualityScale};
use aecodec_bench::{BenchEvent, BenchOptions, Error, FinishedBench, Result, Rgb, TestPicture, run};
use aecodec_tests::photo;

/// Pictures in a folder of their own.
fn sources(folder: &Path, pictures: &[Picture]) -> Vec<TestPicture> {
    let mut sources = Vec::new();
    for (i, picture) in pictures.iter().enumerate() {
        let (name, path) = (format!("{i}.png"), folder.join(format!("{i}.png")));
        let (bytes, _) = files::write(picture, files::Format::Png, &Default::default()).expect("a PNG");
        std::fs::write(&path, bytes).expect("a file");
        sources.push(TestPicture { path, name });
    }
    sources
}

fn photos() -> [Picture; 2] {
    [photo(200, 168, Color::Rgb, 1), photo(176, 190, Color::Gray, 2)]
}

fn aec() -> Arc<dyn Codec> {
    Arc::new(Aec::new("aecodec", "aecodec", Model::embedded(Profile::Fast).expect("the model")))
}

fn options(codecs: Vec<Arc<dyn Codec>>, cache: Option<PathBuf>) -> BenchOptions {
    BenchOptions {
        codecs,
        reference: 1,
        qualities: 4,
        side_by_side: 60.0,
        threads: 2,
        cache,
        limits: Limits::default(),
        overlays: Vec::new(),
    }
}

fn quiet(sources: &[TestPicture], options: BenchOptions) -> Result<FinishedBench> {
    run(sources, options, &|_| {})
}

/// A codec that counts its encodes and can be told to fail or to return a wrong size.
struct Probe {
    inner: Arc<dyn Codec>,
    encodes: AtomicUsize,
    fault: Fault,
    version: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Refuses pictures of this width.
    Refuses(usize),
    /// Returns one row less.
    Shrinks,
    /// Panics at pictures of this width.
    Panics(usize),
}

impl Probe {
    fn new(fault: Fault) -> Arc<Self> {
        Self::of_version(fault, "1")
    }

    fn of_version(fault: Fault, version: &'static str) -> Arc<Self> {
        let available = codec::available(None).expect("codecs");
        let webp = codec::select(&["webp".into()], &available).expect("WebP").remove(0);
        Arc::new(Self { inner: webp, encodes: AtomicUsize::new(0), fault, version })
    }

    fn encodes(&self) -> usize {
        self.encodes.load(Ordering::Relaxed)
    }
}

impl Codec for Probe {
    fn id(&self) -> &str {
        "probe"
    }
    fn name(&self) -> &str {
        "Probe"
    }
    fn settings(&self) -> &str {
        "for tests"
    }
    fn version(&self) -> &str {
        self.version
    }
    fn scale(&self) -> QualityScale {
        self.inner.scale()
    }
    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        self.encodes.fetch_add(1, Ordering::Relaxed);
        if self.fault == Fault::Refuses(picture.width) {
            return Err(Error::codec("probe", "too wide"));
        }
        assert!(self.fault != Fault::Panics(picture.width), "a fault of the codec");
        self.inner.encode(picture, quality)
    }
    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        let mut decoded = self.inner.decode(bytes)?;
        if self.fault == Fault::Shrinks {
            let Rgb { width, height, .. } = decoded.picture;
            decoded.picture = decoded.picture.crop(0, 0, width, height - 1);
        }
        Ok(decoded)
    }
}

#[test]
fn curves_rise_and_side_by_side_files_are_of_equal_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos());
    let available = codec::available(None).expect("codecs");
    let mut codecs = vec![aec()];
    codecs.extend(codec::select(&["jpeg".into(), "webp".into()], &available).expect("both"));
    let finished = quiet(&sources, options(codecs, None)).expect("a benchmark");

    let results = &finished.results;
    assert_eq!(results.pictures.len(), 2);
    for (i, picture) in results.pictures.iter().enumerate() {
        assert_eq!(picture.source_bytes, std::fs::metadata(&sources[i].path).expect("a file").len());
        for (codec, curve) in picture.curves.iter().enumerate() {
            assert_eq!(curve.len(), 4);
            for pair in curve.windows(2) {
                assert!(pair[0].bytes < pair[1].bytes, "{codec}: {pair:?}");
                assert!(pair[0].scores.psnr_rgb < pair[1].scores.psnr_rgb, "{codec}: {pair:?}");
            }
        }
        let own = picture.equal[0].expect("aecodec's own");
        assert_eq!((own.quality, own.bytes), (60.0, picture.equal_bytes));
        for (codec, equal) in picture.equal.iter().enumerate().skip(1) {
            let point = equal.unwrap_or_else(|| panic!("{codec} has small enough files"));
            assert!(point.bytes <= picture.equal_bytes, "{codec}: {point:?}");
            // A step of the scale is 3 to 5 % of such small files.
            assert!(point.bytes as f64 > 0.9 * picture.equal_bytes as f64, "{codec}: {point:?}");
        }
        let shown = finished.shown(i).expect("pictures");
        assert_eq!(shown.iter().map(|s| s.codec).collect::<Vec<_>>(), [None, Some(0), Some(1), Some(2)]);
        let native = shown[2].native.as_ref().expect("JPEG is shown as it is");
        assert_eq!(
            (native.0.as_str(), native.1.len() as u64),
            ("image/jpeg", picture.equal[1].expect("it").bytes)
        );
        assert!(shown.iter().all(|s| (s.picture.width, s.picture.height) == (picture.width, picture.height)));
    }
}

#[test]
fn a_second_run_measures_nothing_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos());
    let cache = || Some(folder.path().join("cache"));
    let probe = Probe::new(Fault::None);
    let first = quiet(&sources[..1], options(vec![aec(), probe.clone()], cache())).expect("a benchmark");
    first.shown(0).expect("pictures");
    let encodes = probe.encodes();
    assert!(encodes > 4);

    let again = quiet(&sources[..1], options(vec![aec(), probe.clone()], cache())).expect("a benchmark");
    again.shown(0).expect("pictures");
    assert_eq!(probe.encodes(), encodes);
    assert_eq!(again.results.pictures[0].curves, first.results.pictures[0].curves, "times included");

    quiet(&sources, options(vec![aec(), probe.clone()], cache())).expect("a benchmark");
    assert!(probe.encodes() > encodes, "a new picture is measured");

    // The cache depends on the pixels, not on the names.
    std::fs::copy(&sources[1].path, &sources[0].path).expect("a copy");
    let encodes = probe.encodes();
    quiet(&sources, options(vec![aec(), probe.clone()], cache())).expect("a benchmark");
    assert_eq!(probe.encodes(), encodes);
}

#[test]
fn what_may_have_changed_is_measured_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos()[..1]);
    let encodes = |version, threads| {
        let probe = Probe::of_version(Fault::None, version);
        let mut options = options(vec![aec(), probe.clone()], Some(folder.path().join("cache")));
        options.threads = threads;
        quiet(&sources, options).expect("a benchmark");
        probe.encodes()
    };
    let all = encodes("1", 2);
    assert_eq!([encodes("1", 2), encodes("1", 3)], [0, 0]);
    assert_eq!(encodes("2", 2), all, "another version");
    let alone = encodes("1", 1);
    assert!(alone > 0, "times with several pictures at once are not used for one at a time");
    assert_eq!([encodes("1", 1), encodes("1", 2)], [0, 0]);
}

#[test]
fn damaged_entries_are_measured_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos()[..1]);
    let cache = folder.path().join("cache");
    let probe = Probe::new(Fault::None);
    let first =
        quiet(&sources, options(vec![aec(), probe.clone()], Some(cache.clone()))).expect("a benchmark");
    let encodes = probe.encodes();
    for entry in walk(&cache) {
        std::fs::write(entry, b"{\"bytes\":").expect("damage");
    }
    let again = quiet(&sources, options(vec![aec(), probe.clone()], Some(cache))).expect("a benchmark");
    assert_eq!(probe.encodes(), 2 * encodes);
    let sizes = |finished: &FinishedBench| -> Vec<u64> {
        finished.results.pictures[0].curves.iter().flatten().map(|point| point.bytes).collect()
    };
    assert_eq!(sizes(&again), sizes(&first));
}

#[test]
fn a_damaged_file_of_the_cache_is_coded_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos()[..1]);
    let cache = folder.path().join("cache");
    let codecs = vec![aec(), Probe::new(Fault::None) as Arc<dyn Codec>];
    let finished = quiet(&sources, options(codecs, Some(cache.clone()))).expect("a benchmark");
    let first = finished.shown(0).expect("pictures");
    for entry in walk(&cache) {
        std::fs::write(entry, b"").expect("damage");
    }
    let again = finished.shown(0).expect("pictures");
    assert!(first.iter().zip(&again).all(|(a, b)| a.picture == b.picture));
}

#[test]
fn a_picture_on_which_a_codec_fails_is_left_out_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sources = sources(folder.path(), &photos());
    let junk = folder.path().join("junk.png");
    std::fs::write(&junk, b"no picture").expect("a file");
    sources.push(TestPicture { path: junk, name: "junk.png".into() });
    let told = std::sync::Mutex::new(Vec::new());
    let codecs = vec![aec(), Probe::new(Fault::Refuses(200)) as Arc<dyn Codec>];
    let finished = run(&sources, options(codecs, None), &|event| {
        if let BenchEvent::Failed { picture, error } = event {
            told.lock().expect("no panic").push(format!("{picture}: {error}"));
        }
    });
    let names: Vec<_> = finished.expect("one is left").results.pictures.into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["1.png"]);
    let mut told = told.into_inner().expect("no panic");
    told.sort();
    assert_eq!(told.len(), 2, "once each: {told:?}");
    assert!(told[0].contains("0.png: probe: too wide") && told[1].contains("junk.png"), "{told:?}");
}

#[test]
fn a_codec_that_panics_costs_its_pictures_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos());
    let finished =
        quiet(&sources, options(vec![aec(), Probe::new(Fault::Panics(200))], None)).expect("the rest");
    let names: Vec<_> = finished.results.pictures.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["1.png"]);
}

#[test]
fn a_decoder_that_changes_the_size_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let sources = sources(folder.path(), &photos()[..1]);
    let finished = quiet(&sources, options(vec![aec(), Probe::new(Fault::Shrinks)], None));
    assert!(matches!(finished, Err(Error::NoPictures)));
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
