//! A codec that runs as separate programs, as an entry of the table describes it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use aecodec::{Limits, files};
use tempfile::TempDir;

use super::process::{self, ProcessRun};
use super::table::{CodecEntry, CommandLine, InterchangeFormat};
use super::{Codec, CodedFile, DecodedPicture, QualityScale};
use crate::{Error, Result, Rgb};

/// A codec from a table whose programs are installed.
pub struct External {
    entry: CodecEntry,
    version: String,
    commands: String,
}

impl External {
    /// Creates the codec of this entry.
    ///
    /// # Errors
    /// Returns the reason in words if the codec cannot be used here: its programs are missing, or fail to print their
    /// version.
    pub fn find(entry: CodecEntry) -> std::result::Result<Self, String> {
        let programs = entry.programs().into_iter().filter(|program| !process::is_installed(program));
        let missing: Vec<String> = programs.map(|program| format!("`{program}`")).collect();
        if !missing.is_empty() {
            let hint = entry.install.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            return Err(format!("install {}{hint}", missing.join(" and ")));
        }
        let run = process::run(entry.version.program(), &entry.version.arguments(&[]))?;
        let version = version(entry.version.program(), &run.output);
        let commands = format!("{}\n{}", entry.encode, entry.decode);
        Ok(Self { entry, version, commands })
    }

    /// The path of a file in the call's folder, for a command line.
    fn path(&self, folder: &TempDir, stem: &str, extension: &str) -> Result<String> {
        let path = folder.path().join(format!("{stem}.{extension}"));
        path.into_os_string().into_string().map_err(|path| self.error(format!("{path:?} is not UTF-8")))
    }

    fn run(&self, words: &CommandLine, places: &[(&str, &str)]) -> Result<ProcessRun> {
        process::run(words.program(), &words.arguments(places)).map_err(|said| self.error(said))
    }

    fn error(&self, detail: String) -> Error {
        Error::codec(&self.entry.id, detail)
    }

    fn extension(&self) -> &str {
        self.entry.extension.as_ref().unwrap_or(&self.entry.id)
    }

    /// Reads the file that a program should have written.
    fn written(&self, words: &CommandLine, path: &str) -> Result<Vec<u8>> {
        let bytes = fs::read(path);
        bytes.map_err(|error| {
            self.error(format!("`{}` succeeded, but its output cannot be read: {error}", words.program()))
        })
    }
}

impl Codec for External {
    fn id(&self) -> &str {
        &self.entry.id
    }

    fn name(&self) -> &str {
        &self.entry.name
    }

    fn settings(&self) -> &str {
        &self.entry.settings
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn scale(&self) -> QualityScale {
        self.entry.quality
    }

    fn media_type(&self) -> Option<&str> {
        self.entry.media_type.as_deref()
    }

    fn external(&self) -> bool {
        true
    }

    fn commands(&self) -> &str {
        &self.commands
    }

    fn encode(&self, picture: &Rgb, quality: f64) -> Result<CodedFile> {
        let folder = folder()?;
        let input = self.path(&folder, "in", self.entry.input.extension())?;
        let output = self.path(&folder, "out", self.extension())?;
        write(picture, self.entry.input, Path::new(&input))?;
        let places = [("in", &*input), ("out", &output), ("quality", &quality.to_string())];
        let run = self.run(&self.entry.encode, &places)?;
        let bytes = self.written(&self.entry.encode, &output)?;
        Ok(CodedFile { bytes, seconds: run.seconds, peak_memory: run.peak_memory })
    }

    fn decode(&self, bytes: &[u8]) -> Result<DecodedPicture> {
        let folder = folder()?;
        let input = self.path(&folder, "in", self.extension())?;
        let output = self.path(&folder, "out", self.entry.output.extension())?;
        fs::write(&input, bytes).map_err(|error| Error::file(&input, error))?;
        let run = self.run(&self.entry.decode, &[("in", &input), ("out", &output)])?;
        let file = self.written(&self.entry.decode, &output)?;
        let (picture, _) =
            files::read(&file, &Limits::default()).map_err(|error| self.error(error.to_string()))?;
        Ok(DecodedPicture { picture: picture.into(), seconds: run.seconds, peak_memory: run.peak_memory })
    }
}

impl InterchangeFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Ppm => "ppm",
        }
    }
}

/// Creates a folder for one call, which is removed when the value is dropped.
fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("aecodec-bench-").tempdir();
    folder.map_err(|error| Error::file(std::env::temp_dir(), error))
}

/// Writes the input of an encoder. PNG is not compressed, as the encoder's time includes reading it.
fn write(picture: &Rgb, format: InterchangeFormat, path: &Path) -> Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let (width, height) = (picture.width as u32, picture.height as u32);
        match format {
            InterchangeFormat::Ppm => {
                write!(file, "P6\n{width} {height}\n255\n")?;
                file.write_all(&picture.samples)?;
            }
            InterchangeFormat::Png => {
                let mut encoder = png::Encoder::new(&mut file, width, height);
                encoder.set_color(png::ColorType::Rgb);
                encoder.set_compression(png::Compression::NoCompression);
                let mut writer = encoder.write_header()?;
                writer.write_image_data(&picture.samples)?;
                writer.finish()?;
            }
        }
        file.flush()
    };
    write().map_err(|error: io::Error| Error::file(path, error))
}

/// The first line of a program's version output, with the program's name if the line lacks it.
fn version(program: &str, output: &str) -> String {
    let name = Path::new(program).file_stem().map_or(Cow::Borrowed(program), |stem| stem.to_string_lossy());
    let line = output.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("of unknown version");
    let line = line.strip_prefix("Version:").unwrap_or(line).trim();
    if line.contains(&*name) { line.to_owned() } else { format!("{name} {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_one_line_with_the_name_of_its_program() {
        assert_eq!(version("avifenc", "Version: 0.11.1 (aom)\nlibyuv\n"), "avifenc 0.11.1 (aom)");
        assert_eq!(version("/opt/bin/cjxl", "\ncjxl v0.7.0\n"), "cjxl v0.7.0");
        assert_eq!(version("mine", ""), "mine of unknown version");
    }
}
