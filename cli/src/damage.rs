//! The map of a damaged picture, as text and as JSON.

use aecodec::container::Header;
use aecodec::{Damage, damaged_areas};
use serde_json::{Value, json};

/// The notice for a file that its backup mends.
pub const MENDED: &str =
    "damaged, but its backup holds what is lost; get the file again, or compress the picture again";

/// A file is damaged. The error carries the map for `--json`.
#[derive(Debug)]
pub struct DamagedFile {
    text: String,
    /// See [`map`].
    pub map: Value,
}

impl DamagedFile {
    /// An error with this text, and the map of the damage.
    pub fn new(text: String, header: &Header, damage: &[Damage]) -> Self {
        Self { text, map: map(header, damage) }
    }
}

impl std::fmt::Display for DamagedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DamagedFile {}

/// The damaged groups of a picture, with the pixels and the passes that are left of each, and their share of the picture.
pub fn map(header: &Header, damage: &[Damage]) -> Value {
    let areas = damaged_areas(header, damage);
    let pixels = |width: u32, height: u32| f64::from(width) * f64::from(height);
    let lost: f64 = areas.iter().map(|area| pixels(area.region.width, area.region.height)).sum();
    let list: Vec<Value> = areas
        .iter()
        .map(|area| {
            let region = area.region;
            json!({
                "x": region.x,
                "y": region.y,
                "width": region.width,
                "height": region.height,
                "passes": area.passes,
            })
        })
        .collect();
    json!({ "share": lost / pixels(header.width, header.height), "areas": list })
}
