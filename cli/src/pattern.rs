//! Expands patterns with `*`, `?`, `[...]` and `**` without a shell. The names that they match may contain any bytes.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use glob::{Pattern, PatternError};

/// What a pattern matches.
#[derive(Debug, Default)]
pub struct Found {
    /// Files and folders, in the order of their names.
    pub paths: Vec<PathBuf>,
    /// Folders that could not be listed.
    pub failures: Vec<(PathBuf, io::Error)>,
}

/// Whether an argument is a pattern: it contains wildcards, and no file has this name.
pub fn is_pattern(arg: &Path) -> bool {
    has_wildcards(&arg.to_string_lossy()) && !arg.exists()
}

/// Finds all paths that match. A sequence of bytes that is not UTF-8 counts as one character, so `caf?.png` matches it.
pub fn expand(pattern: &Path) -> Result<Found, PatternError> {
    let parts = pattern.components().map(Part::of).collect::<Result<Vec<_>, _>>()?;
    let mut found = Found::default();
    walk(Path::new(""), &parts, &mut found);
    if pattern.as_os_str().as_encoded_bytes().last().is_some_and(|&last| std::path::is_separator(last.into()))
    {
        found.paths.retain(|path| path.is_dir());
    }
    Ok(found)
}

/// One component of a pattern.
enum Part {
    Name(OsString),
    Wild {
        pattern: Pattern,
        hidden: bool,
    },
    /// `**`: any number of folders.
    Folders,
}

impl Part {
    fn of(component: Component<'_>) -> Result<Self, PatternError> {
        let text = component.as_os_str().to_string_lossy();
        Ok(match component {
            Component::Normal(_) if text == "**" => Self::Folders,
            Component::Normal(_) if has_wildcards(&text) => {
                Self::Wild { pattern: Pattern::new(&text)?, hidden: text.starts_with('.') }
            }
            _ => Self::Name(component.as_os_str().to_owned()),
        })
    }
}

fn walk(base: &Path, parts: &[Part], found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else {
        let here = if base.as_os_str().is_empty() { Path::new(".") } else { base };
        found.paths.push(here.to_owned());
        return;
    };
    let fits = |path: &Path| if rest.is_empty() { path.symlink_metadata().is_ok() } else { path.is_dir() };
    match part {
        Part::Name(name) => {
            let path = base.join(name);
            if fits(&path) {
                walk(&path, rest, found);
            }
        }
        Part::Wild { pattern, hidden } => {
            for name in names(base, found) {
                let path = base.join(&name);
                let skipped = !hidden && crate::kinds::is_apple_double(&path);
                if !skipped && pattern.matches(&name.to_string_lossy()) && fits(&path) {
                    walk(&path, rest, found);
                }
            }
        }
        Part::Folders => {
            walk(base, rest, found);
            if rest.is_empty() {
                // The folder stands for everything below it.
                return;
            }
            for name in names(base, found) {
                let path = base.join(name);
                // A link to a folder could form a cycle.
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, parts, found);
                }
            }
        }
    }
}

/// The names in a folder, in order.
fn names(folder: &Path, found: &mut Found) -> Vec<OsString> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let listed = std::fs::read_dir(here)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>());
    match listed {
        Ok(mut names) => {
            names.sort_unstable();
            names
        }
        Err(error) => {
            if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                found.failures.push((here.to_owned(), error));
            }
            Vec::new()
        }
    }
}

fn has_wildcards(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &Path, pattern: &str) -> Vec<String> {
        let found = expand(&folder.join(pattern)).unwrap();
        assert!(found.failures.is_empty());
        let relative = |path: PathBuf| crate::printable::printable(path.strip_prefix(folder).unwrap());
        found
            .paths
            .into_iter()
            .map(relative)
            .map(|path| path.replace(std::path::MAIN_SEPARATOR, "/"))
            .collect()
    }

    #[test]
    fn wildcards_match_as_in_a_shell() {
        let place = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.bmp", "sub/d.png", "sub/deep/e.png", "._a.png"] {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        for (pattern, expected) in [
            ("*.png", &["a.png", "b.png"][..]),
            ("[bc].*", &["b.png", "c.bmp"]),
            ("?.bmp", &["c.bmp"]),
            ("*/", &["sub"]),
            ("*/*.png", &["sub/d.png"]),
            ("**/*.png", &["a.png", "b.png", "sub/d.png", "sub/deep/e.png"]),
            ("sub/**", &["sub"]),
            ("sub/../c.*", &["sub/../c.bmp"]),
            ("._*", &["._a.png"]),
            ("none/*.png", &[]),
            ("a.png/*", &[]),
        ] {
            assert_eq!(found(place.path(), pattern), expected, "{pattern}");
        }
        assert!(expand(Path::new("[a")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf_8_match() {
        use std::os::unix::ffi::OsStringExt as _;
        let place = tempfile::tempdir().unwrap();
        let name = OsString::from_vec(b"caf\xe9.png".to_vec());
        std::fs::write(place.path().join(&name), b"").unwrap();
        for pattern in ["*.png", "caf?.png", "*"] {
            let paths = expand(&place.path().join(pattern)).unwrap().paths;
            assert_eq!(paths, [place.path().join(&name)], "{pattern}");
        }
        // The pattern itself may contain such bytes.
        let pattern = OsString::from_vec(b"caf\xe9.*".to_vec());
        assert!(is_pattern(&place.path().join(&pattern)));
        assert_eq!(expand(&place.path().join(pattern)).unwrap().paths.len(), 1);
    }
}
