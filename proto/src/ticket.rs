//! A ticket: everything that a sender needs to reach a receiver, as one word to copy.
//!
//! It is `aec1` followed by lower-case base32 of the ticket and of four bytes of its BLAKE3, which reveal a
//! mistyped ticket.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, SEED};
use crate::{Error, PublicKey};

const PREFIX: &str = "aec1";
const CHECK: usize = 4;
/// Longer words are not even decoded.
const LONGEST: usize = 4096;

/// The addresses of a receiver, its key, and an invitation to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The receiver's key; a receiver with another one is refused.
    pub receiver: PublicKey,
    /// `host:port`, the most likely first.
    pub addresses: Vec<String>,
    /// Secret of the invitation's key pair.
    pub invitation: Option<[u8; SEED]>,
}

impl Ticket {
    /// The key pair with which an invited sender introduces itself.
    pub fn invited(&self) -> Option<Identity> {
        self.invitation.map(Identity::from_seed)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = postcard::to_stdvec(self).map_err(|_| fmt::Error)?;
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..CHECK]);
        write!(f, "{PREFIX}{}", base32().encode(&bytes))
    }
}

impl FromStr for Ticket {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Mail programs fold long words, mark what they quote, and put a byte order mark before a text.
        let text: String = text.chars().filter(|&c| !is_wrapping(c)).take(LONGEST + 1).collect();
        if text.len() > LONGEST {
            return Err(Error::Ticket("it is too long"));
        }
        let lower = text.to_ascii_lowercase();
        let word = lower.strip_prefix(PREFIX).ok_or(Error::Ticket("a ticket begins with aec1"))?;
        let bytes = base32()
            .decode(word.as_bytes())
            .map_err(|_| Error::Ticket("it has characters that a ticket cannot have, or was cut short"))?;
        let (body, check) = bytes.split_last_chunk::<CHECK>().ok_or(Error::Ticket("it was cut short"))?;
        if blake3::hash(body).as_bytes()[..CHECK] != *check {
            return Err(Error::Ticket("it was mistyped or cut short"));
        }
        match postcard::take_from_bytes(body) {
            Ok((ticket, [])) => Ok(ticket),
            _ => Err(Error::Ticket("it was made by another release")),
        }
    }
}

// An invitation is a secret.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({} at {})", self.receiver.short(), self.addresses.join(", "))
    }
}

/// Whether a character is not part of a ticket, but may surround it or separate the lines on which it was folded.
fn is_wrapping(c: char) -> bool {
    let quote = matches!(c, '"' | '\'' | '`' | '<' | '>' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}');
    let invisible = matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{ad}');
    // The soft line break of quoted-printable is an equals sign.
    c.is_whitespace() || quote || invisible || c == '='
}

/// RFC 4648 base32 in lower case, without padding. Each ticket has exactly one form.
fn base32() -> Encoding {
    let mut lower = Specification::new();
    lower.symbols.push_str(&BASE32_NOPAD.specification().symbols.to_ascii_lowercase());
    lower.encoding().expect("32 distinct symbols")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> Ticket {
        Ticket {
            receiver: PublicKey([7; 32]),
            addresses: vec!["192.0.2.1:4743".into(), "[2001:db8::1]:4743".into()],
            invitation: Some([9; SEED]),
        }
    }

    #[test]
    fn a_ticket_survives_copying() {
        let text = ticket().to_string();
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{text}");
        assert_eq!(format!(" {} \n", text.to_ascii_uppercase()).parse::<Ticket>().unwrap(), ticket());
    }

    #[test]
    fn a_ticket_that_a_mail_program_folded_is_a_ticket() {
        let text = ticket().to_string();
        let (a, b) = text.split_at(40);
        for folded in [
            format!("{a}\r\n{b}\r\n"),
            format!("\u{feff}{text}"),
            format!("\"{text}\""),
            format!("\u{201e}{a} {b}\u{201c}"),
            format!("> {a}\n> {b}\n"),
            format!("{a}=\r\n{b}"),
            format!("<{a}\u{ad}\t{b}>"),
        ] {
            assert_eq!(folded.parse::<Ticket>().unwrap(), ticket(), "{folded:?}");
        }
    }

    #[test]
    fn bytes_after_the_fields_are_refused() {
        let mut bytes = postcard::to_stdvec(&ticket()).unwrap();
        bytes.push(0);
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..CHECK]);
        assert!(format!("{PREFIX}{}", base32().encode(&bytes)).parse::<Ticket>().is_err());
    }

    proptest! {
        #[test]
        fn a_wrong_letter_is_noticed(at in 4_usize..100, letter in "[a-z2-7]") {
            let mut text = ticket().to_string();
            let at = at % text.len();
            prop_assume!(text[at..=at] != letter && at >= PREFIX.len());
            text.replace_range(at..=at, &letter);
            prop_assert!(text.parse::<Ticket>().is_err());
        }

        #[test]
        fn any_text_is_a_ticket_or_an_error(text in "(aec1)?\\PC{0,200}") {
            let _ = text.parse::<Ticket>();
        }
    }
}
