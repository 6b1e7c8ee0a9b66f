//! Paints frames: only what has changed since the frame before.

use super::Reference;
use super::paint::{blank, paint};
use crate::model::Model;
use crate::net::Plane;
use crate::picture::Picture;
use crate::rect::Rect;
use crate::strip;
use crate::{DecodeOptions, Result};

/// Side of the squares of pixels that are painted or kept.
const SQUARE: usize = 128;

/// Paints the frames of a sequence. It keeps the last one, and paints only the parts of the next one that differ from it.
#[derive(Debug, Default)]
pub struct Painter {
    last: Option<(Reference, Picture)>,
}

impl Painter {
    /// Paints a frame.
    ///
    /// # Errors
    /// Returns [`Error::UnknownModel`](crate::Error::UnknownModel) if the latents are those of another model.
    pub fn paint(&mut self, frame: &Reference, model: &Model, options: &DecodeOptions) -> Result<&Picture> {
        frame.check(model)?;
        if let Some(picture) = frame.kept() {
            let (_, picture) = self.last.insert((frame.clone(), picture.clone()));
            return Ok(picture);
        }
        let (width, height) = (frame.width as usize, frame.height as usize);
        let kept = self.last.take().filter(|(last, _)| {
            // The quality is that of the synthesis as well.
            last.quality == frame.quality && last.size() == frame.size() && last.color == frame.color
        });
        let (areas, mut picture) = match kept {
            Some((last, picture)) => {
                (changed(&last.latents, &frame.latents, (height, width), model), picture)
            }
            None => (vec![Rect::new(0, 0, height, width)], blank(frame.width, frame.height, frame.color)?),
        };
        paint(&frame.latents, frame.quality, model, options.threads, &areas, &mut picture)?;
        frame.keep(&picture);
        let (_, picture) = self.last.insert((frame.clone(), picture));
        Ok(picture)
    }
}

/// The areas of pixels that depend on latents that differ: runs of squares.
fn changed(before: &Plane, after: &Plane, (height, width): (usize, usize), model: &Model) -> Vec<Rect> {
    let differs = |area: &Rect| {
        let Rect { rows, columns } = strip::support(&model.net.shapes, area, after.height, after.width);
        let (start, count) = (columns.start, columns.len());
        rows.clone().any(|y| before.run(y, start, count) != after.run(y, start, count))
    };
    let mut areas: Vec<Rect> = Vec::new();
    for area in Rect::new(0, 0, height, width).tiles((SQUARE, SQUARE)).into_iter().filter(differs) {
        match areas.last_mut() {
            Some(last) if last.rows == area.rows && last.columns.end == area.columns.start => {
                last.columns.end = area.columns.end;
            }
            _ => areas.push(area),
        }
    }
    areas
}
