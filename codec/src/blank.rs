//! Synthesises the small picture that stands in for empty groups.

use crate::Result;
use crate::band::Grid;
use crate::empty::{Blank, Empty};
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::synthesis::Synthesis;
use crate::net::{Plane, Scratch};
use crate::picture::Color;
use crate::quality::Gains;
use crate::rect::Rect;
use crate::sample::Sample;
use crate::strip::Split;
use crate::walk::{self, Coded, Symbols};

/// Synthesises the small picture of `empty`.
pub(crate) fn synthesise<'a, S: Sample>(
    empty: &'a Empty,
    model: &Model,
    isa: Isa,
    gains: &Gains,
    color: Color,
    split: Split,
) -> Result<Blank<'a, S>> {
    let (height, width) = (empty.rows.small(), empty.columns.small());
    let side = empty.rows.small_side.max(empty.columns.small_side);
    let grid = Grid { height, width, side, groups_deep: height.div_ceil(side) };
    let band = grid.band(0);
    let (mut made, mut scratch): (Vec<Plane>, _) = (Vec::new(), Scratch::default());
    for group in &band.groups {
        let sides = (group.rect.height(), group.rect.width());
        let same = made.iter().find(|plane| (plane.height, plane.width) == sides).cloned();
        *group.plane() = same.unwrap_or_else(|| {
            let latents = Plane::new(sides.0, sides.1, model.net.shapes.m);
            let plane = walk::group(model, isa, gains, latents, &mut Nothing(model), &mut scratch);
            made.push(plane.clone());
            plane
        });
    }
    let area = Rect::new(0, 0, 16 * height, 16 * width);
    let mut samples = Vec::with_capacity(16 * height * 16 * width * S::painted(color));
    let mut synthesis = Synthesis::new(&model.net, isa, gains, (height, width), area, color, split, None);
    synthesis.push(&band, |rows| {
        samples.extend_from_slice(rows);
        Ok(())
    })?;
    Ok(Blank::new(empty, band, S::painted(color), samples))
}

/// The symbols of a group that holds nothing.
struct Nothing<'a>(&'a Model);

impl Symbols for Nothing<'_> {
    fn hyper(&mut self, height: usize, width: usize) -> Plane {
        Plane::new(height, width, self.0.net.shapes.z)
    }

    fn pass(&mut self, _: usize, coded: &Coded, _: &Plane) -> Vec<i16> {
        vec![0; coded.levels.len()]
    }
}
