//! Fits the projection of this crate (`search/weights/README.md`) to pictures and changed copies of them, measures it on
//! pictures that took no part, and writes the weights:
//!
//! `cargo run --release -p aecodec-search --example fit -- PHOTOS OUT.bin [TEST PICTURES, default 300]`

mod copies;
mod linear;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aecodec::{Limits, Model, ModelRegistry, Profile, files};
use aecodec_search::{BITS, Features, View, pool};

use copies::{COPIES, CROP, copies};
use linear::{Matrix, Random, subspace};

/// Principal components that are kept before the whitening.
const COMPONENTS: usize = 384;
/// How much more the differences of crops count than those of other copies.
const CROPS_COUNT: f64 = 5.0;
/// The share of the mean variance that is added to each variance before the whitening.
const REGULARISATION: f64 = 0.03;

type Pooled = Vec<Vec<f32>>;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, out, rest @ ..] = &args[..] else { return Err("usage: fit PHOTOS OUT.bin [TESTS]".into()) };
    let tests: usize = rest.first().map_or(Ok(300), |text| text.parse())?;
    let paths = shuffled(Path::new(folder))?;
    let pooled = pooled(&paths)?;
    let (test, fit) = pooled.split_at(tests.min(pooled.len() / 2));
    let (mean, projection) = fitted(fit);
    let rotation = Matrix::orthonormal(BITS as usize, Features::LENGTH, &mut Random(7));
    let mut bytes: Vec<u8> = mean.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect();
    bytes.extend(projection.in_8_bits());
    bytes.extend(rotation.in_8_bits());
    std::fs::write(out, bytes)?;
    measure(test, fit, &mean, &projection, &rotation);
    Ok(())
}

/// The pictures of a folder in a fixed random order.
fn shuffled(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| files::readable(path));
    // The order of the hashes of the names is as good as random, and always the same.
    paths.sort_by_key(|path| *name_hash(path).as_bytes());
    Ok(paths)
}

fn name_hash(path: &Path) -> blake3::Hash {
    blake3::hash(path.file_name().unwrap_or_default().as_encoded_bytes())
}

/// For each picture, the pooled latents of the picture and of its copies.
fn pooled(paths: &[PathBuf]) -> Result<Vec<Pooled>, Box<dyn Error>> {
    let models = ModelRegistry::embedded();
    let model = Model::embedded(Profile::Fast)?;
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one = |i: usize| -> aecodec_search::Result<Pooled> {
        let bytes = std::fs::read(&paths[i]).map_err(aecodec::Error::Io)?;
        let picture = files::upright(&files::read(&bytes, &Limits::default())?.0).into_owned();
        let views = copies(&picture, &model, &mut Random(i as u64))?;
        let views = std::iter::once(View::of(&picture)).chain(views.iter().map(|copy| copy.view(&models)));
        views.map(|view| pool(&view?, &model)).collect()
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= paths.len() {
                        break;
                    }
                    let result = one(i);
                    done.lock().expect("no panic").push((i, result));
                }
            });
        }
    });
    let mut done = done.into_inner()?;
    done.sort_by_key(|&(i, _)| i);
    Ok(done.into_iter().map(|(_, pooled)| pooled).collect::<aecodec_search::Result<_>>()?)
}

/// The mean `[P]` and the projection `[128, P]` of `docs/search.md`.
fn fitted(pictures: &[Pooled]) -> (Vec<f64>, Matrix) {
    let rows: Vec<&Vec<f32>> = pictures.iter().flatten().collect();
    let width = rows[0].len();
    let column = |of: &dyn Fn(f64, usize) -> f64| -> Vec<f64> {
        let sum = |i: usize| rows.iter().map(|row| of(f64::from(row[i]), i)).sum::<f64>();
        (0..width).map(|i| sum(i) / rows.len() as f64).collect()
    };
    let mean = column(&|value, _| value);
    let variance = column(&|value, i| (value - mean[i]).powi(2));
    let inverse: Vec<f64> = variance.iter().map(|variance| 1.0 / (variance.sqrt() + 1e-3)).collect();
    let standard = |row: &Vec<f32>| -> Vec<f64> {
        (0..width).map(|i| (f64::from(row[i]) - mean[i]) * inverse[i]).collect()
    };
    let all = Matrix::of_rows(rows.iter().map(|row| standard(row)));
    let components = subspace(&all.covariance(), COMPONENTS);
    let reduced: Vec<Matrix> = pictures
        .iter()
        .map(|copies| Matrix::of_rows(copies.iter().map(standard)).times(&components.transposed()))
        .collect();

    let differences = reduced.iter().flat_map(|copies| {
        (1..copies.rows).map(|copy| {
            let weight = if copy == 1 + CROP { CROPS_COUNT.sqrt() } else { 1.0 };
            let pairs = copies.row(copy).iter().zip(copies.row(0));
            pairs.map(|(a, b)| weight * (a - b)).collect()
        })
    });
    let mut within = Matrix::of_rows(differences).covariance();
    within.add_to_diagonal(REGULARISATION * within.trace() / COMPONENTS as f64);
    let whitening = within.inverse_of_factor();
    let centres = reduced.iter().map(|copies| {
        let sum = |i: usize| (0..copies.rows).map(|copy| copies.row(copy)[i]).sum::<f64>();
        (0..COMPONENTS).map(|i| sum(i) / copies.rows as f64).collect()
    });
    let centres = Matrix::of_rows(centres).times(&whitening.transposed());
    let leading = subspace(&centres.covariance(), Features::LENGTH);
    let mut projection = leading.times(&whitening).times(&components);
    for row in projection.values.chunks_exact_mut(width) {
        row.iter_mut().zip(&inverse).for_each(|(value, inverse)| *value *= inverse);
    }
    (mean, projection)
}

/// Prints how often the original of a copy is the first among all pictures, by features and by hash.
fn measure(test: &[Pooled], fit: &[Pooled], mean: &[f64], projection: &Matrix, rotation: &Matrix) {
    let features = |pooled: &[f32]| {
        let centred = pooled.iter().zip(mean).map(|(&value, mean)| f64::from(value) - mean).collect();
        let values = Matrix::of_rows([centred]).times(&projection.transposed()).values;
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        values.iter().map(|value| value / length).collect::<Vec<f64>>()
    };
    let hash = |features: &[f64]| {
        let values = Matrix::of_rows([features.to_vec()]).times(&rotation.transposed()).values;
        values.iter().map(|&value| value.signum()).collect::<Vec<f64>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let originals: Vec<Vec<f64>> = test.iter().chain(fit).map(|copies| features(&copies[0])).collect();
    let hashes: Vec<Vec<f64>> = originals.iter().map(|original| hash(original)).collect();
    let is_first = |all: &[Vec<f64>], wanted: &[f64], own: usize| {
        let at = dot(&all[own], wanted);
        all.iter().enumerate().all(|(i, other)| i == own || dot(other, wanted) < at)
    };
    println!("{} pictures, {} of them with copies that are searched", originals.len(), test.len());
    for (copy, name) in COPIES.iter().enumerate() {
        let (mut by_features, mut by_hash) = (0, 0);
        for (own, copies) in test.iter().enumerate() {
            let wanted = features(&copies[copy + 1]);
            by_features += usize::from(is_first(&originals, &wanted, own));
            by_hash += usize::from(is_first(&hashes, &hash(&wanted), own));
        }
        let percent = |count: usize| 100.0 * count as f64 / test.len() as f64;
        println!("{name:<20} {:>6.1} % {:>6.1} %", percent(by_features), percent(by_hash));
    }
}
