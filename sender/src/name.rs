//! The name that a file gets at the receiver: its own if the rules of the protocol allow it, otherwise a similar
//! one.
//!
//! Characters that a receiver refuses become `_`, names that are too long are cut, and eight digits of the name's
//! hash follow. The same file gets the same name every time, and files with different names stay different.

use std::ffi::OsStr;
use std::path::{Component, Path};

use aecodec_proto::Hash;
use aecodec_proto::name::{
    DEEPEST, EXTENSION, LONGEST, LONGEST_PART, STATE_FOLDER, check_part, is_device, is_reserved, turns_text,
};

/// Bytes that a file's own extension may have before `.aec` in a name that is changed.
const LONGEST_EXTENSION: usize = 16;
/// Bytes that a number adds to a name at most, as in `a-4294967295.aec`.
const LONGEST_NUMBER: usize = 11;
/// Folders and bytes that are kept of a path that is too deep or too long.
const KEPT: (usize, usize) = (16, 480);

/// Whether a file has its own name at the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// It has its own name, except for the extension.
    Own,
    /// Its name was changed: a receiver would refuse it, or another file of the run has it.
    Changed,
}

/// What comes before `.aec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The name without its extension: `a.aec`.
    Plain,
    /// The name with its extension: `a.png.aec`.
    Kept,
}

/// The name for a file with this path below the receiver's folder.
pub(crate) fn of(below: &Path, ending: Ending) -> (String, Naming) {
    let normal = |part| if let Component::Normal(part) = part { Some(part) } else { None };
    let mut own: Vec<&OsStr> = below.components().filter_map(normal).collect();
    let last = own.pop().unwrap_or(OsStr::new("picture"));
    let mut naming = Naming::Own;
    let mut note = |(part, changed): (String, Naming)| {
        if changed == Naming::Changed {
            naming = changed;
        }
        part
    };
    let mut parts: Vec<String> = own.iter().map(|&part| note(folder(part))).collect();
    let file = note(file(last, ending));
    let length = parts.iter().map(|part| part.len() + 1).sum::<usize>() + file.len();
    if parts.len() >= DEEPEST || length + LONGEST_NUMBER > LONGEST {
        naming = Naming::Changed;
        gather(&mut parts, &own);
    }
    parts.push(file);
    (parts.join("/"), naming)
}

/// The name with a number before `.aec`, for files that would have the same name; 1 gives the name itself.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    if number < 2 {
        return name.to_owned();
    }
    let (folders, file) = name.rsplit_once('/').map_or(("", name), |(folders, file)| (folders, file));
    let tail = format!("-{number}{EXTENSION}");
    let stem = cut(file.strip_suffix(EXTENSION).unwrap_or(file), LONGEST_PART - tail.len());
    if folders.is_empty() { format!("{stem}{tail}") } else { format!("{folders}/{stem}{tail}") }
}

fn folder(own: &OsStr) -> (String, Naming) {
    match own.to_str() {
        Some(name) if check_part(name).is_none() && !name.ends_with(EXTENSION) => {
            (name.to_owned(), Naming::Own)
        }
        _ => (changed(own, own, ""), Naming::Changed),
    }
}

fn file(own: &OsStr, ending: Ending) -> (String, Naming) {
    let path = Path::new(own);
    let (stem, extension) = (path.file_stem().unwrap_or(own), path.extension().unwrap_or_default());
    let wanted = if ending == Ending::Plain { stem } else { own };
    let wanted = wanted.to_str().map(|name| format!("{name}{EXTENSION}"));
    if let Some(name) = wanted.filter(|name| check_part(name).is_none()) {
        return (name, Naming::Own);
    }
    let tail = match ending {
        Ending::Kept if !extension.is_empty() => {
            format!(".{}{EXTENSION}", cut(&allowed(extension), LONGEST_EXTENSION))
        }
        _ => EXTENSION.to_owned(),
    };
    (changed(stem, own, &tail), Naming::Changed)
}

/// A part that a receiver takes, made from `stem`; the hash is that of the `whole` part.
fn changed(stem: &OsStr, whole: &OsStr, tail: &str) -> String {
    let mut name = allowed(stem);
    if name.is_empty() || name.starts_with(' ') || is_device(&name) || is_own_folder(&name) {
        name.insert(0, '_');
    }
    let mark = mark(whole.as_encoded_bytes());
    let name = cut(&name, LONGEST_PART - mark.len() - tail.len());
    format!("{name}{mark}{tail}")
}

/// Replaces each character that receivers refuse, and each byte that is not UTF-8, by `_`.
fn allowed(text: &OsStr) -> String {
    let mut name = String::new();
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        name.extend(chunk.valid().chars().map(|c| if is_reserved(c) || turns_text(c) { '_' } else { c }));
        name.extend(chunk.invalid().iter().map(|_| '_'));
    }
    name
}

fn is_own_folder(name: &str) -> bool {
    name.trim_end_matches(['.', ' ']).eq_ignore_ascii_case(STATE_FOLDER)
}

/// The beginning of a text that has at most this many bytes and does not end in a space or a dot.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].trim_end_matches([' ', '.'])
}

fn mark(bytes: &[u8]) -> String {
    format!("~{}", &Hash::of(bytes).to_string()[..8])
}

