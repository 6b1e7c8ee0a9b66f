//! The file of a clip: a header, then one record for each frame. It can be read while it is written, and it is whole up to
//! the last complete frame wherever it is cut.

use crate::{Error, Result};
use std::io::{Read, Seek, SeekFrom, Write};

/// The first bytes of every clip.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89AES\r\n\x1a\n";
const VERSION: u8 = 1;
const FORMAT: &str = ".aecs";
/// Bytes of the header: signature, version, flags, rate, checksum.
const HEADER: usize = 22;
/// The most bytes of a frame.
const MOST: u32 = 1 << 28;

/// Whether a frame needs a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// An I-frame: an `.aec` stream.
    Intra,
    /// A P-frame, which needs the frame that it names.
    Predicted,
}

impl FrameKind {
    /// `I` or `P`.
    pub fn letter(self) -> char {
        match self {
            Self::Intra => 'I',
            Self::Predicted => 'P',
        }
    }

    const fn raw(self) -> u8 {
        match self {
            Self::Intra => 1,
            Self::Predicted => 2,
        }
    }
}

/// A frame in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Whether it needs a reference.
    pub kind: FrameKind,
    /// The frame.
    pub bytes: Vec<u8>,
    /// Whether its checksum is right.
    pub intact: bool,
}

/// The place of a frame in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Whether it needs a reference.
    pub kind: FrameKind,
    /// Offset of its record.
    pub offset: u64,
    /// Bytes of the frame.
    pub length: u32,
    end: u64,
}

impl Entry {
    /// The end of its record.
    pub fn end(&self) -> u64 {
        self.end
    }
}

/// Writes a clip. Each frame is handed to the writer at once.
#[derive(Debug)]
pub struct ClipWriter<W> {
    writer: W,
}

impl<W: Write> ClipWriter<W> {
    /// Begins a file, with the number of frames per second as a fraction if it is known.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if it cannot be written.
    pub fn new(mut writer: W, rate: Option<(u32, u32)>) -> Result<Self> {
        let (frames, seconds) = rate.unwrap_or((0, 0));
        let mut header = SIGNATURE.to_vec();
        header.extend([VERSION, 0]);
        header.extend(frames.to_le_bytes());
        header.extend(seconds.to_le_bytes());
        header.extend(crc32fast::hash(&header).to_le_bytes());
        writer.write_all(&header)?;
        writer.flush()?;
        Ok(Self { writer })
    }

