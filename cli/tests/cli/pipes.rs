//! `-` as stdin and stdout.

use std::process::{Command, Stdio};

use predicates::str::contains;

use crate::Workplace;

#[test]
fn data_goes_through_pipes_and_results_to_stderr() {
    let place = Workplace::new();
    place.picture("a.png");
    let coded = place
        .run("compress - -o -")
        .write_stdin(place.read("a.png"))
        .assert()
        .success()
        .stderr(contains("stdin -> stdout"))
        .get_output()
        .stdout
        .clone();
    place.run("compress a.png -o a.aec").assert().success();
    assert_eq!(coded, place.read("a.aec"));

    let decoded = place.run("decompress - -o - --format ppm").write_stdin(coded.clone()).assert().success();
    assert!(decoded.get_output().stdout.starts_with(b"P6\n48 32\n255\n"));
    let decoded = place.run("decompress - -o - --json").write_stdin(coded.clone()).assert().success();
    assert!(decoded.get_output().stdout.starts_with(b"\x89PNG"), "PNG where nothing else is asked for");
    place.run("info -").write_stdin(coded.clone()).assert().success().stdout(contains("48 x 32"));
    place.run("verify -").write_stdin(coded).assert().success();
}

#[test]
fn an_empty_pipe_is_an_error() {
    let place = Workplace::new();
    place.run("compress - -o -").write_stdin("").assert().code(1).stdout("").stderr(contains("stdin: "));
    place.run("decompress - -o a.png").write_stdin("").assert().code(1);
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Workplace::new();
    place.picture("a.png");
    for (args, code) in [
        (&["compress", "a.png", "-o", "a.aec"][..], 0),
        (&["info", "a.aec"], 0),
        (&["--help"], 0),
        (&["compress", "a.png", "-o", "-"], 1),
    ] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("aecodec"))
            .args(args)
            .current_dir(place.path("."))
            .stdin(Stdio::null())
            .stdout(closed())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("internal error"), "{said}");
    }
    assert!(place.path("a.aec").exists(), "the work is done although nobody reads about it");
}

/// The writing end of a pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}
