//! What the decode pool promises.

use super::*;
use crate::inbox::tests::{encoded, inbox_with, store_bytes, store_one};
use std::sync::mpsc as sync;

fn pool(inbox: &Inbox, queue: usize) -> (Pool, sync::Receiver<Finished>) {
    let (report, finished) = sync::channel();
    let report = Mutex::new(report);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let options = PoolOptions { threads: 1, queue, ..PoolOptions::default() };
    let tell = move |done| drop(report.lock().unwrap().send(done));
    (Pool::start(inbox, &models, options, tell).unwrap(), finished)
}

#[tokio::test]
async fn a_picture_is_decoded_beside_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |options| options.decode = Some(Format::Png));
    let stored = store_bytes(&inbox, "sub/a.aec", &encoded(40, 24));
    let preview = inbox.out().join("sub/a.preview.jpg");
    fs::write(&preview, b"coarse").unwrap();
    let (pool, finished) = pool(&inbox, 4);
    // The journal says that the decode is pending, so the picture need not be submitted.
    let done = finished.recv().unwrap();
    assert_eq!(done.stored, stored);
    let decoded = done.result.unwrap();
    assert_eq!(decoded.path, inbox.out().join("sub/a.png"));
    assert_eq!((decoded.hash_matches, decoded.notices), (Some(true), vec![]));
    let (picture, _) = files::read(&fs::read(&decoded.path).unwrap(), &Limits::default()).unwrap();
    assert_eq!((picture.width, picture.height), (40, 24));
    assert!(!preview.exists());
    pool.submit(stored).await.unwrap();
    assert!(finished.recv().unwrap().result.is_ok());
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_reported_once_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |options| options.decode = Some(Format::Png));
    let stored = store_one(&inbox, "a.aec", 1, 500);
    {
        let (_pool, finished) = pool(&inbox, 4);
        assert!(matches!(finished.recv().unwrap().result, Err(Error::Codec(_))));
    }
    assert!(stored.path.exists());
    // Settled after the report's picture; the next one shows that the journal has it.
    let other = store_bytes(&inbox, "b.aec", &encoded(16, 16));
    let (_pool, finished) = pool(&inbox, 4);
    let done = finished.recv().unwrap();
    assert_eq!((done.stored, done.result.is_ok()), (other, true));
}

#[tokio::test]
async fn a_picture_waits_for_its_model_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |options| options.decode = Some(Format::Png));
    let stored = store_bytes(&inbox, "a.aec", &encoded(16, 16));
    let models = Models::open(inbox.out(), &[]).unwrap().bare();
    for _ in 0..2 {
        let (report, finished) = sync::sync_channel(0);
        let options = PoolOptions { threads: 1, ..PoolOptions::default() };
        let pool = Pool::start(&inbox, &models, options, move |done| report.send(done).unwrap()).unwrap();
        assert!(matches!(finished.recv().unwrap().result, Err(Error::NoModel(_))));
        drop(pool);
        assert!(inbox.is_pending(stored.id, Task::Decode).unwrap());
    }
    let (_pool, finished) = pool(&inbox, 4);
    assert!(finished.recv().unwrap().result.is_ok(), "now it is there");
}

#[test]
fn a_pool_that_is_stopped_leaves_what_waits_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |options| options.decode = Some(Format::Png));
    let all: Vec<_> =
        (0..5).map(|n| store_bytes(&inbox, &format!("{n}.aec"), &encoded(16, 16 + n))).collect();
    let models = Models::open(inbox.out(), &[]).unwrap();
    let (report, finished) = sync::sync_channel(0);
    let options = PoolOptions { threads: 1, queue: 2, ..PoolOptions::default() };
    let stopping = Pool::start(&inbox, &models, options, move |done| drop(report.send(done))).unwrap();
    finished.recv().unwrap();
    stopping.stop();
    drop((stopping, finished));
    let (_pool, finished) = pool(&inbox, 4);
    while finished.recv().unwrap().stored != all[4] {}
}

#[tokio::test]
async fn a_full_queue_makes_the_submitter_wait() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let stored = store_bytes(&inbox, "a.aec", &encoded(16, 16));
    let (gate, opened) = sync::sync_channel::<()>(0);
    let opened = Mutex::new(opened);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let options = PoolOptions { threads: 1, queue: 2, ..PoolOptions::default() };
    let report = move |_| opened.lock().unwrap().recv().unwrap();
    let pool = Pool::start(&inbox, &models, options, report).unwrap();
    // One is held in its report, two wait.
    let numbered = |id: i64| Stored { id: 100 + id, ..stored.clone() };
    for id in 0..3 {
        pool.submit(numbered(id)).await.unwrap();
    }
    let fourth = pool.submit(numbered(3));
    tokio::pin!(fourth);
    let waits = tokio::time::timeout(Duration::ZERO, &mut fourth).await;
    assert!(waits.is_err());
    gate.send(()).unwrap();
    fourth.await.unwrap();
    (0..3).for_each(|_| gate.send(()).unwrap());
}

#[tokio::test]
async fn a_panic_costs_its_picture_and_the_pool_works_on() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |options| options.decode = Some(Format::Png));
    let (report, finished) = sync::channel();
    let report = Mutex::new(report);
    let models = Models::open(inbox.out(), &[]).unwrap();
    let options = PoolOptions { threads: 1, ..PoolOptions::default() };
    let codec = |bytes: &[u8], model: &Model, options: &DecodeOptions| {
        let decoded = aecodec::decode(bytes, model, options)?;
        assert!(decoded.picture.width != 16, "sixteen is too much");
        Ok(decoded)
    };
    let tell = move |done| drop(report.lock().unwrap().send(done));
    let pool = Pool::start_with(&inbox, &models, options, Box::new(codec), tell).unwrap();
    for n in 0..3 {
        let bad = store_bytes(&inbox, &format!("{n}.aec"), &encoded(16, 16 + n));
        pool.submit(bad.clone()).await.unwrap();
        let done = finished.recv().unwrap();
        let told = matches!(&done.result, Err(Error::Internal { name, cause }) if *name == bad.name && cause.contains("sixteen"));
        assert!(told, "{done:?}");
        assert!(bad.path.exists());
    }
    let good = store_bytes(&inbox, "good.aec", &encoded(24, 16));
    pool.submit(good).await.unwrap();
    assert!(finished.recv().unwrap().result.is_ok());
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test]
async fn a_picture_that_waits_is_not_decoded_twice() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox_with(&dir, |_| ());
    let stored = store_bytes(&inbox, "a.aec", &encoded(16, 16));
    let (gate, opened) = sync::channel::<()>();
    let (opened, (report, finished)) = (Mutex::new(opened), sync::channel());
    let models = Models::open(inbox.out(), &[]).unwrap();
    let options = PoolOptions { threads: 1, ..PoolOptions::default() };
    let codec = move |bytes: &[u8], model: &Model, options: &DecodeOptions| {
        opened.lock().unwrap().recv().unwrap();
        aecodec::decode(bytes, model, options)
    };
    let report = Mutex::new(report);
    let tell = move |done| drop(report.lock().unwrap().send(done));
    let pool = Pool::start_with(&inbox, &models, options, Box::new(codec), tell).unwrap();
    for _ in 0..3 {
        pool.submit(stored.clone()).await.unwrap();
    }
    assert_eq!(pool.waiting(), 1);
    gate.send(()).unwrap();
    assert!(finished.recv().unwrap().result.is_ok());
    drop(pool);
    assert!(finished.recv().is_err(), "once");
}
