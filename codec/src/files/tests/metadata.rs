//! Tests of metadata in unusual places: it is kept, or a notice says that it is not.

use super::claims::png_with;
use super::*;
use crate::files::resolution::{Resolution, Unit};

fn phys(x: u32, y: u32, unit: u8) -> (&'static [u8; 4], Vec<u8>) {
    (b"pHYs", [&x.to_be_bytes()[..], &y.to_be_bytes(), &[unit]].concat())
}

fn resolution(picture: &Picture) -> Option<Resolution> {
    picture.metadata.exif.as_deref().and_then(exif::resolution)
}

/// The data of a chunk of a PNG.
fn chunk<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    let at = bytes.windows(4).position(|found| found == kind)?;
    let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    Some(&bytes[at + 4..at + 4 + length])
}

#[test]
fn a_resolution_goes_from_png_to_png_and_jpeg() {
    let three_hundred = Resolution::new((300, 1), (300, 1), Unit::Inch);
    let bytes = png_with(&[phys(11811, 11811, 1)]);
    let (picture, notices) = reading(&bytes).unwrap();
    assert_eq!((resolution(&picture), notices), (three_hundred, vec![]));
    let rows = open(|| Ok(Cursor::new(&bytes)), &Limits::default()).unwrap().expect("rows");
    assert_eq!(*crate::Source::head(&rows), picture.head());

    let png = writing(&picture, Format::Png).0;
    assert_eq!(chunk(&png, b"pHYs"), Some(&phys(11811, 11811, 1).1[..]));
    assert_eq!(reading(&png).unwrap().0, picture, "once is enough");
    let jpeg = writing(&picture, Format::Jpeg).0;
    assert_eq!(jpeg[6..18], *b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c");
    assert_eq!(resolution(&reading(&jpeg).unwrap().0), three_hundred);
}

#[test]
fn the_resolution_of_every_format_is_kept() {
    let pixels = DynamicImage::from(image::RgbImage::from_raw(SIZE.0, SIZE.1, noise(45)).unwrap());
    let mut bmp = encoded(&pixels, ImageFormat::Bmp);
    bmp[38..46].copy_from_slice(&[11811_u32.to_le_bytes(), 23622_u32.to_le_bytes()].concat());
    let found = resolution(&reading(&bmp).unwrap().0).unwrap();
    assert_eq!(found, Resolution::new((300, 1), (600, 1), Unit::Inch).unwrap());
    let mut jpeg = encoded(&pixels, ImageFormat::Jpeg);
    assert_eq!(&jpeg[6..11], b"JFIF\0");
    jpeg[13..18].copy_from_slice(&[2, 0, 40, 0, 50]);
    let found = resolution(&reading(&jpeg).unwrap().0).unwrap();
    assert_eq!(found, Resolution::new((40, 1), (50, 1), Unit::Centimetre).unwrap());
}

#[test]
fn exif_of_its_own_resolution_wins_and_the_usual_one_costs_nothing() {
    let own = exif::with_resolution(Some(exif(6)), &Resolution::new((180, 1), (180, 1), Unit::Inch).unwrap());
    let (picture, _) = reading(&png_with(&[phys(11811, 11811, 1), (b"eXIf", own.clone())])).unwrap();
    assert_eq!((picture.metadata.exif, picture.orientation), (Some(own), 6));
    let (picture, _) = reading(&png_with(&[phys(11811, 11811, 1), (b"eXIf", exif(6))])).unwrap();
    assert_eq!(picture.orientation, 6, "the orientation stays");
    assert_eq!(resolution(&picture), Resolution::new((300, 1), (300, 1), Unit::Inch));
    let (picture, notices) = reading(&png_with(&[phys(2835, 2835, 1)])).unwrap();
    assert_eq!((picture.metadata, notices), (Metadata::default(), vec![]), "72 to the inch is what all have");
}

#[test]
fn pixels_that_are_not_square_are_told() {
    let (picture, notices) = reading(&png_with(&[phys(2, 1, 0)])).unwrap();
    assert_eq!(
        (picture.metadata, notices),
        (Metadata::default(), vec![Notice::AspectDropped { aspect: (1, 2) }])
    );
    assert_eq!(reading(&png_with(&[phys(1, 1, 0)])).unwrap().1, []);
    let mut jpeg = writing(&Picture::new(5, 3, Color::Gray, noise(15)).unwrap(), Format::Jpeg).0;
    jpeg[13..18].copy_from_slice(&[0, 0, 10, 0, 11]);
    assert_eq!(reading(&jpeg).unwrap().1, [Notice::AspectDropped { aspect: (11, 10) }]);
}

#[test]
fn raw_profiles_are_metadata_too() {
    let digits = |name: &str, bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<&str> =
            hex.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("\n{name}\n{:8}\n{}\n", bytes.len(), lines.join("\n"))
    };
    let text = |kind: &str, bytes: &[u8]| {
        (b"tEXt", [b"Raw profile type ", kind.as_bytes(), b"\0", digits(kind, bytes).as_bytes()].concat())
    };
    let deflated = |kind: &str, bytes: &[u8]| {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(digits(kind, bytes).as_bytes(), 6);
        (b"zTXt", [b"Raw profile type ", kind.as_bytes(), b"\0\0", &packed].concat())
    };
    let mut icc = noise(300);
    icc[16..20].copy_from_slice(b"RGB ");
    let packet = b"<x:xmpmeta/>".to_vec();
    let jpeg_exif = [b"Exif\0\0", &exif(6)[..]].concat();
    let jpeg_xmp = [b"http://ns.adobe.com/xap/1.0/\0", &packet[..]].concat();
    let expected =
        Metadata { icc: Some(icc.clone()), exif: Some(exif(6)), xmp: Some(packet.clone()), cicp: None };
    for chunks in [
        vec![text("exif", &jpeg_exif), text("icc", &icc), text("xmp", &packet)],
        vec![deflated("exif", &exif(6)), deflated("icm", &icc), deflated("APP1", &jpeg_xmp)],
        vec![
            deflated("APP1", &jpeg_exif),
            text("icc", &icc),
            text("xmp", &packet),
            text("iptc", b"kept not"),
        ],
    ] {
        let (picture, notices) = reading(&png_with(&chunks)).unwrap();
        assert_eq!((&picture.metadata, picture.orientation, notices), (&expected, 6, vec![]));
    }
    let direct = png_with(&[text("exif", &exif(6)), (b"eXIf", exif(3))]);
    assert_eq!(reading(&direct).unwrap().0.orientation, 3, "a chunk of its own goes before");
    let broken = png_with(&[(b"tEXt", b"Raw profile type exif\0\nexif\n 9\n00\n".to_vec())]);
    assert_eq!(reading(&broken).unwrap().1, [Notice::MetadataDamaged { kind: "raw profile" }]);
}

