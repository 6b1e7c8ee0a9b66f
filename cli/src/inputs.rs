//! Expands the input arguments: files, folders, patterns and stdin.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, Write as _};
use std::path::{Component, Path, PathBuf};

use aecodec::{Error, Limits, Source as _, files};
use anyhow::{Context as _, Result, anyhow};
use tempfile::NamedTempFile;
use walkdir::{DirEntry, WalkDir};

use crate::failure::{Refusal, usage};
use crate::interrupt::{self, Guard};
use crate::kinds::{Kind, Others, is_apple_double};
use crate::output::Origin;
use crate::pattern;
use crate::printable::printable;
use crate::report::{self, field};

/// Where the bytes of an input come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    Stdin,
    File(PathBuf),
}

/// One input.
#[derive(Debug, Clone)]
pub struct Input {
    pub source: Source,
    /// Its path below an output folder, still with the extension of the input.
    pub below: PathBuf,
    /// Which picture of a file of several is meant.
    pub frame: Option<Frame>,
}

/// One picture of a file of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Counted from 1.
    pub number: u32,
    /// How many of them have outputs, if these are numbered.
    pub of: Option<u32>,
}

impl Frame {
    /// The name of its output: with its number, if the outputs are numbered.
    pub fn numbered(self, path: &Path) -> PathBuf {
        let Some(of) = self.of else { return path.to_owned() };
        let digits = of.to_string().len();
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{:0digits$}", self.number));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    }
}

/// All inputs of a command.
pub struct Inputs {
    pub list: Vec<Input>,
    /// Whether the output has to be a folder, because there are several arguments, or a folder or a pattern.
    pub several: bool,
    /// Folders that cannot be listed, and files in folders that cannot be examined.
    pub failures: Vec<Failure>,
    /// The files in folders that are of other kinds.
    pub others: Others,
}

/// A path that may contain inputs but cannot be read.
pub struct Failure {
    pub path: PathBuf,
    pub error: anyhow::Error,
}

/// Expands the arguments. A folder stands for its files of `kind`, in the order of their names.
pub fn expand(args: &[PathBuf], kind: Kind) -> Result<Inputs> {
    let mut inputs =
        Inputs { list: Vec::new(), several: args.len() > 1, failures: Vec::new(), others: Others::default() };
    for arg in args {
        if arg.as_os_str() == "-" {
            inputs.list.push(Input { source: Source::Stdin, below: "stdin".into(), frame: None });
        } else if arg.is_dir() {
            inputs.several = true;
            inputs.folder(arg, kind);
        } else if pattern::is_pattern(arg) {
            inputs.several = true;
            inputs.pattern(arg, kind)?;
        } else {
            inputs.list.push(file(arg.clone()));
        }
    }
    let mut seen = HashSet::new();
    inputs.list.retain(|input| input.source == Source::Stdin || seen.insert(input.source.clone()));
    if inputs.list.iter().filter(|input| input.source == Source::Stdin).count() > 1 {
        return Err(usage("'-' (stdin) can be given only once"));
    }
    if inputs.list.is_empty() && inputs.failures.is_empty() {
        let names: Vec<_> = args.iter().map(|arg| printable(arg)).collect();
        let others = inputs.others.words().map(|words| format!(" ({words})")).unwrap_or_default();
        return Err(Refusal::Nothing(format!(
            "no file to work on in {}{others}; nothing to do",
            names.join(", ")
        ))
        .into());
    }
    Ok(inputs)
}

impl Inputs {
    /// The number of inputs, including those that cannot be read.
    pub fn count(&self) -> usize {
        self.list.len() + self.failures.len()
    }

    /// Replaces each file of several pictures with its pictures.
    ///
    /// # Errors
    /// Fails for stdin, which can be read only once.
    pub fn split(&mut self, limits: &Limits) -> Result<()> {
        if self.list.iter().any(|input| input.source == Source::Stdin) {
            return Err(usage(
                "--all-frames cannot read from stdin; give a file, or choose a picture with --frame N",
            ));
        }
        let mut list = Vec::new();
        for input in std::mem::take(&mut self.list) {
            // Files that cannot be read are reported when they are compressed.
            let count = input.read(limits).ok().and_then(|bytes| files::sequence::count(&bytes).ok());
            let Some(of) = count.filter(|&count| count > 1) else {
                list.push(input);
                continue;
            };
            self.several = true;
            list.extend((1..=of).map(|number| {
                let frame = Frame { number, of: Some(of) };
                let below = frame.numbered(&input.below);
                Input { source: input.source.clone(), below, frame: Some(frame) }
            }));
        }
        self.list = list;
        Ok(())
    }

