//! A progress bar on stderr, only where that is a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// Files done, megabytes of pixels a second, and what was saved so far.
pub struct Progress {
    bar: Option<ProgressBar>,
    begin: Instant,
}

impl Progress {
    /// A bar for this many files.
    pub fn new(files: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{spinner} {wide_bar} {pos}/{len} files  {elapsed}  {msg}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(files as u64).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, begin: Instant::now() }
    }

    /// One more file is done; the sums are over all files so far, in bytes: of samples, of pictures, of .aec files.
    pub fn advance(&self, samples: u64, before: u64, after: u64) {
        let Some(bar) = &self.bar else { return };
        let rate = samples as f64 / 1e6 / self.begin.elapsed().as_secs_f64().max(1e-3);
        let saving = 100.0 * report::saved(after, before);
        bar.set_message(format!("{rate:.1} MB/s  {saving:.0} % saved"));
        bar.inc(1);
    }

    /// Prints without tearing the bar.
    pub fn around<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
