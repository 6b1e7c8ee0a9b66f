//! Tests of reading TIFF: the right colours, or an error that names the feature.

use super::*;
use crate::files::{Format, Notice, WriteOptions, read};
use crate::{Color, Picture};

/// The byte order and the size of a file that is made here.
#[derive(Debug, Clone, Copy)]
struct Style {
    little: bool,
    big: bool,
}

const STYLES: [Style; 4] = [
    Style { little: true, big: false },
    Style { little: false, big: false },
    Style { little: true, big: true },
    Style { little: false, big: true },
];
const CLASSIC: Style = STYLES[0];

impl Style {
    fn number(self, value: u64, width: usize) -> Vec<u8> {
        if self.little {
            value.to_le_bytes()[..width].to_vec()
        } else {
            value.to_be_bytes()[8 - width..].to_vec()
        }
    }

    /// A file with these tags and strips; the type of a tag follows from its number.
    fn file(self, tags: &[(u16, Vec<u64>)], strips: &[Vec<u8>]) -> Vec<u8> {
        let field = if self.big { 8 } else { 4 };
        let mut out = if self.little { b"II".to_vec() } else { b"MM".to_vec() };
        out.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            out.extend(self.number(8, 2));
            out.extend(self.number(0, 2));
        }
        let header = out.len();
        out.resize(header + field, 0);
        let tiled = tags.iter().any(|&(tag, _)| tag == 322);
        let (mut places, mut lengths) = (Vec::new(), Vec::new());
        for strip in strips {
            places.push(out.len() as u64);
            lengths.push(strip.len() as u64);
            out.extend_from_slice(strip);
        }
        let mut tags = tags.to_vec();
        tags.push((if tiled { 324 } else { 273 }, places));
        tags.push((if tiled { 325 } else { 279 }, lengths));
        tags.sort_by_key(|&(tag, _)| tag);
        let mut entries = self.number(tags.len() as u64, if self.big { 8 } else { 2 });
        for (tag, values) in tags {
            // LONG, RATIONAL, BYTE or SHORT.
            let (kind, width) = match tag {
                256 | 257 | 273 | 279 | 324 | 325 | 34665 => (4, 4),
                282 | 283 | 529 | 532 => (5, 4),
                700 | 34675 => (1, 1),
                _ => (3, 2),
            };
            let count = if kind == 5 { values.len() / 2 } else { values.len() } as u64;
            let mut bytes: Vec<u8> = values.iter().flat_map(|&value| self.number(value, width)).collect();
            entries.extend(self.number(tag.into(), 2));
            entries.extend(self.number(kind, 2));
            entries.extend(self.number(count, field));
            if bytes.len() <= field {
                bytes.resize(field, 0);
                entries.extend(bytes);
            } else {
                out.resize(out.len().next_multiple_of(2), 0);
                entries.extend(self.number(out.len() as u64, field));
                out.extend(bytes);
            }
        }
        entries.extend(self.number(0, field));
        out.resize(out.len().next_multiple_of(2), 0);
        let start = self.number(out.len() as u64, field);
        out[header..header + field].copy_from_slice(&start);
        out.extend(entries);
        out
    }
}

/// The tags that every picture has.
fn tags(width: u64, height: u64, photometric: u64, samples: u64, bits: u64) -> Vec<(u16, Vec<u64>)> {
    vec![
        (256, vec![width]),
        (257, vec![height]),
        (258, vec![bits; samples as usize]),
        (262, vec![photometric]),
        (277, vec![samples]),
        (278, vec![height]),
    ]
}

fn with(mut tags: Vec<(u16, Vec<u64>)>, more: &[(u16, &[u64])]) -> Vec<(u16, Vec<u64>)> {
    tags.retain(|&(tag, _)| more.iter().all(|&(other, _)| other != tag));
    tags.extend(more.iter().map(|&(tag, values)| (tag, values.to_vec())));
    tags
}

fn reading(bytes: &[u8]) -> Result<(Picture, Vec<Notice>)> {
    read(bytes, &Limits::default())
}

fn pixels(bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let (picture, _) = reading(bytes).unwrap();
    (picture.samples, picture.alpha)
}

fn refusal(bytes: &[u8]) -> String {
    reading(bytes).unwrap_err().to_string()
}

/// Samples side by side, each row padded to a byte.
fn packed(rows: &[&[u16]], bits: u32, style: Style) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        if bits == 16 {
            out.extend(row.iter().flat_map(|&v| style.number(v.into(), 2)));
            continue;
        }
        let mut all = row.iter().fold(0_u128, |all, &v| all << bits | u128::from(v));
        let used = bits * row.len() as u32;
        all <<= 128 - used;
        out.extend_from_slice(&all.to_be_bytes()[..used.div_ceil(8) as usize]);
    }
    out
}

