//! Reads arbitrary picture files, and writes what was read.

use crate::streams::limits;
use aecodec::files::{self, Format, WriteOptions};
use aecodec::{Color, Picture};

pub fn run(bytes: &[u8]) {
    let limits = limits();
    let Ok((picture, _)) = files::read(bytes, &limits) else { return };
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    assert!((1..=limits.pixels).contains(&pixels));
    assert_eq!(picture.samples.len() as u64, pixels * picture.color.channels() as u64);
    assert!(picture.alpha.as_ref().is_none_or(|alpha| alpha.len() as u64 == pixels));
    assert!((1..=8).contains(&picture.orientation));
    limits.check_metadata(&picture.metadata).expect("metadata within the limit");

    let upright = files::upright(&picture).into_owned();
    let again = written(&upright, Format::Png);
    assert!(again.samples == upright.samples && again.alpha == upright.alpha, "PNG");
    assert_eq!((again.width, again.height, again.color), (upright.width, upright.height, upright.color));
    if upright.alpha.is_none() {
        assert!(written(&upright, Format::Pnm).samples == upright.samples, "PNM");
    }
}

fn written(picture: &Picture, format: Format) -> Picture {
    let (bytes, _) = files::write(picture, format, &WriteOptions::default()).expect("a sound picture");
    let mut limits = limits();
    // The limit is on what is read, and metadata may grow when it is written.
    limits.metadata *= 4;
    let (again, _) = files::read(&bytes, &limits).expect("a file that was written");
    assert!(matches!(again.color, Color::Gray | Color::Rgb));
    again
}
