//! Help, options and wrong usage.

use predicates::prelude::*;
use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

#[test]
fn help_shows_every_command_with_examples() {
    let place = Workplace::new();
    let all = ["compress", "decompress", "info", "verify"];
    let mut help = place.run("--help").assert().success();
    for command in all {
        help = help.stdout(contains(command));
        place.run(&format!("{command} --help")).assert().success().stdout(contains("--json"));
    }
    place.run("compress --help").assert().stdout(contains("Examples:").and(contains("--size 80KB")));
    place.run("--version").assert().success().stdout(contains(env!("CARGO_PKG_VERSION")));
}

#[cfg(feature = "generate")]
#[test]
fn manual_pages_and_completions_know_every_command_and_option() {
    let place = Workplace::new();
    place.run("generate out").assert().success();
    let read = |name: &str| String::from_utf8(place.read(&format!("out/{name}"))).expect("UTF-8");
    let plain = |page: &str| page.replace(r"\-", "-");
    for command in ["compress", "decompress", "info", "verify", "model"] {
        let page = plain(&read(&format!("man/aecodec-{command}.1")));
        assert!(page.contains("--json") && page.contains("--help"), "{page}");
        assert!(plain(&read("man/aecodec.1")).contains(&format!("aecodec-{command}(1)")), "{command}");
        for shell in ["aecodec.bash", "_aecodec", "aecodec.fish", "_aecodec.ps1", "aecodec.elv"] {
            assert!(read(&format!("completions/{shell}")).contains(command), "{command}, {shell}");
        }
    }
    assert!(read("completions/aecodec.bash").contains("--quality"));
    place.run("--help").assert().success().stdout(contains("generate").not());
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Workplace::new();
    place.picture("a.png");
    for args in [
        "",
        "paint a.png",
        "compress",
        "compress - a.png",
        "compress a.png -o a.jpg",
        "compress a.png -o a.png --force",
        "compress a.png -o a.TIF",
        "compress a.png -o a.aec --quality 101",
        "compress a.png -o a.aec --quality -1",
        "compress a.png -o a.aec --quality nan",
        "compress a.png -o a.aec --bpp 0",
        "compress a.png -o a.aec --size 80XB",
        "compress a.png -o a.aec --psnr inf",
        "compress a.png -o a.aec --quality 50 --bpp 1",
        "compress a.png -o a.aec --size 80KB --psnr 36",
        "compress a.png -o a.aec --profile slow",
        "compress - - -o out/",
        "decompress a.aec -o a.png --passes 5",
        "decompress a.aec -o a.png --region 1,2,3",
        "decompress a.aec -o a.png --region 1,2,0,3",
        "decompress a.aec -o a.png --passes 2 --region 0,0,1,1",
        "decompress a.aec -o a.png --format gif",
        "decompress a.aec -o a.png --format jpg",
        "decompress a.aec -o a.xyz",
    ] {
        place.run(args).assert().code(2).stdout("");
    }
    assert_eq!(place.files(), ["a.png"]);
}

#[test]
fn compress_does_not_write_a_stream_under_a_pictures_name() {
    let place = Workplace::new();
    place.picture("a.png");
    let line = one_line(&mut place.run("compress a.png -o b.jpg"), 2);
    assert!(line.contains("-o b.aec") && line.contains("aecodec decompress"), "{line}");
    // A folder may have any name, and so may a file whose extension is not that of a picture.
    std::fs::create_dir(place.path("c.png")).unwrap();
    place.run("compress a.png -o c.png").assert().success();
    place.run("compress a.png -o a.bin").assert().success();
    assert_eq!(place.files(), ["a.bin", "a.png", "c.png/a.aec"]);
}

#[test]
fn what_is_not_built_in_is_named_with_the_command_that_builds_it() {
    let place = Workplace::new();
    place.picture("a.png");
    let help = stdout(&mut place.run("--help"));
    let mut parts = vec![
        (cfg!(feature = "bench"), "bench", "bench --list"),
        (cfg!(feature = "train"), "train", "train --help"),
        (cfg!(feature = "train"), "sample", "sample --help"),
        (cfg!(feature = "refine"), "--effort", "compress a.png -o a.aec --effort 0"),
        (cfg!(feature = "network"), "peers", "peers --help"),
    ];
    // Their commands have to be there.
    if cfg!(feature = "network") {
        parts.push((cfg!(feature = "live"), "--live", "receive --live - --help"));
        parts.push((cfg!(feature = "services"), "--store", "receive --store file:///inbox --help"));
        parts.push((cfg!(feature = "services"), "--web", "receive --web --help"));
    }
    for (built_in, name, args) in parts {
        if built_in {
            place.run(args).assert().success();
        } else {
            let line = one_line(&mut place.run(args), 2);
            assert!(line.contains(&format!("this build has no {name}; ")), "{line}");
            assert!(line.contains("cargo install --path cli --locked --features "), "{line}");
        }
        // The list may go on in further lines.
        let absent =
            help.split_once("Not in this build: ").and_then(|(_, rest)| rest.split_once(". To build"));
        let lists = absent.is_some_and(|(list, _)| list.split([',', ' ', '\n']).any(|word| word == name));
        assert_eq!(lists, !built_in, "{name}: {help}");
    }
}

