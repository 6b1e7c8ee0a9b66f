//! Pictures of every kind can be compressed and decompressed.

use image::ImageEncoder as _;
use predicates::prelude::*;
use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

#[test]
fn every_format_goes_in_and_out() {
    let place = Workplace::new();
    for name in ["a.png", "a.jpg", "a.webp", "a.tiff", "a.bmp", "a.ppm", "a.qoi"] {
        place.picture(name);
        place.run(&format!("compress {name} -o a.aec --force")).assert().success();
        for out in ["out.png", "out.jpg", "out.webp", "out.ppm", "out.tif"] {
            place.run(&format!("decompress a.aec -o {out} --force")).assert().success();
            assert_eq!(image::image_dimensions(place.path(out)).unwrap(), (48, 32), "{name} to {out}");
        }
    }
}

#[test]
fn the_smallest_picture_goes_through() {
    let place = Workplace::new();
    for (width, height) in [(1, 1), (1, 17), (33, 1)] {
        place.picture_of("a.png", width, height);
        place.run("compress a.png -o a.aec --force").assert().success();
        place.run("decompress a.aec -o b.png --force").assert().success();
        assert_eq!(image::image_dimensions(place.path("b.png")).unwrap(), (width, height));
    }
}

#[test]
fn gray_stays_gray_and_alpha_is_exact() {
    let place = Workplace::new();
    let picture = image::GrayAlphaImage::from_fn(20, 10, |x, y| image::LumaA([120, (x * 7 + y * 11) as u8]));
    picture.save(place.path("a.png")).unwrap();
    place.run("compress a.png -o a.aec").assert().success();
    place.run("decompress a.aec -o b.png").assert().success();
    let back = image::open(place.path("b.png")).unwrap();
    assert_eq!(back.color(), image::ColorType::La8);
    let alpha = |picture: &image::GrayAlphaImage| picture.pixels().map(|pixel| pixel[1]).collect::<Vec<_>>();
    assert_eq!(alpha(&back.to_luma_alpha8()), alpha(&picture));
}

#[test]
fn sixteen_bits_stay_finer_than_eight() {
    let place = Workplace::new();
    let picture = image::ImageBuffer::from_fn(160, 120, |x, y| image::Luma([(x * 300 + y * 100) as u16]));
    image::DynamicImage::ImageLuma16(picture.clone()).save(place.path("a.png")).unwrap();
    place.run("compress a.png -o a.aec --quality 70").assert().success();
    assert!(stdout(&mut place.run("info a.aec")).contains("gray of 16 bits"));
    for out in ["out.png", "out.tif", "out.pgm"] {
        place.run(&format!("decompress a.aec -o {out}")).assert().success();
        let found = image::open(place.path(out)).unwrap();
        assert_eq!(found.color(), image::ColorType::L16, "{out}");
        let off = found.into_luma16().iter().zip(picture.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(off < 2000, "{out}: off by {off}");
    }
    for (out, depth) in [("8.png", " --depth 8"), ("8.jpg", "")] {
        place.run(&format!("decompress a.aec -o {out}{depth}")).assert().success();
        assert_eq!(image::open(place.path(out)).unwrap().color(), image::ColorType::L8, "{out}");
    }
    assert!(stdout(&mut place.run("verify a.aec --against a.png")).contains("PSNR"));
    let refused = place.run("decompress a.aec -o b.png --depth 12").assert().failure();
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("expected 8 or 16"));
    image::DynamicImage::ImageLuma16(picture).to_luma8().save(place.path("narrow.png")).unwrap();
    place.run("compress narrow.png -o narrow.aec").assert().success();
    let line = one_line(&mut place.run("decompress narrow.aec -o wide.png --depth 16"), 1);
    assert!(line.contains("has 8 bits per sample; leave out --depth 16"), "{line}");
}

#[test]
fn sixteen_bits_are_kept_on_request() {
    let place = Workplace::new();
    let picture = image::ImageBuffer::from_fn(256, 256, |x, y| image::Luma([(256 * y + x) as u16]));
    image::DynamicImage::ImageLuma16(picture.clone()).save(place.path("a.png")).unwrap();
    place.run("compress a.png -o a.aec --lossless").assert().success();
    assert!(stdout(&mut place.run("verify a.aec --against a.png")).contains("equals a.png"));
    assert!(stdout(&mut place.run("info a.aec")).contains("gray of 16 bits"));
    for out in ["out.png", "out.tif", "out.pgm"] {
        place.run(&format!("decompress a.aec -o {out}")).assert().success();
        assert!(image::open(place.path(out)).unwrap().into_luma16() == picture, "{out}");
    }
    let line = one_line(&mut place.run("decompress a.aec -o out.jpg"), 0);
    assert!(line.contains("JPEG holds 8 bits per sample"), "{line}");
    place.run("decompress a.aec -o part.png --region 0,255,256,1").assert().success();
    let part = image::open(place.path("part.png")).unwrap().into_luma16();
    assert!(part.as_raw()[..] == picture.as_raw()[255 * 256..]);

    place.run("compress a.png -o b.aec --max-error 300").assert().success();
    let fields = json(&mut place.run("verify b.aec --against a.png --json"));
    let largest = fields[0]["largest_difference"].as_u64().unwrap();
    assert!((1..=300).contains(&largest), "{largest}");
}

