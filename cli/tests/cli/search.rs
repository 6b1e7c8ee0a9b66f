//! Indexing, searching, and finding near-duplicates.

use std::time::Duration;

use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

const SAMPLES: [&str; 4] = ["brick", "harbour-night", "hills", "sign"];

/// A folder with samples, each as PNG and as `.aec`.
fn workplace() -> Workplace {
    let place = Workplace::new();
    for name in SAMPLES {
        for kind in ["png", "aec"] {
            let path = format!("{}/../samples/{name}.{kind}", env!("CARGO_MANIFEST_DIR"));
            place.write(&format!("photos/{kind}/{name}.{kind}"), &std::fs::read(path).unwrap());
        }
    }
    place.write("photos/damaged.png", b"\x89PNG\r\n\x1a\nno");
    place
}

#[test]
#[cfg_attr(not(feature = "search"), ignore = "this build has no search: add --features full")]
fn pictures_and_coded_files_are_indexed_found_and_grouped() {
    let place = workplace();
    let mut index = place.run("index photos --json --npy features.npy");
    let lines = json(&mut index);
    let total = lines.last().unwrap();
    assert_eq!(
        (&total["pictures"], &total["unchanged"], &total["removed"]),
        (&8.into(), &0.into(), &0.into())
    );
    assert_eq!(place.read("features.npy").len(), 128 + 8 * 128 * 4);
    assert_eq!(String::from_utf8(place.read("features.txt")).unwrap().lines().count(), 8);

    for name in SAMPLES {
        let found = json(&mut place.run(&format!("search photos/aec/{name}.aec -n 3 --json")));
        assert_eq!(found.len(), 3);
        for found in &found[..2] {
            assert!(found["path"].as_str().unwrap().contains(name), "{name}: {found}");
        }
        assert!(!found[2]["path"].as_str().unwrap().contains(name), "{name}: {found:?}");
    }
    let groups = json(&mut place.run("duplicates --json --html sheet.html"));
    assert_eq!(groups.len(), SAMPLES.len());
    assert!(groups.iter().all(|group| group["pictures"].as_array().unwrap().len() == 2), "{groups:?}");
    let sheet = String::from_utf8(place.read("sheet.html")).unwrap();
    assert_eq!(sheet.matches("data:image/jpeg;base64,").count(), 8);
    assert!(one_line(&mut place.run("duplicates --html sheet.html"), 1).contains("--force"));
}

#[test]
#[cfg_attr(not(feature = "search"), ignore = "this build has no search: add --features full")]
fn only_what_changed_is_read_again() {
    let place = workplace();
    std::fs::remove_file(place.path("photos/damaged.png")).unwrap();
    place.run("index photos").assert().code(0);
    std::fs::remove_file(place.path("photos/png/sign.png")).unwrap();
    std::fs::rename(place.path("photos/png/brick.png"), place.path("photos/moved.png")).unwrap();
    place.picture_of("photos/new.png", 90, 70);
    let lines = json(&mut place.run("index photos --json"));
    let states: Vec<&str> = lines.iter().filter_map(|line| line["state"].as_str()).collect();
    assert_eq!(states, ["indexed", "indexed"], "{lines:?}");
    let total = lines.last().unwrap();
    assert_eq!(
        (&total["pictures"], &total["unchanged"], &total["removed"]),
        (&8.into(), &6.into(), &2.into())
    );
    place.run("index photos").assert().code(0).stdout(contains("8 pictures, of which 8 had not changed"));
}

#[test]
#[cfg_attr(not(feature = "search"), ignore = "this build has no search: add --features full")]
fn an_index_survives_being_killed() {
    let place = Workplace::new();
    for i in 0..150 {
        place.picture_of(&format!("photos/{i:03}.png"), 40 + i, 60);
    }
    let mut before = 0;
    for pause in [60, 150, 400] {
        let program = assert_cmd::cargo::cargo_bin("aecodec");
        let mut child = std::process::Command::new(program)
            .current_dir(place.path("."))
            .args(["index", "photos", "--threads", "1"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        if !place.path("index.sqlite").exists() {
            continue;
        }
        // Whatever was saved is whole, and is not lost by the next interruption.
        let count = stdout(&mut place.run("search photos/000.png -n 1000 --json")).lines().count();
        assert!(count >= before, "{count} pictures after {before}");
        before = count;
    }
    let lines = json(&mut place.run("index photos --json"));
    assert_eq!(lines.last().unwrap()["pictures"], 150);
    assert!(lines.last().unwrap()["unchanged"].as_u64().unwrap() >= before as u64);
}

#[test]
#[cfg_attr(not(feature = "search"), ignore = "this build has no search: add --features full")]
fn wrong_input_is_refused_with_advice() {
    let place = Workplace::new();
    place.picture("a.png");
    assert!(one_line(&mut place.run("search a.png"), 1).contains("no such file"));
    assert!(one_line(&mut place.run("search a.png --index a.png"), 1).contains("aecodec index"));
    assert!(one_line(&mut place.run("index absent"), 1).contains("absent"));
    assert!(!place.path("index.sqlite").exists());
    std::fs::create_dir(place.path("photos")).unwrap();
    assert!(one_line(&mut place.run("index photos"), 3).contains("nothing to do"));
    place.picture("photos/b.png");
    place.run("index photos").assert().code(0);
    assert!(one_line(&mut place.run("duplicates"), 3).contains("no near-duplicates among 1 picture"));
    place.run("duplicates --similarity 2").assert().code(2);
    place.run("search a.png -n 0").assert().code(2);
    assert!(one_line(&mut place.run("search photos/absent.png"), 1).contains("absent.png"));
}
