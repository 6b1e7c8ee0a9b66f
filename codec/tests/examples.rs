//! Runs the examples on the samples.

use std::path::{Path, PathBuf};

use aecodec::{Picture, files};

#[path = "../examples/any_model.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod any_model;
#[path = "../examples/decode.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod decode;
#[path = "../examples/encode.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod encode;
#[path = "../examples/progressive.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod progressive;
#[path = "../examples/rows.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod rows;

type Example = fn(&[String]) -> Result<(), Box<dyn std::error::Error>>;

fn call(run: Example, args: &[&Path]) {
    let args: Vec<_> = args.iter().map(|arg| arg.to_str().expect("UTF-8").to_owned()).collect();
    run(&args).unwrap_or_else(|error| panic!("{args:?}: {error}"));
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn picture(path: &Path) -> Picture {
    let bytes = std::fs::read(path).expect("a file");
    files::read(&bytes, &aecodec::Limits::default()).expect("a picture").0
}

#[test]
fn the_examples_do_what_they_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let original = repository().join("samples/brick.png");
    let psnr = |name: &str| {
        let found = aecodec::psnr(&picture(&at(name)).samples, &picture(&original).samples);
        found.expect("not exact")
    };

    call(encode::run, &[&original, &at("70.aec"), Path::new("70")]);
    call(decode::run, &[&at("70.aec"), &at("70.png")]);
    call(encode::run, &[&original, &at("50.aec")]);
    call(decode::run, &[&at("50.aec"), &at("50.png")]);
    assert!(28.0 < psnr("50.png") && psnr("50.png") < psnr("70.png"));

    call(rows::run, &[&original, &at("rows.png")]);
    assert!(picture(&at("rows.png")).samples == picture(&at("50.png")).samples);

    call(progressive::run, &[&at("70.aec"), folder.path()]);
    assert!(psnr("1.png") < psnr("2.png") && psnr("3.png") < psnr("4.png"));
    assert!(picture(&at("4.png")).samples == picture(&at("70.png")).samples);

    call(any_model::run, &[&repository().join("models/best/best.aem"), &at("70.aec")]);
}
