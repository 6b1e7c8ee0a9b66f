//! Tests of reading and writing picture files.

mod claims;
mod damage;
mod deep;
mod metadata;
mod pnm;
mod sequence;

use std::io::Cursor;

use image::{DynamicImage, ExtendedColorType, ImageEncoder as _, ImageFormat};

use super::*;
use crate::{Color, Error, Limits, Metadata, Picture};

const SIZE: (u32, u32) = (5, 3);

/// Samples that no format can predict, the same in every run.
fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn picture(color: Color, alpha: bool) -> Picture {
    let pixels = (SIZE.0 * SIZE.1) as usize;
    let mut picture = Picture::new(SIZE.0, SIZE.1, color, noise(pixels * color.channels())).unwrap();
    picture.alpha = alpha.then(|| noise(pixels).into_iter().rev().collect());
    picture
}

/// A TIFF header with the orientation as its only entry.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

fn metadata(orientation: u8) -> Metadata {
    let mut icc = noise(70_000);
    icc[16..20].copy_from_slice(b"RGB ");
    Metadata {
        icc: Some(icc),
        exif: Some(exif(orientation)),
        xmp: Some("<x:xmpmeta>å\n</x:xmpmeta>".as_bytes().to_vec()),
        cicp: None,
    }
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn reading(bytes: &[u8]) -> crate::Result<(Picture, Vec<Notice>)> {
    read(bytes, &Limits::default())
}

fn writing(picture: &Picture, format: Format) -> (Vec<u8>, Vec<Notice>) {
    write(picture, format, &WriteOptions::default()).unwrap()
}

#[test]
fn png_and_webp_keep_colours_alpha_and_metadata() {
    for format in [Format::Png, Format::WebP] {
        for (color, alpha) in
            [(Color::Gray, false), (Color::Gray, true), (Color::Rgb, false), (Color::Rgb, true)]
        {
            let mut before = picture(color, alpha);
            before.metadata = metadata(6);
            before.orientation = 6;
            let (bytes, notices) = writing(&before, format);
            let (after, _) = reading(&bytes).unwrap();
            assert_eq!(notices, [], "{format} can hold everything");
            assert_eq!(after.metadata, before.metadata, "{format}");
            assert_eq!(after.alpha, before.alpha, "{format}");
            assert_eq!(after.orientation, 6);
            if format == Format::Png {
                assert_eq!(after, before);
            } else {
                // WebP has no gray: the same samples come back three times.
                let gray = color == Color::Gray;
                let expected: Vec<u8> =
                    before.samples.iter().flat_map(|&v| vec![v; if gray { 3 } else { 1 }]).collect();
                assert_eq!(after.samples, expected);
            }
        }
    }
}

#[test]
fn pnm_keeps_the_samples() {
    for color in [Color::Gray, Color::Rgb] {
        let before = picture(color, false);
        let (bytes, notices) = writing(&before, Format::Pnm);
        assert_eq!(notices, []);
        assert_eq!(reading(&bytes).unwrap(), (before, vec![]));
    }
}

#[test]
fn jpeg_keeps_metadata_and_comes_close() {
    for color in [Color::Gray, Color::Rgb] {
        let mut before = Picture::new(16, 16, color, vec![90; 256 * color.channels()]).unwrap();
        before.metadata = metadata(3);
        before.orientation = 3;
        let (bytes, notices) = writing(&before, Format::Jpeg);
        let (after, _) = reading(&bytes).unwrap();
        assert_eq!(notices, []);
        assert_eq!(after.metadata, before.metadata);
        assert_eq!((after.color, after.orientation), (color, 3));
        assert!(after.samples.iter().all(|&v| v.abs_diff(90) <= 1));
    }
}

#[test]
fn jpeg_says_what_its_segments_cannot_hold() {
    let mut before = picture(Color::Rgb, true);
    before.metadata.xmp = Some(vec![b'x'; 70_000]);
    before.metadata.exif = Some(vec![b'x'; 70_000]);
    let (bytes, notices) = writing(&before, Format::Jpeg);
    let dropped = |kind| Notice::MetadataDropped { format: Format::Jpeg, kind };
    let expected = [dropped("EXIF"), dropped("XMP"), Notice::AlphaFlattened { format: Format::Jpeg }];
    assert_eq!(notices, expected);
    let (after, _) = reading(&bytes).unwrap();
    assert_eq!((after.metadata, after.alpha), (Metadata::default(), None));
}

#[test]
fn every_input_format_is_read() {
    let rgb = DynamicImage::from(image::RgbImage::from_raw(SIZE.0, SIZE.1, noise(45)).unwrap());
    for format in [
        ImageFormat::Png,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Bmp,
        ImageFormat::Pnm,
        ImageFormat::Qoi,
    ] {
        let (picture, notices) = reading(&encoded(&rgb, format)).unwrap();
        assert_eq!(picture.samples, noise(45), "{format:?}");
        assert_eq!((picture.color, picture.source_bits, picture.alpha), (Color::Rgb, 8, None), "{format:?}");
        assert_eq!(notices, [], "{format:?}");
    }
    assert_eq!(reading(&encoded(&rgb, ImageFormat::Jpeg)).unwrap().0.pixels(), 15);
}

#[test]
fn sixteen_bits_are_rounded_to_eight_and_it_is_said() {
    let samples = vec![0, 128, 129, 385, 386, 32767, 32768, 65406, 65407, 65535];
    let gray = image::ImageBuffer::from_raw(10, 1, samples.clone()).unwrap();
    let (picture, notices) = reading(&encoded(&DynamicImage::ImageLuma16(gray), ImageFormat::Tiff)).unwrap();
    assert_eq!(picture.samples, [0, 0, 1, 1, 2, 127, 128, 254, 255, 255]);
    assert_eq!((picture.source_bits, notices), (16, vec![Notice::SixteenBits]));

    let with_alpha = image::ImageBuffer::from_raw(5, 1, samples).unwrap();
    let (picture, _) = reading(&encoded(&DynamicImage::ImageLumaA16(with_alpha), ImageFormat::Png)).unwrap();
    assert_eq!(picture.samples, [0, 1, 2, 128, 255]);
    assert_eq!(picture.alpha.unwrap(), [0, 1, 127, 254, 255]);
}

#[test]
fn every_effort_gives_the_same_pixels_and_more_gives_fewer_bytes() {
    let samples = (0..300 * 200 * 3).map(|i: u32| (i / 900 + i % 7 * (i % 11)) as u8).collect();
    let before = Picture::new(300, 200, Color::Rgb, samples).unwrap();
    let lengths = [PngEffort::Fast, PngEffort::Balanced, PngEffort::Small].map(|png| {
        let options = WriteOptions { png, ..WriteOptions::default() };
        let (bytes, _) = write(&before, Format::Png, &options).unwrap();
        assert_eq!(reading(&bytes).unwrap().0, before, "{png:?}");
        bytes.len()
    });
    assert!(lengths.is_sorted_by(|more, fewer| more >= fewer), "{lengths:?}");
    assert!(lengths[2] < lengths[0], "{lengths:?}");
}

#[test]
fn palette_and_one_bit_pictures_are_read() {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(::png::ColorType::Indexed);
    encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
    encoder.set_trns(vec![9]);
    encoder.write_header().unwrap().write_image_data(&[1, 0]).unwrap();
    let (picture, _) = reading(&bytes).unwrap();
    assert_eq!((picture.samples, picture.alpha), (vec![4, 5, 6, 1, 2, 3], Some(vec![255, 9])));

    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, 3, 1);
    encoder.set_depth(::png::BitDepth::One);
    encoder.write_header().unwrap().write_image_data(&[0b1010_0000]).unwrap();
    assert_eq!(reading(&bytes).unwrap().0.samples, [255, 0, 255]);
    assert_eq!(reading(b"P1 3 1 0 1 0").unwrap().0.samples, [255, 0, 255]);
    assert_eq!(reading(b"P2 3 1 100 0 50 100").unwrap().0.samples, [0, 128, 255]);
}

