//! The drawing as an `svg` element. In an HTML page, style rules and a script refer to its classes.

use std::fmt::Write;

use crate::axis::Axis;
use crate::content::{Ground, Look, Plot, PlotArea, Series};
use crate::labels::{Label, labels};
use crate::look;

/// Rules for a dark ground, besides those for the curves.
const DARK: &str = ".ground{fill:#14171c}.rim{stroke:#14171c}.rule{stroke:#343b46}.edge{stroke:#8b95a3}\
                    .ink{fill:#c3cad4}.overlay{color:#a3acb9}";

impl Plot {
    /// The drawing as an `svg` element.
    pub fn svg(&self, ground: Ground) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, ground);
        out
    }

    fn write(&self, out: &mut String, ground: Ground) -> std::fmt::Result {
        let PlotArea { width, height, font, .. } = self.area;
        let id = escaped(&self.id);
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\" font-family=\"system-ui, sans-serif\" font-size=\"{font}\""
        )?;
        if ground != Ground::Page {
            write!(out, " width=\"{width}\" height=\"{height}\"")?;
        }
        writeln!(out, ">\n<title id=\"{id}-t\">{}</title>", escaped(&self.title))?;
        writeln!(out, "<desc id=\"{id}-d\">{}</desc>", escaped(&self.description))?;
        if ground == Ground::Preferred {
            let curves = look::dark_rules();
            writeln!(out, "<style>@media (prefers-color-scheme:dark){{{DARK}{curves}}}</style>")?;
        }
        if ground != Ground::Page {
            writeln!(out, "<rect class=\"ground\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>")?;
        }
        self.write_axes(out)?;
        // What comes later is drawn above, and the first curve is the one to look at.
        self.series.iter().rev().try_for_each(|series| self.write_curve(out, series))?;
        labels(self).iter().try_for_each(|label| write_label(out, label))?;
        out.write_str("</svg>\n")
    }

    fn write_axes(&self, out: &mut String) -> std::fmt::Result {
        let PlotArea { left, right, top, bottom, .. } = self.area;
        let ticks = |axis: &Axis, place: &dyn Fn(f64) -> f64| -> Vec<(f64, String)> {
            axis.ticks.iter().map(|&tick| (place(tick), axis.label(tick))).collect()
        };
        let x_ticks = ticks(&self.x, &|v| self.x_of(v));
        let y_ticks = ticks(&self.y, &|v| self.y_of(v));
        out.write_str("<g class=\"rule\" stroke=\"#dfe3e8\">")?;
        for (at, _) in &x_ticks {
            write!(out, "<path d=\"M{at} {top}V{bottom}\"/>")?;
        }
        for (at, _) in &y_ticks {
            write!(out, "<path d=\"M{left} {at}H{right}\"/>")?;
        }
        writeln!(out, "</g>")?;
        writeln!(
            out,
            "<path class=\"edge\" d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#7c8694\"/>"
        )?;
        out.write_str("<g class=\"ink\" fill=\"#3c4450\">\n<g text-anchor=\"middle\">")?;
        for (at, label) in &x_ticks {
            write!(out, "<text x=\"{at}\" y=\"{bottom}\" dy=\"1.5em\">{label}</text>")?;
        }
        let (middle, title) = ((left + right) / 2.0, escaped(&self.x.title));
        writeln!(out, "\n<text x=\"{middle}\" y=\"{bottom}\" dy=\"2.85em\">{title}</text>\n</g>")?;
        writeln!(out, "<text x=\"4\" y=\"{top}\" dy=\"-1em\">{}</text>", escaped(&self.y.title))?;
        out.write_str("<g text-anchor=\"end\">")?;
        for (at, label) in &y_ticks {
            write!(out, "<text x=\"{}\" y=\"{at}\" dy=\".35em\">{label}</text>", left - 8.0)?;
        }
        writeln!(out, "</g>\n</g>")
    }

    fn write_curve(&self, out: &mut String, series: &Series) -> std::fmt::Result {
        let points = self.visible(series);
        write!(out, "<g class=\"curve {}\" color=\"{}\">", class(series.look), color(series.look))?;
        if points.len() > 1 {
            let path: Vec<String> = points.iter().map(|(_, (x, y))| format!("{x} {y}")).collect();
            let (width, dashes) = match series.look {
                Look::Dashed(curve) => ("1.4", format!(" stroke-dasharray=\"{}\"", look::dashes(curve))),
                Look::Marked(_) | Look::Line(_) => ("2", String::new()),
            };
            write!(
                out,
                "<path d=\"M{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                path.join("L")
            )?;
        }
        if let Look::Marked(curve) = series.look {
            let marker = look::marker(curve);
            for (mark, (x, y)) in points {
                write!(
                    out,
                    "\n<g class=\"mark\" transform=\"translate({x} {y})\"><title>{}</title><path d=\"{marker}\" \
                     class=\"rim\" fill=\"currentColor\" stroke=\"#ffffff\"/></g>",
                    escaped(&mark.text)
                )?;
            }
        }
        writeln!(out, "\n</g>")
    }
}

