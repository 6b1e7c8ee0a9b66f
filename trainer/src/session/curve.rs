//! The curve of a run as an SVG picture: loss of training and of validation over steps.

use super::event::ValidationPoint;
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 308.0;
const TRAINING: &str = "#9a5b13";
const VALIDATION: &str = "#1f5fbf";

/// The picture, for a run's points and the step whose weights were kept.
pub(super) fn svg(points: &[ValidationPoint], kept: usize) -> String {
    let training: Vec<_> = points.iter().filter_map(|p| Some((p.step as f64, p.training?))).collect();
    let validation: Vec<_> = points.iter().map(|p| (p.step as f64, p.validation)).collect();
    let x = Axis::around(training.iter().chain(&validation).map(|p| p.0));
    let y = Axis::around(training.iter().chain(&validation).map(|p| p.1));
    let place = |&(step, loss): &(f64, f64)| {
        (LEFT + (RIGHT - LEFT) * x.place(step), BOTTOM - (BOTTOM - TOP) * y.place(loss))
    };

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>Loss of training and of validation over steps</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    for tick in &x.ticks {
        let (at, _) = place(&(*tick, y.low));
        let label = x.label(*tick);
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#dfe3e8\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\" fill=\"#3c4450\">{label}</text>",
            BOTTOM + 20.0
        );
    }
    for tick in &y.ticks {
        let (_, at) = place(&(x.low, *tick));
        let label = y.label(*tick);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#dfe3e8\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\" fill=\"#3c4450\">{label}</text>",
            LEFT - 8.0,
            at + 4.5
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#7c8694\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#3c4450\">steps</text>\n\
         <text x=\"8\" y=\"{:.1}\" fill=\"#3c4450\">loss</text>",
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 42.0,
        TOP - 14.0
    );
    let mut ends = Vec::new();
    for (name, color, points) in [("training", TRAINING, &training), ("validation", VALIDATION, &validation)]
    {
        let path = points.iter().map(place).map(|(x, y)| format!("{x:.1} {y:.1}")).collect::<Vec<_>>();
        let _ = writeln!(
            out,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
            path.join("L")
        );
        if let Some(last) = points.last() {
            ends.push((place(last).1, name, color));
        }
    }
    // Names beside the ends of their curves, a line apart at least.
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (end, name, color) in ends {
        above = end.max(above + 17.0);
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"600\" fill=\"{color}\">{name}</text>",
            RIGHT + 10.0,
            above + 4.5
        );
    }
    if let Some(kept) = validation.iter().find(|p| p.0 == kept as f64) {
        let (x, y) = place(kept);
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{VALIDATION}\" stroke=\"#ffffff\"><title>kept: step \
             {}</title></circle>",
            kept.0
        );
    }
    out + "</svg>\n"
}

/// A linear axis with round marks.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    digits: usize,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64>) -> Self {
        let usable = values.filter(|v| v.is_finite());
        let (low, high) =
            usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let span = (high - low).max(1e-3);
        let magnitude = 10f64.powf((span / 6.0).log10().floor());
        let step = [1.0, 2.0, 5.0].map(|m| m * magnitude).into_iter().find(|s| span / s <= 7.0);
        let step = step.unwrap_or(10.0 * magnitude);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let last = last.max(first + 1.0);
        let ticks: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
        let digits = (-step.log10().floor()).max(0.0) as usize;
        Self { low: first * step, high: last * step, ticks, digits }
    }

    fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn label(&self, value: f64) -> String {
        format!("{value:.*}", self.digits)
    }
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
        assert!(svg(&[point(0, None, f64::NAN)], 0).ends_with("</svg>\n"));
    }
}
