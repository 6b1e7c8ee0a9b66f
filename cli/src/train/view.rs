//! Shows the progress of a run: a bar on a terminal, and lines elsewhere.

use std::time::{Duration, Instant};

use aecodec_trainer::TrainingSession;
use aecodec_trainer::session::{FinishedModel, TrainingEnd, TrainingEvent};
use anyhow::Result;
use serde_json::{Value, json};

use super::places::Places;
use crate::printable::printable;
use crate::progress::Steps;
use crate::report::{Reporter, Style, field, grouped};

/// The time between two lines about steps if there is no bar.
const LINES: Duration = Duration::from_secs(15);

/// Shows the progress of a run: a bar on a terminal, and lines elsewhere.
pub(super) struct View {
    bar: Steps,
    reporter: Reporter,
    line: Instant,
    /// Loss, bits per pixel and PSNR, over about the last twenty steps.
    means: Option<[f64; 3]>,
}

impl View {
    pub(super) fn new(reporter: Reporter) -> Self {
        Self { bar: Steps::of_share(), reporter, line: Instant::now(), means: None }
    }

    pub(super) fn print(&self, text: &str, json: &Value) {
        // A closed pipe must not end a run.
        let _ = self.bar.around(|| self.reporter.result(text, json));
    }

    pub(super) fn begin(&self, session: &TrainingSession) -> Result<()> {
        let (pictures, aside, megapixels, skipped) = session.counts();
        let mut text =
            format!("{pictures} pictures for training ({megapixels:.1} megapixels), {aside} for validation");
        if skipped > 0 {
            text += &format!(
                "; {skipped} files skipped because they are damaged or have a side below {}",
                session.settings().side
            );
        }
        if session.steps() > 0 {
            text += &format!("; continuing from step {}", session.steps());
        }
        let computed_by = session.computed_by();
        text += &format!("; computed by the {computed_by}");
        if let Some(reason) = session.slow_because() {
            text += &format!(" because {reason}, which takes several times as long");
        }
        let json = json!({
            "pictures": pictures, "validation": aside, "megapixels": megapixels, "skipped": skipped,
            "step": session.steps(), "settings": session.settings(), "computed_by": computed_by,
        });
        self.bar.around(|| self.reporter.result(&text, &json))
    }

    /// Resets the means, because another run follows.
    pub(super) fn forget(&mut self) {
        self.means = None;
    }

    pub(super) fn see(&mut self, event: &TrainingEvent) {
        match event {
            TrainingEvent::Step { step, progress, seconds, figures, rate, taken, speed } => {
                if self.reporter.style == Style::Json {
                    let json = json!({
                        "step": step, "progress": progress, "seconds": seconds, "loss": figures.loss,
                        "bpp": figures.bpp, "psnr": figures.psnr, "rate": rate, "taken": taken,
                        "images_per_second": speed,
                    });
                    self.print("", &json);
                }
                if *taken {
                    let now = [figures.loss, figures.bpp, figures.psnr];
                    let mean = self.means.get_or_insert(now);
                    mean.iter_mut().zip(now).for_each(|(mean, now)| *mean += 0.05 * (now - *mean));
                }
                let [loss, bpp, psnr] = self.means.unwrap_or_default();
                let left = seconds * (1.0 - progress) / progress.max(1e-9);
                let text = format!(
                    "step {step}  loss {loss:.3}  {bpp:.3} bpp  {psnr:.2} dB  {speed:.1} images/s  {} left",
                    duration(left)
                );
                if self.bar.shown() {
                    self.bar.reach(*progress, || text);
                } else if self.reporter.style == Style::Text && self.line.elapsed() >= LINES {
                    self.print(&text, &Value::Null);
                    self.line = Instant::now();
                }
            }
            TrainingEvent::Validated { point, best } => {
                let mark = if *best { ", the best so far" } else { "" };
                let text = format!(
                    "validation after step {}: loss {:.4}, {:.4} bpp, {:.3} dB{mark}",
                    point.step, point.validation, point.bpp, point.psnr
                );
                self.print(&text, &json!({ "validation": point, "best": best }));
            }
            TrainingEvent::Saved(path) if self.reporter.style == Style::Json => {
                self.print("", &json!({ "saved": field(path) }));
            }
            TrainingEvent::Stage(what) => {
                self.bar.say(|| format!("finishing the model: {what}"));
                if self.reporter.style == Style::Json || !self.bar.shown() {
                    self.print(&format!("finishing the model: {what}"), &json!({ "stage": what }));
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish();
    }

    pub(super) fn end(
        &self,
        session: &TrainingSession,
        end: Option<TrainingEnd>,
        finished: &FinishedModel,
        places: &Places,
    ) -> Result<()> {
        let steps = session.steps();
        let mut text = if end == Some(TrainingEnd::NoBetter) {
            format!("stopped early after step {steps}, because validation did not improve\n")
        } else {
            format!("done after step {steps}\n")
        };
        for (i, after) in finished.after.iter().enumerate() {
            text += &format!("  quality {:>2}: {:.4} bpp, {:.3} dB", after.quality, after.bpp, after.psnr);
            if let Some(before) = finished.before.get(i) {
                text += &format!("  (before: {:.4} bpp, {:.3} dB)", before.bpp, before.psnr);
            }
            text.push('\n');
        }
        text += &format!(
            "{}  {} bytes  {}",
            printable(&places.model),
            grouped(finished.model.len() as u64),
            &finished.id[..16]
        );
        let json = json!({
            "output": field(&places.model), "bytes": finished.model.len(), "model": finished.id,
            "end": end, "steps": steps, "before": finished.before, "after": finished.after,
        });
        self.reporter.result(&text, &json)
    }
}

/// `12 min`, `40 s`, `3.2 h`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 99.0 => format!("{s:.0} s"),
        s if s < 99.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
