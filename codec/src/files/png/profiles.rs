//! Metadata in chunks of PNG: ImageMagick's raw profiles, and compressed data, within limits.

use crate::Error;

/// Why metadata cannot be read.
pub enum Fault {
    /// It is too large: the picture is refused.
    Limit(Error),
    /// It is damaged: it is left out.
    Damaged,
}

/// Inflates data to at most `limit` bytes.
pub fn inflate(bytes: &[u8], limit: u64) -> Result<Vec<u8>, Fault> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    decompress_to_vec_zlib_with_limit(bytes, most).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => Fault::Limit(above(limit.saturating_add(1), limit)),
        _ => Fault::Damaged,
    })
}

/// The error for metadata above the limit.
pub fn above(needed: u64, limit: u64) -> Error {
    Error::Limit { what: "bytes of metadata", needed, limit }
}

/// The bytes of a raw profile: its name, its length, and hexadecimal digits, with space between them.
pub fn raw(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.next()?;
    let length: usize = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let digits: Option<Vec<u8>> =
        words.flatten().map(|&digit| Some(char::from(digit).to_digit(16)? as u8)).collect();
    let bytes: Vec<u8> = digits?.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect();
    (bytes.len() == length).then_some(bytes)
}

/// The keyword of a text chunk, and the data after it.
pub fn keyword(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..end], &data[end + 1..]))
}

/// The text of an international text chunk, from the data after its keyword.
pub fn international(rest: &[u8], limit: u64) -> Result<Vec<u8>, Fault> {
    let [compressed, method, rest @ ..] = rest else { return Err(Fault::Damaged) };
    let (_, rest) = keyword(rest).ok_or(Fault::Damaged)?;
    let (_, text) = keyword(rest).ok_or(Fault::Damaged)?;
    match (compressed, method) {
        (0, _) => Ok(text.to_vec()),
        (1, 0) => inflate(text, limit),
        _ => Err(Fault::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_profiles_are_read_and_broken_ones_are_none() {
        assert_eq!(raw(b"\nexif\n       4\n49492a\n00\n"), Some(b"II\x2A\0".to_vec()));
        assert_eq!(raw(b"exif 1 fF"), Some(vec![255]));
        for broken in [&b""[..], b"exif", b"exif x 00", b"exif 2 00", b"exif 1 0g", b"exif 1 0"] {
            assert_eq!(raw(broken), None);
        }
    }

    #[test]
    fn nothing_is_inflated_beyond_the_limit() {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&[7; 100_000], 9);
        assert!(inflate(&packed, 100_000).is_ok_and(|bytes| bytes == [7; 100_000]));
        assert!(matches!(inflate(&packed, 99_999), Err(Fault::Limit(Error::Limit { limit: 99_999, .. }))));
        assert!(matches!(inflate(&packed[..50], 100_000), Err(Fault::Damaged)));
    }
}
