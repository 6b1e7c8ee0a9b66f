//! A head learns classes from latents and from pixels, is read back from its file, and refuses what is none.

use aecodec::{Color, Limits, ModelRegistry, Picture};
use aecodec_latents::segment::{Confusion, Examples, Head, Input, Labels, Options, UNLABELLED, train};
use aecodec_latents::{Error, Reader};
use aecodec_tests::{Random, encode};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

fn reader() -> Reader {
    Reader::new(ModelRegistry::embedded()).expect("the built-in model")
}

/// A ground with stripes (class 0), a smooth blue square (class 1), and a noisy green one (class 2).
fn scene(random: &mut Random) -> (Picture, Labels) {
    let squares = [(); 2].map(|()| (16 * random.below(4), 16 * random.below(6)));
    let class = |y: usize, x: usize| {
        let inside =
            |(top, left): (usize, usize)| (top..top + 32).contains(&y) && (left..left + 32).contains(&x);
        if inside(squares[0]) { 1 } else { u8::from(inside(squares[1])) * 2 }
    };
    let pixels = (0..96).flat_map(|y| (0..128).map(move |x| (y, x)));
    let values: Vec<u8> = pixels.clone().map(|(y, x)| class(y, x)).collect();
    let samples = pixels.zip(&values).flat_map(|((y, x), class)| match class {
        0 => [90 + 60 * ((y + x) / 4 % 2) as u8; 3],
        1 => [40, 60, 200],
        _ => [30, 100 + random.below(100) as u8, 40],
    });
    let picture = Picture::new(128, 96, Color::Rgb, samples.collect()).expect("a picture");
    (picture, Labels { width: 128, height: 96, values })
}

fn learned(reader: &Reader, input: Input) -> Head {
    let (mut examples, mut random) = (Examples::new(input), Random::new(4));
    for i in 0..12 {
        let (picture, labels) = scene(&mut random);
        examples.add(&picture, &labels, reader, &mut ChaCha8Rng::seed_from_u64(i)).expect("an example");
    }
    assert_eq!(examples.len(), 4 * 12);
    let mut options = Options::default();
    (options.classes, options.steps, options.batch) = (3, 60, 4);
    let mut losses = Vec::new();
    let trained = train(input, &examples, reader, &options, |progress| {
        losses.push(progress.loss);
        true
    });
    assert!(losses[59] < losses[0] / 2.0, "{losses:?}");
    trained.expect("a head").head
}

#[test]
fn classes_are_found_from_latents_and_from_pixels() {
    let reader = reader();
    for input in [Input::Latents, Input::Pixels] {
        let bytes = learned(&reader, input).to_bytes("a test").expect("a file");
        let head = Head::parse(&bytes, &reader).expect("the same head");
        assert_eq!((head.input(), head.classes()), (input, 3));
        let (mut confusion, mut random) = (Confusion::new(3), Random::new(77));
        for _ in 0..6 {
            let (picture, truth) = scene(&mut random);
            let found = head.segment(&encode(&picture, 50.0).bytes, &reader, &Limits::default());
            confusion.add(&truth, &found.expect("a label map")).expect("the same size");
        }
        let iou = confusion.mean_iou().expect("classes");
        assert!(iou > 0.7, "{input:?}: {iou}");
    }
}

#[test]
fn odd_sizes_are_segmented_and_pixels_without_a_class_do_not_count() {
    let reader = reader();
    let head = learned(&reader, Input::Latents);
    for (width, height) in [(1, 1), (17, 5), (130, 33)] {
        let picture =
            Picture::new(width, height, Color::Gray, vec![80; (width * height) as usize]).expect("a picture");
        let found =
            head.segment(&encode(&picture, 50.0).bytes, &reader, &Limits::default()).expect("a label map");
        assert_eq!((found.width, found.height), (width, height));
        let none = Labels { values: vec![UNLABELLED; found.values.len()], ..found.clone() };
        let mut confusion = Confusion::new(3);
        confusion.add(&none, &found).expect("the same size");
        assert_eq!(confusion.mean_iou(), None);
    }
}

#[test]
fn damaged_heads_are_refused() {
    let reader = reader();
    let bytes = {
        let (mut examples, (picture, labels)) = (Examples::new(Input::Latents), scene(&mut Random::new(1)));
        examples.add(&picture, &labels, &reader, &mut ChaCha8Rng::seed_from_u64(1)).expect("an example");
        let mut options = Options::default();
        (options.classes, options.steps) = (3, 1);
        let trained = train(Input::Latents, &examples, &reader, &options, |_| true).expect("a head");
        trained.head.to_bytes("").expect("a file")
    };
    assert!(matches!(Head::parse(b"no head", &reader), Err(Error::Kind { .. })));
    assert!(matches!(
        Head::parse(&bytes[..bytes.len() - 4], &reader),
        Err(Error::Kind { .. } | Error::Damaged(_))
    ));
    let mut random = Random::new(9);
    for i in 0..300 {
        let mut bytes = bytes.clone();
        // The header is where lengths, names and shapes are.
        let end = if i < 200 { 1500 } else { bytes.len() };
        for _ in 0..3 {
            let at = random.below(end);
            bytes[at] = random.below(256) as u8;
        }
        let _ = Head::parse(&bytes, &reader);
    }
    let empty = train(Input::Pixels, &Examples::new(Input::Pixels), &reader, &Options::default(), |_| true);
    assert!(matches!(empty, Err(Error::TooFew { .. })));
}
