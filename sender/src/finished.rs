//! Whether a file of a watched folder is finished: no process writes to it, and its end is there.
//!
//! That a file has not changed for a while proves little. Servers for FTP and SMB set its size first, and cameras and
//! radio links pause for seconds.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use aecodec::Limits;
use aecodec::container::{self, ChunkState};

/// This many zeros at the end of a file look like space that was not written yet.
const ZEROS: u64 = 4096;
/// Bytes at the start of a file in which the header of a picture is looked for.
const HEAD: u64 = 512;
/// The largest `.aec` that is read to look for its end, in bytes.
const LARGEST_AEC: u64 = 1 << 30;

/// Why a file may not be finished although it has not changed for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// A process has it open for writing.
    Open,
    /// Its end is missing.
    NoEnd,
    /// A process has it open for writing, and its end is missing.
    OpenWithoutEnd,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "another process has it open for writing",
            Self::NoEnd => "its end is missing",
            Self::OpenWithoutEnd => "another process has it open for writing, and its end is missing",
        })
    }
}

/// Why a file may not be finished, according to the system and to its content; `None` if it seems finished.
pub(crate) fn doubt(path: &Path, writers: &Writers) -> Option<Doubt> {
    // If a file cannot be read, that is reported when it is opened to be sent.
    let whole = File::open(path).and_then(has_end).unwrap_or(true);
    match (writers.have(path), whole) {
        (false, true) => None,
        (true, true) => Some(Doubt::Open),
        (false, false) => Some(Doubt::NoEnd),
        (true, false) => Some(Doubt::OpenWithoutEnd),
    }
}

/// The files that processes have open for writing. Only Linux reports them, and only for processes that this one
/// may inspect: those of the same user, or all of them for root.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    #[cfg(target_os = "linux")]
    files: std::collections::HashSet<(u64, u64)>,
}

impl Writers {
    /// Looks at the present state. `of_interest` chooses files by their path, so that others are not inspected.
    #[cfg(target_os = "linux")]
    pub fn now(of_interest: impl Fn(&Path) -> bool) -> Self {
        use std::fs;
        use std::os::unix::fs::MetadataExt as _;
        let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
        let is_process = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let processes = entries(Path::new("/proc")).filter(|entry| is_process(&entry.file_name()));
        let mut files = std::collections::HashSet::new();
        for process in processes.map(|entry| entry.path()) {
            for open in entries(&process.join("fd")) {
                if !fs::read_link(open.path()).is_ok_and(|path| of_interest(&path)) {
                    continue;
                }
                let about = fs::read_to_string(process.join("fdinfo").join(open.file_name()));
                if about.is_ok_and(|about| writes(&about))
                    && let Ok(file) = fs::metadata(open.path())
                {
                    files.insert((file.dev(), file.ino()));
                }
            }
        }
        Self { files }
    }

    /// This system does not report it.
    #[cfg(not(target_os = "linux"))]
    pub fn now(_: impl Fn(&Path) -> bool) -> Self {
        Self::default()
    }

    fn have(&self, path: &Path) -> bool {
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt as _;
            let file = std::fs::metadata(path);
            file.is_ok_and(|file| self.files.contains(&(file.dev(), file.ino())))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = path;
            false
        }
    }
}

