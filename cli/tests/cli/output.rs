//! What is written, what is left unchanged, and what is printed about it.

use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

#[test]
fn nothing_is_overwritten_without_force() {
    let place = Workplace::new();
    place.picture("a.png");
    place.write("a.aec", b"precious");
    let line = one_line(&mut place.run("compress a.png -o a.aec"), 1);
    assert!(line.contains("a.aec already exists; use --force"), "{line}");
    assert_eq!(place.read("a.aec"), b"precious");
    place.run("compress a.png -o a.aec --force").assert().success();
    assert_ne!(place.read("a.aec"), b"precious");

    place.write("b.png", b"precious");
    place.run("decompress a.aec -o b.png").assert().code(1);
    assert_eq!(place.read("b.png"), b"precious");
    place.run("decompress a.aec -o b.png -f").assert().success();
    assert_eq!(place.files(), ["a.aec", "a.png", "b.png"], "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn a_folder_without_rights_is_one_clear_line() {
    let place = Workplace::new();
    place.picture("a.png");
    // If there is a file in place of a folder, writing fails for every user.
    place.write("file", b"");
    let line = one_line(&mut place.run("compress a.png -o file/a.aec"), 1);
    assert!(line.contains("file/a.aec"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_clear_line() {
    let place = Workplace::new();
    place.picture("a.png");
    let line = one_line(&mut place.run("compress a.png -o /dev/full --force"), 1);
    assert!(line.contains("the disk is full") && line.contains("free some space"), "{line}");
    place.run("compress a.png -o /dev/null --force").assert().success();
    assert!(!std::path::Path::new("/dev/null").is_file(), "a device stays one");
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_is_told_with_the_outputs_name() {
    let place = Workplace::new();
    place.picture_of("a.png", 300, 300);
    place.run("compress a.png -o a.aec --quality 90").assert().success();
    for output in ["b.png", "b.ppm", "b.webp"] {
        // A limit on the size of files takes the place of a full disk, because both end a write halfway.
        let mut limited = assert_cmd::Command::new("sh");
        limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" decompress a.aec -o \"$1\""]);
        limited.arg(assert_cmd::cargo::cargo_bin("aecodec")).arg(output).current_dir(place.path("."));
        let line = one_line(&mut limited, 1);
        assert!(line.contains(&format!("cannot write {output}: ")) && !line.contains(".part"), "{line}");
    }
    assert_eq!(place.files(), ["a.aec", "a.png"]);
}

#[cfg(unix)]
#[test]
fn outputs_keep_the_rights_and_the_time_of_their_inputs() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};
    let place = Workplace::new();
    place.picture("a.png");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    std::fs::File::options().write(true).open(place.path("a.png")).unwrap().set_modified(time).unwrap();
    for mode in [0o600, 0o664, 0o444] {
        std::fs::set_permissions(place.path("a.png"), PermissionsExt::from_mode(mode)).unwrap();
        place.run("compress a.png -o a.aec --force").assert().success();
        place.run("decompress a.aec -o b.png --force").assert().success();
        place.run("decompress a.aec -o b.webp --force").assert().success();
        for name in ["a.aec", "b.png", "b.webp"] {
            let about = place.path(name).metadata().unwrap();
            assert_eq!(about.permissions().mode() & 0o7777, mode, "{name}");
            assert_eq!(about.modified().unwrap(), time, "{name}");
        }
    }
    // A pipe has neither permissions nor a time to take over.
    place.run("compress - -o pipe.aec").write_stdin(place.read("a.png")).assert().success();
    assert!(place.path("pipe.aec").metadata().unwrap().modified().unwrap() > time);
}

#[test]
fn compress_prints_bytes_rate_psnr_and_savings() {
    let place = Workplace::new();
    place.picture("a.png");
    let line = stdout(&mut place.run("compress a.png -o a.aec"));
    let bytes = place.read("a.aec").len();
    assert!(line.starts_with("a.png -> a.aec  "), "{line}");
    for words in [" bytes  ", " bpp  PSNR ", " than a.png, ", " than raw"] {
        assert!(line.contains(words), "{words} in {line}");
    }
    let result = &json(&mut place.run("compress a.png -o a.aec --force --json"))[0];
    assert_eq!(result["bytes"].as_u64(), Some(bytes as u64));
    assert_eq!(result["raw_bytes"].as_u64(), Some(48 * 32 * 3));
    assert_eq!((result["width"].as_u64(), result["height"].as_u64()), (Some(48), Some(32)));
    let rate = bytes as f64 * 8.0 / (48.0 * 32.0);
    assert!((result["bpp"].as_f64().unwrap() - rate).abs() < 1e-9);
}

#[test]
fn info_shows_every_field_and_all_bytes() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec --quality 62.5").assert().success();
    let text = stdout(&mut place.run("info a.aec"));
    for words in
        ["48 x 32 pixels, RGB", "62.5", "model", "pixel hash", "orientation    1", "pass 0", "header"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    let fields = &json(&mut place.run("info a.aec --json"))[0];
    assert_eq!(fields["quality"].as_f64(), Some(62.5));
    assert_eq!(fields["profile"], "fast");
    assert_eq!(fields["model_at_hand"], true);
    let parts: u64 =
        fields["parts"].as_array().unwrap().iter().map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert!(parts < fields["bytes"].as_u64().unwrap());
}

#[test]
fn verify_says_ok() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec").assert().success();
    place.run("verify a.aec").assert().success().stdout(contains("a.aec: ok"));
    assert_eq!(json(&mut place.run("verify a.aec --json"))[0]["ok"], true);
}
