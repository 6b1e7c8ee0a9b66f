//! Plots as SVG: the same drawing stands in the page, where style rules and a script give it life, and alone in a file.

use std::borrow::Cow;

use serde::Serialize;

use super::axis::Axis;
use super::look;
use super::template::render;
use crate::Result;

/// Width of a letter of bold text, as a share of its height.
const LETTER: f64 = 0.65;

/// A plot's content.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    /// Starts the ids of its elements, so that many plots fit into one page.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// What it shows, for those who cannot see it.
    pub description: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The curves, first ones on top.
    pub series: Vec<Series>,
    /// How large it is.
    pub frame: PlotArea,
    /// Where the names stand.
    pub names: Names,
}

/// One curve.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Its label.
    pub name: String,
    /// Whose curve it is.
    pub look: Look,
    /// Its points from left to right.
    pub points: Vec<Mark>,
}

/// Whose curve it is, which decides about its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// That of the codec of this index: coloured, with markers.
    Codec(usize),
    /// That of an overlay of this index: gray and dashed.
    Overlay(usize),
}

/// A point with its text.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Values along both axes.
    pub at: (f64, f64),
    /// What to say about it.
    pub text: String,
}

/// Where curves have their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// In a column at the right, joined to the curves' ends.
    Column,
    /// Beside the last points.
    Beside,
}

/// Size of the drawing, in its own units, and of its letters.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct PlotArea {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    font: f64,
}

impl PlotArea {
    /// A plot of the width of the page.
    pub const WIDE: Self =
        Self { width: 720.0, height: 446.0, left: 50.0, right: 606.0, top: 44.0, bottom: 382.0, font: 13.0 };
    /// Two beside each other.
    pub const HALF: Self =
        Self { width: 440.0, height: 330.0, left: 50.0, right: 424.0, top: 40.0, bottom: 276.0, font: 13.0 };
    /// Two beside each other, with a column of names.
    pub const SMALL: Self =
        Self { width: 440.0, height: 310.0, left: 50.0, right: 346.0, top: 40.0, bottom: 250.0, font: 13.0 };
}

/// For whom the drawing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// The page, which has style rules for it.
    Page,
    /// A file of its own on white.
    White,
    /// A file of its own, on white or dark ground, as its reader prefers.
    Preferred,
}

impl Plot {
    /// The drawing as an `svg` element.
    pub fn svg(&self, ground: Ground) -> Result<String> {
        render("plot.svg", Drawing::of(self, ground))
    }

    fn x(&self, value: f64) -> f64 {
        let PlotArea { left, right, .. } = self.frame;
        tenths(left + self.x.place(value) * (right - left))
    }

    fn y(&self, value: f64) -> f64 {
        let PlotArea { top, bottom, .. } = self.frame;
        tenths(bottom - self.y.place(value) * (bottom - top))
    }

    /// Points that the axes hold.
    fn visible<'a>(&self, series: &'a Series) -> Vec<(&'a Mark, (f64, f64))> {
        let within = |place: f64| (-1e-6..=1.0 + 1e-6).contains(&place);
        let held = |mark: &&Mark| within(self.x.place(mark.at.0)) && within(self.y.place(mark.at.1));
        let points = series.points.iter().filter(held);
        points.map(|mark| (mark, (self.x(mark.at.0), self.y(mark.at.1)))).collect()
    }
}

/// What the template gets: everything in the drawing's own units.
#[derive(Serialize)]
struct Drawing<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    x_title: &'a str,
    y_title: &'a str,
    page: bool,
    dark_rules: Option<String>,
    frame: PlotArea,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    curves: Vec<Curve<'a>>,
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Tick {
    at: f64,
    label: String,
}

#[derive(Serialize)]
struct Curve<'a> {
    class: String,
    color: &'static str,
    dashes: Option<&'static str>,
    path: String,
    marker: &'static str,
    marks: Vec<Spot<'a>>,
}

#[derive(Serialize)]
struct Spot<'a> {
    x: f64,
    y: f64,
    text: &'a str,
}

#[derive(Serialize)]
struct Label<'a> {
    name: Cow<'a, str>,
    class: String,
    color: &'static str,
    /// Where the curve ends, and where its name stands.
    from: (f64, f64),
    x: f64,
    y: f64,
    anchor: &'static str,
    joined: bool,
}

