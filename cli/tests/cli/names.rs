//! File names that contain control characters or bytes that are not UTF-8.

#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::{Workplace, json, stdout};

#[test]
fn names_that_are_not_utf_8_go_through_every_command() {
    let place = Workplace::new();
    place.picture("in/a.png");
    let latin = |folder: &str, extension: &str| {
        let mut name = format!("{folder}/caf").into_bytes();
        name.push(0xe9);
        name.extend(extension.bytes());
        place.path(".").join(OsStr::from_bytes(&name))
    };
    std::fs::rename(place.path("in/a.png"), latin("in", ".png")).unwrap();
    for (i, input) in ["in", "in/*.png", "in/caf?.*", "**/*.png"].into_iter().enumerate() {
        let lines = json(&mut place.run(&format!("compress {input} -o out{i} --json")));
        assert_eq!(lines.len(), 1, "{input}");
        assert_eq!(lines[0]["input"], "in/caf\\xe9.png");
        assert_eq!(lines[0]["output"].as_str().unwrap().rsplit('/').next(), Some("caf\\xe9.aec"));
        assert!(latin(&format!("out{i}"), ".aec").exists(), "{input}");
    }
    for input in ["out0", "out0/*"] {
        for command in ["info", "verify"] {
            let lines = json(&mut place.run(&format!("{command} {input} --json")));
            assert_eq!(lines[0]["input"], "out0/caf\\xe9.aec", "{command} {input}");
            assert!(lines[0]["error"].is_null());
            assert!(stdout(&mut place.run(&format!("{command} {input}"))).contains("caf\\xe9.aec"));
        }
        place.run(&format!("decompress {input} -o back --force")).assert().success();
        assert!(latin("back", ".png").exists());
    }
    place.run("verify").arg(latin("out0", ".aec")).assert().success();
}

#[test]
fn control_characters_in_names_do_not_reach_the_terminal() {
    let place = Workplace::new();
    let name = "a\u{1b}[31mb\n.png";
    place.picture(name);
    let bad = "c\u{1b}]0;x\u{7}.png";
    place.write(bad, b"no picture");
    for command in [vec!["compress", name, bad, "-o", "out"], vec!["info", "out"], vec!["verify", "out", bad]]
    {
        let output = place.run("").args(&command).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(!said.contains(&0x1b) && !said.contains(&7), "{command:?}: {}", said.escape_ascii());
        assert!(String::from_utf8(said).unwrap().contains("\\x1b"), "{command:?}");
    }
    // JSON has its own escapes for control characters.
    let lines = json(place.run("compress").args([name, "-o", "b.aec", "--json"]));
    assert_eq!(lines[0]["input"], name);
}