#[test]
fn gray_of_every_depth_is_read() {
    for style in STYLES {
        for bits in [1, 2, 4, 8, 16] {
            let most = (1_u32 << bits) - 1;
            let rows: [Vec<u16>; 2] =
                [0, 3].map(|from| (0..5).map(|i| ((from + i * 7) * 4001 % (most + 1)) as u16).collect());
            let strip = packed(&[&rows[0], &rows[1]], bits, style);
            let expected: Vec<u8> = rows
                .concat()
                .iter()
                .map(|&v| (f64::from(v) * 255.0 / f64::from(most)).round() as u8)
                .collect();
            let inverted: Vec<u8> = expected.iter().map(|v| 255 - v).collect();
            for (photometric, expected) in [(1, &expected), (0, &inverted)] {
                let file = style.file(&tags(5, 2, photometric, 1, bits.into()), std::slice::from_ref(&strip));
                let (picture, notices) = reading(&file).unwrap();
                assert_eq!(&picture.samples, expected, "{bits} bits, {photometric}, {style:?}");
                assert_eq!(
                    (picture.color, picture.source_bits),
                    (Color::Gray, if bits == 16 { 16 } else { 8 })
                );
                assert_eq!(notices.is_empty(), bits != 16);
            }
        }
    }
}

#[test]
fn palettes_of_every_depth_are_read() {
    for style in STYLES {
        for bits in [1_u32, 2, 4, 8] {
            let count = 1_usize << bits;
            // As 16 bits, as 8 bits shifted up, and as 8 bits, which some writers leave where they are.
            for scale in [257, 256, 1] {
                let level = |channel: usize, i: usize| ((i * 37 + channel * 90) % 256) as u64;
                let map: Vec<u64> =
                    (0..3).flat_map(|c| (0..count).map(move |i| level(c, i) * scale)).collect();
                let indices: Vec<u16> = (0..6).map(|i| (i * 5 % count) as u16).collect();
                let strip = packed(&[&indices[..3], &indices[3..]], bits, style);
                let file = style.file(&with(tags(3, 2, 3, 1, bits.into()), &[(320, &map)]), &[strip]);
                let expected: Vec<u8> =
                    indices.iter().flat_map(|&i| [0, 1, 2].map(|c| level(c, i.into()) as u8)).collect();
                assert_eq!(pixels(&file), (expected, None), "{bits} bits, {scale}, {style:?}");
            }
        }
    }
    let short = CLASSIC.file(&with(tags(1, 1, 3, 1, 8), &[(320, &[0; 30])]), &[vec![0]]);
    assert!(refusal(&short).contains("palette"));
}

#[test]
fn premultiplied_alpha_is_divided_out() {
    let colours = [200_u16, 100, 50, 255, 100, 50, 25, 128, 7, 7, 7, 0, 60, 60, 60, 30];
    let narrow: Vec<u8> = colours.iter().map(|&v| v as u8).collect();
    let divided = (vec![200, 100, 50, 199, 100, 50, 0, 0, 0, 255, 255, 255], Some(vec![255, 128, 0, 30]));
    let straight = (vec![200, 100, 50, 100, 50, 25, 7, 7, 7, 60, 60, 60], Some(vec![255, 128, 0, 30]));
    let wide: Vec<u16> = colours.iter().map(|&v| v * 257).collect();
    for style in STYLES {
        let unknown = (straight.0.clone(), None);
        let cases: [(&[u64], _); 4] =
            [(&[1], &divided), (&[2], &straight), (&[], &straight), (&[0], &unknown)];
        for (extra, expected) in cases {
            for bits in [8, 16] {
                let strip = if bits == 8 { narrow.clone() } else { packed(&[&wide], 16, style) };
                let mut tags = tags(4, 1, 2, 4, bits);
                if !extra.is_empty() {
                    tags = with(tags, &[(338, extra)]);
                }
                assert_eq!(&pixels(&style.file(&tags, &[strip])), expected, "{extra:?}, {bits}, {style:?}");
            }
        }
    }
    let gray = CLASSIC.file(&with(tags(2, 1, 1, 2, 8), &[(338, &[1])]), &[vec![50, 100, 9, 9]]);
    assert_eq!(pixels(&gray), (vec![128, 255], Some(vec![100, 9])));
    let later = with(tags(1, 1, 2, 5, 8), &[(338, &[0, 1])]);
    assert_eq!(
        pixels(&CLASSIC.file(&later, &[vec![10, 20, 30, 99, 100]])),
        (vec![26, 51, 77], Some(vec![100]))
    );
}