impl<'a> Drawing<'a> {
    fn of(plot: &'a Plot, ground: Ground) -> Self {
        let ticks = |axis: &Axis, place: &dyn Fn(f64) -> f64| -> Vec<Tick> {
            axis.ticks.iter().map(|&tick| Tick { at: place(tick), label: axis.label(tick) }).collect()
        };
        // What comes later is drawn above: the first codec is the one to look at.
        let curves: Vec<Curve> = plot.series.iter().rev().map(|series| Curve::of(plot, series)).collect();
        let mut labels: Vec<Label> =
            plot.series.iter().filter_map(|series| Label::of(plot, series)).collect();
        spread(&mut labels, plot);
        Self {
            id: &plot.id,
            title: &plot.title,
            description: &plot.description,
            x_title: &plot.x.title,
            y_title: &plot.y.title,
            page: ground == Ground::Page,
            dark_rules: (ground == Ground::Preferred).then(look::dark_rules),
            frame: plot.frame,
            x_ticks: ticks(&plot.x, &|v| plot.x(v)),
            y_ticks: ticks(&plot.y, &|v| plot.y(v)),
            curves,
            labels,
        }
    }
}

impl<'a> Curve<'a> {
    fn of(plot: &Plot, series: &'a Series) -> Self {
        let points = plot.visible(series);
        let step = |(i, (_, (x, y))): (usize, &(_, (f64, f64)))| {
            format!("{}{x} {y}", if i == 0 { 'M' } else { 'L' })
        };
        let path =
            if points.len() > 1 { points.iter().enumerate().map(step).collect() } else { String::new() };
        let spots = points.iter().map(|&(mark, (x, y))| Spot { x, y, text: &mark.text });
        match series.look {
            Look::Codec(codec) => Self {
                class: class(series.look),
                color: color(series.look),
                dashes: None,
                path,
                marker: look::marker(codec),
                marks: spots.collect(),
            },
            Look::Overlay(overlay) => Self {
                class: class(series.look),
                color: color(series.look),
                dashes: Some(look::dashes(overlay)),
                path,
                marker: "",
                marks: Vec::new(),
            },
        }
    }
}

impl<'a> Label<'a> {
    fn of(plot: &Plot, series: &'a Series) -> Option<Self> {
        let (_, from) = plot.visible(series).pop()?;
        let x = match plot.names {
            Names::Column => plot.frame.right + 14.0,
            Names::Beside => from.0 + 10.0,
        };
        Some(Self {
            name: match plot.names {
                Names::Column => shortened(&series.name, (plot.frame.width - x) / (plot.frame.font * LETTER)),
                Names::Beside => series.name.as_str().into(),
            },
            class: class(series.look),
            color: color(series.look),
            from,
            x,
            y: from.1,
            anchor: "start",
            joined: plot.names == Names::Column,
        })
    }

    /// Where it starts and ends from left to right, about: letters are as wide as the reader's font makes them.
    fn extent(&self, font: f64) -> (f64, f64) {
        let width = self.name.chars().count() as f64 * font * LETTER;
        if self.anchor == "end" { (self.x - width, self.x) } else { (self.x, self.x + width) }
    }
}

/// A name of at most so many letters.
fn shortened(name: &str, letters: f64) -> Cow<'_, str> {
    if name.chars().count() as f64 <= letters {
        return name.into();
    }
    let kept: String = name.chars().take(letters as usize - 1).collect();
    format!("{}\u{2026}", kept.trim_end()).into()
}

/// Moves labels up and down until none covers another, as little as that takes; long ones beside points to the left.
fn spread(labels: &mut [Label], plot: &Plot) {
    let PlotArea { top, bottom, right, font, .. } = plot.frame;
    if plot.names == Names::Beside {
        for label in labels.iter_mut().filter(|label| label.extent(font).1 > right + 16.0) {
            label.x = label.from.0 - 10.0;
            label.anchor = "end";
        }
    }
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    // Narrow screens have larger letters on the same drawing.
    let joined = plot.names == Names::Column && plot.frame.width > 500.0;
    let gap = (font * if joined { 1.7 } else { 1.35 }).min((bottom - top) / labels.len().max(1) as f64);
    let apart =
        |a: &Label, b: &Label| a.extent(font).1 < b.extent(font).0 || b.extent(font).1 < a.extent(font).0;
    for i in 1..labels.len() {
        for j in 0..i {
            if !apart(&labels[i], &labels[j]) {
                labels[i].y = labels[i].y.max(labels[j].y + gap);
            }
        }
    }
    let mut floor = bottom;
    for label in labels.iter_mut().rev().filter(|label| label.joined) {
        label.y = label.y.min(floor);
        floor = label.y - gap;
    }
    for label in labels {
        label.y = tenths(label.y);
        label.x = tenths(label.x);
    }
}

fn class(look: Look) -> String {
    match look {
        Look::Codec(codec) => format!("s{}", look::color_index(codec)),
        Look::Overlay(_) => "overlay".to_owned(),
    }
}

fn color(look: Look) -> &'static str {
    match look {
        Look::Codec(codec) => look::color(codec),
        Look::Overlay(_) => "#5a6270",
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_too_long_are_cut() {
        assert_eq!(shortened("VTM", 11.8), "VTM");
        assert_eq!(shortened("VTM (published)", 11.8), "VTM (publi\u{2026}");
        assert_eq!(shortened("VTM published", 5.0), "VTM\u{2026}");
    }
}
