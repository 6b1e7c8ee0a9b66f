//! The modules and the page work in a browser. `web/build` makes what these tests open, in `target/web` or in the folder that
//! `AECODEC_WEB` names. They are ignored, since not every host has Chromium and the target wasm32-unknown-unknown.

mod site;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aecodec::{DecodeOptions, Limits, ModelRegistry, Region, files};
use aecodec_tests::chromium::{self, Chromium};
use serde_json::Value;
use site::Site;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Gray, RGB and alpha, of both models and exact, and damaged.
const FILES: [&str; 9] = [
    "tests/conformance/program-gray-alpha-best.aec",
    "tests/conformance/program-rgb-fast.aec",
    "tests/conformance/program-rgb-alpha-fast.aec",
    "tests/conformance/program-two-groups.aec",
    "tests/conformance/flipped-pass-1-g0.aec",
    "tests/conformance/exact-photograph-rgb.aec",
    "tests/conformance/exact-palette-gray-alpha.aec",
    "tests/conformance/exact-16-bit-rgb-alpha.aec",
    "tests/conformance/orientation-6.aec",
];

fn built() -> PathBuf {
    let folder =
        std::env::var_os("AECODEC_WEB").map_or_else(|| Path::new(ROOT).join("target/web"), PathBuf::from);
    assert!(folder.join("models.json").exists(), "{} is missing: run web/build", folder.display());
    folder
}

/// A page of the site, in a browser.
fn opened(page: &str) -> (Chromium, Site) {
    let site = Site::start(vec![built(), PathBuf::from(ROOT)]);
    let mut browser = Chromium::start().expect("Chromium is needed");
    browser.resize(1200, 900, 1.0);
    browser.visit(&site.address(), page);
    (browser, site)
}

/// Waits until an expression on the page is true.
fn wait(browser: &mut Chromium, expression: &str) {
    let deadline = Instant::now() + chromium::PATIENCE;
    while browser.value(expression) != true {
        assert!(
            Instant::now() < deadline,
            "{expression}; the page says: {}",
            browser.text("document.body.innerText")
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The hashes of a decode in the module: of the colours, and of alpha as gray.
const HASHES: &str = "(stream, options, exact) => {
    const { rgba } = codec.decode(stream, options);
    const alpha = rgba.map((value, i) => rgba[i | 3]);
    const gray = codec.info(stream).gray;
    return [codec.compare(null, rgba, gray).hash, codec.compare(null, alpha, true).hash];
}";

/// The same of the library.
fn hashes(bytes: &[u8], options: &DecodeOptions) -> [String; 2] {
    let picture = ModelRegistry::embedded().decode(bytes, options).expect("a stream").picture;
    let opaque = || vec![255; picture.pixels() as usize];
    let alpha = picture.alpha.clone().unwrap_or_else(opaque);
    [&picture.samples, &alpha].map(|samples| blake3::hash(samples).to_string())
}

fn wasm_equals_the_library(module: &str, simd: bool) {
    let (mut browser, _site) = opened("/embed.html");
    browser.value(&format!(
        "(async () => {{
            const {{ Aecodec }} = await import('./aecodec.js');
            const file = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
            const codec = new Aecodec(await WebAssembly.compile(await file('{module}')));
            for (const name of Object.values(await (await fetch('models.json')).json())) codec.addModel(await file(name));
            Object.assign(window, {{ codec, file, hashes: {HASHES} }});
        }})()"
    ));
    assert_eq!(browser.value("codec.simd"), simd);
    for name in FILES {
        let bytes = std::fs::read(Path::new(ROOT).join(name)).expect("a file of the repository");
        let mut options = DecodeOptions::default();
        let found = browser.value(&format!("file('/{name}').then((stream) => hashes(stream))"));
        assert_eq!(texts(&found), hashes(&bytes, &options), "{name}");
        (options.passes, options.region) = (2, Some(Region { x: 3, y: 1, width: 7, height: 8 }));
        let part = "{ passes: 2, region: { x: 3, y: 1, width: 7, height: 8 } }";
        let found = browser.value(&format!("file('/{name}').then((stream) => hashes(stream, {part}))"));
        assert_eq!(texts(&found), hashes(&bytes, &options), "a region of {name}");
    }
    encodes_like_the_library(&mut browser);
    let refused = browser.text(
        "(() => { try { codec.decode(new Uint8Array(100)); } catch (error) { return error.message; } })()",
    );
    assert!(refused.contains(".aec"), "{refused}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Every mode gives the bytes of the library.
fn encodes_like_the_library(browser: &mut Chromium) {
    let name = "tests/conformance/exact-palette-rgb-alpha.aec";
    let bytes = std::fs::read(Path::new(ROOT).join(name)).expect("a file of the repository");
    let models = ModelRegistry::embedded();
    let picture = models.decode(&bytes, &DecodeOptions::default()).expect("a stream").picture;
    for (mode, number) in [("learned", 0), ("auto", 1), ("exact", 2)] {
        let mut options = aecodec::EncodeOptions::default();
        options.mode = aecodec_web::encode::mode(number).expect("a mode");
        let model = aecodec::Model::embedded(aecodec::Profile::Best).expect("the built-in model");
        let expected = aecodec::encode(&picture, &model, &options).expect("a picture").bytes;
        let found = browser.value(&format!(
            "file('/{name}').then((stream) =>
                [...codec.encode(codec.decode(stream), {{ profile: 'best', mode: '{mode}' }}).bytes])"
        ));
        let found: Vec<u8> = serde_json::from_value(found).expect("bytes");
        assert!(found == expected, "{mode}: {} bytes, expected {}", found.len(), expected.len());
    }
}

