//! Training, from a folder of pictures to a model that can be used.

use std::io::{BufRead as _, BufReader};

use predicates::str::contains;

use crate::{Workplace, json, one_line, stdout};

/// Options for the shortest possible run.
const SHORT: &str =
    "--from scratch --shapes tiny --side 64 --batch 2 --table-batches 1 --validate-every 2 --threads 1";

fn workplace() -> Workplace {
    let place = Workplace::new();
    for i in 0..4 {
        place.picture_of(&format!("photos/{i}.png"), 80 + 8 * i, 96);
    }
    place.picture_of("photos/small.png", 20, 20);
    place.write("photos/damaged.png", b"\x89PNG\r\n\x1a\nno");
    place
}

#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn a_model_is_made_shown_and_coded_with() {
    let place = workplace();
    let lines = json(&mut place.run(&format!("train photos -o own.aem --steps 3 --json {SHORT}")));
    assert_eq!((&lines[0]["pictures"], &lines[0]["validation"]), (&3.into(), &1.into()));
    assert_eq!(lines[0]["skipped"], 2);
    assert_eq!(lines.iter().filter(|line| line["images_per_second"].is_number()).count(), 3);
    let end = lines.last().unwrap();
    assert_eq!((&end["steps"], &end["end"]), (&3.into(), &"complete".into()));
    let files = place.files();
    for made in ["own.aem", "own.md", "own.safetensors", "own.svg", "own.train/checkpoint.safetensors"] {
        assert!(files.iter().any(|name| name == made), "{made} is not among {files:?}");
    }
    assert!(!files.iter().any(|name| name.contains(".part") || name.contains(".tmp")), "{files:?}");

    let hash = end["model"].as_str().unwrap();
    let shown = json(&mut place.run("model own.aem fast --json"));
    assert_eq!((&shown[0]["hash"], &shown[0]["profile"]), (&end["model"], &"other".into()));
    assert_eq!(shown[0]["shapes"]["m"], 128);
    assert!(shown[0]["card"].as_str().unwrap().contains("2 files skipped"));
    assert_eq!(shown[1]["profile"], "fast");
    place.run("model own.aem").assert().success().stdout(contains(hash)).stdout(contains("kMAC/pixel"));

    place.run("compress photos/0.png -o a.aec --model own.aem").assert().success();
    assert!(stdout(&mut place.run("info a.aec --model own.aem")).contains(&hash[..16]));
    place.run("decompress a.aec -o a.png --model own.aem").assert().success();
    assert_eq!(image::image_dimensions(place.path("a.png")).unwrap(), (80, 96));
    place.run("sample own.aem -o drawn.png --size 128x64").assert().success();
    assert_eq!(image::image_dimensions(place.path("drawn.png")).unwrap(), (128, 64));
    // Without the model, the error names the model and where the decoder looked for it.
    let line = one_line(&mut place.run("decompress a.aec -o b.png"), 1);
    assert!(line.contains(&hash[..16]) && line.contains("this build") && line.contains("--model"), "{line}");

    // Existing files are not overwritten without --force.
    let line = one_line(&mut place.run(&format!("train photos -o own.aem --steps 1 {SHORT}")), 1);
    assert!(line.contains("--force"), "{line}");
}

#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn a_search_keeps_the_best_of_its_runs() {
    let place = workplace();
    let search = format!(
        "train photos -o own.aem --steps 3 --search random:3 --range lr=1e-4..1e-2 --range optimizer=muon,adam {SHORT}"
    );
    let lines = json(&mut place.run(&format!("{search} --json")));
    assert_eq!(lines.iter().filter(|line| line["drawn"].is_object()).count(), 3);
    let ended = lines.iter().find(|line| line["trials"].is_array()).unwrap();
    let losses = ended["trials"].as_array().unwrap().iter().map(|t| t["validation"].as_f64().unwrap());
    let losses: Vec<f64> = losses.collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(losses[ended["best"].as_u64().unwrap() as usize - 1], least, "{losses:?}");
    assert!(losses.iter().any(|loss| *loss > least), "different settings, different models: {losses:?}");
    assert!(String::from_utf8(place.read("own.search.md")).unwrap().contains("| run | lr | optimizer |"));
    assert_eq!(lines.last().unwrap()["steps"], 3);
    place.run("compress photos/0.png -o a.aec --model own.aem").assert().success();

    // Finished runs are not repeated, and another search is not mistaken for this one.
    let again = json(&mut place.run("train photos -o own.aem --resume --force --json --threads 1"));
    assert_eq!(again.iter().filter(|line| line["images_per_second"].is_number()).count(), 0);
    assert_eq!(again.last().unwrap()["model"], lines.last().unwrap()["model"]);
    let line =
        one_line(&mut place.run(&format!("{} --resume --force", search.replace("random:3", "random:4"))), 2);
    assert!(line.contains("other settings"), "{line}");
    let unfit = place.run(&format!("{search} --range loss=mse,l1")).assert().code(2);
    unfit.stderr(contains("validation could not tell"));

    // A search does not overwrite an existing one, and an invalid search changes nothing.
    let line = one_line(&mut place.run(&format!("{} --force", search.replace("--side 64", "--side 512"))), 3);
    assert!(line.contains("--side") && place.path("own.train/search.json").is_file(), "{line}");
    std::fs::remove_file(place.path("own.aem")).unwrap();
    std::fs::remove_file(place.path("own.search.md")).unwrap();
    for other in ["own.md", "own.svg", "own.safetensors"] {
        std::fs::remove_file(place.path(other)).unwrap();
    }
    let line = one_line(&mut place.run(&search), 1);
    assert!(line.contains("already contains a search"), "{line}");
    place.run(&format!("train photos -o own.aem --steps 1 --force {SHORT}")).assert().success();
    assert!(!place.path("own.train/search.json").exists());
    let line = one_line(&mut place.run(&format!("{search} --resume --force")), 2);
    assert!(line.contains("contains no search"), "{line}");
}

