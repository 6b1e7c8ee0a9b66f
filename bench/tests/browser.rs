//! The page works in a browser: from disk, with mouse and keyboard, on wide and narrow screens.
//! These tests are ignored, since not every host has Chromium.

mod sample;

use std::fs;
use std::path::Path;
use std::time::Instant;

use aecodec::{Limits, files};
use aecodec_tests::chromium::{self, Button, Chromium};

const LEFT: u32 = 37;
const RIGHT: u32 = 39;
/// The stage of the picture that is open at first.
const STAGE: &str = "document.querySelector('details[open] .stage')";

/// The page in a browser, and the folder that contains it.
fn opened() -> (Chromium, tempfile::TempDir) {
    let mut browser = Chromium::start().expect("Chromium is needed");
    let folder = tempfile::tempdir().expect("a temporary folder");
    sample::write(folder.path());
    browser.resize(1200, 900, 1.0);
    browser.open(&folder.path().join("report.html"));
    (browser, folder)
}

/// Left, top, width and height of an element within the window.
fn place(browser: &mut Chromium, element: &str) -> [f64; 4] {
    let place = browser.value(&format!(
        "(() => {{ {element}.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
         const b = {element}.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; }})()"
    ));
    std::array::from_fn(|i| place[i].as_f64().expect("a number"))
}

/// The dominant colour at a share of the stage's width: 0 is red, 1 green, 2 blue.
fn color(browser: &mut Chromium, share: f64) -> usize {
    let [left, top, width, height] = place(browser, STAGE);
    let [x, y] = [browser.number("scrollX"), browser.number("scrollY")];
    let part = [(left + share * width + x).floor(), (top + height * 0.1 + y).floor(), 8.0, 24.0];
    let (picture, _) = files::read(&browser.screenshot(Some(part)), &Limits::default()).expect("a PNG");
    let mut sums = [0u32; 3];
    for pixel in picture.samples.chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u32::from(value));
    }
    (0..3).max_by_key(|&i| sums[i]).expect("three")
}

/// Asserts that the stage shows these colours at these shares of its width. A browser may draw a picture with a delay.
fn shows<const N: usize>(browser: &mut Chromium, shares: [f64; N], expected: [usize; N]) {
    let deadline = Instant::now() + chromium::PATIENCE;
    let mut seen = shares.map(|share| color(browser, share));
    while seen != expected && Instant::now() < deadline {
        browser.settle();
        seen = shares.map(|share| color(browser, share));
    }
    assert_eq!(seen, expected, "at {shares:?}");
}

