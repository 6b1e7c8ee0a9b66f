//! What a plot shows: its axes, its curves and their points.

use crate::axis::Axis;

/// A plot's content. [`Plot::svg`] draws it.
#[derive(Debug, Clone)]
pub struct Plot {
    /// The prefix of its elements' ids, so that many plots fit into one page.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// What it shows, for readers who cannot see it.
    pub description: String,
    /// The axis from left to right.
    pub x: Axis,
    /// The axis from bottom to top.
    pub y: Axis,
    /// The curves; the first one is drawn on top.
    pub series: Vec<Series>,
    /// How large the plot is.
    pub area: PlotArea,
    /// Where the names of the curves are.
    pub names: Names,
}

/// One curve.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its label. A curve with an empty name has none.
    pub name: String,
    /// What it looks like.
    pub look: Look,
    /// Its points from left to right.
    pub points: Vec<Mark>,
}

/// What a curve looks like. The number chooses the colour, the marker and the dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A coloured line with a marker at every point.
    Marked(usize),
    /// A coloured line without markers.
    Line(usize),
    /// A dashed gray line without markers.
    Dashed(usize),
}

/// A point with its text.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Its values along both axes.
    pub at: (f64, f64),
    /// What to say about it.
    pub text: String,
}

/// Where curves have their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// In a column at the right, joined to the curves' ends by lines.
    Column,
    /// Next to the last points.
    Beside,
}

/// Size of the drawing and of its letters, in the drawing's own units.
#[derive(Debug, Clone, Copy)]
pub struct PlotArea {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) font: f64,
}

impl PlotArea {
    /// A plot of the width of a page.
    pub const WIDE: Self =
        Self { width: 720.0, height: 446.0, left: 50.0, right: 606.0, top: 44.0, bottom: 382.0, font: 13.0 };
    /// One of two plots side by side.
    pub const HALF: Self =
        Self { width: 440.0, height: 330.0, left: 50.0, right: 424.0, top: 40.0, bottom: 276.0, font: 13.0 };
    /// One of two plots side by side, with a column of names.
    pub const SMALL: Self =
        Self { width: 440.0, height: 310.0, left: 50.0, right: 346.0, top: 40.0, bottom: 250.0, font: 13.0 };
}

/// Where the drawing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// In an HTML page that has style rules for it.
    Page,
    /// In a file of its own, on white.
    White,
    /// In a file of its own, on white or on a dark ground, as its reader prefers.
    Preferred,
}

impl Plot {
    /// A value along the x axis in units of the drawing.
    pub(crate) fn x_of(&self, value: f64) -> f64 {
        let PlotArea { left, right, .. } = self.area;
        tenths(left + self.x.place(value) * (right - left))
    }

    /// A value along the y axis in units of the drawing.
    pub(crate) fn y_of(&self, value: f64) -> f64 {
        let PlotArea { top, bottom, .. } = self.area;
        tenths(bottom - self.y.place(value) * (bottom - top))
    }

    /// The points within the axes, and where they are in the drawing.
    pub(crate) fn visible<'a>(&self, series: &'a Series) -> Vec<(&'a Mark, (f64, f64))> {
        let within = |place: f64| (-1e-6..=1.0 + 1e-6).contains(&place);
        let held = |mark: &&Mark| within(self.x.place(mark.at.0)) && within(self.y.place(mark.at.1));
        let points = series.points.iter().filter(held);
        points.map(|mark| (mark, (self.x_of(mark.at.0), self.y_of(mark.at.1)))).collect()
    }
}

pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
