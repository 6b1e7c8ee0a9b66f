//! What is to be sent: files and folders, and the name that each gets at the receiver.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use aecodec::files;
use walkdir::WalkDir;

use crate::{Error, Result};

/// Extension of compressed pictures.
const AEC: &str = "aec";

/// A file that is to be sent, as it was when it was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Relative path below the receiver's folder, `/` between its parts, ending in `.aec`.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: i64,
    /// What its name says that it holds.
    pub kind: Kind,
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture to compress.
    Picture,
    /// An `.aec`, sent as it is.
    Aec,
}

/// The outcome of looking for sources.
#[derive(Debug, Default)]
pub struct Plan {
    /// What was found, in the order of the arguments and of the names in folders.
    pub files: Vec<SourceFile>,
    /// What cannot be sent.
    pub failed: Vec<Error>,
}

/// Finds the files that these paths stand for: themselves, or all pictures and `.aec` below a folder.
///
/// A folder's structure is kept. Files that differ only in their extension keep it: `a.png` and `a.jpg` become
/// `a.png.aec` and `a.jpg.aec`. A file that is named twice is sent once.
///
/// # Errors
/// [`Error::Clash`] where two files would arrive under one name all the same. What cannot be read is listed instead.
pub fn plan(paths: &[PathBuf]) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut found = Vec::new();
    for path in paths {
        match fs::canonicalize(path).and_then(|whole| Ok((fs::metadata(&whole)?, whole))) {
            Err(source) => plan.failed.push(Error::Read { path: path.clone(), source }),
            Ok((metadata, whole)) if metadata.is_dir() => {
                walk(&whole, |_| true, &mut found, &mut plan.failed)
            }
            Ok((metadata, _)) if !metadata.is_file() => {
                // A pipe or a device could be waited for until the end of days.
                let source = io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder");
                plan.failed.push(Error::Read { path: path.clone(), source });
            }
            Ok((metadata, whole)) => {
                // A link is called as it was given, not as what it points to.
                let below = path.file_name().or(whole.file_name()).unwrap_or_default().into();
                found.push(Found::new(whole, below, &metadata));
            }
        }
    }
    let mut seen = HashSet::new();
    found.retain(|found| seen.insert(found.path.clone()));
    let (files, clashes) = named(found, &HashMap::new());
    if let Some(clash) = clashes.into_iter().next() {
        return Err(clash);
    }
    plan.files = files;
    Ok(plan)
}

/// A file without its final name.
pub(crate) struct Found {
    pub path: PathBuf,
    /// Its place below the receiver's folder, with its own extension.
    pub below: PathBuf,
    pub bytes: u64,
    pub modified: i64,
}

impl Found {
    pub fn new(path: PathBuf, below: PathBuf, metadata: &Metadata) -> Self {
        Self { path, below, bytes: metadata.len(), modified: modified(metadata) }
    }

    pub fn named(self, name: String) -> SourceFile {
        let kind = if is_aec(&self.below) { Kind::Aec } else { Kind::Picture };
        SourceFile { path: self.path, name, bytes: self.bytes, modified: self.modified, kind }
    }
}

/// When a file was last written, in nanoseconds since 1970; 0 where the file system does not tell.
pub(crate) fn modified(metadata: &Metadata) -> i64 {
    let Ok(time) = metadata.modified() else { return 0 };
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

/// The pictures and `.aec` below a folder whose entries are `wanted`, in the order of their names.
pub(crate) fn walk(
    root: &Path,
    wanted: impl Fn(&str) -> bool,
    found: &mut Vec<Found>,
    failed: &mut Vec<Error>,
) {
    let entries = WalkDir::new(root).follow_links(false).sort_by_file_name().into_iter();
    // The root is wanted whatever its name.
    for entry in entries.filter_entry(|e| e.depth() == 0 || wanted(&e.file_name().to_string_lossy())) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                failed.push(Error::Read { path, source: error.into() });
                continue;
            }
        };
        let kind = entry.file_type();
        if kind.is_dir() || !(is_aec(entry.path()) || files::readable(entry.path())) {
            continue;
        }
        // A link to a file counts as the file, a link to a folder could lead in circles.
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => {
                let below = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
                found.push(Found::new(entry.into_path(), below, &metadata));
            }
            Ok(_) => {}
            Err(source) => failed.push(Error::Read { path: entry.into_path(), source }),
        }
    }
}