fn texts(value: &Value) -> [String; 2] {
    std::array::from_fn(|i| value[i].as_str().expect("text").to_owned())
}

#[test]
#[ignore = "needs Chromium, and the result of web/build"]
fn wasm_with_simd_equals_the_library_in_a_browser() {
    wasm_equals_the_library("aecodec.wasm", true);
}

#[test]
#[ignore = "needs Chromium, and the result of web/build"]
fn wasm_without_simd_equals_the_library_in_a_browser() {
    wasm_equals_the_library("aecodec-plain.wasm", false);
}

/// Drops a file of the site on the page.
fn drop_file(browser: &mut Chromium, name: &str) {
    browser.value(&format!(
        "fetch('{name}').then((answer) => answer.blob()).then((blob) => {{
            const data = new DataTransfer();
            data.items.add(new File([blob], '{name}'.split('/').pop()));
            document.body.dataset.state = 'dropped';
            window.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data }}));
        }})"
    ));
    wait(browser, "['done', 'failed'].includes(document.body.dataset.state)");
}

/// The texts of a row of the figures.
fn row(browser: &mut Chromium, name: &str) -> Vec<String> {
    let row = "[...document.querySelectorAll('#figures tr')].find((row) => row.textContent.startsWith";
    let cells = browser.value(&format!("[...({row}('{name}'))).cells].map((cell) => cell.textContent)"));
    serde_json::from_value(cells).expect("texts")
}

