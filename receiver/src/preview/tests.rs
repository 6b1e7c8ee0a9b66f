//! What previews promise.

use super::*;
use crate::inbox::tests::{begin, encoded, inbox_with, offer};
use aecodec_proto::parts;
use std::sync::mpsc;

fn previews(inbox: &Inbox) -> (Previews, mpsc::Receiver<PreviewWritten>) {
    let (report, shown) = mpsc::channel();
    let report = Mutex::new(report);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let tell = move |news: Result<PreviewWritten>| drop(report.lock().unwrap().send(news.unwrap()));
    (Previews::start(inbox, &models, PreviewOptions::default(), tell).unwrap(), shown)
}

/// An offer of a stream in its passes.
fn offered(name: &str, bytes: &[u8]) -> aecodec_proto::message::Offer {
    let mut offered = offer(name, bytes, 1);
    offered.parts = parts::passes(bytes, &Limits::default()).unwrap();
    offered
}

/// Writes one part.
fn bring(transfer: &Arc<Transfer>, offered: &aecodec_proto::message::Offer, bytes: &[u8], part: u32) {
    let (from, length) = offered.range(part).unwrap();
    transfer.write(part, 0, &bytes[from as usize..][..length as usize]).unwrap();
    transfer.part_done(part).unwrap();
}

#[test]
fn a_preview_appears_gets_better_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let (previews, shown) = previews(&inbox);
    let bytes = encoded(96, 80);
    let offered = offered("sub/a.aec", &bytes);
    let transfer = Arc::new(begin(&inbox, &offered));
    let mut seen = Vec::new();
    for part in 0..4 {
        bring(&transfer, &offered, &bytes, part);
        previews.update(&transfer);
        seen.push(shown.recv().unwrap());
    }
    let path = inbox.out().join("sub/a.preview.jpg");
    assert_eq!(seen.iter().map(|shown| shown.passes).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(seen.iter().all(|shown| shown.path == path && shown.name == "sub/a.aec"));
    let (picture, _) = files::read(&fs::read(&path).unwrap(), &Limits::default()).unwrap();
    assert_eq!((picture.width, picture.height), (96, 80));
    previews.remove(&transfer).unwrap();
    assert!(!path.exists());
}

#[test]
fn only_what_shows_more_is_decoded() {
    let bytes = encoded(96, 80);
    let (total, limits) = (bytes.len() as u64, Limits::default());
    let at = |end: usize| level(&bytes[..end], total, &limits).unwrap();
    assert_eq!((at(0), at(20)), (None, None));
    let levels: Vec<_> = (0..bytes.len()).filter_map(at).collect();
    assert!(levels.is_sorted());
    assert_eq!(levels.last().map(|level| level.passes), Some(3));
    assert_eq!(at(bytes.len()).map(|level| level.passes), Some(PASSES));
    assert!(level(b"something else", 14, &limits).is_err());
}

#[test]
fn the_time_of_the_first_preview_is_that_of_its_own_transfer() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let (previews, shown) = previews(&inbox);
    let bytes = encoded(96, 80);
    let offered = offered("a.aec", &bytes);
    let transfer = Arc::new(begin(&inbox, &offered));
    assert_eq!(transfer.first_preview(), None);
    bring(&transfer, &offered, &bytes, 0);
    previews.update(&transfer);
    shown.recv().unwrap();
    let first = transfer.first_preview().expect("it was shown");
    bring(&transfer, &offered, &bytes, 1);
    previews.update(&transfer);
    shown.recv().unwrap();
    assert_eq!(transfer.first_preview(), Some(first), "the first one counts");

    // The connection is cut, and the picture is offered again.
    drop(transfer);
    let again = Arc::new(begin(&inbox, &offered));
    assert_eq!(again.first_preview(), None);
    bring(&again, &offered, &bytes, 2);
    previews.update(&again);
    shown.recv().unwrap();
    assert!(again.first_preview().expect("it was shown again") >= first);
}

#[test]
fn a_panic_ends_the_previews_of_its_picture_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let (report, shown) = mpsc::channel();
    let report = Mutex::new(report);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let codec = |bytes: &[u8], model: &aecodec::Model, options: &DecodeOptions| {
        let decoded = aecodec::decode(bytes, model, options)?;
        assert!(decoded.picture.width != 96, "96 is too much");
        Ok(decoded)
    };
    let tell = move |news| drop(report.lock().unwrap().send(news));
    let options = PreviewOptions::default();
    let previews = Previews::start_with(&inbox, &models, options, Box::new(codec), tell).unwrap();
    let (bad, good) = (encoded(96, 80), encoded(80, 96));
    let (bad_offer, good_offer) = (offered("bad.aec", &bad), offered("good.aec", &good));
    let [bad_transfer, good_transfer] = [&bad_offer, &good_offer].map(|offer| Arc::new(begin(&inbox, offer)));
    bring(&bad_transfer, &bad_offer, &bad, 0);
    previews.update(&bad_transfer);
    let told: Result<PreviewWritten> = shown.recv().unwrap();
    assert!(matches!(&told, Err(Error::Internal { name, .. }) if name == "bad.aec"), "{told:?}");
    // It is not tried again, and others are shown.
    bring(&bad_transfer, &bad_offer, &bad, 1);
    previews.update(&bad_transfer);
    bring(&good_transfer, &good_offer, &good, 0);
    previews.update(&good_transfer);
    assert_eq!(shown.recv().unwrap().unwrap().name, "good.aec");
}
