//! The results as tables: CSV and JSON for programs, and Markdown for people.

mod markdown;

pub use markdown::markdown;

use serde::Serialize;

use crate::metrics::Metric;
use crate::results::{MeanPoint, Saving, Speed};
use crate::{Error, Result, Results};

/// The results as CSV, with one row for each picture, codec and quality.
///
/// `ms_ssim` is from 0 to 1, times are in seconds, and memory is in bytes. Unknown values are empty.
///
/// # Errors
/// Returns [`Error::Report`] if the rows cannot be written.
pub fn csv(results: &Results) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (index, picture) in results.pictures.iter().enumerate() {
        for (number, codec) in results.codecs.iter().enumerate() {
            for point in results.points(index, number) {
                let row = Row {
                    picture: &picture.name,
                    width: picture.width,
                    height: picture.height,
                    codec: &codec.id,
                    settings: &codec.settings,
                    version: &codec.version,
                    quality: point.quality,
                    bytes: point.bytes,
                    bpp: point.bpp,
                    psnr_rgb: point.scores.psnr_rgb,
                    psnr_ycbcr: point.scores.psnr_ycbcr,
                    ms_ssim: point.scores.ms_ssim,
                    ssimulacra2: point.scores.ssimulacra2,
                    encode_seconds: point.encode_seconds,
                    decode_seconds: point.decode_seconds,
                    encode_memory: point.encode_memory,
                    decode_memory: point.decode_memory,
                };
                writer.serialize(row).map_err(broken)?;
            }
        }
    }
    String::from_utf8(writer.into_inner().map_err(broken)?).map_err(broken)
}

/// The results as JSON, from which [`Results`] can be read again, with a `summary` of values derived from them.
///
/// # Errors
/// Returns [`Error::Report`] if they cannot be written.
pub fn json(results: &Results) -> Result<String> {
    let codecs = (0..results.codecs.len()).map(|codec| CodecSummary::new(results, codec));
    let overlays = results.overlays.iter().enumerate().map(|(i, overlay)| OverlaySummary {
        name: &overlay.name,
        change: results.saving_against_overlay(0, i),
    });
    let summary = Summary {
        codecs: codecs.collect(),
        overlays: overlays.collect(),
        worst_first: results.pictures_worst_first(),
    };
    let mut text = serde_json::to_string_pretty(&Document { results, summary }).map_err(broken)?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Row<'a> {
    picture: &'a str,
    width: usize,
    height: usize,
    codec: &'a str,
    settings: &'a str,
    version: &'a str,
    quality: f64,
    bytes: u64,
    bpp: f64,
    psnr_rgb: f64,
    psnr_ycbcr: f64,
    ms_ssim: Option<f64>,
    ssimulacra2: Option<f64>,
    encode_seconds: f64,
    decode_seconds: f64,
    encode_memory: Option<u64>,
    decode_memory: Option<u64>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    results: &'a Results,
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    codecs: Vec<CodecSummary<'a>>,
    overlays: Vec<OverlaySummary<'a>>,
    /// The indices of the pictures.
    worst_first: Vec<usize>,
}

#[derive(Serialize)]
struct CodecSummary<'a> {
    id: &'a str,
    speed: Speed,
    mean_points: Vec<MeanSummary>,
    savings: Vec<SavingSummary<'a>>,
}

#[derive(Serialize)]
struct MeanSummary {
    quality: Option<f64>,
    bpp: f64,
    psnr_rgb: Option<f64>,
    psnr_ycbcr: Option<f64>,
    /// In decibels, unlike `ms_ssim`, which is from 0 to 1 everywhere else.
    ms_ssim_db: Option<f64>,
    ssimulacra2: Option<f64>,
}

#[derive(Serialize)]
struct SavingSummary<'a> {
    against: &'a str,
    metric: &'a str,
    #[serde(flatten)]
    saving: Saving,
}

#[derive(Serialize)]
struct OverlaySummary<'a> {
    name: &'a str,
    /// The change of aecodec's bits against it, in percent.
    change: Option<f64>,
}

