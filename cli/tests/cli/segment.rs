//! Training a head, and segmenting with it.

use crate::{Workplace, json, one_line};

/// A folder with pictures of a dark and a light half, and their label maps.
fn workplace() -> Workplace {
    let place = Workplace::new();
    for folder in ["pictures", "labels"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    for i in 0..6_u32 {
        let edge = 30 + 8 * i;
        let light = |x: u32, y: u32| if x < edge { 30 + y / 4 } else { 200 - y / 3 };
        image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([light(x, y) as u8; 3]))
            .save(place.path(&format!("pictures/{i}.png")))
            .unwrap();
        image::GrayImage::from_fn(96, 64, |x, y| image::Luma([if y == 0 { 9 } else { u8::from(x >= edge) }]))
            .save(place.path(&format!("labels/{i}.png")))
            .unwrap();
    }
    place
}

const TRAIN: &str = "train pictures --task segment --labels labels --classes 2 --steps 60";

#[test]
#[cfg_attr(not(feature = "latents"), ignore = "this build has no segment: add --features full")]
fn a_head_is_trained_and_names_the_class_of_each_pixel() {
    let place = workplace();
    let lines = json(&mut place.run(&format!("{TRAIN} -o two.seg --json")));
    assert_eq!((&lines[0]["pictures"], &lines[0]["examples"]), (&6.into(), &24.into()));
    assert_eq!(lines.last().unwrap()["classes"], 2);
    place.run("compress pictures -o coded --mode learned").assert().code(0);
    let found =
        json(&mut place.run("segment coded --with two.seg --labels labels -o classes --overlay seen --json"));
    assert_eq!(found.len(), 7);
    assert!(found[6]["mean_iou"].as_f64().unwrap() > 0.85, "{:?}", found[6]);
    assert_eq!(found[6]["iou"].as_array().unwrap().len(), 2);
    let classes = image::open(place.path("classes/0.png")).unwrap().to_rgb8();
    assert_eq!(classes.dimensions(), (96, 64));
    assert_ne!(classes.get_pixel(5, 30), classes.get_pixel(90, 30));
    assert_eq!(place.files().iter().filter(|name| name.starts_with("seen/")).count(), 6);
}

#[test]
#[cfg_attr(not(feature = "latents"), ignore = "this build has no segment: add --features full")]
fn wrong_input_is_refused_with_advice() {
    let place = workplace();
    let run = |args: &str, code: i32| one_line(&mut place.run(args), code);
    assert!(run("train pictures --task segment -o a.seg", 2).contains("--labels"));
    assert!(run("train pictures --task segment --labels labels -o a.aem", 2).contains(".seg"));
    assert!(run("train pictures --task segment --labels pictures/absent -o a.seg", 3).contains("no picture"));
    assert!(run("segment pictures/0.png --with pictures/0.png -o c.png", 1).contains("--task segment"));
    assert!(run("segment pictures/0.png --with absent.seg -o c.png", 1).contains("absent.seg"));
    assert!(run("segment pictures/0.png --with absent.seg", 2).contains("--overlay"));
}