    fn pattern(&mut self, pattern: &Path, kind: Kind) -> Result<()> {
        let found =
            pattern::expand(pattern).map_err(|error| usage(format!("{}: {error}", printable(pattern))))?;
        if found.paths.is_empty() && found.failures.is_empty() {
            report::warn("warning", &format!("{} matches no file; check the pattern", printable(pattern)));
        }
        self.failures
            .extend(found.failures.into_iter().map(|(path, error)| Failure { path, error: error.into() }));
        for path in found.paths {
            if path.is_dir() {
                self.folder(&path, kind);
            } else {
                self.list.push(file(path));
            }
        }
        Ok(())
    }

    fn folder(&mut self, root: &Path, kind: Kind) {
        for entry in WalkDir::new(root).follow_links(false).sort_by_file_name() {
            let taken = entry.map_err(|error| {
                let path = error.path().unwrap_or(root).to_owned();
                let error = error.into_io_error().map_or_else(|| anyhow!("cannot be listed"), Into::into);
                Failure { path, error }
            });
            match taken.and_then(|entry| self.entry(root, &entry, kind)) {
                Ok(Some(input)) => self.list.push(input),
                Ok(None) => {}
                Err(failure) => self.failures.push(failure),
            }
        }
    }

    /// Turns an entry of a folder into an input, if the command takes it.
    fn entry(&mut self, root: &Path, entry: &DirEntry, kind: Kind) -> Result<Option<Input>, Failure> {
        let path = entry.path();
        let is_file = if entry.path_is_symlink() {
            // A link to a file counts as the file. A link to a folder is not followed, because it could form a cycle.
            match path.metadata() {
                Ok(about) => about.is_file(),
                Err(error) if kind.takes(path) => {
                    return Err(Failure { path: path.to_owned(), error: error.into() });
                }
                Err(_) => false,
            }
        } else {
            entry.file_type().is_file()
        };
        if !is_file || is_apple_double(path) {
            return Ok(None);
        }
        if !kind.takes(path) {
            self.others.count(path, kind);
            return Ok(None);
        }
        let below = path.strip_prefix(root).unwrap_or(path).components();
        let below = below.filter(|part| matches!(part, Component::Normal(_))).collect();
        Ok(Some(Input { source: Source::File(path.to_owned()), below, frame: None }))
    }
}

impl Input {
    /// The name for messages.
    pub fn name(&self) -> String {
        match &self.source {
            Source::Stdin => "stdin".into(),
            Source::File(path) => printable(path),
        }
    }

    /// The name for JSON.
    pub fn field(&self) -> String {
        match &self.source {
            Source::Stdin => "stdin".into(),
            Source::File(path) => field(path),
        }
    }

    /// The last component of its name, for messages that name the input twice.
    pub fn short_name(&self) -> String {
        match &self.source {
            Source::Stdin => "stdin".into(),
            Source::File(path) => {
                path.file_name().map_or_else(|| self.name(), |name| printable(Path::new(name)))
            }
        }
    }

    /// The bytes, in a form that can be read more than once: the file itself, or a copy of a pipe in memory or, if the pipe
    /// is long, in a temporary file.
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

    /// The properties of the input that its output takes over.
    pub fn origin(&self) -> Origin {
        match &self.source {
            Source::Stdin => Origin::default(),
            Source::File(path) => {
                path.metadata().map_or_else(|_| Origin::default(), |about| Origin::of(&about))
            }
        }
    }