/// Gives every file its name; with those that cannot have one. `taken` are names of other files, in lower case, as
/// some file systems do not tell it from upper case.
pub(crate) fn named(found: Vec<Found>, taken: &HashMap<String, PathBuf>) -> (Vec<SourceFile>, Vec<Error>) {
    let mut names: Vec<String> = found.iter().map(|f| joined(&f.below.with_extension(AEC))).collect();
    let mut count: HashMap<String, usize> = HashMap::new();
    for name in &names {
        *count.entry(name.to_lowercase()).or_default() += 1;
    }
    for (found, name) in found.iter().zip(&mut names) {
        let folded = name.to_lowercase();
        // An .aec has the name that it wants already.
        if (count[&folded] > 1 || taken.contains_key(&folded)) && !is_aec(&found.below) {
            *name = joined(&found.below) + "." + AEC;
        }
    }
    let (mut files, mut clashes) = (Vec::new(), Vec::new());
    let mut given: HashMap<String, PathBuf> = HashMap::new();
    for (found, name) in found.into_iter().zip(names) {
        let folded = name.to_lowercase();
        if let Some(first) = given.get(&folded).or_else(|| taken.get(&folded)) {
            clashes.push(Error::Clash { first: first.clone(), second: found.path, name });
            continue;
        }
        given.insert(folded, found.path.clone());
        files.push(found.named(name));
    }
    (files, clashes)
}

/// Its parts with `/` between them, the same on every system.
fn joined(below: &Path) -> String {
    let parts = below.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn is_aec(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(AEC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn folders_keep_their_structure_and_files_change_their_extension() {
        let folder = folder(&["a.png", "sub/deep/b.jpg", "sub/c.d.webp", "done.aec", "notes.txt"]);
        let plan = plan(&[folder.path().to_owned()]).unwrap();
        assert_eq!(names(&plan), ["a.aec", "done.aec", "sub/c.d.aec", "sub/deep/b.aec"]);
        assert_eq!(plan.files[1].kind, Kind::Aec);
        assert_eq!(plan.files[0].bytes, 5);
        assert!(plan.failed.is_empty());
    }

    #[test]
    fn names_that_clash_keep_their_extension() {
        let folder = folder(&["a.png", "A.jpg", "b.png", "b.aec", "c.png"]);
        let plan = plan(&[folder.path().to_owned()]).unwrap();
        assert_eq!(names(&plan), ["A.jpg.aec", "a.png.aec", "b.aec", "b.png.aec", "c.aec"]);
    }

    #[test]
    fn one_name_for_two_files_is_refused_and_one_file_twice_is_sent_once() {
        let folder = folder(&["x/a.png", "y/a.png"]);
        let [x, y] = ["x/a.png", "y/a.png"].map(|name| folder.path().join(name));
        let error = plan(&[x.clone(), y]).unwrap_err();
        assert!(matches!(&error, Error::Clash { name, .. } if name == "a.png.aec"), "{error}");
        assert_eq!(plan(&[x.clone(), x]).unwrap().files.len(), 1);
    }

    #[test]
    fn what_is_missing_is_listed_and_stops_nothing() {
        let folder = folder(&["a.png"]);
        let plan = plan(&[folder.path().join("no.png"), folder.path().join("a.png")]).unwrap();
        assert_eq!(names(&plan), ["a.aec"]);
        assert!(plan.failed[0].to_string().contains("no.png"), "{}", plan.failed[0]);
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_read_and_links_keep_their_own_name() {
        let folder = folder(&["a.png"]);
        let link = folder.path().join("link.png");
        std::os::unix::fs::symlink(folder.path().join("a.png"), &link).unwrap();
        let plan = plan(&["/dev/null".into(), link]).unwrap();
        assert_eq!(names(&plan), ["link.aec"]);
        assert!(plan.failed[0].to_string().contains("neither a file nor a folder"));
    }

    #[test]
    fn a_later_file_does_not_take_the_name_of_an_earlier_one() {
        let taken = HashMap::from([("a.aec".to_owned(), PathBuf::from("/in/a.png"))]);
        let found = |name: &str| Found { path: name.into(), below: name.into(), bytes: 1, modified: 1 };
        let (files, clashes) = named(vec![found("a.jpg"), found("b.jpg"), found("A.aec")], &taken);
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.jpg.aec", "b.aec"]);
        assert_eq!(clashes.len(), 1, "an .aec cannot have another name");
    }
}