fn write_label(out: &mut String, label: &Label) -> std::fmt::Result {
    let Label { x, y, anchor, from, .. } = label;
    write!(out, "<g class=\"name {}\" color=\"{}\">", class(label.look), color(label.look))?;
    if label.joined {
        let (from_x, from_y) = from;
        write!(
            out,
            "<path d=\"M{from_x} {from_y}L{} {y}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".45\"/>",
            x - 4.0
        )?;
    }
    let name = escaped(&label.name);
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" dy=\".35em\" text-anchor=\"{anchor}\" font-weight=\"600\" \
         fill=\"currentColor\">{name}</text></g>"
    )
}

fn class(look: Look) -> String {
    match look {
        Look::Marked(curve) | Look::Line(curve) => format!("s{}", look::color_index(curve)),
        Look::Dashed(_) => "overlay".to_owned(),
    }
}

fn color(look: Look) -> &'static str {
    match look {
        Look::Marked(curve) | Look::Line(curve) => look::color(curve),
        Look::Dashed(_) => "#5a6270",
    }
}

/// Text that stays text within an element or an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML has no control characters, not even as references.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mark, Names, Spread};

    fn plot(look: Look, values: &[f64]) -> Plot {
        let points: Vec<Mark> = values
            .iter()
            .enumerate()
            .map(|(i, &v)| Mark { at: (i as f64, v), text: format!("<{v}>") })
            .collect();
        Plot {
            id: "p".to_owned(),
            title: "a \"b\" & <c>".to_owned(),
            description: String::new(),
            x: Axis::around("x", Spread::Linear, (0..values.len()).map(|i| i as f64)).expect("an axis"),
            y: Axis::around("y", Spread::Linear, [1.0, 2.0].into_iter()).expect("an axis"),
            series: vec![Series { name: "one".to_owned(), look, points }],
            area: PlotArea::WIDE,
            names: Names::Column,
        }
    }

    #[test]
    fn texts_cannot_break_out_of_the_drawing() {
        let drawn = plot(Look::Marked(0), &[1.0, 2.0]).svg(Ground::White);
        assert!(
            drawn.contains("a &quot;b&quot; &amp; &lt;c&gt;") && drawn.contains("<title>&lt;1&gt;</title>")
        );
        assert!(!drawn.contains("<c>") && !drawn.contains("<1>"));
    }

    #[test]
    fn only_marked_curves_have_markers_and_only_dashed_ones_dashes() {
        for (look, marks, dashes) in [(Look::Marked(1), 3, 0), (Look::Line(1), 0, 0), (Look::Dashed(1), 0, 1)]
        {
            let drawn = plot(look, &[1.0, 1.5, 2.0]).svg(Ground::Page);
            assert_eq!(drawn.matches("class=\"mark\"").count(), marks, "{look:?}");
            assert_eq!(drawn.matches("stroke-dasharray").count(), dashes, "{look:?}");
        }
    }

    #[test]
    fn values_that_are_no_numbers_are_left_out() {
        let drawn = plot(Look::Line(0), &[1.0, f64::NAN, 2.0]).svg(Ground::White);
        assert!(!drawn.contains("NaN"), "{drawn}");
    }
}
