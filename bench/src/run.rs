//! Runs a benchmark: all pictures in all codecs, several pictures at a time.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use aecodec::{Limits, files};

use crate::cache::{Cache, PictureId};
use crate::codec::Codec;
use crate::conditions;
use crate::measure::Subject;
use crate::report::ReportPicture;
use crate::results::{CodecInfo, Overlay, PictureResult, Point, Results};
use crate::{Error, Result, Rgb};

/// What a benchmark measures, and how.
#[derive(Clone)]
pub struct BenchOptions {
    /// The codecs. The first one is aecodec, whose files set the common size.
    pub codecs: Vec<Arc<dyn Codec>>,
    /// The index of the codec that tables compare with.
    pub reference: usize,
    /// The number of points of each curve, at least 2.
    pub qualities: usize,
    /// The quality of the first codec that sets the common size of the pictures side by side.
    pub side_by_side: f64,
    /// The number of pictures at a time; 0 means one for each core. Each codec uses one thread, but several at a time
    /// slow each other down.
    pub threads: usize,
    /// The folder for the cache of measurements. Without one, nothing is kept.
    pub cache: Option<PathBuf>,
    /// The limits on the pictures that are read.
    pub limits: Limits,
    /// Published curves, which are drawn over the measured ones.
    pub overlays: Vec<Overlay>,
}

/// A picture that codecs are measured on.
#[derive(Debug, Clone)]
pub struct TestPicture {
    /// Its file.
    pub path: PathBuf,
    /// Its name in tables.
    pub name: String,
}

/// A report of progress.
#[derive(Debug)]
#[non_exhaustive]
pub enum BenchEvent<'a> {
    /// One codec has been measured on one picture.
    Measured {
        /// The picture.
        picture: &'a str,
        /// The codec's id.
        codec: &'a str,
        /// Its points, worst quality first.
        points: &'a [Point],
    },
    /// A picture cannot be read, or a codec failed on it. The benchmark continues without the picture.
    Failed {
        /// The picture.
        picture: &'a str,
        /// The cause.
        error: &'a Error,
    },
}

/// A finished benchmark, with everything that its report needs.
pub struct FinishedBench {
    /// The results.
    pub results: Results,
    options: BenchOptions,
    cache: Cache,
    /// The files of the pictures, in the order of the results.
    paths: Vec<PathBuf>,
}

/// Measures every codec on every picture.
///
/// A picture is left out if it cannot be read or if a codec fails on it, as means over different pictures would not be
/// comparable. `tell` is called for each event.
///
/// # Errors
/// Returns [`Error::NoPictures`] if no picture is left, and [`Error::File`] if the cache cannot be written.
pub fn run(
    sources: &[TestPicture],
    options: BenchOptions,
    tell: &(dyn Fn(BenchEvent<'_>) + Sync),
) -> Result<FinishedBench> {
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        n => n,
    };
    let conditions = conditions::here(threads);
    let cache = Cache::new(options.cache.clone(), &conditions.processor, threads);

    let work = Jobs { sources, options: &options, cache: &cache, tell };
    let slots: Vec<Slot> = sources.iter().map(|_| Slot::new(options.codecs.len())).collect();
    // The first codec goes first, as its files set the common size. The slowest codecs tend to be named last, so they
    // follow next: no thread should be left with a long job at the end.
    let order = std::iter::once(0).chain((1..options.codecs.len()).rev());
    let jobs: Vec<(usize, usize)> =
        order.flat_map(|codec| (0..sources.len()).map(move |source| (source, codec))).collect();
    let next = AtomicUsize::new(0);
    let fatal = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(&(source, codec)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let measured =
                        catch_unwind(AssertUnwindSafe(|| work.measure(source, codec, &slots[source])));
                    // Codecs of other projects run in this process. If one panics, only the picture is lost.
                    match measured.unwrap_or_else(|_| Err(work.panicked(codec))) {
                        Err(error @ Error::File { .. }) => {
                            next.store(jobs.len(), Ordering::Relaxed);
                            *fatal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        }
                        Err(error) => slots[source].fail(&sources[source].name, &error, tell),
                        Ok(()) => {}
                    }
                }
            });
        }
    });
    if let Some(error) = fatal.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }

    let (mut pictures, mut paths) = (Vec::new(), Vec::new());
    for (source, slot) in sources.iter().zip(slots) {
        if let Some(picture) = slot.into_result(&source.name) {
            pictures.push(picture);
            paths.push(source.path.clone());
        }
    }
    if pictures.is_empty() {
        return Err(Error::NoPictures);
    }
    let codecs = options.codecs.iter().map(|codec| info(codec.as_ref())).collect();
    let (reference, overlays) = (options.reference, options.overlays.clone());
    let results = Results { conditions, codecs, reference, pictures, overlays };
    Ok(FinishedBench { results, options, cache, paths })
}

