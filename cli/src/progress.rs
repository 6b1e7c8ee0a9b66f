//! Progress bars on stderr, if it is a terminal.

use std::io::IsTerminal as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::report;

/// The visible bars, one below the other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A bar for the steps of a long task, with the remaining time.
pub struct Steps(Option<ProgressBar>);

impl Steps {
    /// Creates a bar for this many steps.
    #[cfg(any(feature = "bench", feature = "refine"))]
    pub fn new(steps: usize) -> Self {
        Self::with(steps, "{spinner} {wide_bar} {pos}/{len}  {elapsed}, {eta} left  {msg}")
    }

    /// Creates a bar for a task whose progress is a share from 0 to 1.
    #[cfg(feature = "train")]
    pub fn of_share() -> Self {
        Self::with(1000, "{spinner} {wide_bar} {percent} %  {elapsed}  {msg}")
    }

    /// Moves the bar to this share, from 0 to 1.
    #[cfg(feature = "train")]
    pub fn reach(&self, share: f64, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.set_position((1000.0 * share) as u64);
        }
    }

    /// Whether the bar is visible.
    #[cfg(feature = "train")]
    pub fn shown(&self) -> bool {
        self.0.is_some()
    }

    fn with(steps: usize, template: &str) -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = BARS.add(ProgressBar::new(steps as u64).with_style(style));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    /// Counts one more step as done.
    pub fn advance(&self, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Sets the number of steps that are done, and of all steps.
    #[cfg(feature = "refine")]
    pub fn stand(&self, step: usize, steps: usize, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.set_length(steps as u64);
            bar.set_position(step as u64);
        }
    }

    /// Shows what is being done.
    pub fn say(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(message());
        }
    }

    /// Hides the bar while `print` runs.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A bar for files, with the speed in megabytes of samples per second and the saving so far.
pub struct Files {
    steps: Steps,
    begin: Instant,
}

impl Files {
    /// Creates a bar for this many files.
    pub fn new(files: usize) -> Self {
        let steps = Steps::with(files, "{spinner} {wide_bar} {pos}/{len} files  {elapsed}  {msg}");
        Self { steps, begin: Instant::now() }
    }

    /// Counts one more file as done. The arguments are the bytes of samples, pictures and .aec files of all files so far.
    pub fn advance(&self, samples: u64, before: u64, after: u64) {
        self.steps.advance(|| {
            let rate = samples as f64 / 1e6 / self.begin.elapsed().as_secs_f64().max(1e-3);
            format!("{rate:.1} MB/s  {:.0} % saved", 100.0 * report::saved(after, before))
        });
    }

    /// Shows how many of all samples are done, for a single file.
    pub fn part(&self, samples: u64, all: u64) {
        self.steps.say(|| {
            let rate = samples as f64 / 1e6 / self.begin.elapsed().as_secs_f64().max(1e-3);
            format!("{} %  {rate:.1} MB/s", 100 * samples / all.max(1))
        });
    }

    /// Hides the bar while `print` runs.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.steps.around(print)
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.steps.finish();
    }
}
