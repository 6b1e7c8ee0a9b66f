//! Row by row or as a whole, a picture gives the same stream, and a stream the same picture.

use std::io::Cursor;

use aecodec::files::{self, Format, WriteOptions};
use aecodec::{
    Check, Color, DecodeOptions, Decoder, EncodeOptions, Error, Limits, Metadata, Picture, PictureInfo,
    Region, Result, Source, Target, psnr,
};
use aecodec_tests::{Random, decode, decode_with, encode_with, model, photo, quality, small_groups, toward};

/// The rows of a picture, with a note of how they were asked for.
struct Rows<'a> {
    head: PictureInfo,
    picture: &'a Picture,
    at: usize,
    rewound: usize,
    /// Fails beyond this row.
    end: usize,
}

impl<'a> Rows<'a> {
    fn of(picture: &'a Picture) -> Self {
        Self { head: picture.head(), picture, at: 0, rewound: 0, end: usize::MAX }
    }
}

impl Source for Rows<'_> {
    fn head(&self) -> &PictureInfo {
        &self.head
    }

    fn read(&mut self, rows: &mut [u8]) -> Result<()> {
        let stride = self.head.stride();
        assert!(rows.len().is_multiple_of(stride), "whole rows");
        rows.copy_from_slice(&self.picture.samples[self.at * stride..][..rows.len()]);
        self.at += rows.len() / stride;
        if self.at > self.end {
            return Err(Error::Invalid { what: "source", detail: "no more".into() });
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        (self.at, self.rewound) = (0, self.rewound + 1);
        Ok(())
    }
}

/// Pictures of odd sizes with small groups, so that there are many bands.
fn cases() -> Vec<(Picture, EncodeOptions)> {
    let random = &mut Random::new(71);
    let mut cases = Vec::new();
    for (i, (width, height)) in
        [(1, 1), (17, 1), (1, 40), (64, 64), (65, 129), (200, 33), (33, 700), (150, 900), (777, 70)]
            .into_iter()
            .enumerate()
    {
        let color = if i % 3 == 1 { Color::Gray } else { Color::Rgb };
        let mut options = small_groups(quality(10.0 + random.below(90) as f64));
        options.group_log2 = 6 + random.below(3) as u8;
        options.threads = 1 + random.below(4);
        cases.push((photo(width, height, color, i as u64), options));
    }
    cases
}

/// All rows of a decoder in one piece.
fn collected(bytes: &[u8], options: &DecodeOptions) -> (PictureInfo, Vec<u8>, aecodec::Outcome) {
    let model = model();
    let decoder = Decoder::new(bytes, &model, options).expect("a sound stream");
    let head = decoder.head().clone();
    let mut samples = Vec::new();
    let outcome = decoder.run(|rows| {
        assert!(!rows.is_empty() && rows.len().is_multiple_of(head.stride()), "whole rows");
        samples.extend_from_slice(rows);
        Ok(())
    });
    (head, samples, outcome.expect("a sink that takes everything"))
}

#[test]
fn streamed_and_whole_are_the_same() {
    for (i, (picture, options)) in cases().into_iter().enumerate() {
        let whole = encode_with(&picture, &options);
        let rows = aecodec::encode_rows(&mut Rows::of(&picture), &model(), &options).expect("an encode");
        assert!(rows.bytes == whole.bytes, "case {i}: streams");
        assert_eq!((rows.psnr, rows.quality), (whole.psnr, whole.quality), "case {i}");

        let mut alone = options.clone();
        alone.threads = 1;
        assert!(encode_with(&picture, &alone).bytes == whole.bytes, "case {i}: threads");

        let decoded = decode(&whole.bytes);
        assert_eq!(decoded.hash_matches, Some(true), "case {i}");
        assert_eq!(whole.psnr, psnr(&picture.samples, &decoded.picture.samples), "case {i}");
        for (threads, window) in [(1, (1024, 2048)), (3, (8, 8)), (2, (16, 40)), (4, (5000, 64))] {
            let mut options = DecodeOptions::default();
            (options.threads, options.window) = (threads, window);
            let (head, samples, outcome) = collected(&whole.bytes, &options);
            assert_eq!(head, decoded.picture.head(), "case {i}");
            assert!(samples == decoded.picture.samples, "case {i}: {threads} threads, windows of {window:?}");
            assert_eq!(
                (outcome.pixel_hash, outcome.hash_matches),
                (decoded.pixel_hash, Some(true)),
                "case {i}"
            );
        }
    }
}

