//! Exit codes, and errors in words: what happened, to which file, and what to do.

use std::fmt;
use std::io::ErrorKind;

/// How the program ends.
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
    /// The code for an error that ended everything.
    pub fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Refusal>() {
            Some(Refusal::Usage(_)) => Self::Usage,
            Some(Refusal::Nothing(_)) => Self::Nothing,
            Some(Refusal::Peer(_)) => Self::Peer,
            None => Self::Failed,
        }
    }
}

/// Reasons not to begin at all, or not to go on.
#[derive(Debug)]
pub enum Refusal {
    /// The command line contradicts itself.
    Usage(String),
    /// There is no input.
    Nothing(String),
    /// The other end cannot be reached, or refuses.
    #[cfg_attr(not(feature = "network"), expect(dead_code, reason = "there is no other end"))]
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

/// One line: the error with its causes, and advice where there is any.
pub fn describe(error: &anyhow::Error) -> String {
    in_words(error.chain())
}

/// [`describe`] for errors of any kind.
pub fn in_words(mut chain: anyhow::Chain<'_>) -> String {
    let mut line = String::new();
    for cause in chain.clone() {
        let text = match (cause.downcast_ref(), cause.downcast_ref()) {
            (Some(io), _) | (None, Some(aecodec::Error::Io(io))) => plain(io),
            _ => cause.to_string(),
        };
        // A transparent error repeats the text of its cause.
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

/// The system's words without the number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::BrokenPipe => "the pipe was closed by its reader".into(),
        _ => error.to_string(),
    }
}

fn advice(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return io_advice(io.kind());
    }
    match cause.downcast_ref::<aecodec::Error>()? {
        aecodec::Error::Io(io) => io_advice(io.kind()),
        aecodec::Error::Signature { format: ".aec", .. } => Some("'aecodec compress' makes .aec files"),
        aecodec::Error::Signature { .. } => Some("check the path of the model"),
        aecodec::Error::Version { .. } => Some("use the release of aecodec that wrote it"),
        aecodec::Error::UnknownModel { .. } => Some("give the model's file with --model"),
        aecodec::Error::Truncated { .. } | aecodec::Error::Checksum { .. } => {
            Some("copy or download the file again")
        }
        aecodec::Error::Limit { what: "pixels" | "bytes" | "bytes of memory", .. } => {
            Some("if the file is trusted, raise the limit with --max-pixels")
        }
        aecodec::Error::Image(_) => Some("the file is damaged, or of a kind that is not supported"),
        _ => None,
    }
}

fn io_advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::NotFound => Some("check the path"),
        ErrorKind::PermissionDenied => Some("check the rights of the file and its folder"),
        ErrorKind::StorageFull => Some("free some space or write elsewhere with -o"),
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
