//! Reads messages and stream headers from any bytes, cut anywhere, and drives both state machines with them.

use crate::input::Input;
use aecodec_proto::framing::{Framer, encode};
use aecodec_proto::message::{Offer, Receipt, Source, StoredWhen, ToReceiver, ToSender, VERSION};
use aecodec_proto::parts::{STREAM_HEADER_MAX, StreamHeader};
use aecodec_proto::receiver::{self, Entry, Models, Previews};
use aecodec_proto::{Hash, Limits, sender};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.below(5) {
        0 => cut(&mut input, messages::<ToReceiver>),
        1 => cut(&mut input, messages::<ToSender>),
        2 => stream_header(input.rest()),
        3 => drive_receiver(&mut input),
        _ => drive_sender(&mut input),
    }
}

/// What a framer makes of some bytes: encoded messages, and whether a violation ended them.
type Found = (Vec<Vec<u8>>, bool);

fn cut(input: &mut Input, read: fn(&[u8], usize) -> Found) {
    let piece = 1 + input.below(50);
    let bytes = input.rest();
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, piece), whole, "cut into pieces of {piece} bytes");
    // What was read is written as bytes that are read as the same.
    let written: Vec<u8> = whole.0.concat();
    assert_eq!(read(&written, written.len().max(1)), (whole.0, false));
}

