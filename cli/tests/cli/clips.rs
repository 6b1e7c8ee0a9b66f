//! Clips: compress, decompress and info on `.aecs` files.

use super::*;

const WIDTH: usize = 240;
const HEIGHT: usize = 160;

/// A y4m stream of gray frames: a texture with a bright square that moves by 8 pixels from frame to frame.
fn stream(frames: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 Cmono\n").into_bytes();
    for frame in 0..frames {
        bytes.extend(b"FRAME\n");
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let inside = (8 * frame..8 * frame + 20).contains(&x) && (30..50).contains(&y);
                bytes.push(if inside { 230 } else { 40 + (x * x / 40 % 70 + y * 3 % 40) as u8 });
            }
        }
    }
    bytes
}

fn luma(y4m: &[u8]) -> Vec<Vec<u8>> {
    let header = y4m.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let frame = b"FRAME\n".len() + 3 * WIDTH * HEIGHT;
    y4m[header..].chunks(frame).map(|frame| frame[6..6 + WIDTH * HEIGHT].to_vec()).collect()
}

#[test]
fn a_stream_becomes_a_clip_and_a_stream_again() {
    let place = Workplace::new();
    place.write("a.y4m", &stream(5));
    let lines = json(&mut place.run("compress a.y4m --json --quality 80"));
    let kinds: String = lines[..5].iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, "IPPPP");
    assert_eq!((&lines[5]["frames"], &lines[5]["intra"]), (&5.into(), &1.into()));
    assert!(lines[5]["psnr"].as_f64().unwrap() > 30.0);

    let info = json(&mut place.run("info a.aecs --json")).remove(0);
    assert_eq!(
        (&info["width"], &info["height"], &info["rate"]),
        (&WIDTH.into(), &HEIGHT.into(), &10.0.into())
    );
    assert_eq!(info["frames"].as_array().unwrap().len(), 5);
    assert_eq!(info["bytes"].as_u64().unwrap(), place.read("a.aecs").len() as u64);

    place.run("decompress a.aecs -o b.y4m").assert().success();
    let decoded = luma(&place.read("b.y4m"));
    let given: Vec<Vec<u8>> =
        stream(5)[stream(0).len()..].chunks(6 + WIDTH * HEIGHT).map(|frame| frame[6..].to_vec()).collect();
    assert_eq!(decoded.len(), 5);
    for (decoded, given) in decoded.iter().zip(&given) {
        let off = decoded.iter().zip(given).filter(|(a, b)| a.abs_diff(**b) > 24).count();
        assert!(off < WIDTH * HEIGHT / 100, "{off} samples are far off");
    }
    // The same stream goes to stdout.
    let piped = place.run("decompress a.aecs -o -").output().unwrap();
    assert!(piped.stdout == place.read("b.y4m"));
}

#[test]
fn frames_can_be_picked_and_pictures_make_a_clip() {
    let place = Workplace::new();
    place.write("a.y4m", &stream(6));
    place.run("compress a.y4m -o a.aecs --key-interval 4").assert().success();
    place.run("decompress a.aecs -o all").assert().success();
    place.run("decompress a.aecs -o some --frames 3-5").assert().success();
    assert_eq!(place.files().iter().filter(|name| name.starts_with("some/")).count(), 3);
    for number in 3..6 {
        let name = format!("{number:06}.png");
        assert!(place.read(&format!("all/{name}")) == place.read(&format!("some/{name}")));
    }
    place.run("compress all -o b.aecs --rate 12.5").assert().success();
    let info = json(&mut place.run("info b.aecs --json")).remove(0);
    assert_eq!((&info["rate"], info["frames"].as_array().unwrap().len()), (&12.5.into(), 6));
    let line = one_line(&mut place.run("decompress a.aecs -o x --frames 9"), 2);
    assert!(line.contains("holds 6 frames"), "{line}");
}

#[test]
fn a_clip_is_whole_up_to_its_end_and_goes_on_from_there() {
    let place = Workplace::new();
    place.write("a.y4m", &stream(4));
    place.run("compress a.y4m").assert().success();
    let whole = place.read("a.aecs");
    place.write("cut.aecs", &whole[..whole.len() - 3]);
    let output = place.run("decompress cut.aecs -o cut.y4m").assert().code(4).get_output().clone();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ends within a frame"));
    assert_eq!(luma(&place.read("cut.y4m")).len(), 3);
    place.run("info cut.aecs").assert().code(4);

    place.run("compress a.y4m -o cut.aecs --append").assert().success();
    let info = json(&mut place.run("info cut.aecs --json")).remove(0);
    let kinds: String =
        info["frames"].as_array().unwrap().iter().map(|frame| frame["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, "IPPIPPP");
    place.run("decompress cut.aecs -o both.y4m").assert().success();

    let mut damaged = whole.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    place.write("damaged.aecs", &damaged);
    let output = place.run("decompress damaged.aecs -o damaged.y4m").assert().code(4).get_output().clone();
    assert!(String::from_utf8_lossy(&output.stderr).contains("frame 3 is lost"));
    // The frame before stays in its place.
    let frames = luma(&place.read("damaged.y4m"));
    assert!(frames.len() == 4 && frames[3] == frames[2]);
}

#[test]
fn what_makes_no_sense_for_a_clip_is_refused() {
    let place = Workplace::new();
    place.write("a.y4m", &stream(2));
    place.picture("a.png");
    for (args, code, reason) in [
        ("compress a.y4m --psnr 30", 2, "--quality"),
        ("compress a.y4m --profile best", 2, "--profile best cannot be used for a clip"),
        ("compress a.y4m --lossless", 2, "exact coding cannot be used for a clip"),
        ("compress a.y4m a.png -o a.aecs", 1, "a clip of its own"),
        ("compress a.png -o a.aecs --rate 0", 2, "--rate"),
        ("decompress a.png -o x --frames 1", 2, "no clip"),
        ("decompress none.aecs", 1, "no such file"),
    ] {
        let output = place.run(args).assert().code(code).get_output().clone();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(reason), "{args}: {text}");
    }
    place.write("other.aecs", b"not a clip at all, whatever its name says");
    let line = one_line(&mut place.run("info other.aecs"), 1);
    assert!(line.contains("not an .aecs file"), "{line}");
    place.run("compress a.png -o still.aecs").assert().success();
    let line = one_line(&mut place.run("compress a.png -o still.aecs"), 1);
    assert!(line.contains("already exists"), "{line}");
}