/// Whether the flags of a descriptor, an octal number in the text of its `fdinfo`, allow writing.
#[cfg(target_os = "linux")]
fn writes(about: &str) -> bool {
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    // O_WRONLY is 1, O_RDWR is 2.
    flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// Whether the end of a picture is there. If the format does not show it, whether the file ends in anything but
/// zeros.
fn has_end(file: File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let number = |at: usize, read: fn([u8; 4]) -> u32| {
        let bytes = head.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(u64::MAX, |bytes| u64::from(read(*bytes)))
    };
    let (little, big) = (u32::from_le_bytes, u32::from_be_bytes);
    let least = match head.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => return png(&mut file, length),
        [0xff, 0xd8, 0xff, ..] => return jpeg(&mut file),
        [0x89, b'A', b'E', b'C', ..] if length <= LARGEST_AEC => return aec(&mut file),
        [b'q', b'o', b'i', b'f', ..] => return ends_with(&mut file, length, &[0, 0, 0, 0, 0, 0, 0, 1]),
        [b'R', b'I', b'F', b'F', ..] => number(4, little).saturating_add(8),
        [b'B', b'M', ..] => number(2, little),
        // The directory of a TIFF may be at its end.
        [b'I', b'I', 42, 0, ..] => number(4, little).saturating_add(2),
        [b'M', b'M', 0, 42, ..] => number(4, big).saturating_add(2),
        [b'P', b'4'..=b'6', ..] => pnm(&head).unwrap_or(0),
        _ => 0,
    };
    Ok(length >= least && !is_zero_at_end(&mut file, length)?)
}

/// The length of a binary PNM by the numbers in its header, if the header is simple.
fn pnm(head: &[u8]) -> Option<u64> {
    let kind = *head.get(1)?;
    let mut at = 2;
    let mut number = || {
        loop {
            match head.get(at)? {
                b'#' => at += head[at..].iter().position(|&byte| byte == b'\n')?,
                byte if byte.is_ascii_whitespace() => at += 1,
                _ => break,
            }
        }
        let digits = head[at..].iter().position(|byte| !byte.is_ascii_digit())?;
        let text = std::str::from_utf8(&head[at..at + digits]).ok()?;
        at += digits;
        text.parse::<u64>().ok()
    };
    let (width, height) = (number()?, number()?);
    let row = match kind {
        b'4' => width.div_ceil(8),
        _ => {
            let (channels, bytes) = (if kind == b'5' { 1 } else { 3 }, if number()? > 255 { 2 } else { 1 });
            width.checked_mul(channels * bytes)?
        }
    };
    row.checked_mul(height)?.checked_add(at as u64 + 1)
}

/// Follows the chunks up to `IEND`; other data may follow it.
fn png(file: &mut BufReader<File>, length: u64) -> io::Result<bool> {
    let mut at = 8_u64;
    loop {
        let mut head = [0; 8];
        if at + 12 > length {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        at += 12 + u64::from(u32::from_be_bytes([a, b, c, d]));
        if kind == *b"IEND" {
            return Ok(at <= length);
        }
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Ok(false);
        }
    }
}

/// Follows the markers up to the end of the picture; cameras append more pictures and films.
fn jpeg(file: &mut BufReader<File>) -> io::Result<bool> {
    let found = follow_jpeg(file);
    match found {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other,
    }
}

fn follow_jpeg(file: &mut BufReader<File>) -> io::Result<bool> {
    file.seek(SeekFrom::Start(2))?;
    let mut scan = false;
    loop {
        let mut byte = byte(file)?;
        // Coded data continues up to a marker; elsewhere there is nothing between segments.
        while scan && byte != 0xff {
            byte = self::byte(file)?;
        }
        if byte != 0xff {
            return Ok(false);
        }
        while byte == 0xff {
            byte = self::byte(file)?;
        }
        match byte {
            0xd9 => return Ok(true),
            0x00 | 0xd0..=0xd7 if scan => {}
            0x01 | 0xd0..=0xd8 => {}
            0x00 => return Ok(false),
            kind => {
                let length = u16::from_be_bytes([self::byte(file)?, self::byte(file)?]);
                let Some(content) = length.checked_sub(2) else { return Ok(false) };
                file.seek_relative(content.into())?;
                scan = kind == 0xda;
            }
        }
    }
}

