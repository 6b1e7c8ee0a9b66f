//! Limits: how many pixels and how much memory a file may ask for.

use crate::{Error, Metadata, Result};

/// Bytes of memory that each byte of an input may take: a decoded photograph is about fifty times as large as its stream,
/// and larger if it has alpha.
const WORTH: u64 = 64;

/// Limits that are checked before memory is allocated for what a file claims to hold.
///
/// Raise them for pictures that you know to be large. Lower them if you open many untrusted files at once. Independently of
/// these limits, never more than `isize::MAX` bytes are allocated, which matters on 32-bit machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels of a picture. The default is 2^30.
    pub pixels: u64,
    /// Bytes of memory at any one time, not counting the `.aec` stream itself. The default is 512 MiB: enough for a picture
    /// of 150 megapixels in memory, or for one of a gigapixel that is read or written row by row. If several threads would
    /// need more, fewer of them work.
    pub bytes: u64,
    /// Bytes of ICC, EXIF and XMP together. The default is 64 MiB.
    pub metadata: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 1 << 30, bytes: 512 << 20, metadata: 64 << 20 }
    }
}

impl Limits {
    /// No limits, for data that is known to be sound.
    pub(crate) const NONE: Self = Self { pixels: u64::MAX, bytes: u64::MAX, metadata: u64::MAX };

    /// Returns these limits for an input of `bytes` bytes, each of which allows 64 more bytes of memory. So a large file may
    /// hold a large picture, but a small file cannot take much memory by claiming to be large.
    ///
    /// ```
    /// let limits = aecodec::Limits::default();
    /// assert_eq!(limits.for_input(100).bytes, limits.bytes + 6400);
    /// ```
    #[must_use]
    pub fn for_input(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_add(bytes.saturating_mul(WORTH)), ..self }
    }

    /// Checks whether a picture of these sides may be opened.
    ///
    /// # Errors
    /// Returns [`Error::Limit`] if it has too many pixels.
    pub fn check_pixels(&self, width: u32, height: u32) -> Result<()> {
        check("pixels", u64::from(width) * u64::from(height), self.pixels)
    }

    /// Checks whether this much ICC, EXIF and XMP may be kept.
    ///
    /// # Errors
    /// Returns [`Error::Limit`] if it is too much.
    pub fn check_metadata(&self, metadata: &Metadata) -> Result<()> {
        let blocks = [&metadata.icc, &metadata.exif, &metadata.xmp];
        let bytes = blocks.into_iter().flatten().map(|b| b.len() as u64).sum();
        check("bytes of metadata", bytes, self.metadata)
    }

    /// Checks whether this many bytes may be allocated. More than `isize::MAX` bytes never may.
    ///
    /// # Errors
    /// Returns [`Error::Limit`] if it is too much.
    pub fn check_bytes(&self, bytes: u64) -> Result<()> {
        check("bytes of memory", bytes, self.memory())
    }

    /// Checks that positions in a picture of these sides fit a `usize`, including those that layers read beyond its edge.
    pub(crate) fn check_sides(width: u32, height: u32) -> Result<()> {
        check_sides_of(width, height, isize::MAX as u64)
    }

    /// Bytes of memory that may be allocated on this machine.
    pub(crate) fn memory(&self) -> u64 {
        self.memory_of(isize::MAX as u64)
    }

    /// [`Self::memory`] on a machine that can address `address_space` bytes.
    fn memory_of(&self, address_space: u64) -> u64 {
        self.bytes.min(address_space)
    }
}

/// More than the number of positions that layers read beyond the edge of a picture.
const AHEAD: u64 = 1 << 24;

/// [`Limits::check_sides`] on a machine that can address `address_space` bytes.
fn check_sides_of(width: u32, height: u32, address_space: u64) -> Result<()> {
    check("pixels of a side", width.max(height).into(), address_space.saturating_sub(AHEAD))
}

fn check(what: &'static str, needed: u64, limit: u64) -> Result<()> {
    if needed > limit { Err(Error::Limit { what, needed, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a 32-bit machine cannot address is refused there, independently of the limits.
    #[test]
    fn limits_end_where_the_address_space_does() {
        let narrow = i32::MAX as u64;
        assert_eq!(Limits::NONE.memory_of(narrow), narrow);
        assert_eq!(Limits { bytes: 1000, ..Limits::NONE }.memory_of(narrow), 1000);
        assert_eq!(Limits::NONE.memory(), isize::MAX as u64);
        assert!(matches!(Limits::NONE.check_bytes(u64::MAX), Err(Error::Limit { .. })));
        assert!(Limits::NONE.check_bytes(isize::MAX as u64).is_ok());
        assert!(Limits::NONE.check_pixels(u32::MAX, u32::MAX).is_ok());
        assert!(Limits::check_sides(u32::MAX, u32::MAX).is_ok());
        assert!(check_sides_of(1, i32::MAX as u32, narrow).is_err());
        assert!(check_sides_of(u32::MAX, 1, narrow).is_err());
        assert!(check_sides_of(1 << 30, 1 << 30, narrow).is_ok());
    }

    #[test]
    fn defaults_are_small_and_grow_with_the_input() {
        let limits = Limits::default();
        assert_eq!((limits.pixels, limits.bytes, limits.metadata), (1 << 30, 512 << 20, 64 << 20));
        assert!(limits.for_input(139).bytes < limits.bytes + (1 << 20));
        assert_eq!(limits.for_input(u64::MAX).bytes, u64::MAX);
        assert_eq!(Limits { bytes: 0, ..limits }.for_input(0).bytes, 0);
    }
}
