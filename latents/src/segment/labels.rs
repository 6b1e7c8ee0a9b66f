//! Label maps: PNG files whose samples or palette entries are classes.

use std::io::Cursor;

use aecodec::{Color, Picture};

use crate::{Error, Result};

/// The class of pixels that have none, in label maps that this program writes. Others may use any number that is no class.
pub const UNLABELLED: u8 = 255;
/// The most pixels of a label map.
const PIXELS: u64 = 1 << 28;

/// The class of each pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Columns of pixels.
    pub width: u32,
    /// Rows of pixels.
    pub height: u32,
    /// `[height, width]`.
    pub values: Vec<u8>,
}

impl Labels {
    /// Reads a PNG file, gray or with a palette, of at most 8 bits.
    ///
    /// # Errors
    /// Returns [`Error::Kind`] if it is no such file.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::Kind { expected: "label map: a PNG file of 8 bits, gray or with a palette" };
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|_| wrong())?;
        let info = reader.info();
        let (width, height, bits) = (info.width, info.height, info.bit_depth as u8);
        let plain = matches!(info.color_type, png::ColorType::Grayscale | png::ColorType::Indexed);
        if !plain || bits > 8 || u64::from(width) * u64::from(height) > PIXELS {
            return Err(wrong());
        }
        let mut packed = vec![0; reader.output_buffer_size().ok_or_else(wrong)?];
        let frame = reader.next_frame(&mut packed).map_err(|_| wrong())?;
        let per_byte = usize::from(8 / bits);
        let mask = (1_u16 << bits) as u8;
        let unpack = |row: &[u8]| -> Vec<u8> {
            let sample = |x: usize| {
                let shift = 8 - usize::from(bits) * (x % per_byte + 1);
                (row[x / per_byte] >> shift) & mask.wrapping_sub(1)
            };
            (0..width as usize).map(sample).collect()
        };
        let values = packed[..frame.buffer_size()].chunks_exact(frame.line_size).flat_map(unpack).collect();
        Ok(Self { width, height, values })
    }

    /// Writes a PNG file with a palette.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if there is not one value for each pixel.
    pub fn write(&self) -> Result<Vec<u8>> {
        let wrong = |_| Error::Damaged("the label map cannot be written");
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette((0..=255).flat_map(color).collect::<Vec<u8>>());
        let mut writer = encoder.write_header().map_err(wrong)?;
        writer.write_image_data(&self.values).map_err(wrong)?;
        writer.finish().map_err(wrong)?;
        Ok(bytes)
    }

    /// Paints the classes over a picture of the same size.
    ///
    /// # Errors
    /// Returns [`Error::Size`] if it has another size.
    pub fn over(&self, picture: &Picture) -> Result<Picture> {
        let (expected, found) = ((picture.width, picture.height), (self.width, self.height));
        if expected != found {
            return Err(Error::Size { expected, found });
        }
        let pixels = picture.samples.chunks_exact(picture.color.channels()).zip(&self.values);
        let samples = pixels.flat_map(|(pixel, &class)| {
            let color = color(class);
            [0, 1, 2].map(|c| ((u16::from(pixel[c % pixel.len()]) + u16::from(color[c])) / 2) as u8)
        });
        let mut painted = Picture::new(picture.width, picture.height, Color::Rgb, samples.collect())?;
        painted.orientation = picture.orientation;
        Ok(painted)
    }
}

/// The colour of a class: the bits of its number, spread over the channels (the colour map of Pascal VOC), so that
/// neighbouring classes look different.
pub fn color(class: u8) -> [u8; 3] {
    let class = class.wrapping_add(1);
    let mut color = [0; 3];
    for bit in 0..8 {
        if class >> bit & 1 == 1 {
            color[bit % 3] |= 128 >> (bit / 3);
        }
    }
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_maps_are_read_as_they_were_written_and_with_few_bits() {
        let labels = Labels { width: 5, height: 2, values: vec![0, 1, 2, 3, 255, 9, 8, 7, 6, 5] };
        assert_eq!(Labels::read(&labels.write().unwrap()).unwrap(), labels);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 5, 2);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Two);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0b0001_1011, 0b0100_0000, 0b1111_0000, 0b1000_0000]).unwrap();
        drop(writer);
        assert_eq!(Labels::read(&bytes).unwrap().values, [0, 1, 2, 3, 1, 3, 3, 0, 0, 2]);
        assert!(matches!(Labels::read(b"GIF89a"), Err(Error::Kind { .. })));
    }
}
