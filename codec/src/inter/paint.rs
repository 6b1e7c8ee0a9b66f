//! Paints areas of a picture from latents.

use crate::Result;
use crate::band::Grid;
use crate::kernel::Isa;
use crate::model::Model;
use crate::net::Plane;
use crate::net::synthesis::Synthesis;
use crate::picture::{Color, Picture};
use crate::quality::Quality;
use crate::rect::Rect;
use crate::strip::Split;
use crate::threads;

/// A picture to paint on.
pub(super) fn blank(width: u32, height: u32, color: Color) -> Result<Picture> {
    Picture::new(width, height, color, vec![0; width as usize * height as usize * color.channels()])
}

/// Paints areas of the picture of `latents`.
pub(super) fn paint(
    latents: &Plane,
    quality: Quality,
    model: &Model,
    threads: usize,
    areas: &[Rect],
    picture: &mut Picture,
) -> Result<()> {
    if areas.is_empty() {
        return Ok(());
    }
    let shape = (latents.height, latents.width);
    let grid = Grid { height: shape.0, width: shape.1, side: shape.0.max(shape.1), groups_deep: 1 };
    let band = grid.band(0);
    *band.groups[0].plane() = Plane::clone(latents);
    let (gains, split) = (model.gains(quality), Split::new(threads::count(threads)));
    let (color, channels) = (picture.color, picture.color.channels());
    let stride = picture.width as usize * channels;
    for area in areas {
        let row = area.width() * channels;
        let mut at = area.rows.start * stride + area.columns.start * channels;
        let isa = Isa::chosen();
        let mut synthesis =
            Synthesis::<u8>::new(&model.net, isa, &gains, shape, area.clone(), color, split, None);
        synthesis.push(&band, |rows| {
            for painted in rows.chunks_exact(row) {
                picture.samples[at..at + row].copy_from_slice(painted);
                at += stride;
            }
            Ok(())
        })?;
    }
    Ok(())
}
