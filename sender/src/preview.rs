//! Asks the screen about files, and makes the previews that it wants.

use aecodec::resize::{Filter, resize};
use aecodec::{
    Check, DecodeOptions, EncodeOptions, ModelRegistry, Picture, Quality, ReducedSize, Target, container,
    files,
};

use crate::encode::{Aec, Encoder, Made, Opened};
use crate::screen::Share;
use crate::source::SourceFile;
use crate::{Error, Result};

/// Longer side of a preview in pixels, and its quality.
const SIDE: u32 = 256;
const QUALITY: f64 = 35.0;

/// What a screen said of a file.
pub(crate) struct Seen {
    pub share: Share,
    /// Why the file could not be judged.
    pub doubt: Option<String>,
}

impl Encoder {
    /// Asks the screen, if there is one, and makes the preview that it wants.
    pub fn look(&self, file: &SourceFile, opened: &Opened) -> Option<(Seen, Option<Made>)> {
        let screen = self.settings().screen.as_ref()?;
        let bytes = match opened {
            Opened::Aec(aec) => &aec.bytes,
            Opened::Picture(bytes) => bytes,
        };
        let looked = match screen.look(bytes, &self.settings().limits.for_input(file.bytes)) {
            Ok(Share::Full) => Ok(None),
            Ok(Share::Preview) => {
                self.preview(screen.models(), file, opened).map(Some).map_err(|error| error.to_string())
            }
            Err(doubt) => Err(doubt),
        };
        Some(match looked {
            Ok(preview) => {
                let share = if preview.is_some() { Share::Preview } else { Share::Full };
                (Seen { share, doubt: None }, preview)
            }
            Err(doubt) => (Seen { share: Share::Full, doubt: Some(doubt) }, None),
        })
    }

    /// Makes the preview of a file.
    fn preview(&self, models: &ModelRegistry, file: &SourceFile, opened: &Opened) -> Result<Made> {
        let path = &file.path;
        let small = self.small(models, file, opened).map_err(Error::picture(path))?;
        let mut options = EncodeOptions::default();
        options.target = Target::Quality(Quality::new(QUALITY).unwrap_or_default());
        options.check = Check::None;
        let bytes =
            aecodec::encode(&small, &self.settings().model, &options).map_err(Error::picture(path))?.bytes;
        let aec = self.check(path, bytes, file.bytes, None)?;
        Ok(Made { aec: Aec { thumbnail: Vec::new(), ..aec }, reached: true, notices: Vec::new() })
    }

    fn small(&self, models: &ModelRegistry, file: &SourceFile, opened: &Opened) -> aecodec::Result<Picture> {
        let limits = self.settings().limits.for_input(file.bytes);
        let picture = match opened {
            Opened::Picture(bytes) => files::read(bytes, &limits)?.0,
            Opened::Aec(aec) => {
                let model = models.of(&container::Header::parse(&aec.bytes, &limits)?)?;
                let mut options = DecodeOptions::default();
                options.limits = limits;
                aecodec::decode_reduced(&aec.bytes, &model, ReducedSize::Longest(SIDE), &options)?.picture
            }
        };
        let longest = picture.width.max(picture.height);
        let side =
            |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longest.max(SIDE))).max(1) as u32;
        let mut small = resize(&picture, (side(picture.width), side(picture.height)), Filter::Hamming)?;
        small.orientation = picture.orientation;
        Ok(small)
    }
}