impl<'a> CodecSummary<'a> {
    fn new(results: &'a Results, codec: usize) -> Self {
        let others = results.codecs.iter().enumerate().filter(|&(other, _)| other != codec);
        let savings = others.flat_map(|(other, info)| {
            Metric::ALL.map(|metric| SavingSummary {
                against: &info.id,
                metric: metric.key(),
                saving: results.saving(codec, other, metric),
            })
        });
        Self {
            id: &results.codecs[codec].id,
            speed: results.speed(codec),
            mean_points: results.mean_points(codec).into_iter().map(MeanSummary::from).collect(),
            savings: savings.collect(),
        }
    }
}

impl From<MeanPoint> for MeanSummary {
    fn from(point: MeanPoint) -> Self {
        let MeanPoint { quality, bpp, values: [psnr_rgb, psnr_ycbcr, ms_ssim_db, ssimulacra2] } = point;
        Self { quality, bpp, psnr_rgb, psnr_ycbcr, ms_ssim_db, ssimulacra2 }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Report(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn csv_has_a_row_for_every_point_and_keeps_odd_names() {
        let mut results = sample();
        results.pictures[0].name = "holiday, \"best\"\n1.png".to_owned();
        results.pictures[0].curves[0][0].scores.ms_ssim = None;
        results.pictures[0].curves[0][0].decode_memory = Some(4096);
        let text = csv(&results).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = "picture,width,height,codec,settings,version,quality,bytes,bpp,psnr_rgb,psnr_ycbcr,ms_ssim,\
                      ssimulacra2,encode_seconds,decode_seconds,encode_memory,decode_memory";
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
        let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 2 * 2 * 4);
        let first: Vec<_> = rows[0].iter().collect();
        let expected = [
            "holiday, \"best\"\n1.png",
            "1000",
            "500",
            "aecodec",
            "fast",
            "aecodec 1.0",
            "0.0",
            "7813",
            "0.125",
            "26.0",
            "28.0",
            "",
            "40.0",
            "0.25",
            "0.0625",
            "",
            "4096",
        ];
        assert_eq!(first, expected);
        assert_eq!((&rows[4][3], &rows[4][4]), ("jpeg", "4:2:0, \"p|q\""));
    }

    #[test]
    fn json_reads_back_as_the_same_results() {
        let mut results = sample();
        // The reader may lose the last digit of numbers with many decimal digits.
        for point in results.pictures.iter_mut().flat_map(|picture| picture.curves.iter_mut().flatten()) {
            point.scores.ms_ssim = Some(0.9375);
        }
        let text = json(&results).unwrap();
        let again: Results = serde_json::from_str(&text).unwrap();
        assert_eq!(csv(&again).unwrap(), csv(&results).unwrap());
        assert_eq!(again.pictures[1].equal, results.pictures[1].equal);
        assert_eq!(json(&again).unwrap(), text);
    }

    #[test]
    fn json_names_what_follows_from_the_points() {
        let value: serde_json::Value = serde_json::from_str(&json(&sample()).unwrap()).unwrap();
        let summary = &value["summary"];
        let ours = &summary["codecs"][0];
        assert_eq!((&ours["id"], &ours["speed"]["encode"]), (&"aecodec".into(), &2.0.into()));
        assert_eq!(ours["mean_points"][3]["psnr_rgb"], 33.5);
        let saving = &ours["savings"][0];
        assert_eq!((&saving["against"], &saving["metric"]), (&"jpeg".into(), &"psnr_rgb".into()));
        let change = saving["of_means"].as_f64().unwrap();
        assert!((change + 35.0).abs() < 1e-9, "{change}");
        assert_eq!(saving["worst"][0], 1);
        assert_eq!(summary["worst_first"], serde_json::json!([1, 0]));
        assert!((summary["overlays"][0]["change"].as_f64().unwrap() - 25.0).abs() < 1e-9);
    }
}