impl FinishedBench {
    /// The versions of the picture with this index that the report shows side by side: the original, and what each
    /// codec makes of it at the common size.
    ///
    /// # Errors
    /// Returns an error if a picture cannot be read any more, or if a codec fails that did not fail before.
    pub fn shown(&self, picture: usize) -> Result<Vec<ReportPicture>> {
        let (original, id, _) = load(&self.paths[picture], &self.options.limits)?;
        let mut shown = Vec::new();
        for (codec, equal) in self.results.pictures[picture].equal.iter().enumerate() {
            let Some(point) = equal else { continue };
            let of = self.options.codecs[codec].as_ref();
            let subject = Subject { picture: &original, id, codec: of, cache: &self.cache };
            let (bytes, picture) = subject.file(point.quality)?;
            let native = of.media_type().map(|kind| (kind.to_owned(), bytes));
            shown.push(ReportPicture { codec: Some(codec), picture, native });
        }
        shown.insert(0, ReportPicture { codec: None, picture: original, native: None });
        Ok(shown)
    }
}

/// The data that all jobs share.
struct Jobs<'a> {
    sources: &'a [TestPicture],
    options: &'a BenchOptions,
    cache: &'a Cache,
    tell: &'a (dyn Fn(BenchEvent<'_>) + Sync),
}

impl Jobs<'_> {
    fn measure(&self, source: usize, codec: usize, slot: &Slot) -> Result<()> {
        if slot.failed() {
            return Ok(());
        }
        let (picture, id, source_bytes) = load(&self.sources[source].path, &self.options.limits)?;
        let subject = |codec: usize| {
            let codec = self.options.codecs[codec].as_ref();
            Subject { picture: &picture, id, codec, cache: self.cache }
        };
        let model = match slot.facts.get() {
            Some(facts) => facts.model,
            None => subject(0).point(self.options.side_by_side)?,
        };
        let facts = Facts { width: picture.width, height: picture.height, source_bytes, model };
        let model = slot.facts.get_or_init(|| facts).model;
        let own = subject(codec);
        let qualities = own.codec.scale().ladder(self.options.qualities);
        let points = qualities.into_iter().map(|q| own.point(q)).collect::<Result<Vec<_>>>()?;
        let equal = if codec == 0 { Some(model) } else { own.at_most(model.bytes, &points)? };
        let name = &self.sources[source].name;
        (self.tell)(BenchEvent::Measured { picture: name, codec: own.codec.id(), points: &points });
        slot.curves.lock().unwrap_or_else(PoisonError::into_inner)[codec] = Some((points, equal));
        Ok(())
    }
}

impl Jobs<'_> {
    fn panicked(&self, codec: usize) -> Error {
        Error::codec(self.options.codecs[codec].id(), "the codec panicked; leave it out with --against")
    }
}

/// What is known about one picture so far.
struct Slot {
    facts: OnceLock<Facts>,
    failed: OnceLock<()>,
    curves: Mutex<Vec<Option<Curve>>>,
}

/// A codec's points and its file of the common size.
type Curve = (Vec<Point>, Option<Point>);

struct Facts {
    width: usize,
    height: usize,
    source_bytes: u64,
    /// The first codec's file that sets the common size.
    model: Point,
}

impl Slot {
    fn new(codecs: usize) -> Self {
        Self { facts: OnceLock::new(), failed: OnceLock::new(), curves: Mutex::new(vec![None; codecs]) }
    }

    fn failed(&self) -> bool {
        self.failed.get().is_some()
    }

    /// Reports a failure on this picture, if it is the first one.
    fn fail(&self, picture: &str, error: &Error, tell: &(dyn Fn(BenchEvent<'_>) + Sync)) {
        if self.failed.set(()).is_ok() {
            tell(BenchEvent::Failed { picture, error });
        }
    }

    fn into_result(self, name: &str) -> Option<PictureResult> {
        let facts = self.facts.into_inner()?;
        let curves = self.curves.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (curves, equal) = curves.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some(PictureResult {
            name: name.to_owned(),
            width: facts.width,
            height: facts.height,
            source_bytes: facts.source_bytes,
            curves,
            equal,
            equal_bytes: facts.model.bytes,
        })
    }
}

fn info(codec: &dyn Codec) -> CodecInfo {
    CodecInfo {
        id: codec.id().to_owned(),
        name: codec.name().to_owned(),
        settings: codec.settings().to_owned(),
        version: codec.version().to_owned(),
        external: codec.external(),
    }
}

/// Reads a picture: its pixels, its id, and the size of its file.
fn load(path: &PathBuf, limits: &Limits) -> Result<(Rgb, PictureId, u64)> {
    let failed = |source| Error::Picture { path: path.clone(), source };
    let bytes = std::fs::read(path).map_err(|error| failed(error.into()))?;
    let (picture, _) = files::read(&bytes, &limits.for_input(bytes.len() as u64)).map_err(failed)?;
    let picture = Rgb::from(picture);
    let id = PictureId::of(&picture);
    Ok((picture, id, bytes.len() as u64))
}
