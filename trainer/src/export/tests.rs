//! Compares the export with a model file that the recipe made from the same weights.

use super::*;
use crate::data::RgbPicture;
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;

fn golden(bytes: &[u8]) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load_buffer(bytes, &Device::Cpu).expect("tensors").into_iter().collect()
}

fn weights(float: &BTreeMap<String, Tensor>) -> Weights {
    let own =
        |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix("weight.")?.to_owned(), tensor.clone()));
    Weights::from_tensors(float.iter().filter_map(own).collect()).expect("weights")
}

/// What the recipe measured on the golden pictures.
fn learnt(export: &BTreeMap<String, Tensor>) -> Ranges {
    let number = |t: &Tensor| t.to_scalar::<f32>().expect("a number");
    let reach =
        export.iter().filter_map(|(name, t)| Some((name.strip_prefix("reach.")?.to_owned(), number(t))));
    Ranges { reach: reach.collect(), latents: export["latents"].to_vec1().expect("a row") }
}

const FLOAT: &[u8] = include_bytes!("../../../models/golden/float.safetensors");
const EXPORT: &[u8] = include_bytes!("../../../models/golden/export.safetensors");

#[test]
fn the_same_weights_ranges_and_counts_give_the_same_file() {
    let export = golden(EXPORT);
    let ranges = learnt(&export);
    let even = equalise::equalise(&weights(&golden(FLOAT)), &ranges.latents).expect("evened");
    let counts = |t: &Tensor| t.to_dtype(DType::F64).and_then(|t| t.to_vec2::<f64>()).expect("counts");
    let hyper: Vec<Counts> =
        (0..2).map(|band| counts(&export["z_counts"].get(band).expect("a band"))).collect();
    let levels = counts(&export["y_counts"]);
    let (found, report) =
        assemble(&even, &ranges, &hyper, &levels, "a tiny model", &ExportOptions::default()).expect("a file");
    let expected: Vec<u8> = export["aem"].to_vec1().expect("bytes");
    let differ: Vec<usize> = (0..expected.len()).filter(|&i| found.get(i) != expected.get(i)).collect();
    assert_eq!(found.len(), expected.len());
    assert!(differ.is_empty(), "{} bytes differ, the first at {}", differ.len(), differ[0]);
    assert!(report.iter().all(|fit| fit.margin > 1.0 && fit.weight_bits <= 16.0));
}

#[test]
fn ranges_are_those_of_the_recipe() {
    let (float, expected) = (golden(FLOAT), learnt(&golden(EXPORT)));
    let pictures: Vec<RgbPicture> = (0..2)
        .map(|i| {
            let picture = float["pictures"].get(i).expect("a picture");
            let (height, width, _) = picture.dims3().expect("a picture");
            RgbPicture {
                height,
                width,
                samples: picture.flatten_all().and_then(|p| p.to_vec1()).expect("samples"),
            }
        })
        .collect();
    let found = learn::ranges(&weights(&float), &pictures, 3).expect("ranges");
    for (name, reach) in &found.reach {
        let expected = expected.reach[name];
        assert!((reach - expected).abs() < 1e-4 * expected, "{name}: {reach}, expected {expected}");
    }
    for (found, expected) in found.latents.iter().zip(&expected.latents) {
        assert!((found - expected).abs() < 1e-4 * expected, "a latent: {found}, expected {expected}");
    }
}

#[test]
fn evened_weights_compute_the_same() {
    let float = golden(FLOAT);
    let weights = weights(&float);
    let mut latents = vec![0.1; weights.shapes().m];
    (latents[3], latents[7]) = (3.0, 0.01);
    let even = equalise::equalise(&weights, &latents).expect("evened");
    let x = ((float["pictures"].to_dtype(DType::F32).expect("floats") / 255.0).expect("scaled") - 0.5)
        .expect("x");
    let coded = [&weights, &even].map(|weights| {
        let net = Network::frozen(weights).expect("a network");
        net.forward(&x, &[0.6, 1.7], crate::net::Rate::Rounded).expect("coded")
    });
    let change = |t: fn(&crate::net::Coded) -> &Tensor| {
        let difference = (t(&coded[0]) - t(&coded[1])).and_then(|d| d.abs()?.max_all()?.to_scalar::<f32>());
        difference.expect("a number")
    };
    assert!(change(|c| &c.x_hat) < 1e-5 && change(|c| &c.y_bpp) < 1e-4);
    let gain =
        |weights: &Weights| weights.var("y_gain").expect("gains").to_vec2::<f32>().expect("rows")[0].clone();
    let moved: Vec<f32> =
        gain(&weights).iter().zip(gain(&even)).map(|(a, b)| ((a - b).exp()).round()).collect();
    assert_eq!((moved[0], moved[3], moved[7]), (8.0, 1.0, 8.0));
}

#[test]
fn tables_add_up_and_rare_values_escape() {
    let counts = vec![vec![0.0; tables::VALUES]; tables::LEVELS];
    for (level, table) in tables::of_levels(&counts).iter().enumerate() {
        assert_eq!(table.iter().map(|&f| u32::from(f)).sum::<u32>(), 4096, "level {level}");
        assert!(table.iter().all(|&f| f > 0) && table.len() % 2 == 0);
    }
}

#[test]
fn an_accumulator_that_could_wrap_is_named() {
    let export = golden(EXPORT);
    let weights = weights(&golden(FLOAT));
    let var = weights.var("he_mid.weight").expect("a parameter");
    var.set(&(var.as_detached_tensor() * 1e9).expect("large")).expect("set");
    let refused = quantise::quantise(&weights, &learnt(&export).reach, 0, 8);
    assert!(matches!(&refused, Err(Error::Weights { name, .. }) if name == "he_mid"), "{refused:?}");
}