#[test]
fn a_profile_or_model_that_is_not_there_is_named() {
    let place = Workplace::new();
    place.picture("a.png");
    let line = one_line(&mut place.run("compress a.png -o a.aec --model no.aem"), 1);
    assert!(line.contains("no.aem") && line.contains("check the path"), "{line}");
    place.write("text.aem", b"not a model at all");
    let line = one_line(&mut place.run("compress a.png -o a.aec --model text.aem"), 1);
    assert!(line.contains("text.aem"), "{line}");
    assert!(!place.path("a.aec").exists());
}

#[test]
fn targets_are_kept_or_said_to_be_out_of_reach() {
    let place = Workplace::new();
    place.picture_of("a.png", 160, 120);
    for (flag, limit) in [("--size 3KB", 3000), ("--size 10", 10), ("--bpp 1.0", 2400)] {
        let mut command = place.run(&format!("compress a.png -o a.aec --force --json {flag}"));
        let result = &json(&mut command)[0];
        let bytes = result["bytes"].as_u64().unwrap();
        assert_eq!(bytes, place.read("a.aec").len() as u64);
        if result["reached"].as_bool().unwrap() && flag.starts_with("--size") {
            assert!(bytes <= limit && bytes * 100 >= limit * 98, "{flag}: {bytes}");
        }
    }
    let line = one_line(&mut place.run("compress a.png -o a.aec --force --size 10"), 0);
    assert!(line.contains("10 bytes cannot be reached; the nearest is"), "{line}");
}

#[test]
fn a_limit_that_the_highest_quality_does_not_need_is_reached() {
    let place = Workplace::new();
    place.picture_of("a.png", 160, 120);
    for flag in ["--size 80KB", "--bpp 24"] {
        let result = &json(&mut place.run(&format!("compress a.png -o a.aec --force --json {flag}")))[0];
        assert_eq!(
            (result["reached"].as_bool(), result["quality"].as_f64()),
            (Some(true), Some(100.0)),
            "{flag}"
        );
        assert_eq!(result["notices"].as_array().map(Vec::len), Some(0), "{flag}");
    }
}

/// The biases of the first layer are wrong, as an example of a model that fails on a picture.
#[test]
fn an_encode_that_came_out_wrong_is_said_in_words_and_in_json() {
    let place = Workplace::new();
    place.picture_of("a.png", 160, 120);
    let packed = aecodec::Model::embedded_bytes(aecodec::Profile::Fast).unwrap();
    let mut model = aecodec::model_file::unpack(packed).unwrap().into_owned();
    // The biases follow the header of the file and the header of the layer.
    let outputs = usize::from(u16::from_le_bytes([model[39], model[40]]));
    for bias in model[43..43 + 4 * outputs].chunks_exact_mut(4) {
        bias.copy_from_slice(&(1_i32 << 30).to_le_bytes());
    }
    place.write("bad.aem", &model);
    let command = "compress a.png -o a.aec --force --mode learned --model bad.aem";
    let line = one_line(&mut place.run(command), 0);
    assert!(line.contains("came out in wrong colours"), "{line}");
    let result = &json(&mut place.run(&format!("{command} --json")))[0];
    assert!(result["notices"][0].as_str().unwrap().contains("came out in wrong colours"), "{result}");
}

#[test]
fn max_pixels_lowers_the_limit_as_well() {
    let place = Workplace::new();
    place.picture_of("a.png", 160, 120);
    place.run("compress a.png -o a.aec --max-pixels 19200").assert().success();
    for command in ["compress a.png -o b.aec", "decompress a.aec -o b.png", "verify a.aec", "info a.aec"] {
        let line = one_line(&mut place.run(&format!("{command} --max-pixels 19199")), 1);
        assert!(line.contains("above the limit of 19199"), "{line}");
        place.run(&format!("{command} --max-pixels 19200 --threads 18446744073709551615")).assert().success();
    }
}
