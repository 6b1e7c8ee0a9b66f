//! The curve of a run as an SVG picture: the losses of training and of validation over the steps.

use super::event::ValidationPoint;
use aecodec_plot::{Axis, Ground, Look, Mark, Names, Plot, PlotArea, Series, Spread};

/// The numbers of the curves' colours.
const TRAINING: usize = 0;
const VALIDATION: usize = 2;

/// The picture, for a run's points and the step whose weights were kept.
pub(super) fn svg(points: &[ValidationPoint], kept: usize) -> String {
    let training = points.iter().filter_map(|p| Some((p.step as f64, p.training?)));
    let validation = points.iter().map(|p| (p.step as f64, p.validation));
    let kept_point = points.iter().find(|p| p.step == kept).map(|p| (p.step as f64, p.validation));
    let series = vec![
        curve("", Look::Marked(VALIDATION), kept_point.into_iter(), &format!("kept: step {kept}")),
        curve("validation", Look::Line(VALIDATION), validation, ""),
        curve("training", Look::Line(TRAINING), training, ""),
    ];
    let values = || series.iter().flat_map(|series| &series.points).map(|mark| mark.at);
    Plot {
        id: "curve".to_owned(),
        title: "Losses of training and of validation over the steps".to_owned(),
        description: "The card lists the same numbers.".to_owned(),
        x: axis("steps", values().map(|(step, _)| step)),
        y: axis("loss", values().map(|(_, loss)| loss)),
        series,
        area: PlotArea::WIDE,
        names: Names::Column,
    }
    .svg(Ground::White)
}

fn curve(name: &str, look: Look, points: impl Iterator<Item = (f64, f64)>, text: &str) -> Series {
    let points = points.map(|at| Mark { at, text: text.to_owned() }).collect();
    Series { name: name.to_owned(), look, points }
}

/// An axis around the values, or one from 0 to 1 if none of them is a number.
fn axis(title: &str, values: impl Iterator<Item = f64>) -> Axis {
    Axis::around(title, Spread::Linear, values).unwrap_or_else(|| Axis::unit(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_both_losses_and_the_step_that_was_kept() {
        let point =
            |step, training, validation| ValidationPoint { step, training, validation, bpp: 1.0, psnr: 30.0 };
        let drawn = svg(&[point(0, None, 2.0), point(100, Some(1.8), 1.5), point(200, Some(1.4), 1.6)], 100);
        assert!(drawn.contains(">training<") && drawn.contains(">validation<") && drawn.contains("step 100"));
        assert!(!drawn.contains("NaN"));
        let without_numbers = svg(&[point(0, None, f64::NAN)], 0);
        assert!(without_numbers.ends_with("</svg>\n") && !without_numbers.contains("NaN"));
    }
}