#[test]
#[ignore = "needs Chromium"]
fn points_say_their_values_to_mouse_and_keyboard_in_a_browser() {
    let (mut browser, _folder) = opened();
    let drawn = browser.number("document.querySelectorAll('#measure-psnr_rgb .mark').length");
    assert_eq!(drawn as usize, 3 * sample::POINTS);
    assert_eq!(browser.number("document.querySelectorAll('.panel:not([hidden])').length"), 1.0);

    let mark = "document.querySelectorAll('#measure-psnr_rgb .s2 .mark')[3]";
    let tip = "document.querySelector('#measure-psnr_rgb .tip').textContent";
    let [left, top, width, height] = place(&mut browser, mark);
    let over = (left + width / 2.0, top + height / 2.0);
    browser.mouse(&[(5.0, 5.0), over], Button::Up);
    assert_eq!(browser.text(tip), "WebP, quality 55: 0.922 bpp, PSNR (RGB) 34.60 dB");
    browser.mouse(&[over, (5.0, 5.0)], Button::Up);
    assert_eq!(browser.text(tip), "");

    browser.value("document.querySelector('#measure-psnr_rgb svg').focus({ focusVisible: true })");
    assert!(browser.text(tip).starts_with("aecodec, quality 10:"));
    browser.key("ArrowRight", RIGHT);
    assert!(browser.text(tip).starts_with("aecodec, quality 25:"));
    browser.key("ArrowDown", 40);
    assert!(browser.text(tip).starts_with("JPEG, quality 25:"));

    browser.value("document.querySelector('#measures [value=ssimulacra2]').click()");
    let open = "[...document.querySelectorAll('.panel:not([hidden])')].map((panel) => panel.id).join()";
    assert_eq!(browser.text(open), "measure-ssimulacra2");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_line_between_two_codecs_moves_by_mouse_and_keyboard_in_a_browser() {
    let (mut browser, _folder) = opened();
    // aecodec's pictures are red in the sample, JPEG's green, WebP's blue.
    shows(&mut browser, [0.3, 0.7], [0, 2]);

    let [left, top, width, height] = place(&mut browser, STAGE);
    let y = top + height / 2.0;
    browser.mouse(&[(left + width * 0.5, y), (left + width * 0.3, y), (left + width * 0.2, y)], Button::Down);
    shows(&mut browser, [0.1, 0.3, 0.7], [0, 2, 2]);

    // The slider has the focus; each press is a step to the right.
    for _ in 0..20 {
        browser.key("ArrowRight", RIGHT);
    }
    let slider = format!("{STAGE}.querySelector('input')");
    assert_eq!(browser.text(&format!("{slider}.value")), "40");
    shows(&mut browser, [0.3, 0.5], [0, 2]);
    browser.key("ArrowLeft", LEFT);
    assert_eq!(
        browser.text(&format!("{slider}.getAttribute('aria-valuetext')")),
        "39 percent aecodec, the rest WebP"
    );

    let choose = |side: &str, name: &str| {
        format!(
            "(() => {{ const s = document.querySelector('details[open] select.{side}'); \
             s.value = [...s.options].find((o) => o.text === '{name}').value; \
             s.dispatchEvent(new Event('change')); }})()"
        )
    };
    browser.value(&choose("right", "JPEG"));
    shows(&mut browser, [0.3, 0.7], [0, 1]);
    let caption = browser.text("document.querySelectorAll('details[open] .captions p')[1].textContent");
    assert!(caption.starts_with("JPEG") && caption.contains("bpp"), "{caption}");
    browser.value(&choose("left", "JPEG"));
    shows(&mut browser, [0.3, 0.7], [1, 1]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn enlarged_pictures_are_moved_by_hand_in_a_browser() {
    let (mut browser, _folder) = opened();
    browser.value("document.querySelector('details[open] .zoom [value=\"4\"]').click()");
    browser.settle();
    let image = format!("{STAGE}.querySelector('img')");
    let shown = format!("{image}.getBoundingClientRect().width / {image}.getAttribute('width')");
    assert_eq!(browser.number(&shown), 4.0);
    let [left, top, width, height] = place(&mut browser, STAGE);
    let corner = format!("{image}.getBoundingClientRect().left - {STAGE}.getBoundingClientRect().left");
    let before = browser.number(&corner);
    let y = top + height / 2.0;
    browser.mouse(&[(left + width * 0.2, y), (left + width * 0.2 + 40.0, y)], Button::Down);
    assert_eq!((browser.number(&corner) - before).round(), 40.0);
    // The picture cannot be moved out of the stage.
    browser.mouse(&[(left + 2.0, y), (left + 2.0 + 5000.0, y)], Button::Down);
    assert_eq!(browser.number(&corner).round(), 0.0);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
#[ignore = "needs Chromium"]
fn the_page_fits_every_screen_and_ground_in_a_browser() {
    let (mut browser, folder) = opened();
    let shots = tempfile::tempdir().expect("a temporary folder");
    let keep = |name: &str, png: Vec<u8>| fs::write(shots.path().join(name), png).expect("a file");
    for width in [360, 800, 1600] {
        browser.resize(width, 900, 1.0);
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.number(over), 0.0, "at {width}");
        keep(&format!("{width}.png"), browser.screenshot(None));
    }
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    let light = browser.text(ground);
    browser.prefer("", "prefers-color-scheme", "dark");
    let dark = browser.text(ground);
    assert_ne!(light, dark);
    keep("dark.png", browser.screenshot(None));
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.text(ground), light);

    // A link of the table opens its picture.
    let closed = "document.querySelector('details:not([open])').id";
    let id = browser.text(closed);
    browser.value(&format!("document.querySelector('table a[href=\"#{id}\"]').click()"));
    browser.settle();
    assert_eq!(browser.value(&format!("document.getElementById('{id}').open")), true);

    browser.prefer("print", "prefers-color-scheme", "dark");
    let hidden = "[...document.querySelectorAll('.panel')].filter((panel) => !panel.offsetHeight).length";
    assert_eq!(browser.number(hidden), 0.0, "all measures are printed");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    without_scripts(&mut browser, folder.path());
}

/// Without the script, the page shows everything, one after the other.
fn without_scripts(browser: &mut Chromium, folder: &Path) {
    browser.prefer("", "prefers-color-scheme", "light");
    browser.scripts(false);
    browser.open(&folder.join("report.html"));
    let seen = "[...document.querySelectorAll('details[open] img, .panel svg.plot, table')]\
                .filter((e) => e.closest('details') ? e.closest('details').open : true)\
                .every((e) => e.offsetHeight > 0 || e.getBoundingClientRect().height > 0)";
    assert_eq!(browser.value(seen), true);
    assert_eq!(
        browser.value("[...document.querySelectorAll('.scripted')].every((e) => !e.offsetHeight)"),
        true
    );
}
