//! Measures how well unusual pictures are found: fixed cameras that look at scenes with noise, changing light and shake, and
//! three kinds of defects that the detector has never seen.
//!
//!     cargo run --release -p aecodec-latents --example defects [FOLDER OF PICTURES]
//!
//! Each picture of the folder is a scene; without one, four scenes of `samples/` are. Foreign objects come from the other
//! pictures. It prints the areas under the ROC curves by picture and by pixel, and the false alarms at 5 %. With the
//! variable `DEFECTS_OUT`, it writes some pictures and their heat maps to that folder.

mod camera;
mod defect;

use std::path::{Path, PathBuf};

use aecodec::{Color, Limits, ModelRegistry, Picture, Profile, files};
use aecodec_latents::anomaly::{Detector, Heat, Learner, View};
use aecodec_latents::{Code, Reader};
use aecodec_tests::Random;

use camera::Camera;
use defect::{Kind, Mask};

/// Normal pictures of each camera to learn from, normal ones to test with, and pictures with each kind of defect.
const LEARNED: usize = 120;
const NORMAL: usize = 100;
const OF_EACH_KIND: usize = 25;
/// The rate of false alarms that is asked for.
const RATE: f32 = 0.05;
/// Every how many pixels, in both directions, one counts for the ROC curve.
const STEP: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How the test pictures reach the detector.
#[derive(Clone, Copy)]
enum Way {
    Pixels,
    /// As `.aec` files of quality 50.
    Coded,
}

#[derive(Default)]
struct Found {
    /// Score and whether there is a defect, for each picture and for each pixel.
    pictures: Vec<(f32, bool)>,
    pixels: Vec<(f32, bool)>,
    /// Scores of pictures with defects, by kind.
    kinds: [Vec<f32>; 3],
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let all = pictures(folder.as_deref())?;
    let reader = Reader::new(ModelRegistry::embedded())?;
    for (name, way) in [("pictures", Way::Pixels), (".aec at quality 50", Way::Coded)] {
        println!("{name}");
        let mut sum = [0.0; 3];
        for scene in 0..all.len().min(4) {
            let found = camera(&all, scene, &reader, way)?;
            let figures = [area(&found.pictures), area(&found.pixels), false_alarms(&found.pictures)];
            print(&all[scene].0, &figures, &found);
            sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure / all.len().min(4) as f64);
        }
        println!(
            "  {:<16} picture {:.3}  pixel {:.3}  false alarms {:.1} %",
            "mean",
            sum[0],
            sum[1],
            100.0 * sum[2]
        );
    }
    Ok(())
}

fn print(name: &str, figures: &[f64; 3], found: &Found) {
    let detected = found.kinds.each_ref().map(|scores| {
        100.0 * scores.iter().filter(|&&score| score > 1.0).count() as f64 / scores.len() as f64
    });
    println!(
        "  {name:<16} picture {:.3}  pixel {:.3}  false alarms {:.1} %  found: objects {:.0} %, stains {:.0} %, gaps {:.0} %",
        figures[0],
        figures[1],
        100.0 * figures[2],
        detected[0],
        detected[1],
        detected[2]
    );
}

/// Names and pictures of a folder, or of the samples.
fn pictures(folder: Option<&Path>) -> Result<Vec<(String, Picture)>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let mut paths: Vec<PathBuf> = match folder {
        Some(folder) => std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?,
        None => ["brick", "harbour-night", "hills", "still-life", "sign", "interior-gray"]
            .map(|name| samples.join(name).with_extension("png"))
            .into(),
    };
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let picture = files::read(&std::fs::read(path)?, &Limits::default())?.0;
        let large = picture.width >= camera::WIDTH + 32 && picture.height >= camera::HEIGHT + 32;
        Ok((large && picture.color == Color::Rgb).then_some((name, picture)))
    };
    let all = paths.iter().filter_map(|path| read(path).transpose()).collect::<Result<Vec<_>>>()?;
    if all.len() < 2 {
        return Err("expected at least two pictures in colour that are larger than a frame".into());
    }
    Ok(all)
}

