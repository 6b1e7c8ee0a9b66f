//! What previews promise.

use super::*;
use crate::inbox::tests::{begin, encoded, inbox_with, offer};
use aecodec_proto::parts;
use std::sync::mpsc;

fn previews(inbox: &Inbox) -> (Previews, mpsc::Receiver<Shown>) {
    let (report, shown) = mpsc::channel();
    let report = Mutex::new(report);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let tell = move |news| drop(report.lock().unwrap().send(news));
    (Previews::start(inbox, &models, PreviewOptions::default(), tell).unwrap(), shown)
}

#[test]
fn a_preview_appears_gets_better_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let (previews, shown) = previews(&inbox);
    let bytes = encoded(96, 80);
    let mut offered = offer("sub/a.aec", &bytes, 1);
    offered.parts = parts::passes(&bytes, &Limits::default()).unwrap();
    let transfer = Arc::new(begin(&inbox, &offered));
    let mut seen = Vec::new();
    let mut bring = |part: u32| {
        let (from, length) = offered.range(part).unwrap();
        transfer.write(part, 0, &bytes[from as usize..][..length as usize]).unwrap();
        transfer.part_done(part).unwrap();
        previews.update(&transfer);
        seen.push(shown.recv().unwrap());
    };
    (0..4).for_each(&mut bring);
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
