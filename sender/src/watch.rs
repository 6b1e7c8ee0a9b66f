//! Watches a folder by looking at it regularly. That works on every file system, including network file systems.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Error;
use crate::finished::{Doubt, Writers, doubt};
use crate::name::Naming;
use crate::source::{self, Found, SourceFile};

/// Files that have disappeared are remembered for this long, so that a folder that comes back has nothing new.
const MEMORY: Duration = Duration::from_secs(600);
/// A doubtful file is waited for this many times as long as any other.
const DOUBTFUL: u32 = 10;

/// How folders are watched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Time between two looks. The default is half a second.
    pub interval: Duration,
    /// A file is finished if its size and its time stayed the same for this long, no process has it open for
    /// writing, as far as the system reports it, and its end is there. The default is two seconds. Raise it if
    /// files are written with longer pauses.
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { interval: Duration::from_millis(500), settle: Duration::from_secs(2) }
    }
}

/// Finds the finished files of a folder, each version of each file once.
#[derive(Debug)]
pub struct Watcher {
    folder: PathBuf,
    settle: Duration,
    files: HashMap<PathBuf, Entry>,
    /// The names that were given, in lower case.
    names: HashMap<String, PathBuf>,
    reachable: bool,
    /// What could not be read at the last look, so that it is reported once.
    unreadable: Vec<PathBuf>,
}

/// A file as it was last seen.
#[derive(Debug)]
struct Entry {
    /// Its name at the receiver, once the file was reported.
    name: Option<(String, Naming)>,
    bytes: u64,
    modified: i64,
    /// Since when it has not changed.
    since: Instant,
    seen: Instant,
    told: bool,
    /// Whether the doubt about it was reported.
    doubted: bool,
    /// How often it could not be read although it was finished.
    failures: u32,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Files that are finished and new, or changed since they were last reported.
    pub files: Vec<SourceFile>,
    /// What cannot be read since this look.
    pub failed: Vec<Error>,
    /// Files that have not changed for long but do not seem finished; each is reported once.
    pub doubtful: Vec<Doubtful>,
    /// Set if the folder has disappeared or come back since the last look.
    pub reach: Option<Reach>,
}

/// A file that has not changed for long but does not seem finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubtful {
    /// The file.
    pub path: PathBuf,
    /// Why it may not be finished.
    pub doubt: Doubt,
    /// What happens to it.
    pub fate: Fate,
}

/// What happens to a doubtful file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is sent as it is.
    Taken,
    /// It is waited for until it changes or no process has it open for writing.
    Waiting,
}

/// Whether a watched folder is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It cannot be read.
    Away,
    /// It can be read again.
    Back,
}

