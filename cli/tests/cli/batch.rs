//! Many inputs: folders, patterns, names, order, and what happens when some fail.

use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

#[test]
fn a_folder_keeps_its_structure_there_and_back() {
    let place = Workplace::new();
    place.picture("in/a.png");
    place.picture("in/sub/deep/b.bmp");
    place.write("in/notes.txt", b"no picture");
    place.run("compress in -o coded").assert().success();
    place.run("decompress coded -o out --format ppm").assert().success();
    let files = place.files();
    for name in ["coded/a.aec", "coded/sub/deep/b.aec", "out/a.ppm", "out/sub/deep/b.ppm"] {
        assert!(files.iter().any(|file| file == name), "{name} in {files:?}");
    }
    assert_eq!(files.len(), 7);
}

#[test]
fn patterns_are_expanded_without_a_shell() {
    let place = Workplace::new();
    place.picture("a.png");
    place.picture("b.png");
    place.picture("c.bmp");
    place.run("compress *.png -o out").assert().success();
    assert!(place.path("out/a.aec").exists() && place.path("out/b.aec").exists());
    assert!(!place.path("out/c.aec").exists());
}

#[test]
fn nothing_to_do_is_exit_code_3() {
    let place = Workplace::new();
    std::fs::create_dir(place.path("void")).unwrap();
    let line = one_line(&mut place.run("compress void -o out"), 3);
    assert!(line.contains("void") && line.contains("nothing to do"), "{line}");
    place.run("compress *.png -o out").assert().code(3);
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn one_bad_input_of_many_is_exit_code_4() {
    let place = Workplace::new();
    place.picture("a.png");
    place.write("b.png", b"no picture");
    place.picture("c.png");
    place.run("compress a.png b.png c.png -o out").assert().code(4).stderr(contains("b.png: "));
    assert!(place.path("out/a.aec").exists() && place.path("out/c.aec").exists());
    assert!(!place.path("out/b.aec").exists());
    place.run("compress b.png missing.png -o other").assert().code(1);
    place.run("info out/a.aec b.png").assert().code(4);
}

#[test]
fn results_come_in_the_order_of_the_inputs_with_a_total() {
    let place = Workplace::new();
    let names: Vec<String> = (0..12).map(|i| format!("{i:02}.png")).collect();
    for (i, name) in names.iter().enumerate() {
        // The first picture is the largest.
        place.picture_of(name, 16 * (12 - i as u32), 16);
    }
    for threads in [1, 4] {
        let args = format!("compress {} -o out --force --json --threads {threads}", names.join(" "));
        let results = json(&mut place.run(&args));
        let inputs: Vec<_> = results[..12].iter().map(|result| result["input"].as_str().unwrap()).collect();
        assert_eq!(inputs, names);
        let total = &results[12]["total"];
        assert_eq!((total["files"].as_u64(), total["failed"].as_u64()), (Some(12), Some(0)));
        let bytes: u64 = results[..12].iter().map(|result| result["bytes"].as_u64().unwrap()).sum();
        assert_eq!(total["bytes"].as_u64(), Some(bytes));
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let place = Workplace::new();
    place.picture_of("a.png", 130, 70);
    place.picture_of("b.png", 70, 130);
    place.run("compress a.png b.png -o many --threads 2").assert().success();
    place.run("compress a.png -o one.aec --threads 1").assert().success();
    place.run("compress a.png -o four.aec --threads 4").assert().success();
    assert_eq!(place.read("many/a.aec"), place.read("one.aec"));
    assert_eq!(place.read("four.aec"), place.read("one.aec"));
}

#[test]
fn names_that_clash_keep_their_suffix() {
    let place = Workplace::new();
    place.picture("x/a.png");
    place.picture("x/a.bmp");
    place.run("compress x -o out").assert().success();
    assert!(place.path("out/a.png.aec").exists() && place.path("out/a.bmp.aec").exists());
    place.run("decompress out -o back").assert().success();
    assert!(place.path("back/a.png").exists() && place.path("back/a.bmp.png").exists());
}

#[test]
fn several_inputs_need_a_folder() {
    let place = Workplace::new();
    place.picture("a.png");
    place.picture("b.png");
    place.write("file", b"keep me");
    place.run("compress a.png b.png -o file --force").assert().code(2);
    place.run("compress a.png b.png -o -").assert().code(2);
    assert_eq!(place.read("file"), b"keep me");
    // An existing folder, or a name that ends in a separator, works for a single input too.
    place.run("compress a.png -o new/").assert().success();
    place.run("compress b.png -o new").assert().success();
    assert!(place.path("new/a.aec").exists() && place.path("new/b.aec").exists());
}

#[test]
fn a_failed_input_has_its_json_object_too() {
    let place = Workplace::new();
    place.picture("a.png");
    let results = json(&mut place.run("compress a.png missing.png -o out --json"));
    assert_eq!(results[1]["input"], "missing.png");
    assert!(results[1]["error"].as_str().unwrap().contains("no such file"));
    assert_eq!(results[2]["total"]["failed"], 1);
    assert_eq!(stdout(&mut place.run("compress missing.png -o x.aec")), "");
}
