//! Tests of files of several pictures: each of them can be read, and none is taken for the whole file.

use super::*;
use crate::files::sequence::{count, page, pages, pick};
use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, Rgba, RgbaImage};
use std::borrow::Cow;

const COLORS: [[u8; 4]; 3] = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]];

fn gif(frames: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    for color in COLORS.iter().cycle().take(frames) {
        let page = RgbaImage::from_pixel(6, 4, Rgba(*color));
        encoder.encode_frame(Frame::from_parts(page, 0, 0, Delay::from_numer_denom_ms(40, 1))).unwrap();
    }
    drop(encoder);
    out
}

/// An animated PNG of one colour per frame.
fn apng(frames: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, 6, 4);
    encoder.set_color(::png::ColorType::Rgba);
    encoder.set_animated(frames, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for color in COLORS.iter().cycle().take(frames as usize) {
        writer.write_image_data(&color.repeat(24)).unwrap();
    }
    writer.finish().unwrap();
    out
}

/// An animated WebP of one gray per frame, made of files of single pictures.
fn webp(grays: &[u8]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| [kind, &(data.len() as u32).to_le_bytes()[..], data].concat();
    let size = [5, 0, 0, 3, 0, 0];
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &[&[2, 0, 0, 0][..], &size].concat()));
    body.extend(chunk(b"ANIM", &[0; 6]));
    for &gray in grays {
        let page = Picture::new(6, 4, Color::Rgb, vec![gray; 72]).unwrap();
        let still = writing(&page, Format::WebP).0;
        body.extend(chunk(b"ANMF", &[&[0; 6][..], &size, &[40, 0, 0, 0], &still[12..]].concat()));
    }
    chunk(b"RIFF", &body)
}

/// Pages of one gray each, of 8 or 16 bits; a smaller copy comes before the page `copied`.
fn tiff(grays: &[u16], copied: Option<usize>) -> Vec<u8> {
    use ::tiff::encoder::TiffEncoder;
    use ::tiff::encoder::colortype::{Gray8, Gray16};
    use ::tiff::tags::Tag;
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut out).unwrap();
    for (i, &gray) in grays.iter().enumerate() {
        if copied == Some(i) {
            let mut small = encoder.new_image::<Gray8>(2, 1).unwrap();
            small.encoder().write_tag(Tag::NewSubfileType, 1_u32).unwrap();
            small.write_data(&[9, 9]).unwrap();
        }
        match u8::try_from(gray) {
            Ok(gray) => encoder.write_image::<Gray8>(6, 4, &[gray; 24]).unwrap(),
            Err(_) => encoder.write_image::<Gray16>(6, 4, &[gray; 24]).unwrap(),
        }
    }
    out.into_inner()
}

fn picked(bytes: &[u8], number: u32) -> Picture {
    let file = pick(bytes, number, &Limits::default()).unwrap();
    assert_eq!(count(&file).unwrap(), 1);
    let (picture, notices) = reading(&file).unwrap();
    assert!(!notices.contains(&Notice::FirstPicture), "{notices:?}");
    picture
}

#[test]
fn every_frame_of_an_animation_can_be_picked() {
    for bytes in [gif(3), apng(3)] {
        assert_eq!(count(&bytes).unwrap(), 3);
        assert!(reading(&bytes).unwrap().1.contains(&Notice::FirstPicture));
        for (i, color) in COLORS.iter().enumerate() {
            let picture = picked(&bytes, i as u32 + 1);
            assert_eq!((picture.width, picture.height, picture.alpha), (6, 4, None));
            assert_eq!(picture.samples[..3], color[..3]);
        }
    }
    let bytes = webp(&[10, 121, 243]);
    assert_eq!(count(&bytes).unwrap(), 3);
    for (i, gray) in [10, 121, 243].into_iter().enumerate() {
        assert_eq!(picked(&bytes, i as u32 + 1).samples, [gray; 72]);
    }
    for bytes in [gif(1), apng(1)] {
        assert_eq!(count(&bytes).unwrap(), 1);
        assert_eq!(reading(&bytes).unwrap().1, []);
        assert!(matches!(pick(&bytes, 1, &Limits::default()).unwrap(), Cow::Borrowed(_)));
    }
}

#[test]
fn every_page_of_a_tiff_can_be_picked_with_all_of_its_bits() {
    for copied in [None, Some(0), Some(2)] {
        let bytes = tiff(&[10, 20, 3000], copied);
        assert_eq!(count(&bytes).unwrap(), 3, "a smaller copy is no page");
        let (first, notices) = reading(&bytes).unwrap();
        assert_eq!((first.samples[0], notices), (10, vec![Notice::FirstPicture]));
        assert_eq!((picked(&bytes, 1).samples[0], picked(&bytes, 2).samples[0]), (10, 20));
        let last = pick(&bytes, 3, &Limits::default()).unwrap();
        let (last, notices) = read_deep(&last, &Limits::default()).unwrap().expect("16 bits");
        assert_eq!((last.samples, notices), (vec![3000; 24], vec![]));
    }
    let alone = tiff(&[7], Some(0));
    assert_eq!((count(&alone).unwrap(), reading(&alone).unwrap().1), (1, vec![]));
    assert_eq!(reading(&alone).unwrap().0.samples[0], 7, "not its smaller copy");
}

#[test]
fn a_picture_that_is_not_there_is_an_error() {
    for number in [0, 4, u32::MAX] {
        for bytes in [gif(3), apng(3), tiff(&[1, 2, 3], None)] {
            let error = pick(&bytes, number, &Limits::default()).unwrap_err().to_string();
            assert!(error.contains("holds 3"), "{error}");
        }
    }
    // Pages that form a ring end.
    let mut ring = tiff(&[1, 2], None);
    let starts = pages(&ring);
    let link = ring.windows(4).position(|found| found == (starts[1] as u32).to_le_bytes()).unwrap();
    let second = page(&ring, starts[1]);
    ring[link..link + 4].copy_from_slice(&(starts[0] as u32).to_le_bytes());
    assert_eq!(count(&ring).unwrap(), 1);
    assert_eq!(reading(&second).unwrap().0.samples[0], 2);
    // What is cut is counted as far as it goes.
    for bytes in [gif(3), apng(3), webp(&[1, 2, 3]), tiff(&[1, 2, 3], None)] {
        for end in 12..bytes.len() {
            let _ = count(&bytes[..end]).map(|count| assert!(count <= 3));
        }
    }
}
