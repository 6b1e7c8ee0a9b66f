//! The bytes that docs/protocol.md shows are the bytes of this code.

use std::fmt::Debug;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::framing::{self, Framer};
use crate::message::{FrameReport, Offer, Receipt, Source, StoredWhen, ToReceiver, ToSender};
use crate::parts::StreamHeader;
use crate::{Hash, Identity, Ticket};

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// The block of code that is marked with this word.
fn block(word: &str) -> &'static str {
    let begin = format!("```{word}\n");
    let (_, rest) = DOCUMENT.split_once(&begin).unwrap_or_else(|| panic!("no example {word}"));
    rest.split_once("```").expect("the end of an example").0
}

/// Its bytes; what follows a `#` is a comment.
fn bytes(word: &str) -> Vec<u8> {
    let lines = block(word).lines().map(|line| line.split('#').next().unwrap_or_default());
    let digits: String = lines.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal digits")
}

/// The example is this message, and this message is the example.
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(word: &str, message: T) {
    let mut framer = Framer::<T>::default();
    framer.push(&bytes(word));
    assert_eq!(framing::encode(&message), bytes(word), "{word}");
    assert_eq!(framer.take(), Ok(Some(message)), "{word}");
}

#[test]
fn the_messages_of_the_document_are_messages() {
    is("hello", ToReceiver::Hello { version: 1, label: "camera".into(), enrol: None });
    let source = Source { bytes: 1_000_000, width: 768, height: 512, raw: 1_179_648, psnr: Some(36.5) };
    let (hash, model) = (Hash([0xaa; 32]), Hash([0xbb; 32]));
    let parts = vec![20_000, 131_072];
    is(
        "offer",
        ToReceiver::Offer(Offer {
            id: 7,
            name: "a.aec".into(),
            hash,
            parts,
            model,
            source,
            thumbnail: Vec::new(),
        }),
    );
    is("want", ToSender::Want { id: 7, parts: vec![(0, 2)] });
    let receipt = Receipt { id: 7, hash, stored: StoredWhen::Now, first_preview: Some(180), last_byte: 950 };
    is("receipt", ToSender::Receipt(receipt));
    let shown =
        FrameReport { seq: 300, passes: None, bytes: 15_000, lateness: -12, decode: 0, rate: 125_000 };
    is("shown", ToSender::Shown(shown));
}

#[test]
fn the_stream_header_of_the_document_is_one() {
    let header = StreamHeader::Part { id: 7, part: 1 };
    assert_eq!(header.encode(), bytes("part"));
    assert_eq!(StreamHeader::decode(&bytes("part")), Ok(Some((header, 3))));
}

#[test]
fn the_ticket_of_the_document_is_one() {
    let ticket = Ticket {
        receiver: Identity::from_seed([0x11; 32]).public(),
        addresses: vec!["192.0.2.7:4743".into()],
        invitation: Some([0x22; 32]),
    };
    assert_eq!(ticket.to_string(), block("ticket").trim());
    assert_eq!(block("ticket").parse::<Ticket>().expect("a ticket"), ticket);
}
