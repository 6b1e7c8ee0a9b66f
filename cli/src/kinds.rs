//! Decides which files of a folder a command takes, and reports the others.

use std::collections::BTreeMap;
use std::path::Path;

use aecodec::files;
use serde_json::{Value, json};

/// The files that a command works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pictures,
    Coded,
    /// Both.
    #[cfg(any(feature = "latents", feature = "search"))]
    Any,
}

/// Extensions of files that are obviously not pictures, so that nobody misses them.
const OTHER_THINGS: [&str; 40] = [
    "aae", "aec", "aem", "bak", "cfg", "conf", "css", "csv", "ctl", "dat", "db", "doc", "docx", "htm",
    "html", "ini", "js", "json", "lnk", "log", "lrv", "md", "nfo", "part", "pdf", "py", "rtf", "sh",
    "sha256", "sqlite", "tmp", "toml", "torrent", "txt", "url", "wav", "xml", "xmp", "yaml", "yml",
];

/// Kinds of pictures that aecodec cannot read, with their extensions and a command that converts them to PNG.
const CONVERTERS: [(&str, &[&str], &str); 3] = [
    ("HEIC", &["heic", "heif", "hif"], "heif-convert IN OUT.png"),
    ("JPEG XL", &["jxl"], "djxl IN OUT.png"),
    ("AVIF", &["avif"], "avifdec IN OUT.png"),
];

impl Kind {
    /// Whether a file with this name is taken from a folder.
    pub fn takes(self, path: &Path) -> bool {
        match self {
            Self::Pictures => files::readable(path),
            Self::Coded => is_coded(path),
            #[cfg(any(feature = "latents", feature = "search"))]
            Self::Any => files::readable(path) || is_coded(path),
        }
    }
}

fn is_coded(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("aec"))
}

/// Whether a file is an AppleDouble file: macOS stores the attributes of `a.png` in `._a.png` on other file systems.
pub fn is_apple_double(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"))
}

/// The number of files that were left out because of their kind, by extension.
#[derive(Debug, Default)]
pub struct Others(BTreeMap<String, u64>);

impl Others {
    /// Counts a file that was left out by a command that takes `kind`.
    pub fn count(&mut self, path: &Path, kind: Kind) {
        // Folders of .aec files may contain anything, but a picture that is left out of a folder of pictures is a surprise.
        if kind == Kind::Coded {
            return;
        }
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        if hidden || extension.as_deref().is_some_and(|extension| OTHER_THINGS.contains(&extension)) {
            return;
        }
        let name = extension.map_or_else(|| "no extension".into(), |extension| format!(".{extension}"));
        *self.0.entry(name).or_default() += 1;
    }

    /// `5 files of other kinds left out (.avif 1, .gif 4)`, with advice for kinds that can be converted.
    pub fn words(&self) -> Option<String> {
        let count: u64 = self.0.values().sum();
        let files = match count {
            0 => return None,
            1 => "1 file of another kind".into(),
            _ => format!("{count} files of other kinds"),
        };
        let kinds: Vec<String> = self.0.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let mut text = format!("{files} left out ({})", kinds.join(", "));
        let is_there = |extension: &&str| self.0.contains_key(&format!(".{extension}"));
        let advice: Vec<String> = CONVERTERS
            .iter()
            .filter(|(_, extensions, _)| extensions.iter().any(&is_there))
            .map(|(name, _, line)| {
                format!("{name} is not supported; convert it to PNG first, for example with '{line}'")
            })
            .collect();
        for advice in advice {
            text += &format!("; {advice}");
        }
        Some(text)
    }

    /// The same counts as JSON.
    pub fn json(&self) -> Value {
        json!({ "left_out": { "files": self.0.values().sum::<u64>(), "kinds": self.0 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_counted_by_their_extensions() {
        let mut others = Others::default();
        assert_eq!(others.words(), None);
        for name in ["b.GIF", "a.gif", "c.heic", "notes.txt", ".DS_Store", "._d.png", "IMG_1"] {
            others.count(Path::new(name), Kind::Pictures);
        }
        let words = others.words().unwrap();
        assert!(
            words.starts_with("4 files of other kinds left out (.gif 2, .heic 1, no extension 1); HEIC"),
            "{words}"
        );
        assert_eq!(others.json()["left_out"]["kinds"][".gif"], 2);
        let mut beside = Others::default();
        beside.count(Path::new("a.png"), Kind::Coded);
        assert_eq!(beside.words(), None);
    }
}
