//! `aecodec compare`: what it measures, writes and refuses.

use predicates::prelude::*;
use predicates::str::contains;

use crate::{Workplace, json, one_line};

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no compare: add --features full")]
fn a_picture_equals_itself_and_its_exact_file() {
    let place = Workplace::new();
    place.picture_of("a.png", 200, 180);
    place.run("compress a.png -o a.aec --lossless").assert().success();
    let found = json(&mut place.run("compare a.png a.aec --json")).remove(0);
    assert_eq!((&found["psnr"], &found["largest_difference"]), (&serde_json::Value::Null, &0.into()));
    assert_eq!((found["ms_ssim"].as_f64(), found["ssimulacra2"].as_f64()), (Some(1.0), Some(100.0)));
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no compare: add --features full")]
fn differences_are_measured_and_drawn() {
    let place = Workplace::new();
    let mut picture = place.picture_of("a.png", 30, 20);
    picture.put_pixel(3, 4, image::Rgb([200, 0, 0]));
    let before = *image::open(place.path("a.png")).unwrap().to_rgb8().get_pixel(3, 4);
    picture.save(place.path("b.png")).unwrap();
    let found = json(&mut place.run("compare a.png b.png --json --difference d.png --amplify 2")).remove(0);
    let largest = [200, 0, 0].iter().zip(before.0).map(|(a, b): (&u8, u8)| a.abs_diff(b)).max();
    assert_eq!(found["largest_difference"], largest.unwrap());
    assert!(found["psnr"].as_f64().unwrap() > 20.0 && found["ms_ssim"].is_null(), "{found}");
    let drawn = image::open(place.path("d.png")).unwrap().to_rgb8();
    assert_eq!(drawn.get_pixel(3, 4).0[0], 200_u8.abs_diff(before.0[0]).saturating_mul(2));
    assert_eq!(drawn.get_pixel(9, 9).0, [0; 3]);
    one_line(&mut place.run("compare a.png b.png --difference d.png"), 1);
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no compare: add --features full")]
fn what_cannot_be_compared_is_named() {
    let place = Workplace::new();
    place.picture_of("a.png", 30, 20);
    place.picture_of("b.png", 20, 30);
    place.write("c.png", b"no picture");
    place.run("compare a.png b.png").assert().code(1).stderr(contains("30 x 20").and(contains("20 x 30")));
    place.run("compare a.png c.png").assert().code(1).stderr(contains("c.png is not a picture"));
    place.run("compare a.png nothing.png").assert().code(1).stderr(contains("nothing.png"));
    place.run("compare a.png a.png --difference d.xyz").assert().code(2).stderr(contains("extension"));
}