    /// Goes on with a file whose header and frames so far are in the writer, which is at its end.
    pub fn resume(writer: W) -> Self {
        Self { writer }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// Returns [`Error::Limit`] if it has more than 256 MiB, and [`Error::Io`] if it cannot be written.
    pub fn write(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > u64::from(MOST) {
            return Err(Error::Limit { what: "frame", needed: bytes.len() as u64, limit: MOST.into() });
        }
        let mut head = vec![kind.raw()];
        let mut length = bytes.len();
        while length >= 0x80 {
            head.push(length as u8 | 0x80);
            length >>= 7;
        }
        head.push(length as u8);
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&head);
        checksum.update(bytes);
        head.extend(checksum.finalize().to_le_bytes());
        self.writer.write_all(&head)?;
        self.writer.write_all(bytes)?;
        self.writer.flush()?;
        Ok(())
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

/// Reads a clip.
#[derive(Debug)]
pub struct ClipReader<R> {
    reader: R,
    rate: Option<(u32, u32)>,
    /// The offset of the next record.
    offset: u64,
    cut: bool,
}

/// The head of a record.
struct Head {
    kind: FrameKind,
    length: u32,
    /// Its bytes before the checksum.
    bytes: Vec<u8>,
    checksum: u32,
}

impl<R: Read> ClipReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Returns [`Error::Signature`], [`Error::Version`], [`Error::Invalid`], [`Error::Truncated`] or [`Error::Checksum`] if
    /// the file is no clip that this version reads, and [`Error::Io`] if it cannot be read.
    pub fn new(mut reader: R) -> Result<Self> {
        let mut header = Vec::with_capacity(HEADER);
        reader.by_ref().take(HEADER as u64).read_to_end(&mut header)?;
        if !header.starts_with(&SIGNATURE) {
            return Err(Error::Signature { format: FORMAT, found: header[..header.len().min(8)].to_vec() });
        }
        match header.get(8) {
            Some(&VERSION) | None => {}
            Some(&found) => return Err(Error::Version { format: FORMAT, found, expected: VERSION }),
        }
        let Some(header) = header.first_chunk::<HEADER>() else {
            let missing = (HEADER - header.len()) as u64;
            return Err(Error::Truncated { what: "clip", offset: header.len() as u64, missing });
        };
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let (stored, computed) = (number(HEADER - 4), crc32fast::hash(&header[..HEADER - 4]));
        if stored != computed {
            return Err(Error::Checksum { what: "header of the clip", stored, computed });
        }
        if header[9] != 0 {
            return Err(Error::Invalid { what: "clip", detail: format!("unknown flags {:#x}", header[9]) });
        }
        let rate = Some((number(10), number(14))).filter(|&(frames, seconds)| frames > 0 && seconds > 0);
        Ok(Self { reader, rate, offset: HEADER as u64, cut: false })
    }

    /// Frames per second as a fraction, if it is known.
    pub fn rate(&self) -> Option<(u32, u32)> {
        self.rate
    }

    /// Whether the file ended within a frame, or where no frame begins.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The end of the last complete frame that was read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next frame; `None` after the last complete one.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and the caller asks for `is_cut` at the end"
    )]
    pub fn next(&mut self) -> Result<Option<Record>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let Head { kind, length, bytes: start, checksum: stored } = head;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length.into()).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            self.cut = true;
            return Ok(None);
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&start);
        checksum.update(&bytes);
        self.offset += (start.len() + 4 + bytes.len()) as u64;
        Ok(Some(Record { kind, bytes, intact: checksum.finalize() == stored }))
    }

    /// Reads the head of the next record; `None` at the end, or if no record begins here.
    fn head(&mut self) -> Result<Option<Head>> {
        let mut bytes = Vec::with_capacity(6);
        if !self.take(&mut bytes)? {
            return Ok(None);
        }
        let kind = match bytes[0] {
            1 => FrameKind::Intra,
            2 => FrameKind::Predicted,
            _ => return Ok(self.stop()),
        };
        let mut length = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            if !self.take(&mut bytes)? {
                return Ok(self.stop());
            }
            let byte = bytes[bytes.len() - 1];
            length |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        // A length in another form than the shortest one ends with a zero, one that is too long goes on.
        let last = bytes[bytes.len() - 1];
        if last & 0x80 != 0 || (last == 0 && bytes.len() > 2) {
            return Ok(self.stop());
        }
        let Some(length) = u32::try_from(length).ok().filter(|&length| length <= MOST) else {
            return Ok(self.stop());
        };
        let mut checksum = Vec::with_capacity(4);
        for _ in 0..4 {
            if !self.take(&mut checksum)? {
                return Ok(self.stop());
            }
        }
        let checksum = u32::from_le_bytes(std::array::from_fn(|i| checksum[i]));
        Ok(Some(Head { kind, length, bytes, checksum }))
    }

    fn stop(&mut self) -> Option<Head> {
        self.cut = true;
        None
    }

    /// Appends one byte; false at the end.
    fn take(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        Ok(self.reader.by_ref().take(1).read_to_end(bytes)? == 1)
    }
}

impl<R: Read + Seek> ClipReader<R> {
    /// Lists all complete frames without reading them, and returns to where the reader was.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read.
    pub fn entries(&mut self) -> Result<Vec<Entry>> {
        let (here, cut) = (self.offset, self.cut);
        let end = self.reader.seek(SeekFrom::End(0))?;
        self.go_to(HEADER as u64)?;
        let mut entries = Vec::new();
        while let Some(head) = self.head()? {
            let offset = self.offset;
            let next = offset + head.bytes.len() as u64 + 4 + u64::from(head.length);
            if next > end {
                break;
            }
            entries.push(Entry { kind: head.kind, offset, length: head.length, end: next });
            self.go_to(next)?;
        }
        self.go_to(here)?;
        self.cut = cut;
        Ok(entries)
    }

    /// Continues with the record at an offset.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if the file cannot be read.
    pub fn go_to(&mut self, offset: u64) -> Result<()> {
        self.offset = self.reader.seek(SeekFrom::Start(offset))?;
        Ok(())
    }
}
