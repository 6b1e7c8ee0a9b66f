//! Pictures that are processed row by row give the same results as those that are read into memory.

use crate::{Workplace, json, one_line};

#[test]
fn one_picture_in_any_format_is_one_stream() {
    let place = Workplace::new();
    // The picture has more than one band of rows. All formats keep samples exactly, and BMP is read into memory.
    for name in ["a.bmp", "a.ppm", "a.png"] {
        place.picture_of(name, 40, 1100);
    }
    for target in ["--quality 40", "--size 3KB", "--psnr 33"] {
        place.run(&format!("compress a.bmp -o whole.aec -f {target}")).assert().success();
        let whole = place.read("whole.aec");
        for name in ["a.ppm", "a.png"] {
            place.run(&format!("compress {name} -o rows.aec -f --threads 3 {target}")).assert().success();
            assert!(place.read("rows.aec") == whole, "{name} {target}");
            place
                .run(&format!("compress - -o rows.aec -f {target}"))
                .write_stdin(place.read(name))
                .assert()
                .success();
            assert!(place.read("rows.aec") == whole, "{name} from stdin {target}");
        }
    }
}

#[test]
fn one_stream_is_one_picture_in_any_format() {
    let place = Workplace::new();
    place.picture_of("a.png", 40, 1100);
    place.run("compress a.png -o a.aec").assert().success();
    let mut hashes = Vec::new();
    for (name, flags) in [("b.webp", ""), ("b.ppm", ""), ("b.png", "--threads 3"), ("c.png", "--threads 1")] {
        let result = &json(&mut place.run(&format!("decompress a.aec -o {name} --json {flags}")))[0];
        assert_eq!(result["hash_matches"], true, "{name}");
        assert_eq!(result["bytes"].as_u64(), Some(place.read(name).len() as u64), "{name}");
        let samples = image::open(place.path(name)).unwrap().into_rgb8().into_raw();
        hashes.push((result["pixel_hash"].clone(), samples));
    }
    assert!(hashes.iter().all(|found| *found == hashes[0]));

    place.run("decompress a.aec -o whole.webp --region 3,900,20,150").assert().success();
    place.run("decompress a.aec -o rows.ppm --region 3,900,20,150").assert().success();
    let [whole, rows] = ["whole.webp", "rows.ppm"].map(|name| image::open(place.path(name)).unwrap());
    assert!(whole.into_rgb8() == rows.into_rgb8());
}

#[test]
fn a_file_that_ends_in_its_rows_leaves_nothing() {
    let place = Workplace::new();
    for name in ["a.ppm", "a.png"] {
        place.picture(name);
        let bytes = place.read(name);
        place.write(name, &bytes[..bytes.len() * 2 / 3]);
        let line = one_line(&mut place.run(&format!("compress {name} -o a.aec")), 1);
        assert!(line.contains(&format!("{name}: picture: cut short")), "{line}");
    }
    assert_eq!(place.files(), ["a.png", "a.ppm"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_decode_in_one_clear_line() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec").assert().success();
    for format in ["ppm", "png", "webp"] {
        let line =
            one_line(&mut place.run(&format!("decompress a.aec -o /dev/full -f --format {format}")), 1);
        assert!(line.contains("cannot write /dev/full: the disk is full"), "{line}");
    }
}
