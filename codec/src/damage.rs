//! The damage of a stream, as data. It becomes text only where it is shown.

use crate::Error;
use crate::container::{Chunk, ChunkKind, ChunkState};
use std::fmt;
use std::sync::Arc;

/// A part of a stream that is lost, and why.
#[derive(Debug, Clone)]
pub struct Damage {
    /// The lost part.
    pub part: ChunkKind,
    /// Why it is lost.
    pub cause: DamageCause,
}

/// Why a part of a stream is lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DamageCause {
    /// The stream ends within the part or before it.
    CutShort {
        /// Number of bytes that are there.
        have: u64,
        /// Number of bytes of the whole part.
        length: u64,
    },
    /// All of the part is there, but its checksum does not match.
    Checksum,
    /// The checksum matches, but the part cannot be decoded.
    Undecodable(Arc<Error>),
    /// The part holds a hyper-latent that is larger than the format allows.
    OutOfRange {
        /// The hyper-latent.
        found: i16,
        /// The largest magnitude that the format allows.
        limit: i16,
    },
}

impl Damage {
    /// The damage of a chunk, if its bytes are not all there and sound.
    pub(crate) fn of(chunk: &Chunk) -> Option<Self> {
        let cause = match chunk.state {
            ChunkState::Present(_) => return None,
            ChunkState::Truncated { have } => DamageCause::CutShort { have, length: chunk.length },
            ChunkState::Corrupt => DamageCause::Checksum,
        };
        Some(Self { part: chunk.kind, cause })
    }

    /// A part that is there but cannot be decoded.
    pub(crate) fn undecodable(part: ChunkKind, error: Error) -> Self {
        Self { part, cause: DamageCause::Undecodable(Arc::new(error)) }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part;
        match &self.cause {
            DamageCause::CutShort { have, length } => {
                write!(f, "{part}: cut short, {have} of {length} bytes")
            }
            DamageCause::Checksum => write!(f, "{part}: damaged, its checksum does not match"),
            // Errors of these two name the part themselves.
            DamageCause::Undecodable(error) if matches!(part, ChunkKind::Alpha | ChunkKind::Metadata) => {
                write!(f, "{error}")
            }
            DamageCause::Undecodable(error) => write!(f, "{part}: {error}"),
            DamageCause::OutOfRange { found, limit } => {
                write!(f, "{part}: holds {found}, expected at most {limit}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_reads_as_a_line_that_names_the_part_once() {
        let (z, pass) = (ChunkKind::Hyper { group: 3 }, ChunkKind::Pass { pass: 1, group: 0 });
        let error = |what| Error::Invalid { what, detail: "why".into() };
        for (damage, line) in [
            (
                Damage { part: pass, cause: DamageCause::CutShort { have: 2, length: 9 } },
                "pass 1 of group 0: cut short, 2 of 9 bytes",
            ),
            (
                Damage { part: ChunkKind::Alpha, cause: DamageCause::Checksum },
                "alpha: damaged, its checksum does not match",
            ),
            (Damage::undecodable(ChunkKind::Alpha, error("alpha")), "alpha: why"),
            (Damage::undecodable(z, error("substream")), "z of group 3: substream: why"),
            (
                Damage { part: z, cause: DamageCause::OutOfRange { found: -200, limit: 127 } },
                "z of group 3: holds -200, expected at most 127",
            ),
        ] {
            assert_eq!(damage.to_string(), line);
        }
    }
}
