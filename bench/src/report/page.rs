//! The page: the values of the template, formatted as text.

use aecodec_plot::{Ground, look};
use serde::Serialize;

use super::embed::{self, Exhibit, Gallery};
use super::figures::{self, Direction};
use super::template::render;
use crate::metrics::Metric;
use crate::results::{CodecInfo, Conditions, Point, Saving};
use crate::words;
use crate::{Result, Results};

/// The whole page as HTML.
pub(super) fn html(results: &Results, gallery: &Gallery) -> Result<String> {
    render(Page::of(results, gallery))
}

#[derive(Serialize)]
struct Page<'a> {
    nonce: String,
    style: &'static str,
    look_rules: String,
    script: &'static str,
    title: String,
    lead: String,
    second: Option<String>,
    count: String,
    codecs: Vec<CodecStyle<'a>>,
    reference: &'a str,
    ours: &'a str,
    panels: Vec<Panel>,
    speed_plots: Vec<String>,
    speeds: Vec<SpeedRow>,
    memory: bool,
    external: bool,
    pictures: Vec<PictureRow<'a>>,
    exhibits: Vec<Show<'a>>,
    left_out: usize,
    parts: bool,
    own: bool,
    /// The lowest WebP quality of the pictures shown, and that of their originals.
    quality: Option<u8>,
    original: Option<u8>,
    overlays: bool,
    conditions: &'a Conditions,
}

/// A codec and its colour and marker.
#[derive(Serialize)]
struct CodecStyle<'a> {
    info: &'a CodecInfo,
    class: String,
    marker: &'static str,
}

/// The plot and the table of one metric.
#[derive(Serialize)]
struct Panel {
    key: &'static str,
    title: &'static str,
    /// The title without its unit.
    name: &'static str,
    plot: String,
    rows: Vec<SavingRow>,
}

/// The savings of a codec against the reference, and of aecodec against the codec.
#[derive(Serialize)]
struct SavingRow {
    /// `None` for a published curve.
    codec: Option<usize>,
    name: String,
    against_reference: Cells,
    ours_against: Cells,
}

#[derive(Serialize)]
struct Cells {
    of_means: String,
    mean: String,
    worst: String,
    /// The name and index of the picture with the worst result.
    on: Option<(String, usize)>,
}

#[derive(Serialize)]
struct SpeedRow {
    codec: usize,
    encode: String,
    decode: String,
    saving: String,
    encode_memory: String,
    decode_memory: String,
}

#[derive(Serialize)]
struct PictureRow<'a> {
    index: usize,
    name: &'a str,
    size: String,
    shown: bool,
    changes: Vec<String>,
}

/// One picture with its comparison.
#[derive(Serialize)]
struct Show<'a> {
    index: usize,
    name: &'a str,
    size: String,
    bytes: String,
    /// The change of aecodec's bits against its rival.
    change: String,
    rival: Option<&'a str>,
    width: usize,
    height: usize,
    part: Option<(usize, usize)>,
    images: Vec<Version>,
    plots: Vec<String>,
    rows: Vec<EqualRow>,
}

#[derive(Serialize)]
struct Version {
    codec: Option<usize>,
    name: String,
    caption: String,
    uri: String,
    /// Whether it is shown at first on the left and on the right.
    left: bool,
    right: bool,
}

#[derive(Serialize)]
struct EqualRow {
    codec: usize,
    bytes: String,
    bpp: String,
    scores: Vec<String>,
}