fn messages<T: Serialize + DeserializeOwned>(bytes: &[u8], piece: usize) -> Found {
    let mut framer = Framer::<T>::default();
    let mut found = Vec::new();
    for chunk in bytes.chunks(piece) {
        framer.push(chunk);
        loop {
            match framer.take() {
                Ok(Some(message)) => found.push(encode(&message)),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

fn stream_header(bytes: &[u8]) {
    let Ok(Some((header, taken))) = StreamHeader::decode(bytes) else { return };
    assert!(taken <= bytes.len().min(STREAM_HEADER_MAX));
    for end in 0..taken {
        assert_eq!(StreamHeader::decode(&bytes[..end]), Ok(None), "{end} of {taken} bytes");
    }
    let written = header.encode();
    assert_eq!(StreamHeader::decode(&written), Ok(Some((header, written.len()))));
}

/// A receiver that gets arbitrary messages, and whose driver does what it is told in its own order.
fn drive_receiver(input: &mut Input) {
    let entry = input.one(&[Entry::Known, Entry::Invited]);
    let mut limits = Limits::default();
    (limits.window, limits.open_parts) = (4, 64);
    let mut session = receiver::Session::new(limits, "r".into(), entry, Models::Accept, Previews::Show);
    let mut framer = Framer::<ToReceiver>::default();
    framer.push(&encode(&ToReceiver::Hello { version: VERSION, label: "s".into(), enrol: None }));
    let mut open = HashMap::new();
    let mut settled = 0;
    while !input.is_empty() {
        match input.below(10) {
            0..4 => framer.push(&encode(&offer(input))),
            4 => framer.push(&encode(&ToReceiver::Withdraw { id: input.below(8) as u64 })),
            5 => framer.push(input.bytes(12)),
            6 => {
                let (id, part) = (input.below(8) as u64, input.below(4) as u32);
                if session.part_begins(id, part).is_ok() {
                    if input.below(3) == 0 {
                        session.part_lost(id, part)
                    } else {
                        session.part_done(id, part)
                    }
                }
            }
            7 => session.part_done(input.below(8) as u64, input.below(4) as u32),
            8 => session.need_model(Hash([input.byte(); 32])),
            _ => drop(session.model_begins(Hash([input.byte(); 32]), input.word().into())),
        }
        while let Ok(Some(message)) = framer.take() {
            if session.handle(message).is_err() {
                return;
            }
        }
        while let Some(output) = session.poll() {
            match output {
                receiver::Output::Enrol { .. } | receiver::Output::Greeted { .. } => session.admit(),
                receiver::Output::LookUp(offer) => {
                    assert!(open.len() <= 4, "more open offers than the window allows");
                    let (id, parts) = (offer.id, offer.parts.len() as u32);
                    assert!(open.insert(id, offer).is_none(), "an offer is looked up once");
                    match input.below(4) {
                        0 => session.refuse(id, "no".into()),
                        1 => session.stored(id, StoredWhen::Before, None, 0),
                        2 => session.want(id, Vec::new()),
                        _ => session.want(id, vec![(0, parts)]),
                    }
                }
                receiver::Output::Complete(id) => session.stored(id, StoredWhen::Now, Some(1), 2),
                receiver::Output::Withdrawn(id) => drop(open.remove(&id).expect("an open offer")),
                receiver::Output::Send(message) => match &message {
                    ToSender::Receipt(Receipt { id, hash, .. }) => {
                        let offer = open.remove(id).expect("a receipt for an open offer, once");
                        assert_eq!(offer.hash, *hash);
                        settled += 1;
                    }
                    ToSender::Refused { id, .. } => drop(open.remove(id).expect("an open offer")),
                    _ => {}
                },
                _ => {}
            }
        }
        assert_eq!(session.is_idle(), open.is_empty(), "{settled} settled");
    }
}

/// An offer of a few parts; some are beyond the limits.
fn offer(input: &mut Input) -> ToReceiver {
    let parts = (0..input.below(5)).map(|_| 1 + u32::from(input.byte())).collect();
    let raw = input.short().into();
    ToReceiver::Offer(Offer {
        id: input.below(8) as u64,
        name: "a/b.aec".into(),
        hash: Hash([input.byte(); 32]),
        parts,
        model: Hash([input.byte(); 32]),
        source: Source { bytes: 1, width: 1, height: input.short().into(), raw, psnr: None },
        thumbnail: input.bytes(3).to_vec(),
    })
}

/// A sender that gets arbitrary answers.
fn drive_sender(input: &mut Input) {
    let mut session = sender::Session::new("s".into(), None);
    let mut framer = Framer::<ToSender>::default();
    let mut offered = HashMap::new();
    let mut settled = HashSet::new();
    let mut next = 0;
    while !input.is_empty() {
        match input.below(10) {
            0..3 => {
                let ToReceiver::Offer(mut offer) = offer(input) else { unreachable!("an offer") };
                offer.id = next;
                next += 1;
                offered.insert(offer.id, offer.clone());
                session.offer(offer);
            }
            3 => session.withdraw(input.below(8) as u64),
            4 => framer.push(input.bytes(12)),
            _ => framer.push(&encode(&answer(input, &offered))),
        }
        while let Ok(Some(message)) = framer.take() {
            if session.handle(message).is_err() {
                return;
            }
        }
        while let Some(part) = session.next_part() {
            let range = offered[&part.id].range(part.part).expect("a part of the offer");
            assert_eq!(range, (part.offset, part.length));
            if input.below(4) == 0 {
                break;
            }
        }
        while let Some(output) = session.poll() {
            if let sender::Output::Settled { id, .. } = output {
                assert!(offered.contains_key(&id) && settled.insert(id), "offer {id} is settled once");
            }
        }
    }
}

fn answer(input: &mut Input, offered: &HashMap<u64, Offer>) -> ToSender {
    let id = input.below(8) as u64;
    let hash = offered.get(&id).map_or(Hash([0; 32]), |offer| offer.hash);
    match input.below(6) {
        0 => ToSender::Welcome {
            version: VERSION,
            label: "r".into(),
            window: input.byte().into(),
            takes_models: true,
            previews: input.below(2) == 0,
        },
        1 | 2 => {
            let range = |input: &mut Input| (input.below(5) as u32, input.below(5) as u32);
            ToSender::Want { id, parts: (0..input.below(3)).map(|_| range(input)).collect() }
        }
        3 => ToSender::NeedModel { hash: Hash([input.byte(); 32]) },
        4 => ToSender::Refused { id, reason: "no".into() },
        _ => {
            let stored = input.one(&[StoredWhen::Now, StoredWhen::Before]);
            ToSender::Receipt(Receipt { id, hash, stored, first_preview: None, last_byte: 1 })
        }
    }
}