#[test]
fn metadata_is_byte_identical() {
    let place = Workplace::new();
    let mut icc: Vec<u8> = (0..3000_u32).map(|i| ((i * i) >> 3) as u8).collect();
    icc[16..20].copy_from_slice(b"RGB ");
    // A TIFF header with one entry, orientation 6.
    let exif = b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_icc_profile(icc.clone()).unwrap();
    encoder.set_exif_metadata(exif.clone()).unwrap();
    encoder.write_image(&[77; 24 * 16 * 3], 24, 16, image::ExtendedColorType::Rgb8).unwrap();
    place.write("a.png", &png);
    place.run("compress a.png -o a.aec").assert().success();
    place.run("info a.aec").assert().stdout(contains("orientation    6"));
    for name in ["b.png", "b.jpg", "b.webp"] {
        place.run(&format!("decompress a.aec -o {name}")).assert().success();
        let reader = image::ImageReader::open(place.path(name)).unwrap().with_guessed_format().unwrap();
        let mut decoder = reader.into_decoder().unwrap();
        use image::ImageDecoder as _;
        assert_eq!(decoder.icc_profile().unwrap(), Some(icc.clone()), "{name}");
        assert_eq!(decoder.exif_metadata().unwrap(), Some(exif.clone()), "{name}");
        assert_eq!(decoder.dimensions(), (24, 16), "rows as stored");
    }
    // PNM has no EXIF, so the picture is written upright.
    place.run("decompress a.aec -o b.ppm").assert().success();
    assert_eq!(image::image_dimensions(place.path("b.ppm")).unwrap(), (16, 24));
}

#[test]
fn a_region_is_the_same_part_of_the_whole() {
    let place = Workplace::new();
    place.picture_of("a.png", 100, 80);
    place.run("compress a.png -o a.aec").assert().success();
    place.run("decompress a.aec -o whole.png").assert().success();
    place.run("decompress a.aec -o part.png --region 30,20,41,33").assert().success();
    let whole = image::open(place.path("whole.png")).unwrap();
    let part = image::open(place.path("part.png")).unwrap();
    assert_eq!(part, whole.crop_imm(30, 20, 41, 33));
    let line = one_line(&mut place.run("decompress a.aec -o no.png --region 90,0,11,1"), 1);
    assert!(line.contains("100 x 80"), "{line}");
}

#[test]
fn fewer_passes_give_a_picture_of_the_same_size() {
    let place = Workplace::new();
    place.picture("a.png");
    place.run("compress a.png -o a.aec").assert().success();
    for passes in 0..=4 {
        place.run(&format!("decompress a.aec -o {passes}.png --passes {passes}")).assert().success();
        assert_eq!(image::image_dimensions(place.path(&format!("{passes}.png"))).unwrap(), (48, 32));
    }
}

#[test]
fn both_profiles_are_built_in_and_their_files_say_which_they_need() {
    let place = Workplace::new();
    place.picture("a.png");
    for profile in ["fast", "best"] {
        place.run(&format!("compress a.png -o {profile}.aec --profile {profile}")).assert().success();
        assert_eq!(json(&mut place.run(&format!("info {profile}.aec --json")))[0]["profile"], profile);
        place.run(&format!("decompress {profile}.aec -o {profile}.png")).assert().success();
    }
    assert_ne!(place.read("fast.aec"), place.read("best.aec"));
    let shown = json(&mut place.run("model fast best --json"));
    let arithmetic = |i: usize| shown[i]["decode_macs_per_pixel"].as_f64().unwrap();
    assert!(arithmetic(1) > 2.0 * arithmetic(0), "{shown:?}");
}

