//! Training sessions: from a folder of pictures to a model file, with validation, early stopping and checkpoints.
//!
//! The folder of a session holds `checkpoint.safetensors`, from which it resumes without a difference, and
//! `best.safetensors`, the averaged weights of the best validation so far.

mod card;
mod curve;
mod encodes;
mod event;
mod finish;
mod start;
mod validation;

pub use encodes::CodingResult;
pub use event::{TrainingEnd, TrainingEvent, ValidationPoint};
pub use finish::FinishedModel;
pub use start::{Origin, Start};

use crate::data::{PIXELS, Pictures};
use crate::loss::LossMeans;
use crate::settings::TrainingSettings;
use crate::{DeviceKind, Error, Result, Run};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use validation::Validation;

/// The state of a session in a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    settings: TrainingSettings,
    origin: Origin,
    points: Vec<ValidationPoint>,
    /// The step of the best validation.
    best: usize,
    /// The number of validations since then.
    stale: usize,
    /// The sum and the number of the losses since the last validation.
    recent: (f64, usize),
    seconds: f64,
    end: Option<TrainingEnd>,
    /// The results of the model that the session started from.
    before: Vec<CodingResult>,
    /// Whether the model may invent texture, because it or the model that it started from had an adversary.
    #[serde(default)]
    perceptual: bool,
}

/// A training session: a run with its pictures, its folder and its history.
#[derive(Debug)]
pub struct TrainingSession {
    run: Run,
    note: Note,
    data: Arc<TrainingData>,
    folder: PathBuf,
    device: Device,
}

/// The pictures of a folder, divided into training and validation.
#[derive(Debug)]
pub(crate) struct TrainingData {
    pictures: Pictures,
    validation: Validation,
}

impl TrainingData {
    /// Reads the pictures of a folder as the settings say.
    pub(crate) fn read(folder: &Path, settings: &TrainingSettings) -> Result<Self> {
        let (pictures, aside) = Pictures::read(folder, settings.side, PIXELS)?.split(settings.validation)?;
        Ok(Self { pictures, validation: Validation::new(aside) })
    }
}

impl TrainingSession {
    /// Starts a session on the pictures of a folder. `run` is the folder for its checkpoints.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the settings have no length or there are too few pictures, [`Error::NoPictures`]
    /// if there is no picture at all, and other errors if the device or the starting weights cannot be opened.
    pub fn begin(
        settings: TrainingSettings,
        pictures: &Path,
        run: &Path,
        start: &Start,
        device: DeviceKind,
    ) -> Result<Self> {
        settings.has_a_length()?;
        let data = TrainingData::read(pictures, &settings)?;
        Self::begin_on(settings, Arc::new(data), run, start, device)
    }

    /// Like [`Self::begin`], with pictures that have already been read.
    pub(crate) fn begin_on(
        settings: TrainingSettings,
        data: Arc<TrainingData>,
        run: &Path,
        start: &Start,
        device: DeviceKind,
    ) -> Result<Self> {
        let device = device.open()?;
        let (weights, origin) = start.open(&settings, &device)?;
        let before = match start.model() {
            Some(bytes) => encodes::encodes(bytes, &data.validation)?,
            None => Vec::new(),
        };
        let note = Note {
            origin,
            points: Vec::new(),
            best: 0,
            stale: 0,
            recent: (0.0, 0),
            seconds: 0.0,
            end: None,
            before,
            perceptual: settings.adversarial > 0.0 || start.is_perceptual(),
            settings,
        };
        std::fs::create_dir_all(run).map_err(Error::file(run))?;
        let options = note.settings.options();
        Ok(Self { run: Run::new(weights, options)?, note, data, folder: run.to_owned(), device })
    }

    /// Resumes the session in the folder `run`. `change` may change its settings.
    ///
    /// # Errors
    /// Returns [`Error::File`] or [`Error::Checkpoint`] if there is no checkpoint, and the errors of [`Self::begin`].
    pub fn resume(
        pictures: &Path,
        run: &Path,
        device: DeviceKind,
        change: impl FnOnce(&TrainingSettings) -> Result<TrainingSettings>,
    ) -> Result<Self> {
        let read = |settings: &TrainingSettings| Ok(Arc::new(TrainingData::read(pictures, settings)?));
        Self::resume_on(read, run, device, change)
    }

    /// Like [`Self::resume`], with a function that returns the pictures.
    pub(crate) fn resume_on(
        data: impl FnOnce(&TrainingSettings) -> Result<Arc<TrainingData>>,
        run: &Path,
        device: DeviceKind,
        change: impl FnOnce(&TrainingSettings) -> Result<TrainingSettings>,
    ) -> Result<Self> {
        let checkpoint = run.join(CHECKPOINT);
        let refused =
            |e: serde_json::Error| Error::Checkpoint { path: checkpoint.clone(), detail: e.to_string() };
        let mut note: Note = serde_json::from_value(Run::note(&checkpoint)?).map_err(refused)?;
        let (settings, device) = (change(&note.settings)?, device.open()?);
        if (settings.minutes, settings.steps) != (note.settings.minutes, note.settings.steps) {
            note.end = None;
        }
        note.perceptual |= settings.adversarial > 0.0;
        note.settings = settings;
        Ok(Self {
            run: Run::resume(&checkpoint, note.settings.options(), &device)?,
            data: data(&note.settings)?,
            note,
            folder: run.to_owned(),
            device,
        })
    }

    /// Whether the folder `run` holds a checkpoint.
    pub fn resumable(run: &Path) -> bool {
        run.join(CHECKPOINT).is_file()
    }

    /// The settings of the session.
    pub fn settings(&self) -> &TrainingSettings {
        &self.note.settings
    }

