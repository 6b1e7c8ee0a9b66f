//! Conversion between pictures and the RGBA of a canvas.

use aecodec::{Color, Error, Picture, Result};

/// What a picture of RGBA needs to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Gray if every pixel is.
    pub color: Color,
    /// Whether a pixel is not opaque.
    pub alpha: bool,
}

/// Returns what the pixels `[height, width, 4]` need.
pub fn kind(rgba: &[u8]) -> Kind {
    let pixels = rgba.as_chunks::<4>().0;
    let gray = pixels.iter().all(|&[r, g, b, _]| r == g && g == b);
    let alpha = pixels.iter().any(|&[.., a]| a != 255);
    Kind { color: if gray { Color::Gray } else { Color::Rgb }, alpha }
}

/// Returns the colour samples of `[height, width, 4]`.
pub fn samples(rgba: &[u8], color: Color) -> Vec<u8> {
    let pixels = rgba.as_chunks::<4>().0;
    match color {
        Color::Gray => pixels.iter().map(|&[r, ..]| r).collect(),
        Color::Rgb => pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect(),
    }
}

/// Returns the alpha of `[height, width, 4]`.
pub fn alpha(rgba: &[u8]) -> Vec<u8> {
    rgba.as_chunks::<4>().0.iter().map(|&[.., a]| a).collect()
}

/// Makes a picture of `[height, width, 4]`.
///
/// # Errors
/// Returns [`Error::Invalid`] if the number of bytes does not fit the size.
pub fn picture(rgba: &[u8], width: u32, height: u32, kind: Kind) -> Result<Picture> {
    let expected = u64::from(width) * u64::from(height) * 4;
    if rgba.len() as u64 != expected {
        let detail = format!("{} bytes of RGBA for {width}x{height}, expected {expected}", rgba.len());
        return Err(Error::Invalid { what: "picture", detail });
    }
    let mut picture = Picture::new(width, height, kind.color, samples(rgba, kind.color))?;
    picture.alpha = kind.alpha.then(|| alpha(rgba));
    Ok(picture)
}

/// Returns `[height, width, 4]` of a picture.
pub fn of(picture: &Picture) -> Vec<u8> {
    let mut rgba = Vec::with_capacity(picture.samples.len() / picture.color.channels() * 4);
    match picture.color {
        Color::Gray => rgba.extend(picture.samples.iter().flat_map(|&v| [v, v, v, 255])),
        Color::Rgb => {
            rgba.extend(picture.samples.as_chunks().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]));
        }
    }
    for (pixel, &a) in rgba.as_chunks_mut::<4>().0.iter_mut().zip(picture.alpha.iter().flatten()) {
        pixel[3] = a;
    }
    rgba
}