#[test]
fn opaque_alpha_stays() {
    let mut before = picture(Color::Rgb, true);
    before.alpha = Some(vec![255; 15]);
    assert_eq!(reading(&writing(&before, Format::Png).0).unwrap().0, before);
}

#[test]
fn png_metadata_behind_the_pixels_is_found() {
    let mut before = picture(Color::Gray, false);
    before.metadata = Metadata { icc: None, exif: Some(exif(8)), xmp: Some(b"<x/>".to_vec()), cicp: None };
    before.orientation = 8;
    let plain = writing(&picture(Color::Gray, false), Format::Png).0;
    let full = writing(&before, Format::Png).0;
    // Both begin with signature and IHDR, and end with IDAT and IEND.
    let extra = &full[33..full.len() - (plain.len() - 33)];
    let end = plain.len() - 12;
    let late = [&plain[..end], extra, &plain[end..]].concat();
    assert_eq!(reading(&late).unwrap().0, before);
}

#[test]
fn rows_are_turned_where_no_exif_goes_along() {
    let mut before = picture(Color::Gray, false);
    before.orientation = 6;
    let turned = upright(&before).into_owned();
    assert_eq!((turned.width, turned.height), (3, 5));
    // As read from TIFF, whose orientation is not in EXIF.
    assert_eq!(reading(&writing(&before, Format::Png).0).unwrap().0, turned);
    before.metadata.exif = Some(exif(6));
    let (bytes, notices) = writing(&before, Format::Pnm);
    assert_eq!(notices, [Notice::MetadataDropped { format: Format::Pnm, kind: "EXIF" }]);
    assert_eq!(reading(&bytes).unwrap().0, turned);
}

