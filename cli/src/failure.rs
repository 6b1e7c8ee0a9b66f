//! Exit codes and error messages, which say what happened, to which file, and what to do.

use std::fmt;
use std::io::ErrorKind;

/// The exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Nothing = 3,
    Partly = 4,
    Peer = 5,
}

impl Exit {
    /// The exit code for an error that ended the command.
    pub fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Refusal>() {
            Some(Refusal::Usage(_)) => Self::Usage,
            Some(Refusal::Nothing(_)) => Self::Nothing,
            Some(Refusal::Peer(_)) => Self::Peer,
            None => Self::Failed,
        }
    }
}

/// Errors with an exit code of their own.
#[derive(Debug)]
pub enum Refusal {
    /// The command line is wrong.
    Usage(String),
    /// There is no input to work on.
    Nothing(String),
    /// The peer cannot be reached, or it refuses.
    #[cfg_attr(not(feature = "network"), expect(dead_code, reason = "only the network has peers"))]
    Peer(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Nothing(text) | Self::Peer(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Refusal {}

/// A [`Refusal::Usage`] as an error.
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Refusal::Usage(text.into()).into()
}

/// Describes an error with its causes in one line, followed by advice if there is any.
pub fn describe(error: &anyhow::Error) -> String {
    in_words(error.chain())
}

/// Like [`describe`], for the chain of any error.
pub fn in_words(mut chain: anyhow::Chain<'_>) -> String {
    let mut line = String::new();
    for cause in chain.clone() {
        let text = match (cause.downcast_ref(), cause.downcast_ref()) {
            (Some(io), _) | (None, Some(aecodec::Error::Io(io))) => plain(io),
            _ => cause.to_string(),
        };
        // A transparent error has the same text as its cause.
        if !line.ends_with(&text) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(text.trim_end());
        }
    }
    if let Some(advice) = chain.find_map(advice) {
        line.push_str("; ");
        line.push_str(advice);
    }
    line.replace(['\n', '\r'], " ")
}

/// The text of a system error, without its number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::BrokenPipe => "the reader closed the pipe".into(),
        _ => error.to_string(),
    }
}

fn advice(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return io_advice(io.kind());
    }
    match cause.downcast_ref::<aecodec::Error>()? {
        aecodec::Error::Io(io) => io_advice(io.kind()),
        aecodec::Error::Signature { format: ".aec", .. } => {
            Some("use 'aecodec compress' to make an .aec file")
        }
        aecodec::Error::Signature { .. } => Some("check the path of the model"),
        aecodec::Error::Version { .. } => Some("use the release of aecodec that wrote the file"),
        aecodec::Error::UnknownModel { .. } => Some("give the file of the model with --model"),
        aecodec::Error::Truncated { .. } | aecodec::Error::Checksum { .. } => {
            Some("copy or download the file again")
        }
        aecodec::Error::Limit { what: "pixels" | "bytes" | "bytes of memory", .. } => {
            Some("if you trust the file, raise the limit with --max-pixels")
        }
        aecodec::Error::Image(_) => Some("the file is damaged or of an unsupported kind"),
        _ => None,
    }
}

fn io_advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound => Some("check the path"),
        ErrorKind::PermissionDenied => Some("check the permissions of the file and its folder"),
        ErrorKind::StorageFull => Some("free some space, or write to another disk with -o"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn an_error_names_cause_file_and_remedy_once() {
        let missing = std::io::Error::from(ErrorKind::NotFound);
        let error = Err::<(), _>(aecodec::Error::Io(missing)).context("a.png").unwrap_err();
        let line = describe(&error);
        assert!(line.starts_with("a.png: "), "{line}");
        assert!(line.ends_with("; check the path"), "{line}");
        assert_eq!(Exit::of(&error), Exit::Failed);
        assert_eq!(Exit::of(&usage("no")), Exit::Usage);
    }
}
