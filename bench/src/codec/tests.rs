//! What every codec must do, regardless of who made it.

use super::*;
use crate::Rgb;
use aecodec::{Color, Model, Profile};
use aecodec_tests::photo;

fn picture(width: u32, height: u32) -> Rgb {
    photo(width, height, Color::Rgb, 7).into()
}

fn psnr(a: &Rgb, b: &Rgb) -> f64 {
    aecodec::psnr(&a.samples, &b.samples).unwrap_or(f64::INFINITY)
}

fn aec() -> Aec {
    Aec::new("aecodec", "aecodec", Model::embedded(Profile::Fast).expect("the built-in model"))
}

/// Checks that pictures from 1 x 1 pixels on can be coded, that a higher quality gives better pixels and larger files,
/// and that damage is an error.
fn is_sound(codec: &dyn Codec) {
    let id = codec.id();
    let large = picture(128, 96);
    let points = codec.scale().ladder(3).into_iter().map(|quality| {
        let coded = codec.encode(&large, quality).expect("a picture to code");
        let decoded = codec.decode(&coded.bytes).expect("a file to decode");
        assert!(coded.seconds > 0.0 && decoded.seconds > 0.0);
        (coded.bytes.len(), psnr(&large, &decoded.picture))
    });
    let points: Vec<(usize, f64)> = points.collect();
    assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{id}: {points:?}");
    assert!(points[2].1 > 30.0, "{id}: {points:?}");

    for (width, height) in [(1, 1), (17, 13), (16, 33)] {
        let small = picture(width, height);
        let coded = codec.encode(&small, codec.scale().best).expect("a picture to code");
        let decoded = codec.decode(&coded.bytes).expect("a file to decode").picture;
        assert_eq!((decoded.width, decoded.height), (small.width, small.height), "{id}");
        for cut in [0, 1, 20, coded.bytes.len() / 2, coded.bytes.len() - 1] {
            let error = codec.decode(&coded.bytes[..cut]).expect_err("a cut file is refused");
            assert!(error.to_string().starts_with(id), "{error}");
        }
    }
}

#[test]
fn aecodec_is_sound() {
    is_sound(&aec());
    assert!(aec().version().contains(", model "));
    assert!(aec().encode(&picture(8, 8), 101.0).is_err());
}

#[test]
fn jpeg_is_sound() {
    is_sound(&Jpeg::mozjpeg());
    is_sound(&Jpeg::libjpeg());
    let wide = Rgb::new(65_536, 1, vec![9; 3 * 65_536]).expect("a picture");
    let error = Jpeg::mozjpeg().encode(&wide, 50.0).expect_err("too wide").to_string();
    assert!(error.contains("65500"), "{error}");
}

#[test]
fn webp_is_sound() {
    is_sound(&WebP);
    let wide = Rgb::new(16_384, 1, vec![9; 3 * 16_384]).expect("a picture");
    assert!(WebP.encode(&wide, 50.0).is_err());
}

#[test]
fn a_picture_for_a_page_is_a_webp_of_it() {
    let original = picture(64, 48);
    let bytes = webp_for_page(&original, 90.0).expect("a picture to code");
    assert!(psnr(&original, &WebP.decode(&bytes).expect("a WebP").picture) > 30.0);
    assert!(webp_for_page(&original, 101.0).is_err());
}

#[test]
fn avif_without_programs_is_sound() {
    is_sound(&Avif);
}

/// A codec of the built-in table is sound, by its programs.
fn program_is_sound(id: &str) {
    let entry = table::built_in().expect("a sound table").into_iter().find(|entry| entry.id == id);
    match External::find(entry.expect("an entry of this name")) {
        Ok(codec) => is_sound(&codec),
        Err(remedy) => panic!("{id} cannot be run: {remedy}"),
    }
}

#[test]
#[ignore = "needs avifenc and avifdec"]
fn avif_by_its_programs_is_sound() {
    program_is_sound("avif");
}

#[test]
#[ignore = "needs cjxl and djxl"]
fn jpeg_xl_by_its_programs_is_sound() {
    program_is_sound("jxl");
}

/// Each codec of the table has its test above.
#[test]
fn the_table_holds_avif_and_jpeg_xl() {
    let table = table::built_in().expect("a sound table");
    assert_eq!(table.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["avif", "jxl"]);
}

