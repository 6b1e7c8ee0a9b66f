//! A search for settings: several runs whose settings are drawn from ranges, and which are compared by validation.
//!
//! If only some of the settings matter, random draws find good ones in fewer runs than a grid (Bergstra and Bengio
//! 2012, "Random search for hyper-parameter optimization").

use crate::session::{Start, TrainingData, TrainingEvent, TrainingSession};
use crate::{DeviceKind, Error, Result, TrainingSettings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Number, Value};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// Settings that cannot be searched: those that change what validation measures or how long a run is, and those whose
/// benefit validation does not measure.
const FIXED: [&str; 16] = [
    "steps",
    "minutes",
    "side",
    "validation",
    "validate-every",
    "patience",
    "checkpoint-minutes",
    "table-batches",
    "loss",
    "denoise-noise",
    "denoise-mask",
    "sparse-l1",
    "sparse-kl",
    "sparse-target",
    "contractive",
    "adversarial",
];
/// The values that one setting may have.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingRange {
    name: String,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    /// Any number between the ends. If both are above zero, its logarithm is uniform.
    Between { low: f64, high: f64, whole: bool },
    /// One of these values.
    Of(Vec<Value>),
}

impl FromStr for SettingRange {
    type Err = Error;

    /// Parses `lr=1e-4..1e-3`, `batch=4..16` (integers) or `optimizer=muon,adam`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |detail: &str| Err(invalid(format!("`{text}` {detail}")));
        let Some((name, values)) = text.split_once('=') else {
            return wrong("has no =; write NAME=LOW..HIGH or NAME=ONE,OTHER");
        };
        if FIXED.contains(&name) {
            return wrong("cannot be searched: validation could not tell which is better");
        }
        let values = match values.split_once("..") {
            None => Values::Of(values.split(',').map(value).collect()),
            Some((low, high)) => match (low.parse::<f64>(), high.parse::<f64>()) {
                (Ok(a), Ok(b)) if a < b && a.is_finite() && b.is_finite() => {
                    let whole = [low, high].iter().all(|end| end.parse::<i64>().is_ok());
                    Values::Between { low: a, high: b, whole }
                }
                _ => return wrong("is not a range; the first number must be below the second"),
            },
        };
        let range = Self { name: name.to_owned(), values };
        // Both ends, or all values, must be valid.
        let ends = match &range.values {
            Values::Between { low, high, whole } => vec![number(*low, *whole), number(*high, *whole)],
            Values::Of(values) => values.clone(),
        };
        for end in ends {
            let with = TrainingSettings::default().with(Map::from_iter([(name.to_owned(), end)]));
            with.map_err(|error| invalid(format!("`{text}`: {error}")))?;
        }
        Ok(range)
    }
}