#[test]
fn an_orientation_of_another_type_is_kept_and_written_as_viewers_read_it() {
    let mut long = exif(6);
    long[12..14].copy_from_slice(&[4, 0]);
    for format in [Format::Jpeg, Format::Png, Format::WebP] {
        let mut before = Picture::new(8, 4, Color::Rgb, vec![90; 96]).unwrap();
        before.metadata.exif = Some(long.clone());
        // The writers write it unchanged.
        let (after, notices) = reading(&writing(&before, format).0).unwrap();
        assert_eq!((after.orientation, after.metadata.exif), (6, Some(exif(6))), "{format}");
        assert_eq!(notices, []);
    }
}

#[test]
fn colours_that_no_profile_describes_are_told() {
    let gamma = |value: u32| (b"gAMA", value.to_be_bytes().to_vec());
    let numbers = |values: [u32; 8]| (b"cHRM", values.map(u32::to_be_bytes).concat());
    let usual = numbers([31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]);
    let wide = numbers([31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]);
    for chunks in [vec![gamma(100_000)], vec![wide.clone()]] {
        assert_eq!(reading(&png_with(&chunks)).unwrap().1, [Notice::ColorsDropped]);
    }
    for chunks in [
        vec![gamma(45455), usual],
        vec![gamma(100_000), wide, (b"sRGB", vec![0])],
        vec![(b"cICP", vec![1, 13, 0, 1])],
    ] {
        assert_eq!(reading(&png_with(&chunks)).unwrap().1, []);
    }
    // Code points take precedence, and are kept.
    let points = (b"cICP", vec![9, 16, 0, 1]);
    for chunks in [vec![points.clone()], vec![gamma(100_000), points]] {
        let (picture, notices) = reading(&png_with(&chunks)).unwrap();
        assert_eq!((picture.metadata.cicp, notices), (Some([9, 16, 0, 1]), vec![]));
        let (again, _) = reading(&writing(&picture, Format::Png).0).unwrap();
        assert!(again == picture);
    }
}
