//! Writes outputs to a temporary file in the same folder, and renames it at the end. Existing files are replaced only on
//! request.

use std::fs::{File, Metadata, Permissions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;

use crate::interrupt;
use crate::printable::printable;
use crate::report::field;

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    File(PathBuf),
}

/// What to do with a file that already exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Keep,
    Replace,
}

impl Existing {
    /// Replaces files if `--force` was given.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// What an output takes over from its input: the permissions and the modification time.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    permissions: Option<Permissions>,
    modified: Option<SystemTime>,
}

impl Origin {
    /// The properties of a file. Anything but a regular file has none to take over.
    pub fn of(about: &Metadata) -> Self {
        if !about.is_file() {
            return Self::default();
        }
        Self { permissions: permissions(about), modified: about.modified().ok() }
    }
}

/// The permission bits on Unix. On other systems, a file gets the permissions of its folder.
#[cfg(unix)]
fn permissions(about: &Metadata) -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(about.permissions().mode() & 0o777))
}

#[cfg(not(unix))]
fn permissions(_: &Metadata) -> Option<Permissions> {
    None
}

impl Destination {
    /// The name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".into(),
            Self::File(path) => printable(path),
        }
    }

    /// The name for JSON.
    pub fn field(&self) -> String {
        match self {
            Self::Stdout => "stdout".into(),
            Self::File(path) => field(path),
        }
    }

    /// Fails if the destination may not be written, so that no time is spent on it.
    pub fn check(&self, existing: Existing) -> Result<()> {
        let Self::File(path) = self else { return Ok(()) };
        if path.is_dir() {
            bail!("{} is a folder; give a file name", printable(path));
        }
        if existing == Existing::Keep && path.is_file() {
            bail!("{} already exists; use --force to replace it", printable(path));
        }
        Ok(())
    }

    /// Writes the output completely or not at all.
    pub fn write(&self, bytes: &[u8], existing: Existing, origin: &Origin) -> Result<()> {
        let mut draft = self.begin(existing, origin)?;
        draft.write_all(bytes).with_context(|| self.refusal())?;
        draft.finish()
    }

    /// Starts an output. A file appears only when the draft is finished.
    pub fn begin(&self, existing: Existing, origin: &Origin) -> Result<Draft> {
        self.check(existing)?;
        let place = match self {
            Self::Stdout => Place::Stdout(std::io::stdout()),
            Self::File(path) => Place::begin(path, existing, origin).with_context(|| self.refusal())?,
        };
        Ok(Draft { place, destination: self.clone(), length: 0 })
    }

    /// The beginning of a message about a failed write.
    pub fn refusal(&self) -> String {
        match self {
            Self::Stdout => "stdout".into(),
            Self::File(path) => format!("cannot write {}", printable(path)),
        }
    }
}

/// An output that is being written. If it is dropped unfinished, nothing is left of it.
pub struct Draft {
    place: Place,
    destination: Destination,
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
        modified: Option<SystemTime>,
    },
}

impl Place {
    fn begin(path: &Path, existing: Existing, origin: &Origin) -> std::io::Result<Self> {
        // The target of a link is replaced, not the link. Devices and pipes are opened for writing.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            return Ok(Self::Device(File::create(path)?));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let made = interrupt::guarded(|| temporary(folder, origin), |file| file.path());
        let (file, guard) = made.map_err(bare)?;
        Ok(Self::Temporary { file, _guard: guard, path, existing, modified: origin.modified })
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::Device(mut file) => file.flush(),
            Self::Temporary { file, path, existing, modified, .. } => {
                if let Some(time) = modified {
                    // Some file systems do not store times, and the picture matters more.
                    let _ = file.as_file().set_modified(time);
                }
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
    /// The number of bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Moves the output to its final name.
    pub fn finish(self) -> Result<()> {
        let Self { place, destination, .. } = self;
        place.finish().with_context(|| destination.refusal())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = match &mut self.place {
            Place::Stdout(stdout) => stdout.write(bytes),
            Place::Device(file) => file.write(bytes),
            // `NamedTempFile` would add the path of the temporary file to errors.
            Place::Temporary { file, .. } => file.as_file_mut().write(bytes),
        }?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.place {
            Place::Stdout(stdout) => stdout.flush(),
            Place::Device(file) => file.flush(),
            Place::Temporary { file, .. } => file.as_file_mut().flush(),
        }
    }
}

fn temporary(folder: &Path, origin: &Origin) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".aecodec-").suffix(".part");
    // The umask applies, as for any new file.
    #[cfg(unix)]
    builder.permissions(
        origin.permissions.clone().unwrap_or_else(|| std::os::unix::fs::PermissionsExt::from_mode(0o666)),
    );
    let file = builder.tempfile_in(folder)?;
    if let Some(permissions) = &origin.permissions {
        // Restores the bits that the umask cleared. Some file systems have no permissions, so a failure is ignored.
        let _ = file.as_file().set_permissions(permissions.clone());
    }
    Ok(file)
}

/// The error of the system, without the path of the temporary file.
fn bare(error: std::io::Error) -> std::io::Error {
    let text = error.to_string();
    let words = text.split_once(" at path ").map_or(&*text, |(words, _)| words);
    std::io::Error::new(error.kind(), words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.aec");
        let destination = Destination::File(path.clone());
        destination.write(b"one", Existing::Keep, &Origin::default()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(
            destination
                .write(b"two", Existing::Keep, &Origin::default())
                .unwrap_err()
                .to_string()
                .contains("--force")
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        destination.write(b"two", Existing::Replace, &Origin::default()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_those_of_any_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (plain, real, link) =
            (folder.path().join("plain"), folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&plain, b"").unwrap();
        Destination::File(real.clone()).write(b"one", Existing::Keep, &Origin::default()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&plain));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Destination::File(link.clone()).write(b"two", Existing::Replace, &Origin::default()).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&real).unwrap(), b"two");
    }
}
