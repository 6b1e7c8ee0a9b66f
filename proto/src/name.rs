//! Names of pictures on the wire: which ones a receiver takes (docs/protocol.md, section 4).
//!
//! Receivers refuse names that break these rules, and senders change such names before they offer a picture.

/// Bytes of a folder's or file's name. This leaves room for `-2` and `.preview.webp` below the usual 255.
pub const LONGEST_PART: usize = 200;
/// Bytes of a whole name.
pub const LONGEST: usize = 1024;
/// Parts of a name: folders within folders, and the file.
pub const DEEPEST: usize = 32;
/// Extension of every picture.
pub const EXTENSION: &str = ".aec";
/// The folder of the receiver's own files. No name may lead into it.
pub const STATE_FOLDER: &str = ".aecodec";

/// What is wrong with a name, if anything: a relative path with `/` between its parts that ends in `.aec`.
pub fn check(name: &str) -> Option<&'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    if name.len() > LONGEST {
        return Some("it has more than 1024 bytes");
    }
    if parts.len() > DEEPEST {
        return Some("it has more than 32 parts");
    }
    if let Some(why) = parts.iter().find_map(|part| check_part(part)) {
        return Some(why);
    }
    let (last, folders) = parts.split_last()?;
    if !last.ends_with(EXTENSION) || last.len() == EXTENSION.len() {
        return Some("it does not end in .aec");
    }
    if folders.iter().any(|folder| folder.ends_with(EXTENSION)) {
        return Some("a folder ends in .aec");
    }
    None
}

/// What is wrong with one part of a name, a folder or the file, if anything.
pub fn check_part(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("it has an empty part, or begins or ends with a slash");
    }
    if part == "." || part == ".." {
        return Some("it leaves its folder");
    }
    if part.len() > LONGEST_PART {
        return Some("a part has more than 200 bytes");
    }
    if part.eq_ignore_ascii_case(STATE_FOLDER) {
        return Some("`.aecodec` is the receiver's own folder");
    }
    if part.chars().any(is_reserved) {
        return Some("it has a character that some systems reserve");
    }
    if part.chars().any(turns_text) {
        return Some("it has an invisible character that turns the direction of text");
    }
    if part.ends_with(['.', ' ']) || part.starts_with(' ') {
        return Some("a part begins with a space, or ends with a space or a dot");
    }
    if is_device(part) {
        return Some("it is the name of a device on some systems");
    }
    None
}

/// Whether some systems allow this character in no name.
pub fn is_reserved(c: char) -> bool {
    c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// Such characters make `gpj.aec` look like something else in a listing.
pub fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a part is the name of a device on Windows, in any case and with any extension.
pub fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let upper = stem.to_ascii_uppercase();
    let numbered = |prefix: &str| {
        upper.strip_prefix(prefix).is_some_and(|n| {
            let mut digits = n.chars();
            matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}