#[test]
fn every_png_effort_gives_the_same_pixels() {
    let place = Workplace::new();
    let mut lengths = Vec::new();
    for (name, width) in [("rows.png", 200), ("alpha.png", 90)] {
        let picture = image::RgbaImage::from_fn(width, 150, |x, y| {
            let alpha = if name == "rows.png" { 255 } else { (x + y) as u8 };
            image::Rgba([(x * 3) as u8, (x * y / 9) as u8, (y * 5) as u8, alpha])
        });
        let picture = image::DynamicImage::ImageRgba8(picture);
        match name {
            "rows.png" => picture.to_rgb8().save(place.path(name)).unwrap(),
            _ => picture.save(place.path(name)).unwrap(),
        }
        place.run(&format!("compress {name} -o a.aec --force")).assert().success();
        place.run("decompress a.aec -o usual.png --force").assert().success();
        let expected = image::open(place.path("usual.png")).unwrap();
        for effort in ["fast", "balanced", "small"] {
            place.run(&format!("decompress a.aec -o b.png --force --png-effort {effort}")).assert().success();
            assert!(image::open(place.path("b.png")).unwrap() == expected, "{name}, {effort}");
            lengths.push(place.read("b.png").len());
        }
        assert_eq!(place.read("usual.png").len(), lengths[lengths.len() - 3], "fast is the default");
    }
    assert!(lengths[0] > lengths[2] && lengths[3] > lengths[5], "{lengths:?}");
    place.run("decompress a.aec -o c.png --png-effort most").assert().code(2);
}

#[test]
fn a_resolution_comes_back() {
    let place = Workplace::new();
    place.picture("a.png");
    let plain = place.read("a.png");
    let body = [&b"pHYs"[..], &11811_u32.to_be_bytes(), &11811_u32.to_be_bytes(), &[1]].concat();
    let chunk = [&9_u32.to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat();
    place.write("b.png", &[&plain[..33], &chunk, &plain[33..]].concat());
    place.run("compress b.png -o b.aec").assert().success();
    place.run("decompress b.aec -o c.png").assert().success();
    let back = place.read("c.png");
    assert!(back.windows(body.len()).any(|window| window == body), "300 pixels to the inch");
    place.run("decompress b.aec -o c.jpg").assert().success();
    assert_eq!(place.read("c.jpg")[6..18], *b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c");
}

#[test]
fn files_of_several_pictures_are_never_taken_for_their_first() {
    let place = Workplace::new();
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    for gray in [10, 130, 250] {
        let page = image::RgbaImage::from_pixel(20, 10, image::Rgba([gray, gray, gray, 255]));
        encoder.encode_frame(image::Frame::new(page)).unwrap();
    }
    drop(encoder);
    place.write("in/a.gif", &gif);
    let line = one_line(&mut place.run("compress in/a.gif -o a.aec"), 1);
    assert!(
        line.contains("3 pictures") && line.contains("--frame N") && line.contains("--all-frames"),
        "{line}"
    );
    let line = one_line(&mut place.run("compress in/a.gif -o a.aec --frame 4"), 1);
    assert!(line.contains("the file holds 3"), "{line}");
    place.run("compress in/a.gif -o a.aec --frame 2").assert().success();
    place.run("compress in --all-frames").assert().success();
    let mut numbered: Vec<_> = place.files().into_iter().filter(|file| file.starts_with("in/")).collect();
    numbered.sort();
    assert_eq!(numbered, ["in/a-1.aec", "in/a-2.aec", "in/a-3.aec", "in/a.gif"]);
    for (name, gray) in [("in/a-1", 10), ("in/a-2", 130), ("in/a-3", 250), ("a", 130)] {
        place.run(&format!("decompress {name}.aec -o {name}.png")).assert().success();
        let pixel = image::open(place.path(&format!("{name}.png"))).unwrap().into_rgb8()[(3, 3)];
        assert!(pixel.0[0].abs_diff(gray) < 4, "{name}: {pixel:?}");
    }
    // A file of one picture is one.
    place.picture("b.png");
    place.run("compress b.png --all-frames -o b.aec").assert().success();
    place.run("compress b.png --frame 1 -o b.aec --force").assert().success();
    one_line(&mut place.run("compress b.png --frame 2 -o b.aec --force"), 1);
}

#[test]
fn a_thumbnail_is_small_upright_and_refuses_what_contradicts_it() {
    let place = Workplace::new();
    place.picture_of("a.png", 300, 200);
    place.run("compress a.png -o a.aec").assert().success();
    for (args, size) in [
        ("--thumbnail 30", (30, 20)),
        ("--scale 1/2", (150, 100)),
        ("--scale 1/8", (38, 25)),
        ("--thumbnail 900", (300, 200)),
    ] {
        place.run(&format!("decompress a.aec -o small.png --force {args}")).assert().success();
        let small = image::open(place.path("small.png")).unwrap();
        assert_eq!((small.width(), small.height()), size, "{args}");
    }
    for args in
        ["--thumbnail 0", "--scale 1/3", "--thumbnail 30 --scale 1/2", "--thumbnail 30 --region 0,0,9,9"]
    {
        place.run(&format!("decompress a.aec -o small.png --force {args}")).assert().code(2);
    }
}

#[test]
fn view_needs_a_terminal_and_says_what_to_do_without_one() {
    let place = Workplace::new();
    place.write("a.aec", b"anything");
    place.run("view a.aec").assert().code(2).stderr(contains("not a terminal").and(contains("--thumbnail")));
}
