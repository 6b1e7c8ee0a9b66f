//! The plots of a benchmark: quality over bits, for all pictures and for each one, and saving over speed.

use aecodec_plot::{Axis, Look, Mark, Names, Plot, PlotArea, Series, Spread};

use crate::Results;
use crate::metrics::Metric;
use crate::words;

const BITS: &str = "bits per pixel (logarithmic)";

/// The mean quality over the mean bits of every codec, or `None` if nothing was measured.
pub(super) fn means(results: &Results, metric: Metric) -> Option<Plot> {
    let curve = |codec: usize| {
        let points = results.mean_points(codec).into_iter();
        let marks = points.filter_map(|point| {
            let value = point.values[index(metric)]?;
            Some(mark(results, codec, metric, (point.bpp, value), point.quality))
        });
        series(results, codec, marks.collect())
    };
    let mut curves: Vec<Series> = (0..results.codecs.len()).map(curve).collect();
    let (x, y) = axes(&curves, metric)?;
    if metric == Metric::PsnrRgb {
        curves.extend(results.overlays.iter().enumerate().map(|(i, overlay)| Series {
            name: overlay.name.clone(),
            look: Look::Dashed(i),
            points: overlay.points.iter().map(|&at| Mark { at, text: String::new() }).collect(),
        }));
    }
    let count = results.pictures.len();
    Some(Plot {
        id: format!("rd-{}", metric.key()),
        title: format!("{} over bits per pixel", metric.title()),
        description: format!(
            "One curve for each of {}, as means over {count} {}. The table below gives the distances between the \
             curves, and the file results.csv lists every point.",
            names(results),
            if count == 1 { "picture" } else { "pictures" },
        ),
        x,
        y,
        series: curves,
        area: PlotArea::WIDE,
        names: Names::Column,
    })
}

/// The quality over the bits of one picture.
pub(super) fn picture(results: &Results, picture: usize, metric: Metric) -> Option<Plot> {
    let curve = |codec: usize| {
        let marks = results.points(picture, codec).iter().filter_map(|point| {
            let at = (point.bpp, point.scores.of(metric)?);
            Some(mark(results, codec, metric, at, Some(point.quality)))
        });
        series(results, codec, marks.collect())
    };
    let curves: Vec<Series> = (0..results.codecs.len()).map(curve).collect();
    let (x, y) = axes(&curves, metric)?;
    Some(Plot {
        id: format!("rd-{}-{picture}", metric.key()),
        title: format!("{} over bits per pixel of {}", metric.title(), results.pictures[picture].name),
        description: format!("One curve for each of {}.", names(results)),
        x,
        y,
        series: curves,
        area: PlotArea::SMALL,
        names: Names::Column,
    })
}

/// Which of a codec's two directions a plot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The encoder.
    Encode,
    /// The decoder.
    Decode,
}

/// The savings of codecs against the reference, over the speed of their encoders or decoders.
pub(super) fn speed(results: &Results, work: Direction) -> Option<Plot> {
    let reference = &results.codecs.get(results.reference)?.name;
    let (word, key) = match work {
        Direction::Encode => ("Encoding", "encode"),
        Direction::Decode => ("Decoding", "decode"),
    };
    let point = |codec: usize| {
        let saved = match codec == results.reference {
            true => 0.0,
            false => -results.saving(codec, results.reference, Metric::PsnrRgb).of_means?,
        };
        let speed = results.speed(codec);
        let speed = if work == Direction::Encode { speed.encode } else { speed.decode };
        let text = format!(
            "{}: {} Mpixel/s, {} bits than {reference}",
            results.codecs[codec].name,
            words::digits(speed),
            words::fewer(-saved)
        );
        (speed.is_finite() && speed > 0.0)
            .then(|| series(results, codec, vec![Mark { at: (speed, saved), text }]))
    };
    let points: Vec<Series> = (0..results.codecs.len()).filter_map(point).collect();
    let values = || points.iter().flat_map(|series| &series.points).map(|mark| mark.at);
    Some(Plot {
        id: format!("speed-{key}"),
        title: format!("{word} speed and saving"),
        description: format!(
            "A point for each of {}. The x axis is the speed in megapixels per second, and the y axis is the share of \
             bits saved against {reference} at equal PSNR. The table below gives the same numbers.",
            names(results),
        ),
        x: Axis::around(
            &format!("{word}, Mpixel/s on one thread"),
            Spread::Log,
            values().map(|(speed, _)| speed),
        )?,
        y: Axis::around(
            &format!("bits saved against {reference}, %"),
            Spread::Linear,
            values().map(|(_, saved)| saved),
        )?,
        series: points,
        area: PlotArea::HALF,
        names: Names::Beside,
    })
}

fn series(results: &Results, codec: usize, points: Vec<Mark>) -> Series {
    Series { name: results.codecs[codec].name.clone(), look: Look::Marked(codec), points }
}

fn mark(results: &Results, codec: usize, metric: Metric, at: (f64, f64), quality: Option<f64>) -> Mark {
    let name = &results.codecs[codec].name;
    let quality = quality.map(|quality| format!(", quality {quality}")).unwrap_or_default();
    let (measure, unit) = metric.title().split_once(',').unwrap_or((metric.title(), ""));
    Mark {
        at,
        text: format!("{name}{quality}: {:.3} bpp, {measure} {}{unit}", at.0, words::score(Some(at.1))),
    }
}

/// The index of a metric among the values of a mean point.
fn index(metric: Metric) -> usize {
    Metric::ALL.iter().position(|&of| of == metric).unwrap_or_default()
}

fn axes(curves: &[Series], metric: Metric) -> Option<(Axis, Axis)> {
    let values = || curves.iter().flat_map(|curve| &curve.points).map(|mark| mark.at);
    let x = Axis::around(BITS, Spread::Log, values().map(|(bits, _)| bits))?;
    let y = Axis::around(metric.title(), Spread::Linear, values().map(|(_, score)| score))?;
    Some((x, y))
}

fn names(results: &Results) -> String {
    words::list(&results.codecs.iter().map(|codec| codec.name.clone()).collect::<Vec<_>>())
}
