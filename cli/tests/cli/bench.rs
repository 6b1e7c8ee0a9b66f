//! `aecodec bench`: what it writes, refuses and prints. The measurements are tested in the library.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::{Workplace, one_line, stdout};

/// Options for a quick run: one built-in codec to compare with, and two points per curve.
const QUICK: &str = "--against jpeg --qualities 2 --cache cache";

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn a_folder_of_pictures_becomes_a_report() {
    let place = Workplace::new();
    place.picture("in/a.png");
    place.picture("in/deep/b.bmp");
    place.write("in/notes.txt", b"no picture");
    let text = stdout(&mut place.run(&format!("bench in {QUICK} -o report")));
    assert!(text.starts_with("2 pictures") && text.contains("aecodec") && text.contains("JPEG"), "{text}");
    assert!(text.trim_end().ends_with("report/report.html"), "{text}");
    for name in ["report.html", "report.md", "results.csv", "results.json", "plots/psnr_rgb.svg"] {
        assert!(place.path("report").join(name).exists(), "{name} in {:?}", place.files());
    }
    let results: Value = serde_json::from_slice(&place.read("report/results.json")).unwrap();
    let names: Vec<_> = results["pictures"].as_array().unwrap().iter().map(|p| p["name"].as_str()).collect();
    assert_eq!(names, [Some("a.png"), Some("deep/b.bmp")]);
    assert!(String::from_utf8(place.read("report/report.html")).unwrap().contains("b.bmp"));
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn json_has_an_object_for_each_measurement_and_one_for_all() {
    let place = Workplace::new();
    place.picture("a.png");
    let text = stdout(&mut place.run(&format!("bench a.png {QUICK} --json")));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let mut codecs: Vec<_> = lines[..2].iter().map(|line| line["codec"].as_str().unwrap()).collect();
    codecs.sort_unstable();
    assert_eq!(codecs, ["aecodec", "jpeg"]);
    assert!(lines[..2].iter().all(|line| line["points"].as_array().unwrap().len() == 2));
    assert_eq!((&lines[2]["reference"], &lines[2]["pictures"]), (&"jpeg".into(), &1.into()));
    assert!(lines[2]["codecs"][0]["decode_megapixels_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn a_report_is_replaced_only_when_asked() {
    let place = Workplace::new();
    place.picture("a.png");
    place.write("report/report.html", b"mine");
    let line = one_line(&mut place.run(&format!("bench a.png {QUICK}")), 2);
    assert!(line.contains("--force"), "{line}");
    assert_eq!(place.read("report/report.html"), b"mine");
    place.run(&format!("bench a.png {QUICK} --force")).assert().success();
    assert_ne!(place.read("report/report.html"), b"mine");
    place.write("own/results.csv", b"mine");
    one_line(&mut place.run(&format!("bench a.png {QUICK} -o own")), 2);
    one_line(&mut place.run(&format!("bench a.png {QUICK} -o own/results.csv")), 2);
    assert_eq!(place.read("own/results.csv"), b"mine");
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn what_cannot_be_measured_is_left_out_with_its_reason() {
    let place = Workplace::new();
    place.picture("a.png");
    place.write("b.png", b"no picture");
    let told = contains("left out: b.png: ").and(contains("not a picture"));
    place.run(&format!("bench a.png b.png {QUICK}")).assert().code(4).stderr(told);
    assert!(place.path("report/report.html").exists());
    place.run(&format!("bench none.png {QUICK} -o none")).assert().code(1).stderr(contains("check the path"));
    place.run(&format!("bench b.png {QUICK} -o none")).assert().code(1).stderr(contains("b.png"));
    assert!(!place.path("none").exists());
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn mistakes_are_named_with_what_there_is() {
    let place = Workplace::new();
    place.picture("a.png");
    place.write("table.toml", b"[[codec]]\nid = \"mine\"\n");
    place.write("curves.json", b"{}");
    for (args, code, words) in [
        ("bench a.png --against nothing", 2, "webp"),
        ("bench a.png --against jpeg --reference avif", 2, "jpeg"),
        ("bench a.png --qualities 1", 2, "2..=100"),
        ("bench - --against jpeg", 2, "stdin"),
        ("bench none.png --against jpeg", 1, "none.png"),
        ("bench a.png --codecs table.toml", 1, "table.toml"),
        ("bench a.png --against jpeg --curves curves.json", 1, "curves.json"),
        ("bench a.png --against jpeg --cache a.png", 1, "--no-cache"),
        ("bench", 2, "IN"),
    ] {
        place.run(args).assert().code(code).stderr(contains(words));
    }
    assert!(!place.path("report").exists());
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn pictures_of_one_name_are_told_apart_by_their_folders() {
    let place = Workplace::new();
    place.picture("x/p.png");
    place.picture("y/p.png");
    stdout(&mut place.run(&format!("bench x/p.png y/p.png {QUICK}")));
    let results: Value = serde_json::from_slice(&place.read("report/results.json")).unwrap();
    let names: Vec<_> = results["pictures"].as_array().unwrap().iter().map(|p| p["name"].as_str()).collect();
    assert_eq!(names, [Some("x/p.png"), Some("y/p.png")]);
}

#[test]
#[cfg_attr(not(feature = "bench"), ignore = "this build has no bench: add --features full")]
fn codecs_of_a_table_are_listed_and_measured() {
    let place = Workplace::new();
    place.picture("a.png");
    let table = r#"
        [[codec]]
        id = "copy"
        name = "Copy"
        encode = "sh -c 'test $0 -ge 1 && cp $1 $2' {quality} {in} {out}"
        decode = "cp {in} {out}"
        version = "cp --version"
        quality = { worst = 1, best = 2, step = 1 }
        input = "ppm"
        output = "ppm"
        [[codec]]
        id = "absent"
        name = "Absent"
        encode = "no-such-encoder {quality} {in} {out}"
        decode = "no-such-decoder {in} {out}"
        version = "no-such-encoder --version"
        quality = { worst = 1, best = 2, step = 1 }
        input = "ppm"
        output = "ppm"
        install = "look behind the shelf"
    "#;
    place.write("table.toml", table.as_bytes());
    let list = stdout(&mut place.run("bench --list --codecs table.toml"));
    assert!(list.contains("jpeg") && list.contains("look behind the shelf"), "{list}");
    if !cfg!(unix) {
        return;
    }
    let text = stdout(&mut place.run("bench a.png --codecs table.toml --against jpeg,copy --no-cache"));
    // A lossless codec has no range of PSNR that could be compared.
    assert!(text.contains("Copy") && text.contains("not comparable"), "{text}");
    let csv = String::from_utf8(place.read("report/results.csv")).unwrap();
    assert!(csv.lines().any(|line| line.contains(",copy,") && line.contains(",100")), "{csv}");
}