#[test]
fn predicted_samples_beside_ones_of_no_meaning_are_read() {
    let pixels_of = [[10_u16, 200, 3000, 9], [11, 210, 2900, 50_000], [65_535, 0, 1, 4]];
    let flat: Vec<u16> = pixels_of.concat();
    let differences: Vec<u16> =
        (0..12).map(|i| if i < 4 { flat[i] } else { flat[i].wrapping_sub(flat[i - 4]) }).collect();
    let expected: Vec<u8> = pixels_of
        .iter()
        .flat_map(|pixel| pixel[..3].iter().map(|&v| crate::files::unpacked::reduced(v)))
        .collect();
    for style in STYLES {
        for extra in [0, 2] {
            let tags = with(tags(3, 1, 2, 4, 16), &[(317, &[2]), (338, &[extra])]);
            let (samples, alpha) = pixels(&style.file(&tags, &[packed(&[&differences], 16, style)]));
            assert_eq!(samples, expected, "{extra}, {style:?}");
            assert_eq!(alpha.is_some(), extra == 2);
        }
    }
}

#[test]
fn planes_strips_and_tiles_make_the_same_picture() {
    let (width, height) = (37_usize, 21_usize);
    let sample = |x: usize, y: usize, c: usize| (x * 5 + y * 3 + c * 80) as u8;
    let whole: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| sample(x, y, c))))
        .collect();
    let rgb = tags(width as u64, height as u64, 2, 3, 8);
    for style in STYLES {
        let strips: Vec<Vec<u8>> = whole.chunks(width * 3 * 4).map(<[u8]>::to_vec).collect();
        let file = style.file(&with(rgb.clone(), &[(278, &[4])]), &strips);
        assert_eq!(pixels(&file), (whole.clone(), None));
        let planes: Vec<Vec<u8>> =
            (0..3).map(|c| (0..width * height).map(|i| whole[i * 3 + c]).collect()).collect();
        let file = style.file(&with(rgb.clone(), &[(284, &[2])]), &planes);
        assert_eq!(pixels(&file), (whole.clone(), None), "planes, {style:?}");
        let tile = |tx: usize, ty: usize| -> Vec<u8> {
            let at = |i: usize| (tx * 16 + i % 16, ty * 16 + i / 16);
            (0..256).map(at).flat_map(|(x, y)| (0..3).map(move |c| sample(x, y, c))).collect()
        };
        let tiles: Vec<Vec<u8>> = (0..2).flat_map(|ty| (0..3).map(move |tx| tile(tx, ty))).collect();
        let mut tiled = with(rgb.clone(), &[(322, &[16]), (323, &[16])]);
        tiled.retain(|&(tag, _)| tag != 278);
        assert_eq!(pixels(&style.file(&tiled, &tiles)), (whole.clone(), None), "tiles, {style:?}");
    }
    let cmyk_planes = with(tags(1, 1, 5, 4, 8), &[(284, &[2])]);
    let file = CLASSIC.file(&cmyk_planes, &[vec![0], vec![255], vec![55], vec![0]]);
    assert_eq!(pixels(&file), (vec![255, 0, 200], None));
}

#[test]
fn ink_and_ycbcr_become_rgb() {
    let ink = CLASSIC.file(&tags(3, 1, 5, 4, 8), &[vec![0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 128]]);
    assert_eq!(pixels(&ink).0, [255, 255, 255, 0, 255, 255, 127, 127, 127]);
    let wide = packed(&[&[0, 0, 0, 0, 65535, 0, 0, 0]], 16, CLASSIC);
    assert_eq!(pixels(&CLASSIC.file(&tags(2, 1, 5, 4, 16), &[wide])).0, [255, 255, 255, 0, 255, 255]);
    let ycbcr = with(tags(2, 1, 6, 3, 8), &[(530, &[1, 1])]);
    let file = CLASSIC.file(&ycbcr, &[vec![100, 128, 128, 76, 85, 255]]);
    assert_eq!(pixels(&file).0, [100, 100, 100, 254, 0, 0]);
}

