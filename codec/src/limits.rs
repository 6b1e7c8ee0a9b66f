//! What a file may ask for before it is refused.

use crate::{Error, Metadata, Result};

/// Bytes of memory that each byte of an input is worth: a decoded photograph takes fifty times the bytes of its stream, and
/// more if it has alpha.
const WORTH: u64 = 64;

/// Bounds that are checked before anything is allocated on the word of a file.
///
/// Raise them for pictures that you know to be large; lower them if many files of strangers are opened at once. Whatever
/// they say, nothing larger than `isize::MAX` bytes is allocated, which matters on 32-bit machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels of a picture. Default 2^30.
    pub pixels: u64,
    /// Bytes of memory at any one time, besides the bytes of the `.aec` stream itself. Default 512 MiB: enough for
    /// a picture of 150 megapixels in memory, or for one of a gigapixel that goes row by row. If several threads would need
    /// more, fewer of them work.
    pub bytes: u64,
    /// Bytes of ICC, EXIF and XMP together. Default 64 MiB.
    pub metadata: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 1 << 30, bytes: 512 << 20, metadata: 64 << 20 }
    }
}

impl Limits {
    /// For what is known to be sound.
    pub(crate) const NONE: Self = Self { pixels: u64::MAX, bytes: u64::MAX, metadata: u64::MAX };

    /// These limits for an input of that many bytes: each allows for 64 more bytes of memory. A large file may hold a large
    /// picture, but a small one cannot take much memory with a large claim.
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

    /// Checks whether this many bytes may be allocated. More than `isize::MAX` never may.
    ///
    /// # Errors
    /// Returns [`Error::Limit`] if it is too much.
    pub fn check_bytes(&self, bytes: u64) -> Result<()> {
        check("bytes of memory", bytes, self.memory())
    }

    /// Checks that positions in a picture of these sides are numbers of this machine, with room for what the layers look
    /// ahead.
    pub(crate) fn check_sides(width: u32, height: u32) -> Result<()> {
        check_sides_of(width, height, isize::MAX as u64)
    }

    /// Bytes of memory that may be taken on this machine.
    pub(crate) fn memory(&self) -> u64 {
        self.memory_of(isize::MAX as u64)
    }

    /// [`Self::memory`] on a machine that can address so many bytes.
    fn memory_of(&self, address_space: u64) -> u64 {
        self.bytes.min(address_space)
    }
}

/// Positions that the layers look ahead at most, and then some.
const AHEAD: u64 = 1 << 24;

/// [`Limits::check_sides`] on a machine that can address so many bytes.
fn check_sides_of(width: u32, height: u32, address_space: u64) -> Result<()> {
    check("pixels of a side", width.max(height).into(), address_space.saturating_sub(AHEAD))
}

fn check(what: &'static str, needed: u64, limit: u64) -> Result<()> {
    if needed > limit { Err(Error::Limit { what, needed, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no machine of 32 bits can address is refused there, whatever the limits say.
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
