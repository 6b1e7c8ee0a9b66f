//! Decompresses a clip to a stream of frames or to pictures.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use aecodec::clip::{ClipDecoder, ClipReader, FrameKind};
use aecodec::files::{self, Format, WriteOptions};
use aecodec::{DecodeOptions, Painter, Picture, Reference};
use aecodec_live::show::Y4m;
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::shared::{has_extension, model};
use crate::failure::{Exit, usage};
use crate::flags::Common;
use crate::output::{Destination, Draft, Existing, Origin};
use crate::printable::printable;
use crate::report::{field, grouped, warn};

/// Frames per second of a y4m stream from a clip that does not say it.
const RATE: (u32, u32) = (25, 1);

/// Frames from one to another, counted from 0.
pub type Range = std::ops::RangeInclusive<u64>;

/// Parses `12` or `12-40`.
pub fn range(text: &str) -> Result<Range, String> {
    let number =
        |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is not the number of a frame"));
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first > last { Err(format!("frame {first} is after frame {last}")) } else { Ok(first..=last) }
}

/// The destination of decoded frames.
enum Sink {
    Stream(Box<Stream>),
    Folder { folder: PathBuf, format: Format, existing: Existing },
}

/// A y4m stream, before or after its first frame.
struct Stream {
    draft: Option<Draft>,
    y4m: Option<Y4m<Draft>>,
    rate: (u32, u32),
}

/// Decompresses a clip: to a y4m stream if the output is one or stdout, otherwise to numbered pictures in a folder.
pub fn decompress(
    input: &Path,
    output: Option<&Path>,
    format: Option<Format>,
    frames: Option<&Range>,
    (existing, common): (Existing, &Common),
) -> Result<Exit> {
    let name = printable(input);
    let file = File::open(input).with_context(|| name.clone())?;
    let mut reader = ClipReader::new(BufReader::new(file)).with_context(|| name.clone())?;
    let output = output.map_or_else(|| input.with_extension("y4m"), Path::to_owned);
    let mut sink = Sink::open(&output, format, existing, reader.rate().unwrap_or(RATE))?;
    let entries = reader.entries()?;
    let (first, last) = match frames {
        Some(range) => (*range.start(), *range.end()),
        None => (0, u64::MAX),
    };
    if frames.is_some() && last >= entries.len() as u64 {
        return Err(usage(format!("--frames: {name} holds {} frames, counted from 0", entries.len())));
    }
    // The last I-frame that is not after the first wanted one.
    let before = &entries[..entries.len().min(first as usize + 1)];
    let start = before.iter().rposition(|entry| entry.kind == FrameKind::Intra).unwrap_or(0);
    if let Some(entry) = entries.get(start) {
        reader.go_to(entry.offset)?;
    }

    let (model, prior) = model()?;
    let mut options = DecodeOptions::default();
    (options.threads, options.limits) = (common.threads, common.limits());
    let mut decoder = ClipDecoder::new(&model, &prior, options.clone());
    let (mut shown, mut painter) = (None::<Reference>, Painter::default());
    let (mut written, mut damaged) = (0_u64, 0_u64);
    for number in start as u64..=last {
        let Some(record) = reader.next()? else { break };
        let decoded = if record.intact {
            decoder.skip(record.kind, &record.bytes)
        } else {
            Err(aecodec::Error::Invalid { what: "frame", detail: "its checksum is wrong".into() })
        };
        match decoded {
            Ok(_) if number < first => continue,
            Ok(frame) => shown = Some(frame),
            Err(error) => {
                damaged += 1;
                warn("warning", &format!("{name}: frame {number} is lost: {error}"));
            }
        }
        // The last frame stays in place of one that is lost.
        if let Some(frame) = shown.as_ref().filter(|_| number >= first) {
            sink.write(number, painter.paint(frame, &model, &options)?)?;
            written += 1;
        }
    }
    if reader.is_cut() {
        damaged += 1;
        warn("warning", &format!("{name} ends within a frame"));
    }
    sink.finish()?;
    let text = format!("{name} -> {}  {} frames", printable(&output), grouped(written));
    let line =
        json!({ "input": field(input), "output": field(&output), "frames": written, "damaged": damaged });
    common.reporter(output.as_os_str() == "-").result(&text, &line)?;
    Ok(if damaged > 0 { Exit::Partly } else { Exit::Done })
}

impl Sink {
    fn open(output: &Path, format: Option<Format>, existing: Existing, rate: (u32, u32)) -> Result<Self> {
        if output.as_os_str() == "-" || has_extension(output, &["y4m"]) {
            if format.is_some() {
                return Err(usage("--format: a stream of frames is y4m; give a folder for pictures"));
            }
            let destination = match output.as_os_str() == "-" {
                true => Destination::Stdout,
                false => Destination::File(output.to_owned()),
            };
            let draft = destination.begin(existing, &Origin::default())?;
            return Ok(Self::Stream(Box::new(Stream { draft: Some(draft), y4m: None, rate })));
        }
        if output.is_file() || files::Format::from_path(output).is_some() {
            bail!("{}: frames go to a folder or to a .y4m file", printable(output));
        }
        std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", printable(output)))?;
        Ok(Self::Folder { folder: output.to_owned(), format: format.unwrap_or(Format::Png), existing })
    }

    fn write(&mut self, number: u64, picture: &Picture) -> Result<()> {
        match self {
            Self::Stream(stream) => {
                if let Some(draft) = stream.draft.take() {
                    stream.y4m = Some(Y4m::new(draft, (picture.width, picture.height), stream.rate)?);
                }
                if let Some(y4m) = &mut stream.y4m {
                    y4m.write(picture).context("the stream of frames")?;
                }
            }
            Self::Folder { folder, format, existing } => {
                let path = folder.join(format!("{number:06}.{}", format.extension()));
                let (bytes, _) = files::write(picture, *format, &WriteOptions::default())?;
                Destination::File(path).write(&bytes, *existing, &Origin::default())?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let Self::Stream(stream) = self else { return Ok(()) };
        match (stream.draft, stream.y4m) {
            (Some(draft), _) => draft.finish(),
            (None, Some(y4m)) => y4m.into_inner().finish(),
            (None, None) => Ok(()),
        }
    }
}
