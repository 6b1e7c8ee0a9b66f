//! Bad input gives one clear line and exit code 1, and leaves no output.

use crate::{Workplace, one_line, tiny_stream};

#[test]
fn compress_says_what_is_wrong_with_its_input() {
    let place = Workplace::new();
    place.write("empty.png", b"");
    place.write("text.png", b"This is a text, whatever its name says.\n");
    place.write("bomb.ppm", b"P6\n60000 60000\n255\n0123456789");
    place.write("done.png", &tiny_stream(|_| ()));
    let picture = place.picture("whole.png");
    let whole = place.read("whole.png");
    place.write("short.png", &whole[..whole.len() / 2]);
    picture.save(place.path("whole.jpg")).unwrap();
    let whole = place.read("whole.jpg");
    place.write("short.jpg", &whole[..whole.len() / 2]);
    let before = place.files();
    for (name, words) in [
        ("missing.png", "no such file"),
        ("empty.png", "empty"),
        ("text.png", "not a picture"),
        ("bomb.ppm", "limit"),
        ("done.png", ".aec file already"),
        ("short.png", "short.png"),
        ("short.jpg", "short.jpg"),
    ] {
        let line = one_line(&mut place.run(&format!("compress {name} -o out.aec")), 1);
        assert!(line.contains(name) && line.contains(words), "{line}");
    }
    assert_eq!(place.files(), before);
}

#[test]
fn every_command_says_what_is_wrong_with_an_aec_file() {
    let place = Workplace::new();
    place.write("empty.aec", b"");
    place.write("text.aec", b"This is a text, whatever its name says.\n");
    place.picture("picture.png");
    place.write("version.aec", &tiny_stream(|bytes| bytes[8] = 99));
    place.write("short.aec", &tiny_stream(|_| ())[..20]);
    let mut large = tiny_stream(|bytes| {
        bytes[12..20].copy_from_slice(&[0x60, 0xEA, 0, 0, 0x60, 0xEA, 0, 0]);
        bytes[22] = 14;
    });
    large.resize(100, 0);
    place.write("large.aec", &large);
    let before = place.files();
    for (name, words) in [
        ("missing.aec", "no such file"),
        ("empty.aec", "empty.aec"),
        ("text.aec", "not an .aec file"),
        ("picture.png", "not an .aec file"),
        ("version.aec", "version 99"),
        ("short.aec", "short.aec"),
        ("large.aec", "large.aec"),
    ] {
        for args in
            [format!("decompress {name} -o out.png"), format!("info {name}"), format!("verify {name}")]
        {
            let line = one_line(&mut place.run(&args), 1);
            assert!(line.contains(name) && line.contains(words), "{args}: {line}");
        }
    }
    assert_eq!(place.files(), before);
}

#[test]
fn an_unknown_model_is_named_with_the_remedy() {
    let place = Workplace::new();
    place.write("other.aec", &tiny_stream(|_| ()));
    for args in ["decompress other.aec -o out.png", "verify other.aec"] {
        let line = one_line(&mut place.run(args), 1);
        assert!(line.contains("abababababababab") && line.contains("--model"), "{line}");
    }
    // The contents of the header can be shown without the model.
    place.run("info other.aec").assert().success();
}
