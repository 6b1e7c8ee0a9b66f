//! PNM: the header of plain and raw bitmaps, graymaps and pixmaps, read as by Netpbm.

use std::io::{BufRead, Read as _};

/// The header of one of P1 to P6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PnmHeader {
    /// The digit behind `P`.
    pub magic: u8,
    pub width: u32,
    pub height: u32,
    /// The largest sample; 1 for a bitmap, whose header has none.
    pub maximum: u32,
}

impl PnmHeader {
    /// Reads a header, up to the first sample. Returns `None` if it is of another kind or invalid.
    ///
    /// A comment goes from any `#` to the end of the line, and ends a number before it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn read(file: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut magic = [0; 2];
        for byte in &mut magic {
            let Some(found) = next(file)? else { return Ok(None) };
            *byte = found;
        }
        let [b'P', magic @ b'1'..=b'6'] = magic else { return Ok(None) };
        let mut fields = [0, 0, 1];
        let count = if matches!(magic, b'1' | b'4') { 2 } else { 3 };
        for field in &mut fields[..count] {
            let Some(number) = number(file)? else { return Ok(None) };
            *field = number;
        }
        let [width, height, maximum] = fields;
        Ok(Some(Self { magic, width, height, maximum }))
    }

    /// The header in its simplest form.
    pub fn text(&self) -> String {
        let Self { magic, width, height, maximum } = self;
        let magic = char::from(*magic);
        match magic {
            '1' | '4' => format!("P{magic}\n{width} {height}\n"),
            _ => format!("P{magic}\n{width} {height}\n{maximum}\n"),
        }
    }
}

/// Reads the next number and the one space after it.
fn number(file: &mut impl BufRead) -> std::io::Result<Option<u32>> {
    let mut number = None;
    while let Some(byte) = next_outside_comments(file)? {
        if byte.is_ascii_digit() {
            let value = number.unwrap_or(0_u32).checked_mul(10);
            number = value.and_then(|value| value.checked_add(u32::from(byte - b'0')));
            if number.is_none() {
                return Ok(None);
            }
        } else if !is_space(byte) {
            return Ok(None);
        } else if number.is_some() {
            return Ok(number);
        }
    }
    // The file ends right after the number: there are no samples.
    Ok(None)
}

/// Reads the next byte; a comment is read as the end of its line.
fn next_outside_comments(file: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    let mut byte = next(file)?;
    if byte == Some(b'#') {
        while !matches!(byte, None | Some(b'\n' | b'\r')) {
            byte = next(file)?;
        }
    }
    Ok(byte)
}

fn next(file: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    file.by_ref().bytes().next().transpose()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Option<(PnmHeader, &[u8])> {
        PnmHeader::read(&mut bytes).unwrap().map(|header| (header, bytes))
    }

    #[test]
    fn a_comment_ends_at_the_end_of_its_line_and_nowhere_else() {
        let expected = PnmHeader { magic: b'6', width: 640, height: 480, maximum: 255 };
        for text in [
            "P6\n# scanner ok? 1 300 255 dpi\n640 480\n255\n",
            "P6 # ? # ?\r\n#\n\t640\t# 1 2 3\n480\r\n255 ",
            "P6#640\n640#?\n480#\r255# maximum\n",
            "P6\r#?\r640\x0b480\x0c255\r",
            "P6\n0640 00480\n000255\n",
        ] {
            let bytes = [text.as_bytes(), b"?#\n1"].concat();
            assert_eq!(read(&bytes), Some((expected, &b"?#\n1"[..])), "{text:?}");
            assert_eq!(read(expected.text().as_bytes()), Some((expected, &b""[..])));
        }
        let bitmap = PnmHeader { magic: b'4', width: 3, height: 2, maximum: 1 };
        assert_eq!(read(b"P4 3#\n2\n\xa0\x40"), Some((bitmap, &b"\xa0\x40"[..])));
    }

    #[test]
    fn what_is_no_header_is_none() {
        for text in
            ["", "P", "P6", "P7 1 1 1 ", "P6 1 1", "P6 1 1 255", "P6 -1 1 255 ", "P6 1x1 255 ", "P6 # "]
        {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(read(b"P6 4294967296 1 255 "), None);
    }
}
