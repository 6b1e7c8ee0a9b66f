//! The names of curves, placed so that none covers another.

use std::borrow::Cow;

use crate::content::{Look, Names, Plot, PlotArea, Series, tenths};

/// Width of a letter of bold text, as a share of its height.
const LETTER: f64 = 0.65;

/// The name of a curve in the drawing.
pub(crate) struct Label<'a> {
    pub name: Cow<'a, str>,
    pub look: Look,
    /// Where the curve ends.
    pub from: (f64, f64),
    /// Where the name is.
    pub x: f64,
    pub y: f64,
    /// The value of `text-anchor`.
    pub anchor: &'static str,
    /// Whether a line joins the name to the curve.
    pub joined: bool,
}

/// The labels of all curves that have a name and visible points.
pub(crate) fn labels(plot: &Plot) -> Vec<Label<'_>> {
    let named = plot.series.iter().filter(|series| !series.name.is_empty());
    let mut labels: Vec<Label> = named.filter_map(|series| Label::of(plot, series)).collect();
    spread(&mut labels, plot);
    labels
}

impl<'a> Label<'a> {
    fn of(plot: &Plot, series: &'a Series) -> Option<Self> {
        let (_, from) = plot.visible(series).pop()?;
        let x = match plot.names {
            Names::Column => plot.area.right + 14.0,
            Names::Beside => from.0 + 10.0,
        };
        Some(Self {
            name: match plot.names {
                Names::Column => shortened(&series.name, (plot.area.width - x) / (plot.area.font * LETTER)),
                Names::Beside => series.name.as_str().into(),
            },
            look: series.look,
            from,
            x,
            y: from.1,
            anchor: "start",
            joined: plot.names == Names::Column,
        })
    }

    /// Where it starts and ends from left to right. This is an estimate, as the reader's font decides about widths.
    fn extent(&self, font: f64) -> (f64, f64) {
        let width = self.name.chars().count() as f64 * font * LETTER;
        if self.anchor == "end" { (self.x - width, self.x) } else { (self.x, self.x + width) }
    }
}

/// A name of at most this many letters.
fn shortened(name: &str, letters: f64) -> Cow<'_, str> {
    if name.chars().count() as f64 <= letters {
        return name.into();
    }
    let kept: String = name.chars().take(letters as usize - 1).collect();
    format!("{}\u{2026}", kept.trim_end()).into()
}

/// Moves labels up and down, as little as possible, until none covers another. A long label next to a point moves to
/// the point's left.
fn spread(labels: &mut [Label], plot: &Plot) {
    let PlotArea { top, bottom, right, font, .. } = plot.area;
    if plot.names == Names::Beside {
        for label in labels.iter_mut().filter(|label| label.extent(font).1 > right + 16.0) {
            label.x = label.from.0 - 10.0;
            label.anchor = "end";
        }
    }
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    // On narrow screens the same drawing has larger letters.
    let joined = plot.names == Names::Column && plot.area.width > 500.0;
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
