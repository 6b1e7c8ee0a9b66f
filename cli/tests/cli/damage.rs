//! Damaged files are decoded as far as possible, and a notice says what is missing.

use predicates::str::contains;

use crate::{Workplace, json, one_line};

#[test]
fn a_damaged_file_gives_a_picture_and_exit_code_4() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec --quality 80").assert().success();
    let whole = place.read("a.aec");
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 0x55;
    place.write("flipped.aec", &flipped);
    place.write("short.aec", &whole[..whole.len() - 1]);
    for name in ["flipped", "short"] {
        place
            .run(&format!("decompress {name}.aec -o {name}.png"))
            .assert()
            .code(4)
            .stdout(contains("damaged"))
            .stderr(contains(format!("{name}.aec: damaged")));
        assert_eq!(image::image_dimensions(place.path(&format!("{name}.png"))).unwrap(), (48, 32));
        place.run(&format!("verify {name}.aec")).assert().code(1).stderr(contains("damaged"));
    }
    place.run("verify a.aec short.aec").assert().code(4).stdout(contains("a.aec: ok"));
    place.run("info short.aec").assert().success().stderr(contains("damaged"));
}

#[test]
fn a_stream_without_a_hash_of_its_pixels_is_not_called_damaged() {
    let place = Workplace::new();
    let model = aecodec::Model::embedded(aecodec::Profile::Fast).unwrap();
    let picture = aecodec::Picture::new(20, 16, aecodec::Color::Rgb, vec![90; 20 * 16 * 3]).unwrap();
    let mut options = aecodec::EncodeOptions::default();
    options.check = aecodec::Check::None;
    place.write("a.aec", &aecodec::encode(&picture, &model, &options).unwrap().bytes);
    place.run("verify a.aec").assert().success().stdout(contains("a.aec: ok")).stderr(contains("no hash"));
    assert!(json(&mut place.run("verify a.aec --json"))[0]["hash_matches"].is_null());
}

#[test]
fn missing_parts_are_listed_in_json() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec --quality 80").assert().success();
    let whole = place.read("a.aec");
    place.write("short.aec", &whole[..whole.len() - 1]);
    let result = &json(&mut place.run("decompress short.aec -o a.ppm --json"))[0];
    assert!(!result["missing"].as_array().unwrap().is_empty());
    assert_ne!(result["hash_matches"], true);
}

#[test]
fn a_damaged_file_has_a_map_in_json() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec --quality 80").assert().success();
    assert!(json(&mut place.run("decompress a.aec -o a.ppm --json"))[0]["damage"].is_null());
    let mut damaged = place.read("a.aec");
    *damaged.last_mut().unwrap() ^= 0x55;
    place.write("damaged.aec", &damaged);
    let area = serde_json::json!({ "x": 0, "y": 0, "width": 48, "height": 32, "passes": 3 });
    let map = serde_json::json!({ "share": 1.0, "areas": [area] });
    assert_eq!(json(&mut place.run("decompress damaged.aec -o b.ppm --json"))[0]["damage"], map);
    assert_eq!(json(&mut place.run("verify damaged.aec --json"))[0]["damage"], map);
}

#[test]
fn a_protected_file_survives_the_loss_of_its_header() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o plain.aec").assert().success();
    place.run("compress a.png -o a.aec --protect").assert().success();
    place.run("verify a.aec").assert().success().stdout(contains("a.aec: ok"));
    let mut damaged = place.read("a.aec");
    assert!(damaged.len() > place.read("plain.aec").len());
    damaged[..60].fill(0);
    place.write("damaged.aec", &damaged);
    place.run("decompress a.aec -o a.ppm").assert().success();
    place.run("decompress damaged.aec -o damaged.ppm").assert().success().stderr(contains("backup"));
    assert!(place.read("a.ppm") == place.read("damaged.ppm"));
    place.run("verify damaged.aec").assert().code(4).stderr(contains("backup"));
    assert_eq!(json(&mut place.run("verify damaged.aec --json"))[0]["ok"], false);
}

#[test]
fn a_damaged_jpeg_is_compressed_with_a_notice_and_exit_code_4() {
    let place = Workplace::new();
    place.picture_of("a.jpg", 96, 64);
    let whole = place.read("a.jpg");
    place.write("cut.jpg", &[&whole[..whole.len() - 200], b"\xff\xd9"].concat());
    let line = one_line(&mut place.run("compress cut.jpg -o cut.aec"), 4);
    assert!(line.contains("cut.jpg: damaged JPEG: its data ends after"), "{line}");
    let results = json(&mut place.run("compress cut.jpg -o cut.aec --force --json"));
    let notice = results[0]["notices"][0].as_str().unwrap();
    assert!(notice.starts_with("damaged"), "{notice}");

    place.write("open.jpg", &whole[..whole.len() - 2]);
    let line = one_line(&mut place.run("compress open.jpg -o open.aec"), 0);
    assert!(line.contains("no end marker"), "{line}");
    place.write("short.jpg", &whole[..whole.len() / 2]);
    assert!(one_line(&mut place.run("compress short.jpg -o short.aec"), 1).contains("cut short"));
}
