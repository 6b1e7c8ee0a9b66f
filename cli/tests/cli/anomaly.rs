//! Learning what is usual, and finding what is not.

use predicates::str::contains;

use crate::{Workplace, json, one_line};

/// A folder with frames of a fixed camera, a usual one and one with a foreign object.
fn workplace() -> Workplace {
    let place = Workplace::new();
    let frame = |i: u32, object: bool| {
        image::RgbImage::from_fn(128, 96, |x, y| {
            let noise = (x * 7919 + y * 104_729 + i * 1_299_709) % 1009 % 7;
            let light = 90 + i % 21;
            let wall = 60 + (x / 16 * 40 + y / 12 * 50) % 100;
            let shade = if object && (40..72).contains(&x) && (32..64).contains(&y) {
                240
            } else {
                wall * light / 100
            };
            image::Rgb([(shade + noise) as u8, (shade * 3 / 4 + noise) as u8, noise as u8 + 40])
        })
    };
    std::fs::create_dir_all(place.path("normal")).unwrap();
    for i in 0..40 {
        frame(i, false).save(place.path(&format!("normal/{i:03}.png"))).unwrap();
    }
    frame(50, false).save(place.path("usual.png")).unwrap();
    frame(51, true).save(place.path("object.png")).unwrap();
    place
}

#[test]
#[cfg_attr(not(feature = "latents"), ignore = "this build has no anomaly: add --features full")]
fn a_foreign_object_is_found_and_painted() {
    let place = workplace();
    let learned = json(&mut place.run("anomaly learn normal -o camera.ano --json"));
    assert_eq!((&learned[0]["pictures"], &learned[0]["fixed"]), (&40.into(), &true.into()));
    assert!(one_line(&mut place.run("anomaly learn normal -o camera.ano"), 1).contains("--force"));

    let scored =
        json(&mut place.run("anomaly score usual.png object.png --with camera.ano --json --map heat"));
    assert_eq!((&scored[0]["unusual"], &scored[1]["unusual"]), (&false.into(), &true.into()));
    assert!(scored[1]["score"].as_f64().unwrap() > 1.0 && scored[0]["score"].as_f64().unwrap() < 1.0);
    let heat = image::open(place.path("heat/object.png")).unwrap().to_rgb8();
    let [inside, outside] = [heat.get_pixel(56, 48), heat.get_pixel(120, 10)];
    assert!(inside[0] > inside[2] + 60, "red or yellow inside, not {inside:?}");
    assert_eq!(outside[0], outside[2], "gray outside");
    place
        .run("anomaly score object.png --with camera.ano")
        .assert()
        .code(0)
        .stdout(contains("unusual, score"));

    // A coded file is scored by its latents.
    place.run("compress object.png usual.png -o coded --mode learned").assert().code(0);
    place.run("anomaly learn normal -o other.ano --view fixed").assert().code(0).stdout(contains("128x96"));
    let scored = json(&mut place.run("anomaly score coded/object.aec --with other.ano --json"));
    assert_eq!(scored[0]["unusual"], true);
}

#[test]
#[cfg_attr(not(feature = "latents"), ignore = "this build has no anomaly: add --features full")]
fn wrong_input_is_refused_with_advice() {
    let place = workplace();
    assert!(one_line(&mut place.run("anomaly learn usual.png -o c.ano"), 1).contains("at least 10"));
    assert!(!place.path("c.ano").exists());
    place.run("anomaly learn normal -o camera.ano").assert().code(0);
    let score = |rest: &str, code: i32| one_line(&mut place.run(&format!("anomaly score {rest}")), code);
    assert!(score("usual.png --with absent.ano", 1).contains("absent.ano: no such file"));
    assert!(score("usual.png --with usual.png", 1).contains("anomaly learn"));
    assert!(score("usual.png --with camera.ano --false-alarms 2", 2).contains("--false-alarms"));
    assert!(score("usual.png --with camera.ano --false-alarms 0.001", 1).contains("at least 999"));
    place.picture_of("small.png", 64, 64);
    assert!(score("small.png --with camera.ano", 1).contains("64x64"));
    place.picture_of("normal/other.png", 64, 64);
    let mut fixed = place.run("anomaly learn normal -o d.ano --view fixed");
    assert!(one_line(&mut fixed, 4).contains("other.png"));
    place.run("anomaly learn normal -o e.ano").assert().code(0).stdout(contains("different views"));
}