    /// The number of pictures to train on, the number for validation, the megapixels to train on, and the number of
    /// files that were skipped.
    pub fn counts(&self) -> (usize, usize, f64, usize) {
        let TrainingData { pictures, validation } = &*self.data;
        (pictures.images().len(), validation.count(), pictures.pixels() as f64 / 1e6, pictures.skipped())
    }

    /// The best validation so far.
    pub fn best(&self) -> Option<ValidationPoint> {
        self.note.points.iter().find(|point| point.step == self.note.best).copied()
    }

    /// The origin of its first weights.
    pub fn origin(&self) -> &Origin {
        &self.note.origin
    }

    /// The reason why training ended, or `None` if it has not ended.
    pub fn end(&self) -> Option<TrainingEnd> {
        self.note.end
    }

    /// The minutes of training so far.
    pub fn minutes(&self) -> f64 {
        self.note.seconds / 60.0
    }

    /// The number of steps so far.
    pub fn steps(&self) -> usize {
        self.run.steps()
    }

    /// Trains until the end. If `stop` returns true between two steps, a checkpoint is written and `None` is returned.
    ///
    /// # Errors
    /// Returns [`Error::Tensor`] if the device fails, and [`Error::File`] or [`Error::Checkpoint`] if a checkpoint
    /// cannot be written.
    pub fn train(
        &mut self,
        stop: &dyn Fn() -> bool,
        see: &mut dyn FnMut(TrainingEvent),
    ) -> Result<Option<TrainingEnd>> {
        let (before, begin) = (self.note.seconds, Instant::now());
        let mut saved = Instant::now();
        if self.note.points.is_empty() {
            self.validate(see)?;
        }
        while self.note.end.is_none() {
            self.note.seconds = before + begin.elapsed().as_secs_f64();
            if stop() {
                self.save(see)?;
                return Ok(None);
            }
            let progress = self.progress();
            if progress >= 1.0 {
                self.note.end = Some(TrainingEnd::Complete);
                break;
            }
            let start = Instant::now();
            let stepped = self.run.step(&self.data.pictures, progress)?;
            let finite = stepped.norm.is_finite() && stepped.figures.loss.is_finite();
            if finite {
                self.note.recent.0 += stepped.figures.capped;
                self.note.recent.1 += 1;
            }
            self.note.seconds = before + begin.elapsed().as_secs_f64();
            see(TrainingEvent::Step {
                step: self.run.steps(),
                progress: self.progress().min(1.0),
                seconds: self.note.seconds,
                figures: stepped.figures,
                rate: stepped.rate,
                taken: finite,
                speed: self.note.settings.batch as f64 / start.elapsed().as_secs_f64().max(1e-9),
            });
            if self.run.steps().is_multiple_of(self.note.settings.validate_every) {
                self.validate(see)?;
                let patience = self.note.settings.patience;
                if patience > 0 && self.note.stale >= patience {
                    self.note.end = Some(TrainingEnd::NoBetter);
                }
            }
            if saved.elapsed().as_secs_f64() >= 60.0 * self.note.settings.checkpoint_minutes {
                self.save(see)?;
                saved = Instant::now();
            }
        }
        if self.note.points.last().is_none_or(|point| point.step != self.run.steps()) {
            self.validate(see)?;
        }
        self.save(see)?;
        Ok(self.note.end)
    }

    /// What computes the steps; see [`Run::computed_by`].
    pub fn computed_by(&self) -> String {
        self.run.computed_by()
    }

    /// Why the engine does not compute them; see [`Run::slow_because`].
    pub fn slow_because(&self) -> Option<&'static str> {
        self.run.slow_because()
    }

    fn progress(&self) -> f64 {
        match (self.note.settings.steps, self.note.settings.minutes) {
            (Some(steps), _) => self.run.steps() as f64 / steps as f64,
            (_, Some(minutes)) => self.note.seconds / (60.0 * minutes),
            _ => 1.0,
        }
    }

    fn validate(&mut self, see: &mut dyn FnMut(TrainingEvent)) -> Result<()> {
        let averaged = self.run.averaged()?;
        let objective = self.note.settings.options().objective;
        let found = self.data.validation.figures(&averaged, &objective)?;
        let (sum, count) = std::mem::take(&mut self.note.recent);
        let training = (count > 0).then(|| sum / count as f64);
        let LossMeans { loss, bpp, psnr, .. } = found;
        let point = ValidationPoint { step: self.run.steps(), training, validation: loss, bpp, psnr };
        let least = self.note.points.iter().map(|p| p.validation).fold(f64::INFINITY, f64::min);
        // Validation measures the cost of penalties but not their benefit, so with penalties the last weights are kept.
        let best = objective.has_penalties() || loss < least * (1.0 - NOTHING) || self.note.points.is_empty();
        self.note.points.push(point);
        if best {
            (self.note.best, self.note.stale) = (point.step, 0);
            averaged.save_whole(&self.folder.join(BEST))?;
        } else {
            self.note.stale += 1;
        }
        see(TrainingEvent::Validated { point, best });
        Ok(())
    }

    fn save(&self, see: &mut dyn FnMut(TrainingEvent)) -> Result<()> {
        let path = self.folder.join(CHECKPOINT);
        let refused = |e: serde_json::Error| Error::Checkpoint { path: path.clone(), detail: e.to_string() };
        self.run.save_noted(&path, serde_json::to_value(&self.note).map_err(refused)?)?;
        see(TrainingEvent::Saved(path));
        Ok(())
    }
}

const CHECKPOINT: &str = "checkpoint.safetensors";
/// A smaller relative change of a loss is not an improvement but rounding.
const NOTHING: f64 = 1e-5;
const BEST: &str = "best.safetensors";
