//! Refinement, compared with the integer codec.

use super::*;
use crate::drawn;
use crate::net::Quantised;
use aecodec::{Color, DecodeOptions, Profile};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const FAST: &[u8] = include_bytes!("../../../models/fast/fast.aem");

/// A picture of shapes and soft noise.
fn picture(width: usize, height: usize, color: Color) -> Picture {
    let side = width.max(height);
    let drawn = drawn::draw(&mut ChaCha8Rng::seed_from_u64(5), side);
    let channels = color.channels();
    let samples = (0..height * width * channels).map(|i| {
        let (pixel, channel) = (i / channels, i % channels);
        let (y, x) = (pixel / width, pixel % width);
        let wave = 20.0 * (0.11 * x as f32 + 0.07 * y as f32).sin() + ((x * x + 3 * y * x) % 23) as f32;
        (f32::from(drawn[(y * side + x) * 3 + channel]) * 0.6 + 30.0 + wave) as u8
    });
    Picture::new(width as u32, height as u32, color, samples.collect()).expect("a picture")
}

fn refiner() -> Refiner {
    Refiner::new(FAST).expect("a model")
}

fn quality(value: f64) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    options.target = Target::Quality(Quality::new(value).expect("a quality"));
    options
}

/// The bits + lambda * squared error of a whole file.
fn cost(encoded: &Encoded, picture: &Picture) -> f64 {
    let lambda = loss::lambda((encoded.quality.value() / 100.0) as f32, 2);
    let mse = 255.0 * 255.0 / 10f64.powf(encoded.psnr.unwrap_or(f64::INFINITY) / 10.0);
    let pixels = f64::from(picture.width * picture.height);
    8.0 * encoded.bytes.len() as f64 + lambda * pixels * mse
}

#[test]
fn the_float_network_of_a_file_does_what_its_integers_do() {
    let (refiner, picture) = (refiner(), picture(128, 64, Color::Rgb));
    for value in [20.0, 80.0] {
        let at = Quality::new(value).expect("a quality");
        let latents = aecodec::analyse(&picture, &refiner.model, at, &quality(value)).expect("latents");
        let net = float::network(&refiner.layers, at).expect("a network");
        let x = crate::data::padded(&picture.samples, (64, 128), 64, &Device::Cpu).expect("a tensor");
        let unit = 2f32.powi(-i32::from(refiner.layers.y_fraction));

        // The analysis agrees within a share of the quantisation steps.
        let y: Vec<f32> =
            net.analyse(&x, &float::AT).and_then(|y| Ok(y.flatten_all()?.to_vec1()?)).expect("latents");
        let steps = float::steps(&refiner.layers, at);
        let off = y.iter().zip(&latents.y).enumerate().map(|(i, (y, &whole))| {
            f64::from((y - f32::from(whole) * unit) / steps[i % steps.len()]).powi(2)
        });
        let off = (off.sum::<f64>() / y.len() as f64).sqrt();
        assert!(off < 0.1, "analysis at {value}: off by {off} steps");

        let z = latents.z[0].iter().map(|&z| f32::from(z)).collect::<Vec<_>>();
        let z = Tensor::from_vec(z, (1, 1, 2, refiner.layers.shapes.z), &Device::Cpu).expect("a tensor");
        let y = latents.y.iter().map(|&y| f32::from(y) * unit).collect::<Vec<_>>();
        let y = Tensor::from_vec(y, (1, 4, 8, steps.len()), &Device::Cpu).expect("a tensor");
        let prior = net.prior(&z).expect("a prior");
        let rounded = |pass: crate::net::Pass| -> Result<Quantised> {
            let coded = pass.log_sigma.ge(f64::from(float::skip_below(&refiner.layers)))?;
            let rounded = (pass.residual.round()? * coded.to_dtype(candle_core::DType::F32)?)?;
            Ok((rounded.clone(), rounded))
        };
        let (y_hat, bits) = net.code(&y, &prior, &float::AT, rounded).expect("a pass");
        // Decoded floats are in the middle of their bins, so the integers have the same symbols.
        let middle: Vec<f32> = y_hat.flatten_all().and_then(|y| y.to_vec1()).expect("latents");
        let mut latents = latents;
        latents.y = middle.iter().map(|y| (y / unit).round() as i16).collect();
        let encoded = aecodec::encode_latents(&picture, &latents, &refiner.model, &quality(value));
        let encoded = encoded.expect("a stream");
        let decoded = aecodec::decode(&encoded.bytes, &refiner.model, &DecodeOptions::default());
        let decoded = decoded.expect("a sound stream").picture;
        let shown: Vec<f32> =
            net.synthesise(&y_hat, &float::AT).and_then(|x| Ok(x.flatten_all()?.to_vec1()?)).expect("pixels");
        let shown: Vec<u8> = shown.iter().map(|v| (255.0 * v + 127.5).round() as u8).collect();
        let psnr = aecodec::psnr(&shown, &decoded.samples).unwrap_or(f64::INFINITY);
        assert!(psnr > 45.0, "{psnr} dB between floats and integers at {value}");
        let bits = f64::from(bits.sum_all().and_then(|b| b.to_scalar::<f32>()).expect("bits"));
        let share = bits / encoded.model_bits;
        assert!((0.85..1.02).contains(&share), "{bits} bits of y, {} of all at {value}", encoded.model_bits);
    }
}