impl Watcher {
    /// Makes a watch of a folder, which need not exist yet.
    pub fn new(folder: &Path, options: &Options) -> Self {
        let whole = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        Self {
            folder: whole.unwrap_or_else(|_| folder.to_owned()),
            settle: options.settle,
            files: HashMap::new(),
            names: HashMap::new(),
            reachable: true,
            unreadable: Vec::new(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Looks at all files; `now` never goes back from one look to the next.
    pub fn scan(&mut self, now: Instant) -> Scan {
        let mut scan = Scan::default();
        let reachable = fs::read_dir(&self.folder).is_ok();
        if reachable != self.reachable {
            self.reachable = reachable;
            scan.reach = Some(if reachable { Reach::Back } else { Reach::Away });
        }
        if !reachable {
            return scan;
        }
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        source::walk(&self.folder, wanted, &mut found, &mut failed);
        scan.failed = self.news(failed);
        found.retain(|found| self.has_settled(found, now));
        let finished = self.finished(found, now, &mut scan.doubtful);
        scan.files = self.named(finished);
        let Self { files, names, .. } = self;
        files.retain(|_, entry| now.saturating_duration_since(entry.seen) < MEMORY);
        names.retain(|_, path| files.contains_key(path));
        scan
    }

    /// Reports a file again that could not be read, after a delay that doubles each time up to a thousandfold.
    pub fn again(&mut self, path: &Path, now: Instant) {
        if let Some(entry) = self.files.get_mut(path) {
            entry.told = false;
            entry.since = now;
            entry.failures = (entry.failures + 1).min(10);
        }
    }

    /// Whether a file has not changed for a while and was not reported in this state.
    fn has_settled(&mut self, found: &Found, now: Instant) -> bool {
        let Found { path, bytes, modified, .. } = found;
        let fresh = |name| Entry {
            name,
            bytes: *bytes,
            modified: *modified,
            since: now,
            seen: now,
            told: false,
            doubted: false,
            failures: 0,
        };
        let entry = self.files.entry(path.clone()).or_insert_with(|| fresh(None));
        if (entry.bytes, entry.modified) != (*bytes, *modified) {
            *entry = fresh(entry.name.take());
        }
        entry.seen = now;
        let settle = self.settle.saturating_mul(1 << entry.failures);
        // An empty file was created but not yet written.
        !entry.told && *bytes > 0 && now.saturating_duration_since(entry.since) >= settle
    }

    /// Those of the settled files that are finished; they count as reported. A file that has to wait is always
    /// reported.
    fn finished(&mut self, settled: Vec<Found>, now: Instant, doubtful: &mut Vec<Doubtful>) -> Vec<Found> {
        if settled.is_empty() {
            return settled;
        }
        let whole = settled.iter().filter_map(|found| fs::canonicalize(&found.path).ok());
        let names: HashSet<_> = whole.filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
        let writers = Writers::now(|path| path.file_name().is_some_and(|name| names.contains(name)));
        let patience = self.settle.saturating_mul(DOUBTFUL);
        let Self { files, .. } = self;
        let finished = |found: &Found| {
            let Some(entry) = files.get_mut(&found.path) else { return false };
            if let Some(doubt) = doubt(&found.path, &writers) {
                if now.saturating_duration_since(entry.since) < patience {
                    return false;
                }
                let fate = if doubt == Doubt::OpenWithoutEnd { Fate::Waiting } else { Fate::Taken };
                if !std::mem::replace(&mut entry.doubted, true) || fate == Fate::Taken {
                    doubtful.push(Doubtful { path: found.path.clone(), doubt, fate });
                }
                if fate == Fate::Waiting {
                    return false;
                }
            }
            entry.told = true;
            true
        };
        settled.into_iter().filter(finished).collect()
    }

    /// Files keep the names that they once got.
    fn named(&mut self, finished: Vec<Found>) -> Vec<SourceFile> {
        let (mut files, mut unnamed) = (Vec::new(), Vec::new());
        for found in finished {
            match self.files.get(&found.path).and_then(|entry| entry.name.clone()) {
                Some((name, naming)) => files.push(found.named(name, naming)),
                None => unnamed.push(found),
            }
        }
        let named = source::named(unnamed, &self.names);
        for file in &named {
            self.names.insert(file.name.to_lowercase(), file.path.clone());
            if let Some(entry) = self.files.get_mut(&file.path) {
                entry.name = Some((file.name.clone(), file.naming));
            }
        }
        files.extend(named);
        files
    }

    /// The errors that the last look did not have.
    fn news(&mut self, errors: Vec<Error>) -> Vec<Error> {
        let path = |error: &Error| match error {
            Error::Read { path, .. } => path.clone(),
            _ => PathBuf::new(),
        };
        let before = std::mem::take(&mut self.unreadable);
        self.unreadable = errors.iter().map(path).collect();
        errors.into_iter().filter(|error| !before.contains(&path(error))).collect()
    }
}

/// Whether a file or folder of this name is looked at: hidden and unfinished ones are not.
fn wanted(name: &str) -> bool {
    let name = name.to_lowercase();
    !name.starts_with('.') && ![".tmp", ".part", ".crdownload"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests;