#[test]
fn regions_come_in_rows_too() {
    let picture = photo(300, 500, Color::Rgb, 72);
    let bytes = encode_with(&picture, &small_groups(quality(50.0))).bytes;
    let random = &mut Random::new(73);
    for threads in [1, 2, 3, 4, 1, 2, 3, 4] {
        let (x, y) = (random.below(300) as u32, random.below(500) as u32);
        let (width, height) = (1 + random.below(300 - x as usize), 1 + random.below(500 - y as usize));
        let region = Region { x, y, width: width as u32, height: height as u32 };
        let mut options = DecodeOptions::default();
        (options.threads, options.region, options.window) = (threads, Some(region), (64, 64));
        let (head, samples, _) = collected(&bytes, &options);
        assert_eq!((head.width, head.height), (region.width, region.height));
        let whole = decode(&bytes).picture.samples;
        let rows = whole.chunks_exact(900).skip(y as usize).take(height);
        let crop: Vec<u8> = rows.flat_map(|row| &row[3 * x as usize..][..3 * width]).copied().collect();
        assert!(samples == crop, "{region:?}");
    }
}

#[test]
fn damage_is_told_in_rows_as_for_the_whole() {
    let picture = photo(200, 300, Color::Rgb, 74);
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    let mut hurt = bytes.clone();
    let middle = hurt.len() / 2;
    hurt[middle] ^= 1;
    for damaged in [&hurt[..], &bytes[..bytes.len() * 2 / 3], &bytes[..bytes.len() - 1]] {
        let whole = decode(damaged);
        let (_, samples, outcome) = collected(damaged, &DecodeOptions::default());
        assert!(samples == whole.picture.samples && !whole.damage.is_empty());
        assert_eq!(format!("{:?}", outcome.damage), format!("{:?}", whole.damage));
        assert_eq!(outcome.hash_matches, None);
    }
}

#[test]
fn targets_rewind_the_source_and_record_the_hash() {
    let picture = photo(250, 180, Color::Rgb, 75);
    for target in [Target::Bytes(4000), Target::BitsPerPixel(0.5), Target::Psnr(33.0)] {
        let mut rows = Rows::of(&picture);
        let options = small_groups(target);
        let found = aecodec::encode_rows(&mut rows, &model(), &options).expect("an encode");
        assert!(rows.rewound > 1, "{target:?}");
        let decoded = decode(&found.bytes);
        assert_eq!(decoded.hash_matches, Some(true), "{target:?}");
        assert_eq!(found.psnr, psnr(&picture.samples, &decoded.picture.samples), "{target:?}");
        let again = encode_with(&picture, &small_groups(Target::Quality(found.quality)));
        assert!(again.bytes == found.bytes, "{target:?}: as if its quality had been asked for");
    }
    let mut options = toward(Target::Bytes(4000));
    options.check = Check::None;
    let found = encode_with(&picture, &options);
    assert!(found.psnr.is_none() && decode(&found.bytes).hash_matches.is_none());
}

#[test]
fn errors_of_source_and_sink_end_the_work() {
    let picture = photo(100, 2000, Color::Gray, 76);
    for end in [0, 1000, 1999] {
        let mut rows = Rows { end, ..Rows::of(&picture) };
        let found = aecodec::encode_rows(&mut rows, &model(), &toward(quality(50.0)));
        assert!(matches!(found, Err(Error::Invalid { what: "source", .. })), "{end}");
    }
    let bytes = encode_with(&picture, &toward(quality(50.0))).bytes;
    let model = model();
    let decoder = Decoder::new(&bytes, &model, &DecodeOptions::default()).expect("a sound stream");
    let full = || Error::Io(std::io::ErrorKind::StorageFull.into());
    assert!(matches!(decoder.run(|_| Err(full())), Err(Error::Io(_))));
}

