//! The sources: files and folders, and the name that each file gets at the receiver.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aecodec::files;
use walkdir::WalkDir;

use crate::Error;
use crate::name::{self, Ending, Naming};

/// Extension of compressed pictures.
const AEC: &str = "aec";

/// A file to send, as it was when it was found.
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
    /// What it contains, according to its name.
    pub kind: Kind,
    /// Whether `name` is the file's own name.
    pub naming: Naming,
}

/// What a file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture to compress.
    Picture,
    /// An `.aec`, which is sent as it is.
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
/// `a.png.aec` and `a.jpg.aec`. If files of several folders would have the same name, they get the name of their
/// folder, or a number. A name that receivers refuse is changed. A file that is named twice is sent once.
pub fn plan(paths: &[PathBuf]) -> Plan {
    let mut plan = Plan::default();
    let mut found = Vec::new();
    for path in paths {
        match fs::canonicalize(path).and_then(|whole| Ok((fs::metadata(&whole)?, whole))) {
            Err(source) => plan.failed.push(Error::Read { path: path.clone(), source }),
            Ok((metadata, whole)) if metadata.is_dir() => {
                walk(&whole, |_| true, &mut found, &mut plan.failed)
            }
            Ok((metadata, _)) if !metadata.is_file() => {
                // Reading a pipe or a device might never end.
                let source = io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a folder");
                plan.failed.push(Error::Read { path: path.clone(), source });
            }
            Ok((metadata, whole)) => {
                // A link keeps the name that was given, not that of its target.
                let below = path.file_name().or(whole.file_name()).unwrap_or_default().into();
                let given = path.parent().and_then(Path::file_name);
                let above = given.or(whole.parent().and_then(Path::file_name)).map(OsStr::to_owned);
                found.push(Found::new(whole, below, above, &metadata));
            }
        }
    }
    let mut seen = HashSet::new();
    found.retain(|found| seen.insert(found.path.clone()));
    plan.files = named(found, &HashMap::new());
    plan
}

/// A file without its final name.
pub(crate) struct Found {
    pub path: PathBuf,
    /// Its path below the receiver's folder, with its own extension.
    pub below: PathBuf,
    /// Name of the folder at which `below` begins.
    pub above: Option<OsString>,
    pub bytes: u64,
    pub modified: i64,
}

impl Found {
    pub fn new(path: PathBuf, below: PathBuf, above: Option<OsString>, metadata: &Metadata) -> Self {
        Self { path, below, above, bytes: metadata.len(), modified: modified(metadata) }
    }

    pub fn named(self, name: String, naming: Naming) -> SourceFile {
        let kind = if is_aec(&self.below) { Kind::Aec } else { Kind::Picture };
        SourceFile { path: self.path, name, bytes: self.bytes, modified: self.modified, kind, naming }
    }

    /// The name that it gets in this way.
    fn name(&self, choice: Choice) -> (String, Naming) {
        // An `.aec` already has its final name.
        let kept = if is_aec(&self.below) { Ending::Plain } else { Ending::Kept };
        match (choice, &self.above) {
            (Choice::Plain, _) => name::of(&self.below, Ending::Plain),
            (Choice::Folder, Some(above)) => {
                let whole = Path::new(above).join(&self.below);
                (name::of(&whole, Ending::Plain).0, Naming::Changed)
            }
            (Choice::Extension | Choice::Folder, _) => name::of(&self.below, kept),
        }
    }
}

/// How a file gets its name: the first of these ways that gives a name of no other file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// `a.aec`.
    Plain,
    /// `a.png.aec`.
    Extension,
    /// `folder/a.aec`.
    Folder,
}

/// When a file was last written, in nanoseconds since 1970; 0 if the file system does not record it.
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
    // The root is wanted whatever its name is.
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
        // A link to a file counts as the file. A link to a folder is not followed, because it could lead in
        // circles.
        match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_file() => {
                let below = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
                let above = root.file_name().map(OsStr::to_owned);
                found.push(Found::new(entry.into_path(), below, above, &metadata));
            }
            Ok(_) => {}
            Err(source) => failed.push(Error::Read { path: entry.into_path(), source }),
        }
    }
}

/// Gives every file its name. `taken` are names of other files, in lower case because some file systems do not
/// distinguish case.
pub(crate) fn named(found: Vec<Found>, taken: &HashMap<String, PathBuf>) -> Vec<SourceFile> {
    let mut choices = vec![Choice::Plain; found.len()];
    for next in [Choice::Extension, Choice::Folder] {
        let alone = alone(&found, &choices, taken);
        for (choice, _) in choices.iter_mut().zip(alone).filter(|(_, alone)| !alone) {
            *choice = next;
        }
    }
    let alone = alone(&found, &choices, taken);
    let names = found.iter().zip(&choices).map(|(found, &choice)| found.name(choice));
    let mut names: Vec<_> = names.zip(alone).map(|(name, alone)| alone.then_some(name)).collect();
    let mut given: HashSet<String> = names.iter().flatten().map(|(name, _)| name.to_lowercase()).collect();
    // Where the search for a free number of a name continues.
    let mut next: HashMap<String, u32> = HashMap::new();
    for (found, name) in found.iter().zip(&mut names).filter(|(_, name)| name.is_none()) {
        let (plain, naming) = found.name(Choice::Plain);
        let from = next.entry(plain.to_lowercase()).or_insert(1);
        loop {
            let (number, numbered) = (*from, name::numbered(&plain, *from));
            *from += 1;
            let folded = numbered.to_lowercase();
            if !taken.contains_key(&folded) && given.insert(folded) {
                *name = Some((numbered, if number == 1 { naming } else { Naming::Changed }));
                break;
            }
        }
    }
    let files = found.into_iter().zip(names);
    files.filter_map(|(found, name)| name.map(|(name, naming)| found.named(name, naming))).collect()
}

