//! Why a connection is over.

use std::fmt;

use aecodec_proto::{Close, Violation};
use quinn::ConnectionError;

use crate::Error;

/// Why a connection is over.
pub(super) enum End {
    Closed(ConnectionError),
    NotAdmitted(String),
    Violation(Violation),
    Trouble(Error),
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl End {
    /// With what code this end closes the connection, one word for counting, and the reason. `None` if the
    /// connection is closed already.
    pub fn refusal(&self) -> Option<(Close, &'static str, String)> {
        match self {
            Self::Closed(_) => None,
            Self::NotAdmitted(reason) => Some((Close::NotAdmitted, "not admitted", reason.clone())),
            Self::Violation(violation) => Some((Close::Violation, "violation", violation.to_string())),
            Self::Trouble(error) => Some((Close::Trouble, "trouble", error.to_string())),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(error) => f.write_str(&closed(error)),
            Self::NotAdmitted(reason) => f.write_str(reason),
            Self::Violation(violation) => violation.fmt(f),
            Self::Trouble(error) => error.fmt(f),
        }
    }
}

fn closed(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => match Close::of(close.error_code.into_inner()) {
            Some(Close::Done) => "everything is settled".into(),
            _ => {
                String::from_utf8_lossy(&close.reason).chars().filter(|c| !c.is_control()).take(200).collect()
            }
        },
        ConnectionError::LocallyClosed => "this end is shutting down".into(),
        ConnectionError::TimedOut => "nothing more was heard from it".into(),
        other => other.to_string(),
    }
}
