//! Any bytes on the control stream.

use super::*;
use crate::framing::{self, Framer};

/// A stream of any bytes leaves both ends without a panic.
#[test]
fn any_bytes_on_the_control_stream_are_survived() {
    let greeting = |message: &ToReceiver| framing::encode(message);
    let hello = greeting(&ToReceiver::Hello { version: VERSION, label: "s".into(), enrol: None });
    let welcome = framing::encode(&ToSender::Welcome {
        version: VERSION,
        label: "r".into(),
        window: 4,
        takes_models: true,
        previews: true,
    });
    let offered = greeting(&ToReceiver::Offer(offer(3, &[5, 6])));
    let receipt =
        Receipt { id: 1, hash: Hash([1; 32]), stored: StoredWhen::Now, first_preview: None, last_byte: 1 };
    let receipt = framing::encode(&ToSender::Receipt(receipt));
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        Just(offered),
        Just(receipt),
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(127), Just(128), Just(255)], 1..12),
    ];
    let mut runner = prop::test_runner::TestRunner::deterministic();
    let survives = runner.run(&prop::collection::vec(piece, 0..12), |pieces| {
        let bytes = pieces.concat();
        let mut framer = Framer::<ToReceiver>::default();
        framer.push(&[&hello[..], &bytes].concat());
        let mut session = receiver::Session::new(
            Limits::default(),
            "r".into(),
            Entry::Known,
            Models::Accept,
            Previews::Show,
        );
        while let Ok(Some(message)) = framer.take()
            && session.handle(message).is_ok()
        {
            while session.poll().is_some() {}
        }
        let mut framer = Framer::<ToSender>::default();
        framer.push(&[&welcome[..], &bytes].concat());
        let mut session = sender::Session::new("s".into(), None);
        (0..4).for_each(|id| session.offer(offer(id, &[1, 2, 3])));
        while let Ok(Some(message)) = framer.take()
            && session.handle(message).is_ok()
        {
            while session.next_part().is_some() || session.poll().is_some() {}
        }
        Ok(())
    });
    survives.unwrap();
}