#[test]
fn exif_with_the_prefix_of_jpeg_is_cut_to_its_header() {
    let mut before = picture(Color::Rgb, false);
    before.metadata.exif = Some([b"Exif\0\0", &exif(5)[..]].concat());
    let (after, _) = reading(&writing(&before, Format::WebP).0).unwrap();
    assert_eq!((after.metadata.exif, after.orientation), (Some(exif(5)), 5));
}

#[test]
fn profile_of_other_samples_is_left_out() {
    let mut before = picture(Color::Rgb, false);
    let mut icc = noise(200);
    icc[16..20].copy_from_slice(b"CMYK");
    before.metadata.icc = Some(icc);
    let (after, notices) = reading(&writing(&before, Format::Png).0).unwrap();
    assert_eq!(after.metadata.icc, None);
    assert_eq!(notices, [Notice::ProfileDropped { space: "CMYK".into() }]);
}

#[test]
fn bad_input_is_an_error_that_says_why() {
    let said = |bytes: &[u8]| reading(bytes).unwrap_err().to_string();
    assert!(said(b"").contains("empty"));
    assert!(said(b"hello, this is text").contains("not a picture"));
    assert!(said(b"\x89AEC\r\n\x1a\n\x01").contains(".aec file already"));
    assert!(said(b"\0\0\0\x1cftypavif").contains("AVIF is not supported"));
    let mut float = Vec::new();
    image::codecs::tiff::TiffEncoder::new(Cursor::new(&mut float))
        .write_image(&[0; 12], 1, 1, ExtendedColorType::Rgb32F)
        .unwrap();
    assert!(said(&float).contains("32-bit floating point"));
    assert!(said(b"\0\0\0\x18ftypheic\0\0\0\0mif1").contains("HEIC is not supported"));
    assert!(said(b"\xff\x0a\0\0").contains("JPEG XL is not supported"));
}

#[test]
fn data_that_is_cut_short_is_an_error() {
    let picture = Picture::new(64, 64, Color::Rgb, noise(64 * 64 * 3)).unwrap();
    let image = DynamicImage::from(image::RgbImage::from_raw(64, 64, picture.samples.clone()).unwrap());
    let written = [Format::Png, Format::Jpeg, Format::WebP, Format::Pnm]
        .map(|f| (f.to_string(), writing(&picture, f).0));
    let others = [ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::Qoi];
    let others = others.map(|format| (format!("{format:?}"), encoded(&image, format)));
    for (format, bytes) in written.into_iter().chain(others) {
        for length in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 20] {
            assert!(reading(&bytes[..length]).is_err(), "{format} of {length} bytes");
        }
    }
}

#[test]
fn a_header_that_asks_for_too_much_is_refused() {
    let mut bomb = writing(&picture(Color::Rgb, false), Format::Png).0;
    bomb[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let crc = crc32fast::hash(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    for bytes in [&bomb[..], b"P6 60000 60000 255\n"] {
        let limits = Limits { pixels: 1 << 28, ..Limits::default() };
        let error = read(bytes, &limits).unwrap_err();
        assert!(matches!(error, Error::Limit { needed: 3_600_000_000, .. }), "{error}");
    }
}

#[test]
fn names_stand_for_formats() {
    assert_eq!(Format::from_path("a/b.JPEG".as_ref()), Some(Format::Jpeg));
    assert_eq!(Format::from_path("a/b.pgm".as_ref()), Some(Format::Pnm));
    assert_eq!(Format::from_path("a/png".as_ref()), None);
    assert_eq!(Format::from_name("tiff"), Some(Format::Tiff));
    assert_eq!(Format::from_name("bmp"), None);
    for name in ["x.jpg", "x.JPE", "x.jfif", "x.jif", "x.pjpeg", "x.dib", "x.pam"] {
        assert!(readable(name.as_ref()), "{name}");
    }
    assert!(readable("x.TIF".as_ref()) && readable("x.qoi".as_ref()) && readable("x.pgm".as_ref()));
    assert!(readable("x.gif".as_ref()) && !readable("x.psd".as_ref()) && !readable("x".as_ref()));
}