impl fmt::Display for SettingRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Values::Between { low, high, whole: true } => write!(f, "{}={low}..{high}", self.name),
            // A point or an exponent distinguishes the numbers from integers.
            Values::Between { low, high, .. } => write!(f, "{}={low:?}..{high:?}", self.name),
            Values::Of(values) => {
                write!(f, "{}={}", self.name, values.iter().map(plain).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// A value as it is written in a range.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl SettingRange {
    fn draw(&self, rng: &mut impl Rng) -> Value {
        match &self.values {
            Values::Of(values) => values[rng.random_range(0..values.len())].clone(),
            &Values::Between { low, high, whole } => {
                let at: f64 = rng.random();
                let drawn = if low > 0.0 { low * (high / low).powf(at) } else { low + (high - low) * at };
                // Three significant digits are enough, either of the value or of the width of the range.
                let size = drawn.abs().min(high - low).max(1e-12);
                let places = (2.0 - size.log10().floor()).clamp(0.0, 15.0) as usize;
                let short = format!("{drawn:.places$}").parse().unwrap_or(drawn);
                number(if whole { drawn.round() } else { short }.clamp(low, high), whole)
            }
        }
    }
}

/// Parses a number, or else a name.
fn value(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    text.parse().ok().and_then(Number::from_f64).map_or_else(|| text.into(), Value::Number)
}

fn number(value: f64, whole: bool) -> Value {
    if whole {
        return (value as i64).into();
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Called at the start of each run with its number from 1, its drawn settings, and its session before the first step.
pub type Begun<'a> = dyn FnMut(usize, &Map<String, Value>, &TrainingSession) + 'a;

/// The runs of a search, with their start and their pictures.
#[derive(Debug)]
pub struct Search {
    trials: Vec<Draw>,
    start: Start,
    data: Arc<TrainingData>,
}

/// The drawn settings of a run, and all its settings.
type Draw = (Map<String, Value>, TrainingSettings);

/// The result of one run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Trial {
    /// The number of the run, from 1.
    pub number: usize,
    /// Its drawn settings.
    pub drawn: Map<String, Value>,
    /// The validation loss of its best weights, with real rounding.
    pub validation: f64,
    /// The bits per pixel of its best weights.
    pub bpp: f64,
    /// The PSNR of its best weights in dB.
    pub psnr: f64,
    /// The step of its best weights.
    pub step: usize,
    /// The number of steps of the run.
    pub steps: usize,
    /// The minutes that the run took.
    pub minutes: f64,
}

impl Search {
    /// Prepares `count` runs on the pictures of a folder. Their settings are `settings` with values drawn from the
    /// ranges. The draws follow from the seed in the settings.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if there is nothing to draw, if a setting has two ranges, if the settings have no
    /// length, or if a draw describes a network that the codec does not run. Returns [`Error::NoPictures`] if the
    /// folder holds no picture.
    pub fn random(
        count: usize,
        ranges: &[SettingRange],
        settings: &TrainingSettings,
        start: Start,
        pictures: &Path,
    ) -> Result<Self> {
        let trials = draws(count, ranges, settings, &start)?;
        Ok(Self { trials, start, data: Arc::new(TrainingData::read(pictures, settings)?) })
    }

    /// The number of runs.
    pub fn count(&self) -> usize {
        self.trials.len()
    }

    /// Executes the runs, each in its own folder below `run`. A run that was interrupted there is resumed, and a run
    /// that ended is not repeated. If `stop` returns true between two steps, the search stops and `None` is returned.
    /// `begun` is called for each run before its events go to `see`.
    ///
    /// # Errors
    /// Returns the errors of [`TrainingSession::begin`] and [`TrainingSession::train`], and [`Error::Invalid`] if a run
    /// in these folders began with other settings or from other weights.
    pub fn run(
        &self,
        run: &Path,
        device: DeviceKind,
        stop: &dyn Fn() -> bool,
        begun: &mut Begun,
        see: &mut dyn FnMut(TrainingEvent),
    ) -> Result<Option<Vec<Trial>>> {
        let (mut trials, mut origin) = (Vec::new(), None);
        for (i, (drawn, settings)) in self.trials.iter().enumerate() {
            if stop() {
                return Ok(None);
            }
            let mut session = self.open(settings, &folder(run, i + 1), device)?;
            let first = origin.get_or_insert_with(|| session.origin().clone());
            if session.origin() != first {
                let (now, first) = (&session.origin().name, &first.name);
                return Err(invalid(format!(
                    "run {} began from another {now} than the {first} of the other runs",
                    i + 1
                )));
            }
            begun(i + 1, drawn, &session);
            if session.train(stop, see)?.is_none() {
                return Ok(None);
            }
            let Some(best) = session.best() else { continue };
            trials.push(Trial {
                number: i + 1,
                drawn: drawn.clone(),
                validation: best.validation,
                bpp: best.bpp,
                psnr: best.psnr,
                step: best.step,
                steps: session.steps(),
                minutes: session.minutes(),
            });
        }
        Ok(Some(trials))
    }

    fn open(&self, settings: &TrainingSettings, run: &Path, device: DeviceKind) -> Result<TrainingSession> {
        let data = Arc::clone(&self.data);
        if !TrainingSession::resumable(run) {
            return TrainingSession::begin_on(settings.clone(), data, run, &self.start, device);
        }
        TrainingSession::resume_on(
            |_| Ok(data),
            run,
            device,
            |own| {
                if own == settings {
                    return Ok(own.clone());
                }
                Err(invalid(format!(
                    "{} was started with other settings; start the search again",
                    run.display()
                )))
            },
        )
    }
}

fn draws(
    count: usize,
    ranges: &[SettingRange],
    settings: &TrainingSettings,
    start: &Start,
) -> Result<Vec<Draw>> {
    settings.has_a_length()?;
    if count == 0 || ranges.is_empty() {
        return Err(invalid(format!(
            "{count} runs over {} ranges; at least one of each is needed",
            ranges.len()
        )));
    }
    if let Some(twice) = (1..ranges.len()).find(|&i| ranges[..i].iter().any(|r| r.name == ranges[i].name)) {
        return Err(invalid(format!("{} has two ranges; give one", ranges[twice].name)));
    }
    let scratch = matches!(start, Start::Scratch);
    if let Some(shape) =
        ranges.iter().find(|range| !scratch && TrainingSettings::SHAPES.contains(&range.name.as_str()))
    {
        return Err(invalid(format!(
            "{} cannot be searched, as the start determines it; start from scratch",
            shape.name
        )));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut draw = || {
        let drawn: Map<_, _> =
            ranges.iter().map(|range| (range.name.clone(), range.draw(&mut rng))).collect();
        let settings = settings.with(drawn.clone())?;
        if scratch {
            let list = |error| invalid(format!("{error}; list the valid values, as in channels=64,128,192"));
            settings.scratch().map_err(list)?;
        }
        Ok((drawn, settings))
    };
    (0..count).map(|_| draw()).collect()
}

/// The folder with the checkpoints of a run of a search.
pub fn folder(run: &Path, number: usize) -> PathBuf {
    run.join(format!("trial-{number:02}"))
}

/// The trial with the lowest validation loss. Losses that are not finite do not count.
pub fn best(trials: &[Trial]) -> Option<&Trial> {
    let finite = trials.iter().filter(|trial| trial.validation.is_finite());
    finite.min_by(|a, b| a.validation.total_cmp(&b.validation))
}

/// A table of trials in Markdown, best first.
pub fn table(trials: &[Trial]) -> String {
    let mut sorted: Vec<&Trial> = trials.iter().collect();
    sorted.sort_by(|a, b| a.validation.total_cmp(&b.validation));
    let names: Vec<&String> = trials.first().map(|trial| trial.drawn.keys().collect()).unwrap_or_default();
    let mut out = String::from("| run |");
    names.iter().for_each(|name| out += &format!(" {name} |"));
    out += " validation loss | bpp | dB | at step | steps | minutes |\n|---|";
    out += &"---|".repeat(names.len() + 6);
    out.push('\n');
    for trial in sorted {
        let Trial { number, validation, bpp, psnr, step, steps, minutes, .. } = trial;
        let _ = write!(out, "| {number} |");
        for name in &names {
            let value = trial.drawn.get(*name).map_or_else(String::new, plain);
            let _ = write!(out, " {value} |");
        }
        let _ = writeln!(out, " {validation:.4} | {bpp:.4} | {psnr:.3} | {step} | {steps} | {minutes:.1} |");
    }
    out
}

fn invalid(detail: String) -> Error {
    Error::Invalid { what: "search", detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> SettingRange {
        text.parse().expect("a range")
    }

    fn steps() -> TrainingSettings {
        let Value::Object(changes) = serde_json::json!({ "steps": 3 }) else { unreachable!("an object") };
        TrainingSettings::default().with(changes).expect("settings")
    }

    #[test]
    fn draws_stay_in_their_ranges_and_spread_over_them() {
        let ranges = [
            range("lr=1e-4..1e-2"),
            range("batch=2..9"),
            range("optimizer=muon,adam"),
            range("drawn=0..0.5"),
        ];
        let scratch = Start::Scratch;
        let drawn = draws(200, &ranges, &steps(), &scratch).expect("a search");
        let all: Vec<&TrainingSettings> = drawn.iter().map(|(_, settings)| settings).collect();
        assert!(all.iter().all(|s| (1e-4..=1e-2).contains(&s.lr) && (2..=9).contains(&s.batch)));
        let below = all.iter().filter(|s| s.lr < 1e-3).count();
        assert!((60..140).contains(&below), "half of the logarithms: {below} of 200");
        assert!((2..=9).all(|batch| all.iter().any(|s| s.batch == batch)), "both ends are reached");
        let adam = all.iter().filter(|s| s.optimizer == crate::optim::OptimizerKind::Adam).count();
        assert!((60..140).contains(&adam), "{adam} of 200");
        assert!(all.iter().any(|s| s.drawn > 0.4) && all.iter().any(|s| s.drawn < 0.1));
        for range in &ranges {
            assert_eq!(range.to_string().parse::<SettingRange>().expect("as it is written"), *range);
        }
        assert_eq!(drawn, draws(200, &ranges, &steps(), &scratch).expect("a search"), "the seed decides");
    }

    #[test]
    fn narrow_ranges_keep_their_digits() {
        for (text, low, high) in
            [("ema=0.99..0.9999", 0.99, 0.9999), ("lr=1.234e-4..1.239e-4", 1.234e-4, 1.239e-4)]
        {
            let range = range(text);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let all: Vec<f64> = (0..100).filter_map(|_| range.draw(&mut rng).as_f64()).collect();
            assert!(all.len() == 100 && all.iter().all(|v| (low..=high).contains(v)), "{text}: {all:?}");
            let mut apart = all.clone();
            apart.sort_by(f64::total_cmp);
            apart.dedup();
            assert!(apart.len() > 30, "{text}: {apart:?}");
            assert!(all.iter().all(|v| v.to_string().len() <= 11), "as people write numbers: {all:?}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        for (text, named) in [
            ("lr", "no ="),
            ("lr=1..0", "not a range"),
            ("lr=-1..0", "lr -1"),
            ("learning=1..2", "learning"),
            ("batch=0.5..2", "batch"),
            ("optimizer=sgd", "sgd"),
            ("loss=mse,l1", "validation could not tell"),
            ("adversarial=0.1..1", "validation could not tell"),
        ] {
            let refused = text.parse::<SettingRange>().expect_err("refused").to_string();
            assert!(refused.contains(named), "{text}: {refused}");
        }
        let refused = |count, ranges: &[&str], settings: &TrainingSettings, start: &Start| {
            let ranges: Vec<SettingRange> = ranges.iter().map(|text| range(text)).collect();
            draws(count, &ranges, settings, start).is_err()
        };
        let (lr, scratch) = ("lr=1e-4..1e-3", Start::Scratch);
        assert!(refused(0, &[lr], &steps(), &scratch) && refused(2, &[], &steps(), &scratch));
        assert!(refused(2, &[lr, lr], &steps(), &scratch));
        assert!(refused(2, &[lr], &TrainingSettings::default(), &scratch), "no length");
        assert!(
            refused(20, &["channels=65..255"], &steps(), &scratch),
            "networks that the codec does not run"
        );
        assert!(!refused(20, &["channels=64,192"], &steps(), &scratch));
        let weights = Start::Weights("own.safetensors".into());
        assert!(refused(2, &["channels=64,192"], &steps(), &weights), "shapes of something that has its own");
    }

    #[test]
    fn the_table_has_the_best_first() {
        let trial = |number, validation| Trial {
            number,
            drawn: Map::from_iter([
                ("lr".to_owned(), number.into()),
                ("optimizer".to_owned(), "adam".into()),
            ]),
            validation,
            bpp: 1.0,
            psnr: 30.0,
            step: 5,
            steps: 6,
            minutes: 0.1,
        };
        let trials = [trial(1, 3.0), trial(2, f64::NAN), trial(3, 2.0)];
        assert_eq!(best(&trials).map(|t| t.number), Some(3));
        let table = table(&trials);
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines[0].starts_with("| run | lr | optimizer |")
                && lines[2].starts_with("| 3 | 3 | adam | 2.0000 |")
        );
        assert!(lines[4].starts_with("| 2 |"), "{table}");
        assert_eq!(lines[0].matches('|').count(), lines[1].matches('|').count());
    }
}