impl<'a> Page<'a> {
    fn of(results: &'a Results, gallery: &'a Gallery) -> Self {
        let others: Vec<String> = results.codecs.iter().skip(1).map(|codec| codec.name.clone()).collect();
        let ours = results.codecs.first().map_or("aecodec", |codec| codec.name.as_str());
        let title = match others.as_slice() {
            [] => format!("Measurements of {ours}"),
            others => format!("{ours} compared with {}", words::list(others)),
        };
        let panels = Metric::ALL.into_iter().filter_map(|metric| Panel::of(results, metric));
        let speed_plots = [Direction::Encode, Direction::Decode]
            .into_iter()
            .filter_map(|work| figures::speed(results, work));
        let mut memory = (0..results.codecs.len()).map(|codec| results.speed(codec));
        let shown: Vec<usize> = gallery.exhibits.iter().map(|exhibit| exhibit.picture).collect();
        let pictures = results.pictures_worst_first().into_iter();
        Self {
            nonce: nonce(results, gallery),
            style: include_str!("style.css"),
            look_rules: look::page_rules(),
            script: include_str!("page.js"),
            lead: lead(results, ours, Metric::PsnrRgb, "At equal PSNR")
                .unwrap_or_else(|| format!("{ours} on {}", count(results.pictures.len()))),
            second: lead(
                results,
                "it",
                Metric::Ssimulacra2,
                "At equal SSIMULACRA 2, which is closer to human perception,",
            ),
            count: count(results.pictures.len()),
            codecs: results.codecs.iter().enumerate().map(CodecStyle::of).collect(),
            reference: name(results, results.reference),
            ours,
            panels: panels.collect(),
            speed_plots: speed_plots.map(|plot| plot.svg(Ground::Page)).collect(),
            speeds: speeds(results),
            memory: memory.any(|speed| speed.encode_memory.or(speed.decode_memory).is_some()),
            external: results.codecs.iter().any(|codec| codec.external),
            left_out: results.pictures.len() - shown.len(),
            pictures: pictures.map(|picture| PictureRow::of(results, picture, &shown)).collect(),
            exhibits: gallery.exhibits.iter().map(|exhibit| Show::of(results, exhibit)).collect(),
            parts: gallery.exhibits.iter().any(|exhibit| exhibit.part.is_some()),
            own: gallery.exhibits.iter().flat_map(|exhibit| &exhibit.images).any(|image| image.own),
            quality: gallery.quality,
            original: gallery.quality.map(|quality| quality - embed::ORIGINAL),
            overlays: !results.overlays.is_empty(),
            conditions: &results.conditions,
            title,
        }
    }
}

fn name(results: &Results, codec: usize) -> &str {
    results.codecs.get(codec).map_or("", |codec| &codec.name)
}

/// The savings of aecodec against each of the others, in one sentence.
fn lead(results: &Results, subject: &str, metric: Metric, how: &str) -> Option<String> {
    let savings = (1..results.codecs.len()).filter_map(|other| {
        let change = results.saving(0, other, metric).of_means?;
        Some((change, &results.codecs[other].name))
    });
    let parts: Vec<String> = savings
        .enumerate()
        .map(|(i, (change, name))| {
            let bits = if i == 0 { " bits" } else { "" };
            format!("{}{bits} than {name}", words::fewer(change))
        })
        .collect();
    let ours = if subject == "it" { String::new() } else { format!(" on {}", these(results.pictures.len())) };
    (!parts.is_empty()).then(|| format!("{how} {subject} needs {}{ours}.", words::list(&parts)))
}

fn these(count: usize) -> String {
    if count == 1 { "this picture".to_owned() } else { format!("these {count} pictures") }
}

fn count(count: usize) -> String {
    if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") }
}