/// Replaces the folders beyond those that are kept by one.
fn gather(parts: &mut Vec<String>, own: &[&OsStr]) {
    let mut bytes = 0;
    let fits = |part: &&String| {
        bytes += part.len() + 1;
        bytes <= KEPT.1
    };
    let kept = parts.iter().take(KEPT.0).take_while(fits).count();
    let dropped: Vec<&[u8]> = own[kept..].iter().map(|part| part.as_encoded_bytes()).collect();
    parts.truncate(kept);
    parts.push(format!("deep{}", mark(&dropped.join(&b'/'))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use aecodec_proto::name::check;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn plain(below: &str) -> (String, Naming) {
        of(Path::new(below), Ending::Plain)
    }

    #[test]
    fn a_name_that_receivers_take_stays_as_it_is() {
        for (own, expected) in [
            ("a.png", "a.aec"),
            ("2026 05/IMG_1.b.jpg", "2026 05/IMG_1.b.aec"),
            ("größe/猫.webp", "größe/猫.aec"),
            ("A.AEC", "A.aec"),
            ("a .png", "a .aec"),
            (".hidden/.b.png", ".hidden/.b.aec"),
        ] {
            assert_eq!(plain(own), (expected.to_owned(), Naming::Own));
        }
        assert_eq!(of(Path::new("x/a.png"), Ending::Kept), ("x/a.png.aec".to_owned(), Naming::Own));
    }

    #[test]
    fn a_name_that_receivers_refuse_is_changed_and_stays_readable() {
        for (own, like) in [
            ("2026-11-27T19:32:25.jpg", "2026-11-27T19_32_25~"),
            ("a?b.jpg", "a_b~"),
            (" a.png", "_ a~"),
            ("aux.jpg", "_aux~"),
            ("nul.tar.png", "_nul.tar~"),
            ("a\u{1b}[31m\u{202e}.png", "a_[31m_~"),
            ("con/a.png", "_con~"),
            ("x./a.png", "x~"),
            ("x.aec/a.png", "x.aec~"),
            (".aecodec/a.png", "_.aecodec~"),
        ] {
            let (name, naming) = plain(own);
            assert_eq!((check(&name), naming), (None, Naming::Changed), "{own}: {name}");
            assert!(name.starts_with(like) && name.ends_with(".aec"), "{own}: {name}");
            assert_eq!(plain(own).0, name, "the same every time");
        }
        assert!(of(Path::new("a:b.jpg"), Ending::Kept).0.ends_with(".jpg.aec"));
    }

    #[test]
    fn a_long_name_is_cut_and_names_that_differ_stay_different() {
        let long = "影".repeat(70);
        let (name, naming) = plain(&format!("{long}.jpg"));
        assert_eq!((check(&name), naming), (None, Naming::Changed));
        assert!(name.starts_with(&"影".repeat(60)) && name.len() <= LONGEST_PART, "{name}");
        assert_ne!(plain(&format!("{long}一.jpg")).0, plain(&format!("{long}二.jpg")).0);
        assert_ne!(plain("a:b.jpg").0, plain("a?b.jpg").0);
        // 251 characters, with its extension kept.
        let (name, _) = of(Path::new(&format!("{}.jpeg", "x".repeat(246))), Ending::Kept);
        assert!(check(&name).is_none() && name.ends_with(".jpeg.aec"), "{name}");
        let (deep, naming) = plain(&format!("{}a.png", "folder/".repeat(60)));
        assert_eq!((check(&deep), naming), (None, Naming::Changed));
        assert!(deep.starts_with("folder/folder/") && deep.ends_with("/a.aec"), "{deep}");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_changed() {
        use std::os::unix::ffi::OsStrExt as _;
        let named = |bytes: &[u8]| of(Path::new(OsStr::from_bytes(bytes)), Ending::Plain);
        let (name, naming) = named(b"caf\xe9.png");
        assert!(check(&name).is_none() && name.starts_with("caf_~"), "{name}");
        assert_eq!(naming, Naming::Changed);
        assert_ne!(named(b"caf\xe8.png").0, name);
    }

    #[test]
    fn a_number_does_not_make_a_name_too_long() {
        assert_eq!(numbered("x/a.aec", 1), "x/a.aec");
        assert_eq!(numbered("x/a.aec", 2), "x/a-2.aec");
        let long = format!("{}.aec", "x".repeat(196));
        assert!(check(&long).is_none() && check(&numbered(&long, 12)).is_none());
    }

    #[test]
    fn a_name_of_nearly_the_longest_kind_still_has_room_for_a_number() {
        for length in 900..1100 {
            let folders = "0123456789abcde/".repeat((length - 20) / 16);
            let below = format!("{folders}{}.png", "x".repeat(length - folders.len()));
            let (name, _) = of(Path::new(&below), Ending::Plain);
            assert_eq!(check(&numbered(&name, u32::MAX)), None, "{length}: {name}");
        }
    }

    proptest! {
        #[test]
        fn every_path_has_a_name_that_receivers_take(parts in prop::collection::vec(
            prop_oneof!["[ .:a\\\\?*]{1,6}", "\\PC{1,90}", "(con|AUX|\\.aecodec|x\\.aec)[. ]{0,2}"], 1..40,
        )) {
            let below: std::path::PathBuf = parts.iter().map(|part| part.replace('/', "-")).collect();
            for ending in [Ending::Plain, Ending::Kept] {
                let (name, _) = of(&below, ending);
                prop_assert_eq!(check(&name), None, "{}", name);
                prop_assert_eq!(check(&numbered(&name, 9999)), None);
            }
        }

        #[test]
        fn different_files_of_one_folder_have_different_names(names in prop::collection::hash_set("[ab:?*]{1,5}", 2..30)) {
            let mut given = HashMap::new();
            for own in names {
                let name = plain(&format!("{own}.png")).0;
                prop_assert_eq!(given.insert(name.clone(), own.clone()), None, "{}", name);
            }
        }
    }
}
