//! Reads picture files and encodes pictures row by row and as a whole.

use crate::input::Input;
use crate::streams::{limits, picture};
use crate::tiny;
use aecodec::{Color, EncodeOptions, PictureInfo, Quality, Result, Source, Target, files};
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};

pub fn run(bytes: &[u8]) {
    // The first byte of a picture file is part of its signature, so that files are seeds as they are.
    if bytes.first().is_some_and(|&first| first < 16) { coded(&bytes[1..]) } else { read(bytes) }
}

/// A file that is read in small pieces.
struct Pieces<'a> {
    file: Cursor<&'a [u8]>,
    most: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.most.min(buffer.len());
        self.file.read(&mut buffer[..most])
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

fn read(bytes: &[u8]) {
    let most = 1 + usize::from(bytes.last().copied().unwrap_or(0)) % 40;
    let open = || Ok(BufReader::with_capacity(8 + most, Pieces { file: Cursor::new(bytes), most }));
    let Ok(Some(mut reader)) = files::open(open, &limits()) else { return };
    let head = reader.head().clone();
    let mut passes = Vec::new();
    for _ in 0..2 {
        let mut samples = vec![0; head.stride() * head.height as usize];
        let read = samples.chunks_mut(head.stride() * 3).try_for_each(|rows| reader.read(rows));
        passes.push(read.is_ok().then_some(samples));
        if reader.rewind().is_err() {
            break;
        }
    }
    let Some(samples) = &passes[0] else { return };
    assert!(passes.get(1).is_none_or(|again| again.as_ref() == Some(samples)), "a second pass differs");
    let (whole, _) = files::read(bytes, &limits()).expect("a file that can be read row by row");
    assert_eq!((whole.width, whole.height, whole.color), (head.width, head.height, head.color));
    assert!(&whole.samples == samples, "rows differ from the whole");
    assert_eq!((whole.metadata, whole.orientation), (head.metadata, head.orientation));
    assert_eq!(whole.source_bits, head.source_bits);
}

/// A picture that hands out its rows as they are asked for.
struct Rows {
    head: PictureInfo,
    samples: Vec<u8>,
    at: usize,
}

impl Source for Rows {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        rows.copy_from_slice(&self.samples[self.at..][..rows.len()]);
        self.at += rows.len();
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}

fn coded(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (width, height) = (1 + input.below(70) as u32, 1 + input.below(150) as u32);
    let color = input.one(&[Color::Gray, Color::Rgb]);
    let mut options = EncodeOptions::default();
    options.group_log2 = input.one(&[6, 7, 10]);
    options.threads = input.one(&[1, 1, 1, 2]);
    options.target = match input.below(4) {
        0 => Target::Bytes(input.short().into()),
        _ => Target::Quality(Quality::from_raw(input.short() % 6401).expect("a quality of the scale")),
    };
    let whole = picture(width, height, color, input.word().into());
    let head = PictureInfo::new(width, height, color);
    let mut rows = Rows { head, samples: whole.samples.clone(), at: 0 };
    let by_rows = aecodec::encode_rows(&mut rows, &tiny::model(), &options).expect("a sound picture");
    options.threads = 1;
    let at_once = aecodec::encode(&whole, &tiny::model(), &options).expect("a sound picture");
    assert!(by_rows.bytes == at_once.bytes, "rows give another stream than the whole");
}
