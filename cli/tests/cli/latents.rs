//! What the code of a file holds.

use predicates::str::contains;

use crate::{Workplace, json, one_line};

#[test]
#[cfg_attr(not(feature = "latents"), ignore = "this build has no latents: add --features full")]
fn the_code_of_a_file_is_shown_in_figures_and_as_a_sheet() {
    let place = Workplace::new();
    place.picture_of("a.png", 200, 120);
    place.run("compress a.png --mode learned").assert().code(0);
    let found = &json(&mut place.run("latents a.aec --json"))[0];
    assert_eq!(found["shape"], serde_json::json!([8, 13, 384]));
    assert_eq!(found["bits"].as_array().unwrap().len(), 8 * 13);
    assert_eq!(found["passes"].as_array().unwrap().len(), 5);
    place.run("latents a.aec -o sheet.png").assert().code(0).stdout(contains("bits of a place"));
    assert_eq!(image::open(place.path("sheet.png")).unwrap().width(), 1600);
    assert!(one_line(&mut place.run("latents a.aec -o sheet.png"), 1).contains("--force"));
    place.run("compress a.png -o exact.aec --lossless").assert().code(0);
    assert!(one_line(&mut place.run("latents exact.aec"), 1).contains("exact.aec"));
    assert!(one_line(&mut place.run("latents a.png"), 1).contains("a.png"));
}