/// The results and the cache's key contain the versions of the libraries that are compiled in.
#[test]
fn versions_are_those_that_are_locked() {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
    let codecs: [&dyn Codec; 4] = [&Jpeg::mozjpeg(), &Jpeg::libjpeg(), &WebP, &Avif];
    for package in ["mozjpeg-sys", "libwebp-sys", "rav1e", "ravif", "re_rav1d"] {
        let entry = format!("name = \"{package}\"\nversion = \"");
        let version =
            lock.split_once(&entry).and_then(|(_, rest)| rest.split_once('"')).expect("a locked package").0;
        let told = format!("{package} {version}");
        assert!(codecs.iter().any(|codec| codec.version().contains(&told)), "no codec says {told}");
    }
}

#[test]
fn unknown_and_missing_codecs_are_told_with_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("codecs.toml");
    let entry = |id: &str, program: &str| {
        format!(
            "[[codec]]\nid = \"{id}\"\nname = \"Mine\"\nencode = \"{program} {{in}} {{out}} {{quality}}\"\n\
             decode = \"{program} {{in}} {{out}}\"\nversion = \"{program}\"\ninput = \"ppm\"\noutput = \"ppm\"\n\
             quality = {{ worst = 1, best = 9, step = 1 }}\ninstall = \"from the moon\"\n"
        )
    };
    std::fs::write(&path, entry("jxl", "no-such-program") + &entry("other", "no-such-program"))
        .expect("a table");
    let found = available(Some(&path)).expect("a sound table");
    let ids = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let selected = select(&names, &found).map_err(|error| error.to_string())?;
        Ok::<_, String>(selected.iter().map(|codec| codec.id().to_owned()).collect::<Vec<_>>())
    };
    assert!(
        ids(&[]).expect_err("a missing codec of the user's table").starts_with("jxl: it cannot run here")
    );
    assert_eq!(ids(&["webp", "libjpeg", "webp"]).as_deref(), Ok(&["webp", "libjpeg"].map(str::to_owned)[..]));
    assert_eq!(
        ids(&["jxl"]).expect_err("a missing program"),
        "jxl: it cannot run here: install `no-such-program` (from the moon); available codecs: jpeg, libjpeg, webp, avif"
    );
    assert_eq!(
        ids(&["vtm"]).expect_err("an unknown name"),
        "vtm: no such codec; available codecs: jpeg, libjpeg, webp, avif; not installed: jxl, other"
    );
}

#[cfg(unix)]
mod by_a_table {
    use super::*;

    /// A codec that copies its PPM, for quality 1 and up; decoding runs `decode`.
    fn copying(input: &str, decode: &str) -> Arc<dyn Codec> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("codecs.toml");
        let table = format!(
            "[[codec]]\nid = \"copy\"\nname = \"Copy\"\ninput = \"{input}\"\noutput = \"{input}\"\n\
             encode = ['sh', '-c', 'test {{quality}} -gt 0 && cp {{in}} {{out}} && sleep 0.05']\n\
             decode = \"{decode}\"\nversion = \"echo 1.0\"\nquality = {{ worst = 1, best = 9, step = 1 }}\n"
        );
        std::fs::write(&path, table).expect("a table");
        let found = available(Some(&path)).expect("a sound table");
        // If no names are given, it comes after the default codecs.
        assert_eq!(select(&[], &found).expect("codecs").last().map(|codec| codec.id()), Some("copy"));
        select(&["copy".to_owned()], &found).expect("a codec of the table").remove(0)
    }

    #[test]
    fn a_copying_program_is_a_codec() {
        for format in ["ppm", "png"] {
            let codec = copying(format, "cp {in} {out}");
            assert!(codec.external() && codec.commands().ends_with("\ncp {in} {out}"));
            assert_eq!((codec.version(), codec.name()), ("echo 1.0", "Copy"));
            let original = picture(17, 13);
            let coded = codec.encode(&original, 1.0).expect("a picture to code");
            assert!(coded.seconds > 0.0 && coded.bytes.len() > 17 * 13 * 3);
            assert!(
                coded.peak_memory.is_some_and(|bytes| bytes > 0)
                    == cfg!(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))
            );
            assert_eq!(codec.decode(&coded.bytes).expect("a file to decode").picture, original);
        }
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let codec = copying("ppm", "sh -c 'echo {in} {out} >/dev/null; echo no such luck >&2; exit 7'");
        let error = codec.decode(b"P6").expect_err("a failure").to_string();
        assert_eq!(error, "copy: `sh` ended with exit status: 7:\n  no such luck");
        assert!(codec.encode(&picture(4, 4), 0.0).is_err());
    }

    #[test]
    fn a_program_that_writes_nothing_is_an_error() {
        let codec = copying("ppm", "true {in} {out}");
        let error = codec.decode(b"P6").expect_err("no output").to_string();
        assert!(error.starts_with("copy: `true` succeeded, but its output cannot be read: "), "{error}");
    }
}