fn byte(file: &mut BufReader<File>) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Whether all chunks of an `.aec` are there; damage within them is reported when it is sent.
fn aec(file: &mut BufReader<File>) -> io::Result<bool> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut limits = Limits::default();
    limits.bytes = limits.bytes.max(LARGEST_AEC);
    Ok(match container::read(&bytes, &limits) {
        Ok(stream) => !stream.chunks.iter().any(|chunk| matches!(chunk.state, ChunkState::Truncated { .. })),
        Err(aecodec::Error::Truncated { .. }) => false,
        Err(_) => true,
    } && !bytes.ends_with(&[0; 64]))
}

fn ends_with(file: &mut BufReader<File>, length: u64, end: &[u8]) -> io::Result<bool> {
    let Some(at) = length.checked_sub(end.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(at))?;
    let mut found = Vec::new();
    file.read_to_end(&mut found)?;
    Ok(found == end)
}

/// Whether the last eighth of a file, or the inspected end of it, contains only zeros.
fn is_zero_at_end(file: &mut BufReader<File>, length: u64) -> io::Result<bool> {
    let looked_at = (length / 8).clamp(1, ZEROS).min(length);
    file.seek(SeekFrom::Start(length - looked_at))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(end.iter().all(|&byte| byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn ends(bytes: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, bytes).unwrap();
        File::open(&path).and_then(has_end).unwrap()
    }

    fn sample(name: &str) -> Vec<u8> {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name)).unwrap()
    }

    fn written(format: aecodec::files::Format) -> Vec<u8> {
        let samples = (0..40 * 30 * 3).map(|i| (i * 7 % 251 + 1) as u8).collect();
        let picture = aecodec::Picture::new(40, 30, aecodec::Color::Rgb, samples).unwrap();
        aecodec::files::write(&picture, format, &Default::default()).unwrap().0
    }

    /// A bitmap without black at its end.
    fn bmp() -> Vec<u8> {
        let mut bytes = b"BM".to_vec();
        bytes.extend_from_slice(&10_054_u32.to_le_bytes());
        bytes.resize(54, 0);
        bytes.resize(10_054, 99);
        bytes
    }

    #[test]
    fn a_whole_picture_has_its_end_whatever_follows() {
        use aecodec::files::Format;
        let jpeg = written(Format::Jpeg);
        let png = written(Format::Png);
        for whole in [&jpeg, &png, &written(Format::WebP), &written(Format::Pnm), &sample("sign.aec"), &bmp()]
        {
            assert!(ends(whole), "{:?}", &whole[..4]);
        }
        assert!(ends(&[&jpeg[..], b"a film behind it", &[0; 9000]].concat()));
        assert!(ends(&[&png[..], b"more", &[0; 9000]].concat()));
        assert!(ends(b"no picture at all"));
    }

    #[test]
    fn a_picture_that_is_cut_or_has_room_to_fill_has_no_end() {
        use aecodec::files::Format;
        let wholes = [
            written(Format::Jpeg),
            written(Format::Png),
            written(Format::WebP),
            written(Format::Pnm),
            sample("sign.aec"),
            bmp(),
        ];
        for whole in wholes {
            for share in [2, 3, 5] {
                let cut = &whole[..whole.len() * (share - 1) / share];
                assert!(!ends(cut), "{:?} cut", &whole[..4]);
                let mut room = cut.to_vec();
                room.resize(whole.len(), 0);
                assert!(!ends(&room), "{:?} with room", &whole[..4]);
            }
            assert!(!ends(&whole[..whole.len() - 1]), "{:?} without its last byte", &whole[..4]);
        }
        assert!(!ends(&[0; 20_000]), "room alone");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_open_for_writing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let [read, written, closed] = ["a", "b", "c"].map(|name| folder.path().join(name));
        for path in [&read, &written, &closed] {
            fs::write(path, "x").unwrap();
        }
        let reader = File::open(&read).unwrap();
        let writer = File::options().append(true).open(&written).unwrap();
        let writers = Writers::now(|_| true);
        assert_eq!([&read, &written, &closed].map(|path| writers.have(path)), [false, true, false]);
        drop((reader, writer));
        assert!(!Writers::now(|_| true).have(&written));
    }
}
