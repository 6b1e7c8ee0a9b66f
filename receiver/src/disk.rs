//! File functions that the standard library lacks: positional access, flushed folders, free space.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use aecodec_proto::Hash;

use crate::{Error, Result};

/// Bytes read at a time.
const BLOCK: usize = 128 << 10;

/// Makes a folder that only its owner can read.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Makes the folders that are missing below `top` and flushes each folder that has a new entry.
pub(crate) fn folders(top: &Path, path: &Path) -> Result<()> {
    if path == top || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(top);
    folders(top, parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !path.is_dir() => {
            Err(Error::io(path)(error))
        }
        _ => flush_folder(parent),
    }
}

/// Flushes the entries of a folder.
pub(crate) fn flush_folder(path: &Path) -> Result<()> {
    // Windows cannot flush a folder; its file system journals the entries itself.
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(Error::io(path))?;
    }
    Ok(())
}

/// Flushes a file.
pub(crate) fn flush(path: &Path) -> Result<()> {
    File::options().write(true).open(path).and_then(|file| file.sync_all()).map_err(Error::io(path))
}

/// Removes a file. It is no error if there is none.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Gives a file a second name, or makes a flushed copy if the file system has no hard links.
pub(crate) fn link(from: &Path, to: &Path, scratch: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let copy = fresh(scratch);
    fs::copy(from, &copy).map_err(Error::io(&copy))?;
    flush(&copy)?;
    fs::rename(&copy, to).map_err(Error::io(to))
}

/// A path in a folder for scratch files that nothing else uses.
pub(crate) fn fresh(scratch: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    scratch.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Replaces a file by these bytes as one step.
pub(crate) fn replace(path: &Path, bytes: &[u8], scratch: &Path) -> Result<()> {
    let new = fresh(scratch);
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        Error::io(path)(error)
    })
}

/// Length of a file, or `None` if there is no file.
pub(crate) fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|found| found.len())
}

/// Bytes that may be written to the disk of this folder.
pub(crate) fn free(path: &Path) -> Result<u64> {
    fs4::available_space(path).map_err(Error::io(path))
}

/// Hash of a file.
pub(crate) fn hash(path: &Path) -> Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    File::open(path).and_then(|file| hasher.update_reader(file).map(|_| ())).map_err(Error::io(path))?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}

/// Feeds the bytes `from..to` of a file to a hasher.
pub(crate) fn hash_range(file: &File, hasher: &mut blake3::Hasher, from: u64, to: u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK.min((to - from) as usize)];
    let mut at = from;
    while at < to {
        let bytes = &mut block[..BLOCK.min((to - at) as usize)];
        read_at(file, bytes, at)?;
        hasher.update(bytes);
        at += bytes.len() as u64;
    }
    Ok(())
}

/// Writes all the bytes at an offset.
#[cfg(unix)]
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Fills the buffer from an offset.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Writes all the bytes at an offset.
#[cfg(windows)]
pub(crate) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = &bytes[n..];
        offset += n as u64;
    }
    Ok(())
}

/// Fills the buffer from an offset.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n..];
        offset += n as u64;
    }
    Ok(())
}
