//! Messages on a byte stream: a length as varint, then the message in postcard's encoding.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Violation, varint};

/// Bytes of the longest message. The longest content of a message is an offer's list of parts.
pub const MESSAGE_MAX: u64 = 128 << 10;

/// Encodes a message, with its length before it.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let body = postcard::to_stdvec(message).expect("messages are plain data");
    let mut out = Vec::with_capacity(body.len() + varint::MAX);
    varint::put(&mut out, body.len() as u64);
    out.extend(body);
    out
}

/// Takes bytes as they come and returns whole messages.
#[derive(Debug)]
pub struct Framer<T> {
    buffer: Vec<u8>,
    message: PhantomData<T>,
}

impl<T> Default for Framer<T> {
    fn default() -> Self {
        Self { buffer: Vec::new(), message: PhantomData }
    }
}

impl<T: DeserializeOwned> Framer<T> {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if it is there. Call this until it returns `None` before you add more bytes, so that
    /// at most one message is held.
    ///
    /// # Errors
    /// Returns a [`Violation`] if a message is too long or cannot be decoded.
    pub fn take(&mut self) -> Result<Option<T>, Violation> {
        let malformed = |detail: &str| Violation::Malformed(detail.into());
        let Some((length, before)) = varint::take(&self.buffer).map_err(malformed)? else { return Ok(None) };
        if length > MESSAGE_MAX {
            return Err(Violation::Oversized { length, limit: MESSAGE_MAX });
        }
        let end = before + length as usize;
        let Some(body) = self.buffer.get(before..end) else { return Ok(None) };
        let (message, rest) =
            postcard::take_from_bytes(body).map_err(|error| malformed(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes are left over after the message"));
        }
        self.buffer.drain(..end);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ToReceiver;
    use proptest::prelude::*;

    fn hello(label: &str) -> ToReceiver {
        ToReceiver::Hello { version: 1, label: label.into(), enrol: None }
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_how_they_are_cut(labels: Vec<String>, cut in 1_usize..40) {
            let sent: Vec<_> = labels.iter().map(|label| hello(label)).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(encode).collect();
            let mut framer = Framer::<ToReceiver>::default();
            let mut got = Vec::new();
            for chunk in bytes.chunks(cut) {
                framer.push(chunk);
                while let Some(message) = framer.take().unwrap() {
                    got.push(message);
                }
            }
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn any_bytes_are_messages_or_a_violation(bytes: Vec<u8>) {
            let mut framer = Framer::<ToReceiver>::default();
            framer.push(&bytes);
            while let Ok(Some(_)) = framer.take() {}
        }
    }

    #[test]
    fn a_long_message_is_refused_by_its_length_alone() {
        let mut framer = Framer::<ToReceiver>::default();
        let mut bytes = Vec::new();
        varint::put(&mut bytes, MESSAGE_MAX + 1);
        framer.push(&bytes);
        assert!(matches!(framer.take(), Err(Violation::Oversized { .. })));
    }
}
