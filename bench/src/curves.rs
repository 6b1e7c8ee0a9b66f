//! Published curves of PSNR (RGB), which are drawn over the measured ones.

use std::path::Path;

use serde_json::Value;

use crate::results::Overlay;
use crate::{Error, Result};

/// Reads curves from a JSON file: an object with a list of `[bits per pixel, dB, ...]` for each name. Other values,
/// such as remarks, are ignored.
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be read, and [`Error::Table`] if it is not a JSON object or holds no
/// curve.
pub fn read(path: &Path) -> Result<Vec<Overlay>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
    parse(&text).map_err(|detail| Error::Table { file: path.display().to_string(), detail })
}

fn parse(text: &str) -> std::result::Result<Vec<Overlay>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(entries) = value else {
        return Err("expected an object with a curve for each name".into());
    };
    let mut overlays = Vec::new();
    for (name, value) in entries {
        let Some(mut points) = points(&value) else { continue };
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        overlays.push(Overlay { name, points });
    }
    if overlays.is_empty() {
        return Err("the file holds no curve; expected lists of [bits per pixel, dB]".into());
    }
    Ok(overlays)
}

/// The points of a curve, if there are two or more and all have a positive number of bits.
fn points(value: &Value) -> Option<Vec<(f64, f64)>> {
    let points: Option<Vec<_>> = value.as_array()?.iter().map(point).collect();
    points.filter(|points| points.len() > 1)
}

fn point(value: &Value) -> Option<(f64, f64)> {
    let [bpp, psnr, ..] = value.as_array()?.as_slice() else { return None };
    Some((bpp.as_f64().filter(|bpp| *bpp > 0.0)?, psnr.as_f64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_read_and_remarks_left_out() {
        let text = r#"{"about": "measured once", "vtm": [[0.2, 30.0, 7], [0.1, 28.0, 5]], "one": [[1, 2]]}"#;
        let overlays = parse(text).expect("a curve");
        assert_eq!(overlays.len(), 1);
        assert_eq!(
            (overlays[0].name.as_str(), &overlays[0].points[..]),
            ("vtm", &[(0.1, 28.0), (0.2, 30.0)][..])
        );
    }

    #[test]
    fn a_file_without_curves_is_refused() {
        for text in ["[]", "{}", r#"{"a": [[0, 1], [0.1, 2]]}"#, "{"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