/// The nonce of the page's own script and style. The name of a picture cannot contain it, as it is a hash of all
/// pictures.
fn nonce(results: &Results, gallery: &Gallery) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{results:?}").as_bytes());
    for image in gallery.exhibits.iter().flat_map(|exhibit| &exhibit.images) {
        hasher.update(image.uri.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

impl<'a> CodecStyle<'a> {
    fn of((index, info): (usize, &'a CodecInfo)) -> Self {
        Self { info, class: format!("s{}", look::color_index(index)), marker: look::marker(index) }
    }
}

impl Panel {
    fn of(results: &Results, metric: Metric) -> Option<Self> {
        let plot = figures::means(results, metric)?;
        let cells = |codec: usize, against: usize| match codec == against {
            true => Cells::none(),
            false => Cells::of(results, results.saving(codec, against, metric)),
        };
        let measured = results.codecs.iter().enumerate().map(|(codec, info)| SavingRow {
            codec: Some(codec),
            name: info.name.clone(),
            against_reference: cells(codec, results.reference),
            ours_against: cells(0, codec),
        });
        let overlays = if metric == Metric::PsnrRgb { &results.overlays[..] } else { &[] };
        let published = overlays.iter().enumerate().map(|(i, overlay)| SavingRow {
            codec: None,
            name: overlay.name.clone(),
            against_reference: Cells::none(),
            ours_against: Cells {
                of_means: words::percent(results.saving_against_overlay(0, i)),
                ..Cells::none()
            },
        });
        let rows = measured.chain(published).collect();
        let title = metric.title();
        let name = title.split_once(',').map_or(title, |(name, _)| name);
        Some(Self { key: metric.key(), title, name, plot: plot.svg(Ground::Page), rows })
    }
}

impl Cells {
    fn none() -> Self {
        let none = || words::NONE.to_owned();
        Self { of_means: none(), mean: none(), worst: none(), on: None }
    }

    fn of(results: &Results, saving: Saving) -> Self {
        Self {
            of_means: words::percent(saving.of_means),
            mean: words::percent(saving.mean),
            worst: words::percent(saving.worst.map(|(_, change)| change)),
            on: saving.worst.map(|(picture, _)| (results.pictures[picture].name.clone(), picture)),
        }
    }
}

fn speeds(results: &Results) -> Vec<SpeedRow> {
    let row = |codec: usize| {
        let speed = results.speed(codec);
        let saving = match codec == results.reference {
            true => None,
            false => results.saving(codec, results.reference, Metric::PsnrRgb).of_means,
        };
        SpeedRow {
            codec,
            encode: words::digits(speed.encode),
            decode: words::digits(speed.decode),
            saving: words::percent(saving),
            encode_memory: words::mebibytes(speed.encode_memory),
            decode_memory: words::mebibytes(speed.decode_memory),
        }
    };
    (0..results.codecs.len()).map(row).collect()
}

impl<'a> PictureRow<'a> {
    fn of(results: &'a Results, index: usize, shown: &[usize]) -> Self {
        let picture = &results.pictures[index];
        let others = 1..results.codecs.len();
        Self {
            index,
            name: &picture.name,
            size: size(picture.width, picture.height),
            shown: shown.contains(&index),
            changes: others.map(|other| words::percent(change(results, index, other))).collect(),
        }
    }
}

/// The change of aecodec's bits against another codec on one picture at equal PSNR.
fn change(results: &Results, picture: usize, against: usize) -> Option<f64> {
    results.saving_on(picture, 0, against, Metric::PsnrRgb)
}

/// The codec that aecodec is compared with at first: the reference, unless that is aecodec itself.
fn rival(results: &Results) -> usize {
    results.reference.max(1)
}

fn size(width: usize, height: usize) -> String {
    format!("{width}\u{a0}×\u{a0}{height}")
}

impl<'a> Show<'a> {
    fn of(results: &'a Results, exhibit: &'a Exhibit) -> Self {
        let index = exhibit.picture;
        let picture = &results.pictures[index];
        let codecs: Vec<Option<usize>> = exhibit.images.iter().map(|image| image.codec).collect();
        let side = |wanted: &[Option<usize>]| wanted.iter().find(|codec| codecs.contains(codec)).copied();
        let left = side(&[Some(0), None]);
        let right = side(&[Some(rival(results)), Some(1), None]);
        let images = exhibit.images.iter().map(|image| {
            let point = image.codec.and_then(|codec| picture.equal.get(codec).copied().flatten());
            Version {
                codec: image.codec,
                name: image.codec.map_or("Original", |codec| name(results, codec)).to_owned(),
                caption: match point {
                    Some(point) => caption(&point),
                    None => format!("{} bytes in its own file", words::grouped(picture.source_bytes)),
                },
                uri: image.uri.clone(),
                left: Some(image.codec) == left,
                right: Some(image.codec) == right,
            }
        });
        let plots = [Metric::PsnrRgb, Metric::Ssimulacra2].into_iter();
        let plots = plots.filter_map(|metric| figures::picture(results, index, metric));
        let rows = picture.equal.iter().enumerate().map(|(codec, point)| EqualRow::of(codec, point.as_ref()));
        Self {
            index,
            name: &picture.name,
            size: size(picture.width, picture.height),
            bytes: words::grouped(picture.equal_bytes),
            change: words::percent(change(results, index, rival(results))),
            rival: results.codecs.get(rival(results)).map(|codec| codec.name.as_str()),
            width: exhibit.width,
            height: exhibit.height,
            part: exhibit.part,
            images: images.collect(),
            plots: plots.map(|plot| plot.svg(Ground::Page)).collect(),
            rows: rows.collect(),
        }
    }
}

impl EqualRow {
    fn of(codec: usize, point: Option<&Point>) -> Self {
        let none = || words::NONE.to_owned();
        let scores = Metric::ALL.map(|metric| words::score(point.and_then(|point| point.scores.of(metric))));
        Self {
            codec,
            bytes: point.map_or_else(none, |point| words::grouped(point.bytes)),
            bpp: point.map_or_else(none, |point| format!("{:.3}", point.bpp)),
            scores: scores.to_vec(),
        }
    }
}

fn caption(point: &Point) -> String {
    let eyes = match point.scores.ssimulacra2 {
        Some(score) => format!(", SSIMULACRA\u{a0}2 {score:.1}"),
        None => String::new(),
    };
    let bytes = words::grouped(point.bytes);
    format!(
        "{bytes}\u{a0}bytes, {:.3}\u{a0}bpp, PSNR\u{a0}{:.2}\u{a0}dB{eyes}",
        point.bpp, point.scores.psnr_rgb
    )
}
