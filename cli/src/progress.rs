//! Progress bars on stderr, only where that is a terminal.

use std::io::IsTerminal as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::report;

/// The bars that are shown, one below the other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Steps of a long work, with the time that is left.
pub struct Steps(Option<ProgressBar>);

impl Steps {
    /// A bar for this many steps.
    #[cfg(any(feature = "bench", feature = "refine"))]
    pub fn new(steps: usize) -> Self {
        Self::with(steps, "{spinner} {wide_bar} {pos}/{len}  {elapsed}, {eta} left  {msg}")
    }

    /// A bar for a work of which a share is done.
    #[cfg(feature = "train")]
    pub fn of_share() -> Self {
        Self::with(1000, "{spinner} {wide_bar} {percent} %  {elapsed}  {msg}")
    }

    /// Moves to this share, 0 to 1.
    #[cfg(feature = "train")]
    pub fn reach(&self, share: f64, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.set_position((1000.0 * share) as u64);
        }
    }

    /// Whether there is a bar.
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

    /// One more step is done.
    pub fn advance(&self, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// So many steps of so many are done.
    #[cfg(feature = "refine")]
    pub fn stand(&self, step: usize, steps: usize, message: impl FnOnce() -> String) {
        self.say(message);
        if let Some(bar) = &self.0 {
            bar.set_length(steps as u64);
            bar.set_position(step as u64);
        }
    }

    /// Says what is being done.
    pub fn say(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(message());
        }
    }

    /// Prints without tearing the bar.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Files done, megabytes of pixels a second, and what was saved so far.
pub struct Files {
    steps: Steps,
    begin: Instant,
}

impl Files {
    /// A bar for this many files.
    pub fn new(files: usize) -> Self {
        let steps = Steps::with(files, "{spinner} {wide_bar} {pos}/{len} files  {elapsed}  {msg}");
        Self { steps, begin: Instant::now() }
    }

    /// One more file is done; the sums are over all files so far, in bytes: of samples, of pictures, of .aec files.
    pub fn advance(&self, samples: u64, before: u64, after: u64) {
        self.steps.advance(|| {
            let rate = samples as f64 / 1e6 / self.begin.elapsed().as_secs_f64().max(1e-3);
            format!("{rate:.1} MB/s  {:.0} % saved", 100.0 * report::saved(after, before))
        });
    }

    /// So many of all samples of the only file are done.
    pub fn part(&self, samples: u64, all: u64) {
        self.steps.say(|| {
            let rate = samples as f64 / 1e6 / self.begin.elapsed().as_secs_f64().max(1e-3);
            format!("{} %  {rate:.1} MB/s", 100 * samples / all.max(1))
        });
    }

    /// Prints without tearing the bar.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        self.steps.around(print)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.steps.finish();
    }
}