/// Learns the usual view of one camera, and scores other pictures of it.
fn camera(all: &[(String, Picture)], scene: usize, reader: &Reader, way: Way) -> Result<Found> {
    let mut random = Random::new(scene as u64 + 1);
    let camera = Camera::new(&all[scene].1);
    let mut learner = Learner::new(reader, View::Auto);
    for _ in 0..LEARNED {
        learner.push(&code(&camera.frame(&mut random), reader, way)?)?;
    }
    let detector = Detector::parse(&learner.finish()?.to_bytes()?, reader)?;
    if detector.size().is_none() {
        return Err("the camera was not recognised as fixed".into());
    }
    let limits = detector.thresholds(RATE)?;
    let mut found = Found::default();
    for i in 0..NORMAL + 3 * OF_EACH_KIND {
        let mut frame = camera.frame(&mut random);
        let kind = i.checked_sub(NORMAL).map(|i| i % 3);
        let mask = match kind {
            None => Mask::none(),
            Some(kind) => {
                let other = &all[(scene + 1 + random.below(all.len() - 1)) % all.len()].1;
                [Kind::Object(other), Kind::Stain, Kind::Gap][kind].apply(&mut frame, &mut random)
            }
        };
        let score = detector.score(&code(&frame, reader, way)?)?;
        let heat = score.heat(limits);
        found.pictures.push((score.against(limits), kind.is_some()));
        if let Some(kind) = kind {
            found.kinds[kind].push(score.against(limits));
        }
        for y in (0..camera::HEIGHT).step_by(STEP) {
            for x in (0..camera::WIDTH).step_by(STEP) {
                found.pixels.push((heat.at(y, x), mask.covers(y, x)));
            }
        }
        if i < 2 || (NORMAL..NORMAL + 6).contains(&i) {
            show(&format!("{}-{i}", all[scene].0), &frame, &heat)?;
        }
    }
    Ok(found)
}

fn code(frame: &Picture, reader: &Reader, way: Way) -> Result<Code> {
    Ok(match way {
        Way::Pixels => reader.code(frame)?,
        Way::Coded => {
            let model = aecodec::Model::embedded(Profile::Fast)?;
            let coded = aecodec::encode(frame, &model, &aecodec::EncodeOptions::default())?;
            reader.read(&coded.bytes, &Limits::default())?
        }
    })
}

/// Writes a picture and its heat map, if a folder was named.
fn show(name: &str, frame: &Picture, heat: &Heat) -> Result<()> {
    let Some(folder) = std::env::var_os("DEFECTS_OUT").map(PathBuf::from) else { return Ok(()) };
    std::fs::create_dir_all(&folder)?;
    for (name, picture) in [(name.to_owned(), frame.clone()), (format!("{name}-heat"), heat.over(frame)?)] {
        let (bytes, _) = files::write(&picture, files::Format::Png, &files::WriteOptions::default())?;
        std::fs::write(folder.join(name).with_extension("png"), bytes)?;
    }
    Ok(())
}

/// The area under the ROC curve: how often a defect has a higher score than something usual, ties counting half.
fn area(scores: &[(f32, bool)]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut usual, mut sum, mut defects) = (0.0, 0.0, 0.0);
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let unusual = group.iter().filter(|(_, defect)| *defect).count() as f64;
        let rest = group.len() as f64 - unusual;
        sum += unusual * (usual + rest / 2.0);
        (usual, defects) = (usual + rest, defects + unusual);
    }
    sum / (usual * defects)
}

fn false_alarms(scores: &[(f32, bool)]) -> f64 {
    let usual: Vec<f32> = scores.iter().filter(|(_, defect)| !defect).map(|(score, _)| *score).collect();
    usual.iter().filter(|&&score| score > 1.0).count() as f64 / usual.len() as f64
}