#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn a_linear_model_codes_pictures_and_an_adversarial_one_says_what_it_is() {
    let place = workplace();
    let small = SHORT.replace("tiny", "linear");
    place.run(&format!("train photos -o linear.aem --steps 2 {small}")).assert().success();
    place.run(&format!("train photos -o texture.aem --steps 2 --adversarial 0.5 {SHORT}")).assert().success();
    for (model, profile) in [("linear", "other"), ("texture", "perceptual")] {
        let args = format!("compress photos/0.png -o {model}.aec --model {model}.aem");
        place.run(&args).assert().success();
        place.run(&format!("verify {model}.aec --model {model}.aem")).assert().success();
        let shown = json(&mut place.run(&format!("info {model}.aec --json")));
        assert_eq!(shown[0]["profile"], profile, "{shown:?}");
    }
}

#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn settings_come_from_a_file_and_the_command_line_goes_before_it() {
    let place = workplace();
    place.write(
        "train.toml",
        b"minutes = 5\nside = 64\nbatch = 1\nsparse-l1 = 0.1\nshapes = \"tiny\"\ntable-batches = 1\n",
    );
    let lines =
        json(&mut place.run("train photos -o own.aem --from scratch --config train.toml --steps 1 --json"));
    let settings = &lines[0]["settings"];
    assert_eq!((&settings["steps"], &settings["batch"]), (&1.into(), &1.into()));
    assert!(settings["minutes"].is_null() && settings["sparse-l1"] == 0.1);
    place.write("wrong.toml", b"stepps = 5\n");
    let line = one_line(&mut place.run("train photos -o other.aem --from scratch --config wrong.toml"), 2);
    assert!(line.contains("stepps"), "{line}");
}

#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn what_cannot_be_trained_is_refused_in_words() {
    let place = workplace();
    place.write("empty/readme.txt", b"no picture");
    for (args, code, said) in [
        ("train nowhere -o a.aem --steps 1", 3, "nowhere"),
        ("train empty -o a.aem --steps 1", 3, "no picture"),
        ("train photos -o a.aem --steps 1 --from scratch --side 512", 3, "--side"),
        ("train photos/0.png -o a.aem --steps 1", 2, "not a folder"),
        ("train photos -o a.png --steps 1", 2, "own.aem"),
        ("train photos -o a.aem --from scratch", 2, "neither minutes nor steps"),
        ("train photos -o a.aem --resume", 2, "no checkpoint"),
        ("train photos -o a.aem --steps 1 --shapes tiny", 2, "--from scratch"),
        (
            "train photos -o a.aem --steps 1 --latents 128 --search random:2 --range lr=0.001..0.01",
            2,
            "--from scratch",
        ),
        ("train photos -o a.aem --steps 1 --from scratch --side 100", 2, "side 100"),
        ("train photos -o a.aem --steps 1 --from weights.bin", 2, "weights.bin"),
        ("train photos -o a.aem --steps 1 --device cuda", 2, "--features cuda"),
    ] {
        let line = one_line(&mut place.run(args), code);
        assert!(line.contains(said), "{args}: {line}");
    }
    place.run("train photos -o a.aem --steps 1 --minutes 1").assert().code(2).stderr(contains("--minutes"));
    assert!(!place.files().iter().any(|name| name.starts_with("a.")), "nothing is left");
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "train"), ignore = "this build has no train: add --features full")]
fn an_interrupted_run_can_be_resumed() {
    let place = workplace();
    let begun = place.run(&format!("train photos -o own.aem --minutes 600 --json {SHORT}"));
    let mut command = std::process::Command::new(begun.get_program());
    let piped = std::process::Stdio::piped;
    command.args(begun.get_args()).current_dir(place.path("")).stdout(piped()).stderr(piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("images_per_second")));
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--resume"));

    let line = one_line(&mut place.run(&format!("train photos -o own.aem --steps 1 {SHORT}")), 1);
    assert!(line.contains("--resume"), "{line}");
    let line = one_line(&mut place.run("train photos -o own.aem --resume --from fast --steps 1"), 2);
    assert!(line.contains("was started from scratch"), "{line}");
    let lines =
        json(&mut place.run("train photos -o own.aem --from scratch --resume --steps 1 --json --threads 1"));
    assert!(lines[0]["step"].as_u64().unwrap() >= 1);
    assert!(place.path("own.aem").is_file());
}