#[test]
fn refinement_lowers_the_cost_and_any_decoder_reads_the_result() {
    let refiner = refiner();
    for (color, width, height, value) in
        [(Color::Rgb, 150, 90, 50.0), (Color::Gray, 128, 96, 40.0), (Color::Rgb, 80, 113, 85.0)]
    {
        let picture = picture(width, height, color);
        let options = quality(value);
        let plain = aecodec::encode(&picture, &refiner.model, &options).expect("an encode");
        let mut shares = Vec::new();
        let effort = Effort::new(4).expect("an effort");
        let refined =
            refiner.encode(&picture, &options, effort, |p| shares.push(p.share)).expect("an encode");
        let saved = 1.0 - cost(&refined, &picture) / cost(&plain, &picture);
        assert!(saved > 0.005, "{width}x{height} {color:?}: {saved} saved");
        assert!(!shares.is_empty());
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        let decoded = aecodec::decode(&refined.bytes, &model, &DecodeOptions::default()).expect("a stream");
        assert_eq!(decoded.hash_matches, Some(true));
        assert_eq!(aecodec::psnr(&decoded.picture.samples, &picture.samples), refined.psnr);
    }
}

#[test]
fn groups_are_refined_without_harm_to_their_neighbours() {
    let (refiner, picture) = (refiner(), picture(150, 100, Color::Rgb));
    let mut options = quality(45.0);
    options.group_log2 = 6;
    let plain = aecodec::encode(&picture, &refiner.model, &options).expect("an encode");
    let effort = Effort::new(3).expect("an effort");
    let refined = refiner.encode(&picture, &options, effort, |_| ()).expect("an encode");
    let saved = 1.0 - cost(&refined, &picture) / cost(&plain, &picture);
    assert!(saved > 0.005, "{saved} saved");
}

#[test]
fn targets_hold() {
    let (refiner, picture) = (refiner(), picture(96, 80, Color::Rgb));
    let effort = Effort::new(2).expect("an effort");
    let mut options = EncodeOptions::default();
    for bytes in [900, 2500] {
        options.target = Target::Bytes(bytes);
        let refined = refiner.encode(&picture, &options, effort, |_| ()).expect("an encode");
        assert!(refined.bytes.len() as u64 <= bytes, "{} of {bytes} bytes", refined.bytes.len());
        assert!(refined.reached);
    }
    let psnr = aecodec::encode(&picture, &refiner.model, &quality(50.0)).expect("an encode").psnr;
    let psnr = psnr.expect("a decode that is not exact");
    options.target = Target::Psnr(psnr);
    let refined = refiner.encode(&picture, &options, effort, |_| ()).expect("an encode");
    let found = refined.psnr.expect("a decode that is not exact");
    assert!((psnr - 0.5..=psnr).contains(&found), "{found} of {psnr} dB");
    // This is out of reach with or without refinement.
    options.target = Target::Bytes(100);
    assert!(!refiner.encode(&picture, &options, effort, |_| ()).expect("an encode").reached);
}

#[test]
fn no_effort_gives_the_plain_file_and_the_same_effort_the_same() {
    let (refiner, picture) = (refiner(), picture(64, 64, Color::Rgb));
    let options = EncodeOptions::default();
    let plain = aecodec::encode(&picture, &refiner.model, &options).expect("an encode");
    let none = refiner.encode(&picture, &options, Effort::default(), |_| ()).expect("an encode");
    assert!(none.bytes == plain.bytes);
    let effort = Effort::new(2).expect("an effort");
    let [a, b] = [(); 2].map(|()| refiner.encode(&picture, &options, effort, |_| ()).expect("an encode"));
    assert!(a.bytes == b.bytes);
}

#[test]
fn what_cannot_be_refined_is_refused() {
    assert!(Refiner::new(&FAST[..1000]).is_err());
    let mut options = EncodeOptions::default();
    options.group_log2 = 11;
    let refused =
        refiner().encode(&picture(32, 32, Color::Rgb), &options, Effort::new(1).expect("one"), |_| ());
    assert!(matches!(refused, Err(Error::Invalid { what: "group size", .. })));
    assert!(Effort::new(10).is_none());
}
