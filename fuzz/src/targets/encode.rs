//! Encodes arbitrary small pictures and decodes them.

use super::decode::check;
use crate::input::Input;
use crate::streams::options;
use crate::tiny;
use aecodec::container::{self, Header};
use aecodec::{Color, EncodeOptions, Metadata, Picture, Quality, Target, psnr};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let picture = picture(&mut input);
    let mut toward = EncodeOptions::default();
    toward.group_log2 = input.one(&[6, 10]);
    toward.threads = input.one(&[1, 1, 2]);
    toward.target = match input.below(8) {
        0 => Target::Bytes(input.short().into()),
        1 => Target::Psnr(f64::from(input.byte()) / 4.0 + 1.0),
        2 => Target::BitsPerPixel(f64::from(input.byte()) / 16.0 + 0.01),
        _ => Target::Quality(Quality::from_raw(input.short() % 6401).expect("a quality of the scale")),
    };
    let encoded = aecodec::encode(&picture, &tiny::model(), &toward).expect("a sound picture");
    if let Target::Bytes(most) = toward.target {
        assert!(!encoded.reached || encoded.bytes.len() as u64 <= most);
    }
    let mut options = options();
    options.threads = toward.threads;
    let found = check(&encoded.bytes, &tiny::model(), &options).expect("a stream of the encoder");
    assert_eq!(found.hash_matches, Some(true));
    assert_eq!(psnr(&picture.samples, &found.picture.samples), encoded.psnr);
    let Picture { width, height, color, alpha, orientation, metadata, source_bits, .. } = &found.picture;
    assert_eq!((*width, *height, *color), (picture.width, picture.height, picture.color));
    assert_eq!((*orientation, *source_bits), (picture.orientation, picture.source_bits));
    assert!(alpha == &picture.alpha && metadata == &picture.metadata);
    let header: Header =
        container::read(&encoded.bytes, &options.limits).expect("a stream of the encoder").header;
    assert_eq!(header.quality, encoded.quality.raw());
}

/// A picture whose samples repeat those of the input.
fn picture(input: &mut Input) -> Picture {
    let (width, height) = (1 + input.below(100) as u32, 1 + input.below(100) as u32);
    let color = input.one(&[Color::Gray, Color::Rgb]);
    let pixels = (width * height) as usize;
    let mut of = |count: usize, has: usize| {
        let pattern = input.bytes(has);
        (0..count)
            .map(|i| if pattern.is_empty() { 0 } else { pattern[i % pattern.len()] })
            .collect::<Vec<u8>>()
    };
    let samples = of(pixels * color.channels(), 64);
    let alpha = of(pixels, 16);
    let mut picture = Picture::new(width, height, color, samples).expect("sides of at least 1");
    picture.alpha = (input.below(3) == 0).then_some(alpha);
    picture.orientation = 1 + input.below(8) as u8;
    picture.source_bits = input.one(&[8, 16]);
    let mut record = || (input.below(4) == 0).then(|| input.bytes(20).to_vec());
    picture.metadata = Metadata {
        icc: record(),
        exif: record(),
        xmp: record(),
        cicp: input.one(&[None, Some([9, 16, 0, 1])]),
    };
    picture
}