    /// Reads all bytes, up to the limit.
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

/// Bytes that can be read from any position.
pub trait Seekable: BufRead + Seek {}
impl<T: BufRead + Seek> Seekable for T {}

impl Content {
    fn spool(mut from: impl Read, limits: &Limits) -> Result<Self> {
        let mut bytes = Vec::new();
        from.by_ref().take(SPOOL).read_to_end(&mut bytes).context("cannot be read")?;
        if (bytes.len() as u64) < SPOOL {
            check(bytes.len() as u64, limits.bytes)?;
            return Ok(Self::Memory(bytes));
        }
        let most = most(&bytes, limits)?;
        check(bytes.len() as u64, most)?;
        let (mut file, guard) = interrupt::guarded(NamedTempFile::new, |file| file.path())?;
        let place = || format!("cannot store it in {}", printable(&std::env::temp_dir()));
        file.as_file_mut().write_all(&bytes).with_context(place)?;
        let rest = most.saturating_add(1) - bytes.len() as u64;
        drop(bytes);
        std::io::copy(&mut from.take(rest), file.as_file_mut()).with_context(place)?;
        let length = file.as_file().metadata()?.len();
        check(length, most)?;
        Ok(Self::Spooled { file, _guard: guard, length })
    }

    /// The number of bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Spooled { length, .. } => *length,
        }
    }

    /// Opens the bytes for reading from the beginning.
    pub fn open(&self) -> std::io::Result<Box<dyn Seekable + '_>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(bytes)),
            Self::File { path, .. } => Box::new(BufReader::new(File::open(path)?)),
            Self::Spooled { file, .. } => Box::new(BufReader::new(file.reopen()?)),
        })
    }

    /// Reads all bytes, up to the limit.
    pub fn read(&self, limits: &Limits) -> Result<Cow<'_, [u8]>> {
        check(self.length(), limits.bytes)?;
        if let Self::Memory(bytes) = self {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::new();
        fill(self.open()?, &mut bytes, limits)?;
        Ok(Cow::Owned(bytes))
    }
}

/// The number of bytes from which on a pipe is stored in a temporary file.
const SPOOL: u64 = 64 << 20;

/// The largest number of bytes for a file that starts like this: as many as its pixels can take if it is read row by row,
/// and otherwise as many as the memory limit allows.
fn most(beginning: &[u8], limits: &Limits) -> Result<u64> {
    match files::open(|| Ok(Cursor::new(beginning)), limits) {
        Ok(Some(rows)) => {
            // Three samples of 16 bits, and the overhead of a compressor on noise.
            let samples = rows.head().pixels().saturating_mul(8);
            Ok(samples.saturating_add(limits.metadata).saturating_add(1 << 20))
        }
        Err(error @ Error::Limit { .. }) => Err(error.into()),
        // Other errors are reported when the picture is read.
        Ok(None) | Err(_) => Ok(limits.bytes),
    }
}

fn fill(from: impl Read, bytes: &mut Vec<u8>, limits: &Limits) -> Result<()> {
    from.take(limits.bytes.saturating_add(1)).read_to_end(bytes).context("cannot be read")?;
    check(bytes.len() as u64, limits.bytes)
}

fn check(length: u64, limit: u64) -> Result<()> {
    if length > limit {
        return Err(Error::Limit { what: "bytes", needed: length, limit }.into());
    }
    Ok(())
}

fn file(path: PathBuf) -> Input {
    let below = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
    Input { source: Source::File(path), below, frame: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a pixmap, followed by endless samples.
    fn endless(header: &'static [u8]) -> impl Read {
        header.chain(std::io::repeat(7))
    }

    #[test]
    fn a_pipe_is_kept_no_longer_than_its_picture_can_be() {
        let limits = Limits::default();
        let error = Content::spool(endless(b"P6 2048 2048 255\n"), &limits).err().unwrap();
        let Some(Error::Limit { needed, .. }) = error.downcast_ref() else { panic!("{error}") };
        assert!(*needed < 256 << 20, "{needed}");
    }

    #[test]
    fn a_pipe_without_a_picture_of_rows_is_bounded_by_the_memory() {
        let mut limits = Limits::default();
        limits.bytes = SPOOL + 1000;
        let error = Content::spool(endless(b"\xff\xd8\xff\xe0"), &limits).err().unwrap();
        let Some(Error::Limit { limit, .. }) = error.downcast_ref() else { panic!("{error}") };
        assert_eq!(*limit, limits.bytes);
    }
}
