//! The errors of the codec, with the values that say what is wrong and where.

/// Errors of the codec. Every variant carries what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not those of the format.
    #[error("not an {format} file: it begins with {found:02x?}")]
    Signature {
        /// `.aec` or `.aem`.
        format: &'static str,
        /// The first bytes, eight at most.
        found: Vec<u8>,
    },
    /// A version that this library does not read.
    #[error("{format} version {found} is not supported (this build reads versions up to {expected})")]
    Version {
        /// `.aec` or `.aem`.
        format: &'static str,
        /// Version byte of the file.
        found: u8,
        /// The newest version that this build reads.
        expected: u8,
    },
    /// The data ends before what it announces.
    #[error("{what}: cut short at byte {offset}; at least {missing} more expected")]
    Truncated {
        /// The part that was read.
        what: &'static str,
        /// Offset of the end of the data.
        offset: u64,
        /// The number of bytes that are missing, at least.
        missing: u64,
    },
    /// A field holds a value that the format does not allow.
    #[error("{what}: {detail}")]
    Invalid {
        /// The field or part.
        what: &'static str,
        /// Found and expected values.
        detail: String,
    },
    /// A part that must be whole has been altered.
    #[error("{what} is damaged: its checksum is {computed:08x}, expected {stored:08x}")]
    Checksum {
        /// The damaged part.
        what: &'static str,
        /// Checksum in the file.
        stored: u32,
        /// Checksum of the bytes that are there.
        computed: u32,
    },
    /// The stream was made with another model.
    #[error("needs the model {needed}, which is not loaded (loaded: {loaded})")]
    UnknownModel {
        /// Identity in the header, hexadecimal.
        needed: String,
        /// Identities of the loaded models, hexadecimal.
        loaded: String,
    },
    /// The input asks for more than the caller allows.
    #[error("{what} of {needed} is above the limit of {limit}")]
    Limit {
        /// Pixels or bytes.
        what: &'static str,
        /// What the input asks for.
        needed: u64,
        /// What the caller allows.
        limit: u64,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A picture file could not be decoded or encoded.
    #[cfg(feature = "files")]
    #[error("{0}")]
    Image(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A result with the [`Error`] of this library.
pub type Result<T> = std::result::Result<T, Error>;