/// For each file, whether no other file has its name.
fn alone(found: &[Found], choices: &[Choice], taken: &HashMap<String, PathBuf>) -> Vec<bool> {
    let names = found.iter().zip(choices).map(|(found, &choice)| found.name(choice).0.to_lowercase());
    let names: Vec<String> = names.collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for name in &names {
        *count.entry(name.as_str()).or_default() += 1;
    }
    names.iter().map(|name| count[name.as_str()] == 1 && !taken.contains_key(name)).collect()
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
        let plan = plan(&[folder.path().to_owned()]);
        assert_eq!(names(&plan), ["a.aec", "done.aec", "sub/c.d.aec", "sub/deep/b.aec"]);
        assert_eq!(plan.files[1].kind, Kind::Aec);
        assert_eq!(plan.files[0].bytes, 5);
        assert!(plan.failed.is_empty());
    }

    #[test]
    fn names_that_clash_keep_their_extension() {
        let folder = folder(&["a.png", "A.jpg", "b.png", "b.aec", "c.png"]);
        let plan = plan(&[folder.path().to_owned()]);
        assert_eq!(names(&plan), ["A.jpg.aec", "a.png.aec", "b.aec", "b.png.aec", "c.aec"]);
    }

    #[test]
    fn files_of_several_folders_with_one_name_get_their_folders_name() {
        let folder = folder(&["2023/IMG_1.png", "2023/other.png", "2024/IMG_1.png", "2024/sub/IMG_1.png"]);
        let whole = |name: &str| folder.path().join(name);
        let folders = plan(&[whole("2023"), whole("2024")]);
        assert_eq!(names(&folders), ["2023/IMG_1.aec", "other.aec", "2024/IMG_1.aec", "sub/IMG_1.aec"]);
        let changed = folders.files.iter().map(|file| file.naming == Naming::Changed).collect::<Vec<_>>();
        assert_eq!(changed, [true, false, true, false]);
        let files = plan(&[whole("2023/IMG_1.png"), whole("2024/IMG_1.png")]);
        assert_eq!(names(&files), ["2023/IMG_1.aec", "2024/IMG_1.aec"]);
        let once = plan(&[whole("2023/IMG_1.png"), whole("2023/IMG_1.png")]);
        assert_eq!(names(&once), ["IMG_1.aec"], "one file twice is sent once");
    }

    #[test]
    fn files_of_folders_with_one_name_get_numbers() {
        let folder = folder(&["a/x/p.png", "b/x/p.png", "c/x/p.png", "c/x/p-2.png"]);
        let plan = plan(&["a/x", "b/x", "c/x"].map(|name| folder.path().join(name)));
        assert_eq!(names(&plan), ["p.aec", "p-3.aec", "p-2.aec", "p-4.aec"]);
    }

    #[test]
    fn names_of_251_characters_that_differ_in_their_extension_are_cut_and_stay_different() {
        let [png, jpg] = ["png", "jpg"].map(|extension| format!("{}.{extension}", "x".repeat(247)));
        let folder = folder(&[&png, &jpg]);
        let plan = plan(&[folder.path().to_owned()]);
        let found = names(&plan);
        assert!(found.iter().all(|name| aecodec_proto::name::check(name).is_none()), "{found:?}");
        assert!(found[0] != found[1] && found[0].starts_with(&"x".repeat(180)));
        assert!(plan.files.iter().all(|file| file.naming == Naming::Changed));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_whose_name_is_no_text_has_a_name() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder(&[]);
        fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9.png")), b"x").unwrap();
        let plan = plan(&[folder.path().to_owned()]);
        assert!(plan.failed.is_empty() && names(&plan)[0].starts_with("caf_~"), "{plan:?}");
    }

    #[test]
    fn what_is_missing_is_listed_and_stops_nothing() {
        let folder = folder(&["a.png"]);
        let plan = plan(&[folder.path().join("no.png"), folder.path().join("a.png")]);
        assert_eq!(names(&plan), ["a.aec"]);
        assert!(plan.failed[0].to_string().contains("no.png"), "{}", plan.failed[0]);
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_not_read_and_links_keep_their_own_name() {
        let folder = folder(&["a.png"]);
        let link = folder.path().join("link.png");
        std::os::unix::fs::symlink(folder.path().join("a.png"), &link).unwrap();
        let plan = plan(&["/dev/null".into(), link]);
        assert_eq!(names(&plan), ["link.aec"]);
        assert!(plan.failed[0].to_string().contains("neither a file nor a folder"));
    }

    #[test]
    fn a_later_file_does_not_take_the_name_of_an_earlier_one() {
        let taken = HashMap::from([("a.aec".to_owned(), PathBuf::from("/in/a.png"))]);
        let found =
            |name: &str| Found { path: name.into(), below: name.into(), above: None, bytes: 1, modified: 1 };
        let files = named(vec![found("a.jpg"), found("b.jpg"), found("A.aec")], &taken);
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.jpg.aec", "b.aec", "A-2.aec"]);
    }
}
