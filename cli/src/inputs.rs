//! What the input arguments stand for: files, folders, patterns, stdin.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, Write as _};
use std::path::{Component, Path, PathBuf};

use aecodec::{Error, Limits};
use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

use crate::failure::{Refusal, usage};
use crate::interrupt::{self, Guard};
use crate::report;

/// Where the bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    Stdin,
    File(PathBuf),
}

/// One input.
#[derive(Debug, Clone)]
pub struct Input {
    pub source: Source,
    /// Its place below an output folder, with the input's own extension.
    pub below: PathBuf,
}

/// All inputs of a command.
pub struct Inputs {
    pub list: Vec<Input>,
    /// Whether the arguments ask for an output folder: several, or a folder or pattern among them.
    pub several: bool,
}

/// Expands the arguments; of folders, the files that are `wanted`, in the order of their names.
pub fn expand(args: &[PathBuf], wanted: fn(&Path) -> bool) -> Result<Inputs> {
    let mut list = Vec::new();
    let mut several = args.len() > 1;
    for arg in args {
        if arg.as_os_str() == "-" {
            list.push(Input { source: Source::Stdin, below: "stdin".into() });
        } else if arg.is_dir() {
            several = true;
            folder(arg, wanted, &mut list)?;
        } else if let Some(pattern) = pattern(arg) {
            several = true;
            let found = list.len();
            let paths = glob::glob(pattern).map_err(|error| usage(format!("{pattern}: {error}")))?;
            for path in paths {
                let path = path?;
                if path.is_dir() {
                    folder(&path, wanted, &mut list)?;
                } else {
                    list.push(file(path));
                }
            }
            if list.len() == found {
                report::warn("warning", &format!("{pattern}: matches no file; check the pattern"));
            }
        } else {
            list.push(file(arg.clone()));
        }
    }
    let mut seen = HashSet::new();
    list.retain(|input| input.source == Source::Stdin || seen.insert(input.source.clone()));
    if list.iter().filter(|input| input.source == Source::Stdin).count() > 1 {
        return Err(usage("'-' (stdin) can be given only once"));
    }
    if list.is_empty() {
        let names: Vec<_> = args.iter().map(|arg| arg.display().to_string()).collect();
        return Err(Refusal::Nothing(format!(
            "{}: holds no file to work on; nothing to do",
            names.join(", ")
        ))
        .into());
    }
    Ok(Inputs { list, several })
}

impl Input {
    /// How messages call it.
    pub fn name(&self) -> String {
        match &self.source {
            Source::Stdin => "stdin".into(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// Its last part, for sentences that name it twice.
    pub fn short_name(&self) -> String {
        match &self.source {
            Source::Stdin => "stdin".into(),
            Source::File(path) => {
                path.file_name().map_or_else(|| self.name(), |n| n.to_string_lossy().into_owned())
            }
        }
    }

    /// Its bytes, to be read more than once: where they are, if it is a file, else in memory or, if they are many, in a
    /// temporary file.
    pub fn content(&self, limits: &Limits) -> Result<Content> {
        match &self.source {
            Source::Stdin => Content::spool(std::io::stdin().lock(), limits),
            Source::File(path) => {
                let file = File::open(path)?;
                let about = file.metadata()?;
                if about.is_file() {
                    return Ok(Content::File { path: path.clone(), length: about.len() });
                }
                Content::spool(file, limits)
            }
        }
    }

    /// All its bytes, no more than the limit.
    pub fn read(&self, limits: &Limits) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match &self.source {
            Source::Stdin => fill(std::io::stdin().lock(), &mut bytes, limits)?,
            Source::File(path) => fill(File::open(path)?, &mut bytes, limits)?,
        }
        Ok(bytes)
    }
}

/// The bytes of an input.
pub enum Content {
    File { path: PathBuf, length: u64 },
    Memory(Vec<u8>),
    Spooled { file: NamedTempFile, _guard: Guard, length: u64 },
}

/// Bytes that can be read from anywhere.
pub trait Seekable: BufRead + Seek {}
impl<T: BufRead + Seek> Seekable for T {}

impl Content {
    fn spool(mut from: impl Read, limits: &Limits) -> Result<Self> {
        let mut bytes = Vec::new();
        from.by_ref().take(SPOOL).read_to_end(&mut bytes).context("cannot be read")?;
        if (bytes.len() as u64) < SPOOL {
            check(bytes.len() as u64, limits)?;
            return Ok(Self::Memory(bytes));
        }
        let (mut file, guard) = interrupt::guarded(NamedTempFile::new, |file| file.path())?;
        let place = || format!("cannot keep it in {}", std::env::temp_dir().display());
        file.write_all(&bytes).with_context(place)?;
        drop(bytes);
        std::io::copy(&mut from, &mut file).with_context(place)?;
        let length = file.as_file().metadata()?.len();
        Ok(Self::Spooled { file, _guard: guard, length })
    }

    /// Number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Spooled { length, .. } => *length,
        }
    }

    /// The bytes from the first one on.
    pub fn open(&self) -> std::io::Result<Box<dyn Seekable + '_>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(bytes)),
            Self::File { path, .. } => Box::new(BufReader::new(File::open(path)?)),
            Self::Spooled { file, .. } => Box::new(BufReader::new(file.reopen()?)),
        })
    }

    /// All bytes, no more than the limit.
    pub fn read(self, limits: &Limits) -> Result<Vec<u8>> {
        check(self.length(), limits)?;
        if let Self::Memory(bytes) = self {
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        fill(self.open()?, &mut bytes, limits)?;
        Ok(bytes)
    }
}

/// Bytes that stdin may have before they go to a temporary file.
const SPOOL: u64 = 64 << 20;

fn fill(from: impl Read, bytes: &mut Vec<u8>, limits: &Limits) -> Result<()> {
    from.take(limits.bytes.saturating_add(1)).read_to_end(bytes).context("cannot be read")?;
    check(bytes.len() as u64, limits)
}

fn check(length: u64, limits: &Limits) -> Result<()> {
    if length > limits.bytes {
        return Err(Error::Limit { what: "bytes", needed: length, limit: limits.bytes }.into());
    }
    Ok(())
}

fn file(path: PathBuf) -> Input {
    let below = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
    Input { source: Source::File(path), below }
}

fn folder(root: &Path, wanted: fn(&Path) -> bool, list: &mut Vec<Input>) -> Result<()> {
    for entry in WalkDir::new(root).follow_links(false).sort_by_file_name() {
        let entry = entry.with_context(|| root.display().to_string())?;
        // A link to a file counts as the file, a link to a folder could lead in circles.
        if entry.path().is_file() && wanted(entry.path()) {
            let below = entry.path().strip_prefix(root)?.components();
            let below = below.filter(|part| matches!(part, Component::Normal(_))).collect();
            list.push(Input { source: Source::File(entry.into_path()), below });
        }
    }
    Ok(())
}

/// The argument as a pattern, where it has wildcards and is no file's name.
pub fn pattern(arg: &Path) -> Option<&str> {
    let text = arg.to_str()?;
    (text.contains(['*', '?', '[']) && !arg.exists()).then_some(text)
}