#[test]
#[ignore = "needs Chromium, and the result of web/build"]
fn wasm_page_compresses_a_dropped_picture_in_a_browser() {
    let (mut browser, _site) = opened("/index.html");
    wait(&mut browser, "document.body.dataset.state === 'ready'");
    drop_file(&mut browser, "/samples/glass-alpha.png");
    let found = row(&mut browser, "aecodec");
    let (bytes, psnr): (usize, f64) = (
        found[1].replace(',', "").parse().expect("a number"),
        found[3].trim_end_matches(" dB").parse().expect("a number"),
    );
    assert!((1000..72242 / 2).contains(&bytes) && psnr > 25.0, "{found:?}");
    let jpeg = row(&mut browser, "JPEG");
    assert!(jpeg[1].replace(',', "").parse::<usize>().expect("a number") <= bytes, "{jpeg:?}");
    let versions = "[...document.querySelectorAll('#left option')].map((option) => option.text).join()";
    assert_eq!(browser.text(versions), "Original,aecodec,JPEG of the same size");

    // A change of the quality encodes again, after a moment.
    let change = "(() => { const q = document.getElementById('quality'); q.value = 10; document.body.dataset.state = 'changed';
        q.dispatchEvent(new Event('input', { bubbles: true })); })()";
    browser.value(change);
    wait(&mut browser, "document.body.dataset.state === 'done'");
    let smaller: usize = row(&mut browser, "aecodec")[1].replace(',', "").parse().expect("a number");
    assert!(smaller < bytes, "{smaller} and {bytes}");

    // Lossless is equal.
    let change = "(() => { document.body.dataset.state = 'changed';
        document.querySelector('input[value=exact]').click(); })()";
    browser.value(change);
    wait(&mut browser, "document.body.dataset.state === 'done'");
    assert_eq!(row(&mut browser, "aecodec")[3], "equal");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium, and the result of web/build"]
fn wasm_page_shows_files_with_their_hash_in_a_browser() {
    let (mut browser, _site) = opened("/index.html");
    for (name, says) in [
        ("/samples/interior-gray.aec", "The pixels have the hash that the file records."),
        ("/tests/conformance/exact-photograph-rgb.aec", "Lossless."),
    ] {
        drop_file(&mut browser, name);
        let facts = browser.text("document.getElementById('facts').textContent");
        assert!(facts.contains(says), "{name}: {facts}");
        let bytes = std::fs::read(Path::new(ROOT).join(&name[1..])).expect("a file of the repository");
        let hash = browser.text("document.getElementById('facts').dataset.hash");
        assert_eq!(hash, hashes(&bytes, &DecodeOptions::default())[0], "{name}");
    }
    drop_file(&mut browser, "/samples/interior-gray.aec");
    browser.value("document.body.dataset.state = 'changed'; document.querySelector('#passes input').click()");
    wait(&mut browser, "document.body.dataset.state === 'done'");
    assert!(
        browser.text("document.getElementById('status').textContent").starts_with("The first 1 of 4 passes")
    );

    drop_file(&mut browser, "/Cargo.toml");
    assert_eq!(browser.value("document.getElementById('status').className"), "failed");
    for width in [360, 800, 1600] {
        browser.resize(width, 900, 1.0);
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.number(over), 0.0, "at {width}");
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium, and the result of web/build"]
fn wasm_shows_aec_files_in_img_elements_in_a_browser() {
    let (mut browser, _site) = opened("/embed.html");
    browser.value("document.images[0].remove()");
    wait(
        &mut browser,
        "document.images[0].dataset.aec === 'done' && document.images[0].naturalWidth === 768",
    );
    // A picture that is added later; a part of a shown picture has the pixels of the file.
    browser
        .value("document.body.insertAdjacentHTML('afterbegin', '<img src=\"/samples/interior-gray.aec\">')");
    wait(&mut browser, "document.images[0].dataset.aec === 'done'");
    let (picture, _) = {
        let bytes = std::fs::read(Path::new(ROOT).join("samples/interior-gray.aec")).expect("a sample");
        ModelRegistry::embedded().decode(&bytes, &DecodeOptions::default()).expect("a stream").into_parts()
    };
    let png = browser.value(
        "fetch(document.images[0].src).then((a) => a.arrayBuffer()).then((b) => [...new Uint8Array(b)])",
    );
    let png: Vec<u8> = serde_json::from_value(png).expect("bytes");
    let (shown, _) = files::read(&png, &Limits::default()).expect("a PNG");
    assert_eq!((shown.width, shown.height), (picture.width, picture.height));
    assert!(shown.samples.iter().step_by(3).eq(&picture.samples));
    browser.value("document.body.insertAdjacentHTML('afterbegin', '<img src=\"missing.aec\">')");
    wait(&mut browser, "document.images[0].dataset.aec === 'failed'");
}
