//! What the code of a file holds adds up.

use aecodec::{Color, Limits};
use aecodec_latents::Anatomy;
use aecodec_tests::{decode, encode, model, photo};

#[test]
fn channels_passes_and_bits_add_up_to_the_file() {
    let coded = encode(&photo(200, 150, Color::Rgb, 3), 60.0).bytes;
    let anatomy = Anatomy::of(&coded, &model(), &Limits::default()).expect("an anatomy");
    assert_eq!(anatomy.shape, (10, 13, 384));
    let all: f32 = anatomy.channels.iter().map(|(_, share)| share).sum();
    assert!((all - 1.0).abs() < 1e-3 && anatomy.channels.is_sorted_by(|a, b| a.1 >= b.1));
    let [half, most] = [0.5, 0.99].map(|share| anatomy.channels_for(share));
    assert!(0 < half && half < most && most < 384, "{half} {most}");

    let passes = &anatomy.passes;
    assert!(passes.is_sorted_by(|a, b| a.bytes < b.bytes) && passes.len() == 5);
    assert!(passes[4].psnr.is_none() && passes[3].psnr > passes[0].psnr, "{passes:?}");
    let bytes = anatomy.bits.iter().sum::<f32>() / 8.0;
    assert!((bytes / passes[4].bytes as f32 - 1.0).abs() < 0.1, "{bytes} of {}", passes[4].bytes);
}

#[test]
fn a_traversal_changes_the_picture_more_the_farther_it_goes() {
    let picture = photo(96, 64, Color::Rgb, 8);
    let coded = encode(&picture, 60.0).bytes;
    let anatomy = Anatomy::of(&coded, &model(), &Limits::default()).expect("an anatomy");
    let steps = anatomy.traversal(anatomy.channels[0].0, &model()).expect("a traversal");
    let plain = decode(&coded).picture;
    let change = |i: usize| {
        let pairs = steps[i].samples.iter().zip(&plain.samples);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / plain.samples.len() as f64
    };
    assert!(change(2) < 2.0, "{}", change(2));
    assert!(change(0) > change(1) && change(1) > change(2) && change(4) > change(3) && change(3) > change(2));
    let sheet = anatomy.sheet(&model()).expect("a sheet");
    assert_eq!((sheet.width, sheet.color), (1600, Color::Rgb));
}
