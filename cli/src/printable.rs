//! Turns file names of any bytes into text for terminals and JSON.

use std::path::Path;

/// The path, with `\xNN` for each byte of a control character and for each byte that is not UTF-8.
pub(crate) fn printable(name: &Path) -> String {
    let mut out = String::new();
    let escape = |out: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    };
    for chunk in name.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                out.push(c);
            }
        }
        escape(&mut out, chunk.invalid());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_rest_stays() {
        let shown = |name: &str| printable(Path::new(name));
        assert_eq!(shown("größe/猫 1.png"), "größe/猫 1.png");
        assert_eq!(shown("a\u{1b}[31m\n\u{85}.png"), "a\\x1b[31m\\x0a\\xc2\\x85.png");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
        assert_eq!(printable(Path::new(name)), "caf\\xe9.png");
    }
}
