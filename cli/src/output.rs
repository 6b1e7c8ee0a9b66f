//! Writes outputs: to a temporary file beside the target, then renamed; nothing is overwritten unasked.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;

use crate::interrupt;

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Keep,
    Replace,
}

impl Existing {
    /// As `--force` says.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

impl Target {
    /// How messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Fails where the target may not be written, before time is spent on it.
    pub fn check(&self, existing: Existing) -> Result<()> {
        let Self::File(path) = self else { return Ok(()) };
        if path.is_dir() {
            bail!("{} is a folder; give a file name", path.display());
        }
        if existing == Existing::Keep && path.is_file() {
            bail!("{} exists already; use --force to replace it", path.display());
        }
        Ok(())
    }

    /// Writes it as a whole or not at all.
    pub fn write(&self, bytes: &[u8], existing: Existing) -> Result<()> {
        let mut draft = self.begin(existing)?;
        draft.write_all(bytes).with_context(|| self.refusal())?;
        draft.finish()
    }

    /// Begins to write; a file is there once it is finished.
    pub fn begin(&self, existing: Existing) -> Result<Draft> {
        self.check(existing)?;
        let place = match self {
            Self::Stdout => Place::Stdout(std::io::stdout()),
            Self::File(path) => Place::begin(path, existing).with_context(|| self.refusal())?,
        };
        Ok(Draft { place, target: self.clone(), length: 0 })
    }

    /// How messages about a failed write begin.
    pub fn refusal(&self) -> String {
        match self {
            Self::Stdout => "stdout".into(),
            Self::File(path) => format!("cannot write {}", path.display()),
        }
    }
}

/// An output that is being written. Nothing is left of one that is dropped unfinished.
pub struct Draft {
    place: Place,
    target: Target,
    length: u64,
}

enum Place {
    Stdout(std::io::Stdout),
    /// A device or a pipe.
    Device(File),
    Temporary {
        file: NamedTempFile,
        _guard: interrupt::Guard,
        path: PathBuf,
        existing: Existing,
    },
}

impl Place {
    fn begin(path: &Path, existing: Existing) -> std::io::Result<Self> {
        // A link stays a link, a device or a pipe stays what it is.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            return Ok(Self::Device(File::create(path)?));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let (file, guard) = interrupt::guarded(|| temporary(folder), |file| file.path())?;
        Ok(Self::Temporary { file, _guard: guard, path, existing })
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::Device(mut file) => file.flush(),
            Self::Temporary { file, path, existing, .. } => {
                let moved = match existing {
                    Existing::Replace => file.persist(path),
                    Existing::Keep => file.persist_noclobber(path),
                };
                moved.map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Draft {
    /// Bytes that were written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Puts it in its place.
    pub fn finish(self) -> Result<()> {
        let Self { place, target, .. } = self;
        place.finish().with_context(|| target.refusal())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.place {
            Place::Stdout(stdout) => stdout.write(bytes),
            Place::Device(file) => file.write(bytes),
            Place::Temporary { file, .. } => file.write(bytes),
        }?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.place {
            Place::Stdout(stdout) => stdout.flush(),
            Place::Device(file) => file.flush(),
            Place::Temporary { file, .. } => file.flush(),
        }
    }
}

fn temporary(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".aecodec-").suffix(".part");
    // As for any new file: what the umask leaves.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.aec");
        let target = Target::File(path.clone());
        target.write(b"one", Existing::Keep).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(target.write(b"two", Existing::Keep).unwrap_err().to_string().contains("--force"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        target.write(b"two", Existing::Replace).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_rights_are_those_of_any_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (plain, real, link) =
            (folder.path().join("plain"), folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&plain, b"").unwrap();
        Target::File(real.clone()).write(b"one", Existing::Keep).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Target::File(link.clone()).write(b"two", Existing::Replace).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"two");
    }
}
