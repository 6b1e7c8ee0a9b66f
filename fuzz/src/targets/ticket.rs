//! Reads tickets, keys and names of pictures from any text.

use crate::input::Input;
use aecodec_proto::{Hash, Identity, PublicKey, Ticket, name};
use std::path::{Component, Path};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.below(4) {
        0 => whole(&mut input),
        1 => text(&String::from_utf8_lossy(input.rest())),
        _ => named(&String::from_utf8_lossy(input.rest())),
    }
}

/// A sound ticket of any content is read back as it was, and with one character changed it is refused.
fn whole(input: &mut Input) {
    let receiver = PublicKey([input.byte(); 32]);
    let invitation = (input.below(2) == 0).then(|| [input.byte(); 32]);
    let (at, change) = (input.short(), input.byte());
    let addresses =
        input.rest().chunks(20).take(8).map(|a| String::from_utf8_lossy(a).into_owned()).collect();
    let ticket = Ticket { receiver, addresses, invitation };
    let mut written = ticket.to_string().into_bytes();
    text(std::str::from_utf8(&written).expect("letters and digits"));
    assert_eq!(ticket.invited().map(|identity| *identity.seed()), invitation);
    let at = usize::from(at) % written.len();
    let (before, after) = (written[at], b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(change) % 32]);
    written[at] = after;
    let changed = String::from_utf8(written).expect("letters and digits");
    assert!(before == after || changed.parse::<Ticket>().is_err(), "a mistyped ticket is taken");
}

fn text(text: &str) {
    if let Ok(ticket) = text.parse::<Ticket>() {
        let written = ticket.to_string();
        assert!(written.parse::<Ticket>().expect("a ticket that was written") == ticket);
        assert_eq!(written.to_ascii_lowercase(), written);
    }
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert!(!key.verifies(b"message", text.as_bytes()), "an arbitrary signature");
        let own = Identity::from_seed(key.0);
        assert!(own.public().verifies(b"message", &own.sign(b"message")));
    }
}

/// An accepted name is a path of plain parts below any folder.
fn named(text: &str) {
    if name::check(text).is_some() {
        return;
    }
    let parts: Vec<_> = Path::new(text).components().collect();
    assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))), "{text:?}");
    assert_eq!(parts.len(), text.split('/').count(), "{text:?}");
    assert!(text.ends_with(".aec") && text.len() <= name::LONGEST);
    assert!(!text.chars().any(|c| c.is_control() || c == '\\'), "{text:?}");
}
