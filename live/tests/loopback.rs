//! Live frames over the loopback: from a pipe through a sender and a receiver to a y4m stream or a picture file.

use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aecodec::{Limits, Model, Profile, files};
use aecodec_live::capture::{Format, Frames};
use aecodec_live::control::OnFull;
use aecodec_live::send::{Options, Summary, stream};
use aecodec_live::show::{Outlet, Screens};
use aecodec_proto::Identity;
use aecodec_receiver::peers::Kind;
use aecodec_receiver::{Event, Service, ServiceOptions, listener};
use aecodec_sender::Destination;
use tokio::sync::{mpsc, watch};

const SIZE: (u32, u32) = (96, 64);

/// Binary PPM frames whose colour and slope tell them apart.
fn pipe(frames: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in 0..frames {
        bytes.extend(format!("P6 {} {} 255\n", SIZE.0, SIZE.1).bytes());
        for i in 0..SIZE.0 * SIZE.1 {
            let x = (i % SIZE.0) as u8;
            bytes.extend([40 * frame, 60 + x, 200 - x]);
        }
    }
    bytes
}

/// A writer that keeps what it is given.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends frames to a service in `folder`, and returns the summary and the events of the receiver.
async fn send(folder: &Path, frames: u8, outlet: Option<Outlet>) -> (Summary, Vec<Event>) {
    let mut service = Service::open(ServiceOptions::new(folder.into())).expect("a folder");
    if let Some(outlet) = outlet {
        let screens = Screens::new(outlet, folder.into(), service.models().clone());
        service.show_frames(Arc::new(screens));
    }
    let invitation = Identity::from_seed([5; 32]);
    service.peers().invite(&invitation.public(), &[5; 32], Kind::OneTime).expect("a journal");
    let receiver = service.identity().public();
    let (events, mut told) = mpsc::unbounded_channel();
    let socket = listener::socket(([127, 0, 0, 1], 0).into()).expect("a port");
    let running = service.start(socket, events).expect("a receiver");
    let address = running.address().expect("an address").to_string();
    let (stop, stopped) = watch::channel(false);
    let receiving = tokio::spawn(running.run(stopped));

    let target =
        Destination { receiver, addresses: vec![address], invitation: Some(invitation), enrolled: false };
    let model = Model::embedded(Profile::Fast).expect("a model");
    let mut options = Options::new(target, Identity::from_seed([3; 32]), "camera".into(), model, Format::Ppm);
    options.control.on_full = OnFull::Block;
    options.control.deadline = Duration::from_secs(2);
    options.patience = Duration::from_secs(20);
    let (events, _reports) = mpsc::unbounded_channel();
    let (_go, going) = watch::channel(false);
    let summary = stream(options, Cursor::new(pipe(frames)), events, going).await.expect("a sound pipe");
    stop.send_replace(true);
    receiving.await.expect("no panic");
    let mut all = Vec::new();
    while let Some(event) = told.recv().await {
        all.push(event);
    }
    (summary, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_shown_in_order_and_reported_to_both_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = Shared::default();
    let outlet = Outlet::stream(Box::new(shown.clone()), 10);
    let (summary, events) = send(folder.path(), 4, Some(outlet)).await;
    assert_eq!((summary.captured, summary.sent, summary.shown), (4, 4, 4), "{:?}", summary.cut);
    let reports = events.iter().filter(|event| matches!(event, Event::Frame { .. })).count();
    assert_eq!(reports, 4, "{events:?}");

    // The last frames may still be written when the connection is over.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let count = |bytes: &[u8]| bytes.windows(6).filter(|window| window == b"FRAME\n").count();
    while count(&shown.0.lock().expect("no panic")) < 4 && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let bytes = shown.0.lock().expect("no panic").clone();
    let mut read = Frames::new(Format::Y4m, &bytes[..], Limits::default());
    for frame in 0..4 {
        let picture = read.read().expect("sound").expect("a frame");
        assert_eq!((picture.width, picture.height), SIZE);
        let red: u64 = picture.samples.iter().step_by(3).map(|&sample| u64::from(sample)).sum();
        let mean = red as f64 / picture.pixels() as f64;
        assert!((mean - 40.0 * f64::from(frame)).abs() < 8.0, "frame {frame}: mean of red {mean}");
    }
    assert!(read.read().expect("sound").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_file_holds_the_last_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("camera.live.jpg");
    let (summary, _) = send(folder.path(), 3, Some(Outlet::Folder(folder.path().into()))).await;
    assert_eq!(summary.shown, 3);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let red = loop {
        let picture =
            std::fs::read(&file).ok().and_then(|bytes| files::read(&bytes, &Limits::default()).ok());
        let red = picture.map(|(picture, _)| picture.samples[0]);
        if red.is_some_and(|red| red.abs_diff(80) < 12) || std::time::Instant::now() > deadline {
            break red;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(red.is_some_and(|red| red.abs_diff(80) < 12), "{red:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_shows_no_frames_says_so_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (summary, events) = send(folder.path(), 3, None).await;
    let cut = summary.cut.expect("an early end").to_string();
    assert!(cut.contains("does not show live frames"), "{cut}");
    assert_eq!(summary.shown, 0);
    assert!(events.iter().any(|event| matches!(event, Event::Refused { .. })), "{events:?}");
}
