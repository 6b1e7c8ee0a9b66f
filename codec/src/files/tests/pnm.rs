//! Tests of PNM: rows and whole pictures are read alike, for every form of the header.

use super::*;
use crate::Source as _;

/// Reads row by row; `None` for a file that has to be read as a whole.
fn rows(bytes: &[u8]) -> crate::Result<Option<(Picture, Vec<Notice>)>> {
    let Some(mut rows) = open(|| Ok(Cursor::new(bytes)), &Limits::default())? else { return Ok(None) };
    let head = rows.head().clone();
    let mut samples = vec![0; head.stride() * head.height as usize];
    let (top, rest) = samples.split_at_mut(head.stride());
    rows.read(top)?;
    if !rest.is_empty() {
        rows.read(rest)?;
    }
    let picture = Picture {
        source_bits: head.source_bits,
        ..Picture::new(head.width, head.height, head.color, samples)?
    };
    Ok(Some((picture, rows.notices().to_vec())))
}

/// Headers that say the same.
fn headers(magic: u8, width: u32, height: u32, maximum: Option<u32>) -> Vec<String> {
    let maximum = maximum.map(|maximum| maximum.to_string());
    let fields = [Some(width.to_string()), Some(height.to_string()), maximum];
    let fields: Vec<String> = fields.into_iter().flatten().collect();
    let mut out = Vec::new();
    for between in [
        "\n",
        " ",
        "\t",
        "\r\n",
        "\r",
        " \t\n",
        "\n# scanner ok? 1 300 255 dpi\n",
        "# 7\n",
        "#?\r",
        " #\n#??\n \x0b\x0c",
    ] {
        for behind in ["\n", " ", "\t", "\r", "# the end? 8\n"] {
            out.push(format!("P{magic}{between}{}{behind}", fields.join(between)));
        }
    }
    out
}

#[test]
fn odd_headers_are_read_in_rows_as_they_are_as_a_whole() {
    for (magic, channels, color) in [(5, 1, Color::Gray), (6, 3, Color::Rgb)] {
        for (maximum, width) in
            [(255, 1), (65535, 2), (1, 1), (31, 1), (254, 1), (256, 2), (1023, 2), (65534, 2)]
        {
            // The first samples look like a header that goes on.
            let data =
                [b"#1?\n 0\n9"[..6 * channels * width % 7].to_vec(), noise(6 * channels * width)].concat();
            let data: Vec<u8> = data.into_iter().take(6 * channels * width).collect();
            let data: Vec<u8> = match width {
                1 => data.iter().map(|&v| v.min(maximum as u8)).collect(),
                _ => data
                    .chunks(2)
                    .flat_map(|v| u16::from_be_bytes([v[0], v[1]]).min(maximum as u16).to_be_bytes())
                    .collect(),
            };
            for header in headers(magic, 3, 2, Some(maximum)) {
                let bytes = [header.as_bytes(), &data].concat();
                let whole = reading(&bytes).unwrap_or_else(|error| panic!("{header:?}: {error}"));
                assert_eq!((whole.0.width, whole.0.height, whole.0.color), (3, 2, color), "{header:?}");
                let expected: Vec<u8> = match width {
                    1 => data
                        .iter()
                        .map(|&v| (f64::from(v) * 255.0 / f64::from(maximum)).round() as u8)
                        .collect(),
                    _ => Vec::new(),
                };
                assert!(width == 2 || whole.0.samples == expected, "{header:?}");
                match rows(&bytes).unwrap() {
                    Some(found) => assert_eq!(found, whole, "{header:?}"),
                    None => assert!(!matches!(maximum, 255 | 65535), "{header:?} comes in rows"),
                }
                assert!(rows(&bytes[..bytes.len() - 1]).is_err() || !matches!(maximum, 255 | 65535));
                assert!(reading(&bytes[..bytes.len() - 1]).is_err(), "{header:?}");
            }
        }
    }
}

#[test]
fn bitmaps_plain_files_and_pam_are_read_behind_odd_headers() {
    for header in headers(4, 3, 2, None) {
        let bytes = [header.as_bytes(), &[0b1010_0000, 0b0100_0000]].concat();
        assert_eq!(reading(&bytes).unwrap().0.samples, [0, 255, 0, 255, 0, 255], "{header:?}");
        assert_eq!(rows(&bytes).unwrap(), None);
    }
    for header in headers(1, 3, 2, None) {
        let bytes = [header.as_bytes(), b"101\n0 1 0"].concat();
        assert_eq!(reading(&bytes).unwrap().0.samples, [0, 255, 0, 255, 0, 255], "{header:?}");
    }
    for header in headers(3, 2, 1, Some(1000)) {
        let bytes = [header.as_bytes(), b"0 500 1000\r\n250 750 1"].concat();
        assert_eq!(reading(&bytes).unwrap().0.samples, [0, 128, 255, 64, 191, 0], "{header:?}");
    }
    let pam = b"P7\n# one? two\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\nabcdefgh";
    let (picture, _) = reading(pam).unwrap();
    assert_eq!((picture.samples, picture.alpha), (b"abcefg".to_vec(), Some(b"dh".to_vec())));
    assert_eq!(rows(pam).unwrap(), None);
}

#[test]
fn a_header_without_an_end_is_no_picture() {
    for text in
        ["P5", "P6 ", "P5 3", "P5 3 2", "P6 3 2 255", "P6 # ", "P6 3 2 # 255", "P5 0 2 255 ", "P5 3 0 255 "]
    {
        assert!(reading(text.as_bytes()).is_err(), "{text:?}");
        assert!(matches!(rows(text.as_bytes()), Ok(None) | Err(_)), "{text:?}");
    }
}
