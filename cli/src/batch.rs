//! Runs a command on its inputs, in parallel, with the results in the order of the inputs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::damage::DamagedFile;
use crate::failure::{Exit, describe};
use crate::inputs::{Failure, Input, Inputs};
use crate::printable::printable;
use crate::progress::Files;
use crate::report::{Reporter, Style, field, warn};

/// The result for one input.
pub struct Item {
    pub text: String,
    pub json: Value,
    pub notices: Vec<String>,
    /// Whether the output was written, but lacks parts of the picture.
    pub damaged: bool,
    pub sums: Sums,
}

/// Totals over the inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    pub files: u64,
    pub failed: u64,
    /// Bytes of the picture files.
    pub pictures: u64,
    /// Bytes of the .aec files.
    pub coded: u64,
    /// Bytes of 8-bit samples.
    pub raw: u64,
    pub pixels: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.failed += other.failed;
        self.pictures += other.pictures;
        self.coded += other.coded;
        self.raw += other.raw;
        self.pixels += other.pixels;
    }
}

/// The threads that the job of one input may use, and the display for its progress.
pub struct Share<'a> {
    pub threads: usize,
    /// A single input reports its rows. Several inputs are counted as files.
    progress: Option<&'a Files>,
}

impl Share<'_> {
    /// Reports how many of all samples are done.
    pub fn done(&self, samples: u64, all: u64) {
        if let Some(progress) = self.progress {
            progress.part(samples, all);
        }
    }
}

/// The number of threads: as requested, or one per core if 0 are requested.
pub fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// Runs `job` on all inputs; it gets the input, its index and its share of the machine.
///
/// `total` describes the sums if there are several inputs. A failure is reported and counted, and the other inputs are
/// still processed.
pub fn run(
    inputs: &Inputs,
    asked_threads: usize,
    reporter: &Reporter,
    job: impl Fn(&Input, usize, &Share) -> Result<Item> + Sync,
    total: impl Fn(&Sums) -> Option<(String, Value)>,
) -> Result<Exit> {
    let (list, count) = (&inputs.list, inputs.count());
    let threads = threads(asked_threads);
    let workers = threads.min(list.len()).max(1);
    let inside = if workers > 1 { 1 } else { threads };
    let progress = Files::new(list.len());
    let share = Share { threads: inside, progress: (list.len() == 1).then_some(&progress) };
    let (mut sums, mut damaged) = (Sums::default(), false);
    for Failure { path, error } in &inputs.failures {
        sums.failed += 1;
        progress.around(|| fail(&printable(path), &field(path), error, reporter))?;
    }

    let mut finish = |i: usize, result: Result<Item>| {
        match &result {
            Ok(item) => {
                sums.add(&item.sums);
                damaged |= item.damaged;
            }
            Err(_) => sums.failed += 1,
        }
        let printed = progress.around(|| print(&list[i], &result, reporter));
        progress.advance(sums.raw, sums.pictures, sums.coded);
        printed
    };
    in_order(list.len(), workers, |i| caught(|| job(&list[i], i, &share)), &mut finish)?;
    progress.finish();

    if let Some(words) = inputs.others.words() {
        warn("notice", &words);
        if reporter.style == Style::Json {
            reporter.result("", &inputs.others.json())?;
        }
    }
    if count > 1
        && sums.files > 0
        && let Some((text, json)) = total(&sums)
    {
        reporter.result(&text, &json)?;
    }
    Ok(match (sums.failed, damaged) {
        (0, false) => Exit::Done,
        (failed, _) if failed == count as u64 => Exit::Failed,
        _ => Exit::Partly,
    })
}

/// Turns a panic into an error, so that it costs only one input.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(anyhow!("internal error ({}); please report it, together with the file", message(&*panic)))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "unknown cause",
    }
}

fn print(input: &Input, result: &Result<Item>, reporter: &Reporter) -> Result<()> {
    match result {
        Ok(item) => {
            for notice in &item.notices {
                warn("notice", &format!("{}: {notice}", input.name()));
            }
            reporter.result(&item.text, &item.json)
        }
        Err(error) => fail(&input.name(), &input.field(), error, reporter),
    }
}

/// Reports that an input failed, with its name for people and for JSON.
fn fail(name: &str, field: &str, error: &anyhow::Error, reporter: &Reporter) -> Result<()> {
    let text = describe(error);
    warn("error", &format!("{name}: {text}"));
    if reporter.style == Style::Json {
        let mut result = json!({ "input": field, "error": text });
        if let Some(damaged) = error.downcast_ref::<DamagedFile>() {
            result["damage"] = damaged.map.clone();
        }
        reporter.result("", &result)?;
    }
    Ok(())
}

/// Calls `each` with the results in the order of their indices, as soon as each is available.
pub fn in_order<T: Send>(
    count: usize,
    workers: usize,
    job: impl Fn(usize) -> T + Sync,
    each: &mut impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..workers {
            let (sender, next, job) = (sender.clone(), &next, &job);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count || sender.send((i, job(i))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = std::collections::BTreeMap::new();
        let mut due = 0;
        for (i, result) in receiver {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&due) {
                each(due, result)?;
                due += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_inputs() {
        let mut seen = Vec::new();
        let job = |i: usize| {
            // The first ones take longest.
            (0..(20 - i) * 1000).fold(i, |a, b| std::hint::black_box(a ^ b ^ b))
        };
        in_order(20, 4, job, &mut |i, result| {
            seen.push((i, result));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, (0..20).map(|i| (i, i)).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = caught::<()>(|| panic!("at the disco")).unwrap_err();
        assert!(error.to_string().contains("at the disco"));
    }
}