#[test]
fn files_are_read_in_rows_as_they_are_as_a_whole() {
    let metadata = Metadata {
        icc: Some([&[0; 16][..], b"RGB ", &[7; 300]].concat()),
        exif: Some(b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec()),
        xmp: Some(b"<x:xmpmeta/>".to_vec()),
        cicp: None,
    };
    for (i, color) in [Color::Rgb, Color::Gray].into_iter().enumerate() {
        let mut picture = photo(93, 41, color, 77);
        let magic = if color == Color::Gray { "P5" } else { "P6" };
        let wide: Vec<u8> = picture.samples.iter().flat_map(|&v| [v, v ^ 0x5a]).collect();
        let mut inputs = vec![
            files::write(&picture, Format::Pnm, &WriteOptions::default()).expect("a PNM").0,
            [format!("{magic}\n# of a tool\n93 # wide\n41\n255\n").as_bytes(), &picture.samples].concat(),
            [format!("{magic} 93 41 65535\n").as_bytes(), &wide].concat(),
            files::write(&picture, Format::Png, &WriteOptions::default()).expect("a PNG").0,
        ];
        picture.metadata = metadata.clone();
        inputs.push(files::write(&picture, Format::Png, &WriteOptions::default()).expect("a PNG").0);
        for (j, bytes) in inputs.iter().enumerate() {
            let (whole, notices) = files::read(bytes, &Limits::default()).expect("a sound file");
            let mut rows = files::open(|| Ok(Cursor::new(bytes)), &Limits::default())
                .expect("a sound header")
                .unwrap_or_else(|| panic!("file {i}.{j} comes in rows"));
            assert_eq!(*rows.head(), whole.head(), "file {i}.{j}");
            assert_eq!(rows.notices(), notices, "file {i}.{j}");
            for _ in 0..2 {
                let mut samples = vec![0; whole.samples.len()];
                let (top, rest) = samples.split_at_mut(7 * rows.head().stride());
                rows.read(top).expect("rows");
                rows.read(rest).expect("rows");
                assert!(samples == whole.samples, "file {i}.{j}");
                rows.rewind().expect("the first row");
            }
            let cut = &bytes[..bytes.len() - 60];
            let lost = files::open(|| Ok(Cursor::new(cut)), &Limits::default()).and_then(|rows| {
                rows.map_or(Ok(()), |mut rows| rows.read(&mut vec![0; whole.samples.len()]))
            });
            assert!(lost.is_err(), "file {i}.{j} cut short");
        }
        picture.alpha = Some(vec![9; 93 * 41]);
        for format in [Format::Png, Format::WebP] {
            let bytes = files::write(&picture, format, &WriteOptions::default()).expect("a file").0;
            assert!(files::open(|| Ok(Cursor::new(&bytes)), &Limits::default()).expect("a header").is_none());
        }
    }
}

#[test]
fn files_are_written_in_rows_as_they_are_as_a_whole() {
    let mut picture = photo(70, 50, Color::Rgb, 78);
    picture.metadata.xmp = Some(b"<x:xmpmeta/>".to_vec());
    for format in [Format::Pnm, Format::Png] {
        let head = picture.head();
        assert!(files::writes_rows(&head, format));
        let mut out = Vec::new();
        let ((), notices) = files::write_rows(&mut out, &head, format, &WriteOptions::default(), |sink| {
            picture.samples.chunks(3 * head.stride()).try_for_each(&mut *sink)
        })
        .expect("a file");
        let (whole, expected) = files::write(&picture, format, &WriteOptions::default()).expect("a file");
        assert_eq!(notices, expected);
        let read = |bytes: &[u8]| files::read(bytes, &Limits::default()).expect("a sound file").0;
        assert!(read(&out) == read(&whole), "{format}");

        let short = files::write_rows(Vec::new(), &head, format, &WriteOptions::default(), |sink| {
            sink(&picture.samples[..210])
        });
        assert!(short.is_err(), "{format}: rows are missing");
        let mut turned = PictureInfo::new(70, 50, Color::Rgb);
        turned.orientation = 6;
        assert!(!files::writes_rows(&turned, format), "turned rows are not written in order");
    }
    assert!(!files::writes_rows(&picture.head(), Format::Jpeg));
}

#[test]
fn a_decode_with_fewer_passes_comes_in_rows() {
    let bytes = encode_with(&photo(130, 260, Color::Rgb, 79), &small_groups(quality(50.0))).bytes;
    let mut options = DecodeOptions::default();
    options.passes = 2;
    let (_, samples, outcome) = collected(&bytes, &options);
    assert!(samples == decode_with(&bytes, |options| options.passes = 2).picture.samples);
    assert_eq!(outcome.hash_matches, None);
}
