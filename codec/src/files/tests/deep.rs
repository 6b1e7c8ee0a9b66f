//! Tests of pictures of more than 8 bits per sample: every value survives in each format that can hold it.

use super::*;
use crate::DeepPicture;

fn reading_deep(bytes: &[u8]) -> Option<(DeepPicture, Vec<Notice>)> {
    read_deep(bytes, &Limits::default()).unwrap()
}

fn writing_deep(picture: &DeepPicture, format: Format) -> (Vec<u8>, Vec<Notice>) {
    write_deep(picture, format, &WriteOptions::default()).unwrap()
}

/// Every value, so that the picture ends with `maximum`.
fn ramp(maximum: u16, color: Color, alpha: bool) -> DeepPicture {
    let (side, channels) = (256, color.channels());
    let sample = |i: usize| (i % (usize::from(maximum) + 1)) as u16;
    let samples = (0..side * side * channels).map(|i| sample(i / channels + i % channels * 1000)).collect();
    let mut picture = DeepPicture::new(256, 256, color, maximum, samples).unwrap();
    picture.alpha = alpha.then(|| (0..side * side).map(|i| sample(i * 7)).collect());
    picture
}

#[test]
fn every_value_of_every_depth_survives_in_png() {
    for maximum in [511, 1023, 4095, 16383, 32767, 65535] {
        for (color, alpha) in
            [(Color::Gray, false), (Color::Gray, true), (Color::Rgb, false), (Color::Rgb, true)]
        {
            let mut picture = ramp(maximum, color, alpha);
            picture.metadata.cicp = Some([9, 16, 0, 1]);
            let (bytes, notices) = writing_deep(&picture, Format::Png);
            assert_eq!(notices, []);
            let (found, notices) = reading_deep(&bytes).expect("more than 8 bits");
            assert!(found == picture, "{maximum}, {color:?}, alpha {alpha}");
            assert_eq!(notices, []);
        }
    }
}

#[test]
fn lower_bits_that_do_not_repeat_the_upper_ones_are_kept() {
    let mut picture = ramp(4095, Color::Gray, false);
    let (bytes, _) = writing_deep(&picture, Format::Png);
    // The same chunk, but samples of 16 bits: another value of the last one changes its lower bits alone.
    let (wide, _) = writing_deep(&ramp(65535, Color::Gray, false), Format::Png);
    let at = |bytes: &[u8], kind: &[u8]| bytes.windows(4).position(|found| found == kind).expect("a chunk");
    let chunk = &bytes[at(&bytes, b"sBIT") - 4..][..13];
    let place = at(&wide, b"IDAT") - 4;
    let claimed = [&wide[..place], chunk, &wide[place..]].concat();
    picture = ramp(65535, Color::Gray, false);
    assert!(reading_deep(&claimed).expect("16 bits").0 == picture);
}

#[test]
fn pnm_keeps_its_largest_value_and_tiff_has_16_bits() {
    for maximum in [256, 1000, 4095, 65535] {
        for color in [Color::Gray, Color::Rgb] {
            let picture = ramp(maximum, color, false);
            let (bytes, notices) = writing_deep(&picture, Format::Pnm);
            assert_eq!(notices, []);
            assert!(reading_deep(&bytes).expect("more than 8 bits").0 == picture, "{maximum}, {color:?}");
        }
    }
    for (color, alpha) in [(Color::Gray, false), (Color::Gray, true), (Color::Rgb, false), (Color::Rgb, true)]
    {
        let mut picture = ramp(65535, color, alpha);
        picture.metadata.xmp = Some(b"<x/>".to_vec());
        let (bytes, notices) = writing_deep(&picture, Format::Tiff);
        assert_eq!(notices, []);
        let (found, notices) = reading_deep(&bytes).expect("16 bits");
        assert!(found == picture, "{color:?}, alpha {alpha}");
        assert_eq!(notices, []);
        // The same colours at 8 bits, and a TIFF of 8 bits.
        let narrow = reading(&bytes).unwrap().0;
        assert!(narrow == picture.rounded());
        let mut narrow = Picture { source_bits: 8, ..narrow };
        narrow.orientation = 6;
        narrow.metadata.exif = Some(exif(6));
        let (bytes, notices) = writing(&narrow, Format::Tiff);
        assert_eq!(notices, [], "the rows are turned, so nothing of the EXIF is lost");
        let mut turned = upright(&narrow).into_owned();
        turned.metadata.exif = None;
        assert!(reading(&bytes).unwrap().0 == turned, "{color:?}, alpha {alpha}");
    }
    let (bytes, _) = writing_deep(&ramp(4095, Color::Gray, false), Format::Tiff);
    let found = reading_deep(&bytes).expect("16 bits").0;
    assert_eq!((found.samples[1], found.samples[4095], found.maximum), (16, 65535, 65535));
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let mut picture = ramp(4095, Color::Gray, true);
    picture.metadata.cicp = Some([9, 18, 0, 1]);
    let dropped = |format| Notice::MetadataDropped { format, kind: notice::CODE_POINTS };
    let (_, notices) = writing_deep(&picture, Format::Jpeg);
    let flat = Notice::AlphaFlattened { format: Format::Jpeg };
    assert_eq!(notices, [dropped(Format::Jpeg), flat, Notice::Rounded { format: Format::Jpeg }]);
    let (bytes, notices) = writing_deep(&picture, Format::Pnm);
    assert_eq!(notices, [dropped(Format::Pnm), Notice::AlphaFlattened { format: Format::Pnm }]);
    let found = reading_deep(&bytes).expect("12 bits").0;
    assert_eq!(found.samples[0], 4095, "what is transparent is white");
}

#[test]
fn pictures_of_8_bits_and_samples_above_the_largest_are_not_taken() {
    let (bytes, _) = writing(&picture(Color::Rgb, false), Format::Png);
    assert!(reading_deep(&bytes).is_none());
    assert!(reading_deep(b"P5 1 1 255\nA").is_none());
    assert!(read_deep(b"P5 1 1 300\n\x01\x2d", &Limits::default()).is_err());
    assert_eq!(reading_deep(b"P2 2 1 300\n300 1\n").expect("9 bits").0.samples, [300, 1]);
    for (bytes, name) in [(&b"\x76\x2f\x31\x01rest"[..], "EXR"), (b"#?RADIANCE\n", "HDR")] {
        let error = reading(bytes).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("-depth 16"), "{error}");
    }
}
