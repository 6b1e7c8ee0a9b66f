//! Brings decoded frames to their full size and writes them: to a picture file, to a y4m stream, or to both.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aecodec::resize::{Filter, resize};
use aecodec::{Picture, Result, files};
use tempfile::NamedTempFile;

/// Enlarges a frame that was coded smaller to `size` (width, height). A frame that has that size is returned unchanged.
///
/// # Errors
/// Returns [`aecodec::Error::Invalid`] if a side is 0, and [`aecodec::Error::Limit`] if the size is above the default limits.
pub fn fit(picture: Picture, size: (u32, u32)) -> Result<Picture> {
    let (width, height) = size;
    if (picture.width, picture.height) == size {
        return Ok(picture);
    }
    // The size comes from the sender, so it is checked like that of a header.
    aecodec::Limits::default().check_pixels(width, height)?;
    resize(&picture, size, Filter::CatmullRom)
}

/// A picture file that always holds the newest frame: a program that opens it sees one frame, never parts of two.
#[derive(Debug)]
pub struct PictureFile {
    path: PathBuf,
    format: files::Format,
}

impl PictureFile {
    /// A file at `path`, whose extension gives the format. `None` if it gives none.
    pub fn new(path: &Path) -> Option<Self> {
        Some(Self { path: path.into(), format: files::Format::from_path(path)? })
    }

    /// Writes this frame next to the file, so that [`Self::show`] takes no time.
    ///
    /// # Errors
    /// Returns an error if the format cannot hold the picture, or the folder cannot be written.
    pub fn prepare(&self, picture: &Picture) -> Result<NamedTempFile> {
        let (bytes, _) = files::write(picture, self.format, &files::WriteOptions::default())?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".aecodec-").suffix(".part");
        // The permissions of any new file: what the umask leaves.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(&bytes)?;
        Ok(file)
    }

    /// Replaces the file by a frame that was prepared.
    ///
    /// # Errors
    /// Returns an error if the folder can no longer be written.
    pub fn show(&self, prepared: NamedTempFile) -> Result<()> {
        prepared.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// A y4m stream, 4:4:4 in video range: BT.709 from 1280 pixels of width or 577 rows on, BT.601 below.
#[derive(Debug)]
pub struct Y4m<W: Write> {
    writer: W,
    size: (u32, u32),
}

impl<W: Write> Y4m<W> {
    /// Writes the header. `rate` is frames per second as a fraction.
    ///
    /// # Errors
    /// Returns an error if the stream cannot be written.
    pub fn new(mut writer: W, size: (u32, u32), rate: (u32, u32)) -> io::Result<Self> {
        let (width, height) = size;
        writeln!(writer, "YUV4MPEG2 W{width} H{height} F{}:{} Ip A1:1 C444", rate.0, rate.1)?;
        Ok(Self { writer, size })
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// Appends a frame, which must have the size of the stream.
    ///
    /// # Errors
    /// Returns an error if the size is different or the stream cannot be written.
    pub fn write(&mut self, picture: &Picture) -> io::Result<()> {
        let (width, height) = self.size;
        if (picture.width, picture.height) != self.size {
            let detail = format!("{}x{} in a stream of {width}x{height}", picture.width, picture.height);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, detail));
        }
        let weights = if width >= 1280 || height > 576 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        self.writer.write_all(b"FRAME\n")?;
        self.writer.write_all(&planes(picture, weights))?;
        self.writer.flush()
    }
}

/// The planes Y, U and V, from the weights of red and blue in luma.
fn planes(picture: &Picture, (red, blue): (f64, f64)) -> Vec<u8> {
    const BITS: i32 = 14;
    let fixed = |v: f64| (v * f64::from(1 << BITS)).round() as i32;
    let green = 1.0 - red - blue;
    let luma = [red, green, blue].map(|v| fixed(v * 219.0 / 255.0));
    let u = [-red, -green, 1.0 - blue].map(|v| fixed(v / (2.0 * (1.0 - blue)) * 224.0 / 255.0));
    let v = [1.0 - red, -green, -blue].map(|v| fixed(v / (2.0 * (1.0 - red)) * 224.0 / 255.0));
    let channels = picture.color.channels();
    let mut out = Vec::with_capacity(3 * picture.samples.len() / channels);
    for (weights, zero) in [(luma, 16), (u, 128), (v, 128)] {
        out.extend(picture.samples.chunks_exact(channels).map(|pixel| {
            let [r, g, b] = [pixel[0], pixel[channels / 2], pixel[channels - 1]].map(i32::from);
            let sum = weights[0] * r + weights[1] * g + weights[2] * b + (1 << (BITS - 1));
            (zero + (sum >> BITS)).clamp(0, 255) as u8
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use aecodec::Color;

    fn flat(width: u32, height: u32, color: Color, sample: &[u8]) -> Picture {
        Picture::new(width, height, color, sample.repeat((width * height) as usize)).expect("a picture")
    }

    #[test]
    fn a_smaller_frame_is_enlarged_and_a_fitting_one_untouched() {
        let large = fit(flat(20, 11, Color::Rgb, &[1, 2, 3]), (41, 23)).expect("sound sizes");
        assert_eq!(large.samples, [1, 2, 3].repeat(41 * 23));
        let same = fit(large.clone(), (41, 23)).expect("its own size");
        assert!(same == large);
        assert!(fit(large, (u32::MAX, u32::MAX)).is_err());
    }

    #[test]
    fn the_file_is_replaced_by_each_frame() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("live.png");
        let file = PictureFile::new(&path).expect("a format");
        for level in [10, 20] {
            let prepared = file.prepare(&flat(8, 8, Color::Gray, &[level])).expect("written");
            file.show(prepared).expect("shown");
            let bytes = std::fs::read(&path).expect("a file");
            let (picture, _) = files::read(&bytes, &aecodec::Limits::default()).expect("a picture");
            assert_eq!(picture.samples[0], level);
        }
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1,
            "nothing is left beside it"
        );
        assert!(PictureFile::new(Path::new("live")).is_none());
    }

    #[test]
    fn y4m_has_the_values_of_video_range() {
        let mut out = Vec::new();
        let mut stream = Y4m::new(&mut out, (2, 1), (10, 1)).expect("written");
        stream.write(&flat(2, 1, Color::Rgb, &[255, 0, 0])).expect("written");
        stream.write(&flat(2, 1, Color::Gray, &[255])).expect("written");
        assert!(stream.write(&flat(1, 1, Color::Gray, &[255])).is_err());
        let head = &b"YUV4MPEG2 W2 H1 F10:1 Ip A1:1 C444\nFRAME\n"[..];
        let expected =
            [head, &[81, 81, 90, 90, 240, 240], b"FRAME\n", &[235, 235, 128, 128, 128, 128]].concat();
        let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 1;
        assert!(out.len() == expected.len() && out.iter().zip(&expected).all(near), "{out:?}");
    }
}
