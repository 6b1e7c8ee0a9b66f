//! Realistic folders, which contain other files, files that cannot be read, and names that occur twice.

use predicates::prelude::*;
use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_read_costs_only_what_is_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Workplace::new();
    place.picture("card/a.png");
    place.picture("card/lost+found/b.png");
    place.picture("card/z/c.png");
    let lost = place.path("card/lost+found");
    std::fs::set_permissions(&lost, PermissionsExt::from_mode(0o000)).unwrap();
    let mut command = place.run_unprivileged("compress card -o out --json");
    let output =
        command.assert().code(4).stderr(contains("card/lost+found: permission denied")).get_output().clone();
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["input"], "card/lost+found");
    assert!(lines[0]["error"].is_string());
    assert_eq!((&lines[3]["total"]["files"], &lines[3]["total"]["failed"]), (&2.into(), &1.into()));
    assert!(place.path("out/a.aec").exists() && place.path("out/z/c.aec").exists());
    // The same happens with a pattern, and if the folder contains nothing else.
    place.run_unprivileged("compress card/*/*.png -o more").assert().code(4).stderr(contains("lost+found"));
    assert!(place.path("more/c.aec").exists());
    place
        .run_unprivileged("compress card/lost+found -o none")
        .assert()
        .code(1)
        .stderr(contains("lost+found"));
    std::fs::set_permissions(&lost, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn one_name_in_two_folders_becomes_two_files_and_a_line_says_so() {
    let place = Workplace::new();
    for name in ["2023/IMG_1.png", "2024/IMG_1.png", "2024/IMG_2.png"] {
        place.picture(name);
    }
    let told = contains(
        "2023/IMG_1.png: another input is also called IMG_1.png, so the output is called 2023-IMG_1.aec",
    );
    place.run("compress 2023 2024 -o out").assert().success().stderr(told);
    let written = |folder: &str| {
        place
            .files()
            .into_iter()
            .filter_map(|file| file.strip_prefix(folder).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(written("out/"), ["2023-IMG_1.aec", "2024-IMG_1.aec", "IMG_2.aec"]);

    // The same happens if the files are named, and in the other direction.
    let lines = json(&mut place.run("compress 2023/IMG_1.png 2024/IMG_1.png -o named --json"));
    assert!(lines[0]["notices"][0].as_str().unwrap().contains("2023-IMG_1.aec"));
    place.run("compress 2023 -o a").assert().success();
    place.run("compress 2024 -o b").assert().success();
    place.run("decompress a b -o back").assert().success();
    assert_eq!(written("back/"), ["IMG_2.png", "a-IMG_1.png", "b-IMG_1.png"]);
}

#[test]
fn folders_of_one_name_are_told_apart_by_numbers() {
    let place = Workplace::new();
    for name in ["x/card/a.png", "y/card/a.png"] {
        place.picture(name);
    }
    place.run("compress x/card y/card -o out").assert().success().stderr(contains("is called a-2.aec"));
    assert!(place.path("out/a.aec").exists() && place.path("out/a-2.aec").exists());
}

#[test]
fn files_of_other_kinds_are_counted_and_said() {
    let place = Workplace::new();
    place.picture("mixed/a.png");
    for name in ["b.avif", "c.PSD", "d.psd", "e.heic", "f.jxl", "notes.txt", ".DS_Store", "._a.png"] {
        place.write(&format!("mixed/{name}"), b"\0\x05\x16\x07 not for us");
    }
    let told = contains("5 files of other kinds left out (.avif 1, .heic 1, .jxl 1, .psd 2)")
        .and(contains("HEIC is not supported; convert it"))
        .and(contains("JPEG XL is not supported; convert it"))
        .and(contains("notes").not())
        .and(contains("._a").not());
    place.run("compress mixed -o out").assert().success().stderr(told);
    assert_eq!(place.files().iter().filter(|file| file.starts_with("out/")).count(), 1);
    let lines = json(&mut place.run("compress mixed -o out --json --force"));
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["left_out"]["files"], 5);
    assert_eq!(lines[1]["left_out"]["kinds"][".psd"], 2);
    // A pattern skips the files of macOS too, but a named file is tried.
    place.run("compress mixed/*.png -o pattern").assert().success();
    place.run("compress mixed/._a.png -o mac.aec").assert().code(1);
    // Folders of .aec files may contain any other files.
    place.picture("out/a.png");
    assert_eq!(
        one_line(&mut place.run("decompress out -o back --region 9,9,999,9"), 1).matches("left out").count(),
        0
    );
}

#[test]
fn a_folder_of_other_kinds_alone_says_what_they_are() {
    let place = Workplace::new();
    place.write("phone/a.heic", b"no picture for us");
    let line = one_line(&mut place.run("compress phone -o out"), 3);
    assert!(
        line.contains("1 file of another kind left out (.heic 1)") && line.contains("heif-convert"),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_said_and_the_rest_is_done() {
    let place = Workplace::new();
    place.picture("in/a.png");
    std::os::unix::fs::symlink("gone.png", place.path("in/b.png")).unwrap();
    std::os::unix::fs::symlink("a.png", place.path("in/c.png")).unwrap();
    place.run("compress in -o out").assert().code(4).stderr(contains("in/b.png: no such file"));
    assert!(place.path("out/a.aec").exists() && place.path("out/c.aec").exists());
}

#[test]
fn without_an_output_files_lie_beside_their_inputs() {
    let place = Workplace::new();
    for name in ["a.png", "in/b.png", "in/sub/b.png", "in/sub/b.bmp"] {
        place.picture(name);
    }
    let line = stdout(&mut place.run("compress a.png"));
    assert!(line.starts_with("a.png -> a.aec  "), "{line}");
    let coded = place.read("a.aec");
    let line = one_line(&mut place.run("compress a.png --quality 10"), 1);
    assert!(line.contains("a.aec already exists; use --force"), "{line}");
    assert_eq!(place.read("a.aec"), coded);
    place.run("compress in").assert().success();
    for name in ["in/b.aec", "in/sub/b.png.aec", "in/sub/b.bmp.aec"] {
        assert!(place.path(name).exists(), "{name} in {:?}", place.files());
    }
    // A picture is not replaced by its decoded copy.
    let line = one_line(&mut place.run("decompress a.aec"), 1);
    assert!(line.contains("a.png already exists"), "{line}");
    place.run("decompress a.aec --format ppm").assert().success();
    assert!(place.read("a.ppm").starts_with(b"P6"));
    let piped = place.run("compress -").write_stdin(place.read("a.png")).assert().success();
    assert_eq!(piped.get_output().stdout, coded);
}
