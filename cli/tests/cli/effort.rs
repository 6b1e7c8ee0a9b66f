//! `--effort` makes smaller files, which any decoder can read.

use crate::{Workplace, json};

#[test]
#[cfg_attr(not(feature = "refine"), ignore = "this build has no --effort: add --features full")]
fn effort_0_is_the_file_as_ever() {
    let place = Workplace::new();
    place.picture("a.png");
    let plain = json(&mut place.run("compress a.png -o plain.aec --json"));
    assert_eq!(plain[0]["effort"].as_u64(), Some(0));
    place.run("compress a.png -o none.aec --effort 0").assert().success();
    assert_eq!(place.read("none.aec"), place.read("plain.aec"));
}

#[test]
#[cfg_attr(not(feature = "refine"), ignore = "this build has no --effort: add --features full")]
fn effort_is_reported_and_its_files_verify() {
    let place = Workplace::new();
    place.picture_of("a.png", 90, 70);
    place.picture_of("b.png", 40, 70);
    let refined = json(&mut place.run("compress a.png b.png -o out --effort 2 --quality 60 --json"));
    assert_eq!(refined[0]["effort"].as_u64(), Some(2));
    assert_eq!(refined[2]["total"]["failed"].as_u64(), Some(0));
    place.run("verify out").assert().success();
    place.run("decompress out -o back").assert().success();
}

#[test]
#[cfg_attr(not(feature = "refine"), ignore = "this build has no --effort: add --features full")]
fn a_size_holds_with_effort() {
    let place = Workplace::new();
    place.picture_of("a.png", 120, 80);
    let refined = json(&mut place.run("compress a.png -o a.aec --effort 2 --size 700 --json"));
    assert_eq!(refined[0]["reached"].as_bool(), Some(true));
    assert!(place.read("a.aec").len() <= 700);
}

#[test]
#[cfg_attr(not(feature = "refine"), ignore = "this build has no --effort: add --features full")]
fn effort_has_ten_levels() {
    let place = Workplace::new();
    place.picture("a.png");
    for wrong in ["10", "-1", "x"] {
        place.run(&format!("compress a.png -o a.aec --effort {wrong}")).assert().code(2).stdout("");
    }
    assert_eq!(place.files(), ["a.png"]);
}