#[test]
fn jpeg_within_tiff_has_the_colours_of_that_jpeg() {
    let samples = (0..48 * 32 * 3_u32).map(|i| (i % 144 + i / 144 * (i % 3)) as u8).collect();
    let before = Picture::new(48, 32, Color::Rgb, samples).unwrap();
    let (jpeg, _) = crate::files::write(&before, Format::Jpeg, &WriteOptions::default()).unwrap();
    let (expected, _) = reading(&jpeg).unwrap();
    for style in STYLES {
        let ycbcr = with(tags(48, 32, 6, 3, 8), &[(259, &[7]), (530, &[2, 1])]);
        let (samples, _) = pixels(&style.file(&ycbcr, std::slice::from_ref(&jpeg)));
        let differ = samples.iter().zip(&expected.samples).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(differ <= Some(2), "{differ:?}, {style:?}");
    }
}

#[test]
fn other_kinds_are_refused_by_name() {
    let rgb = || tags(2, 2, 2, 3, 8);
    let gray = || tags(2, 2, 1, 1, 8);
    for (tags, name) in [
        (with(rgb(), &[(259, &[50000])]), "zstd"),
        (with(rgb(), &[(259, &[6])]), "JPEG of the old style"),
        (with(gray(), &[(259, &[3]), (258, &[1])]), "CCITT group 3"),
        (with(tags(2, 2, 1, 2, 8), &[(259, &[7])]), "JPEG of 2 samples"),
        (with(rgb(), &[(339, &[3, 3, 3]), (258, &[32; 3])]), "32-bit floating point"),
        (with(rgb(), &[(339, &[2, 2, 2])]), "signed samples"),
        (with(gray(), &[(258, &[12])]), "samples of 12 bits"),
        (with(gray(), &[(258, &[32])]), "samples of 32 bits"),
        (with(rgb(), &[(258, &[5, 6, 5])]), "different kinds"),
        (with(rgb(), &[(262, &[8])]), "L*a*b*"),
        (with(rgb(), &[(262, &[6])]), "subsampled YCbCr without JPEG"),
        (
            with(
                rgb(),
                &[(262, &[6]), (530, &[1, 1]), (532, &[16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])],
            ),
            "narrowed range",
        ),
        (with(gray(), &[(262, &[32803])]), "CFA"),
        (with(gray(), &[(262, &[4]), (258, &[1])]), "transparency mask"),
        (with(tags(2, 2, 5, 4, 8), &[(332, &[2])]), "inks other than CMYK"),
        (with(gray(), &[(266, &[2])]), "FillOrder"),
    ] {
        let said = refusal(&CLASSIC.file(&tags, &[vec![7; 64]]));
        assert!(said.contains(name) && said.contains("not supported; convert"), "{name}: {said}");
    }
}

#[test]
fn what_stands_beside_the_samples_is_kept_or_told() {
    for style in STYLES {
        let tags = with(
            tags(2, 1, 1, 1, 8),
            &[
                (274, &[6]),
                (282, &[600, 2]),
                (283, &[300, 1]),
                (296, &[2]),
                (700, b"<x/>".map(u64::from).as_slice()),
                (34665, &[8]),
            ],
        );
        let (picture, notices) = reading(&style.file(&tags, &[vec![1, 2]])).unwrap();
        assert_eq!(picture.orientation, 6);
        assert_eq!(picture.metadata.xmp.as_deref(), Some(&b"<x/>"[..]));
        let found = picture.metadata.exif.as_deref().and_then(exif::resolution).unwrap();
        assert_eq!((found.whole(), notices), (Some((300, 300)), vec![Notice::TiffExifDropped]), "{style:?}");
    }
}

#[test]
fn claims_and_cuts_are_errors() {
    let huge = CLASSIC.file(&tags(20_000, 20_000, 2, 3, 8), &[vec![7; 1000]]);
    let limits = Limits { bytes: 1 << 40, ..Limits::default() };
    assert!(matches!(read(&huge, &limits), Err(Error::Truncated { .. })));
    for compression in [5, 7, 8, 32773] {
        let huge =
            CLASSIC.file(&with(tags(20_000, 20_000, 2, 3, 8), &[(259, &[compression])]), &[vec![7; 1000]]);
        assert!(reading(&huge).is_err(), "{compression}");
    }
    for style in STYLES {
        let file = style.file(&tags(8, 8, 2, 3, 8), &[vec![7; 192]]);
        for end in 0..file.len() - 4 {
            assert!(reading(&file[..end]).is_err(), "{end} of {}", file.len());
        }
        let short = style.file(&tags(8, 8, 2, 3, 8), &[vec![7; 100]]);
        assert!(
            matches!(reading(&short), Err(Error::Truncated { .. })),
            "what follows is not taken for samples"
        );
    }
}
