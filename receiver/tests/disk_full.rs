//! A disk that is really full: a small file system in memory, which only root can make.

use std::path::Path;
use std::process::Command;

use aecodec_proto::message::{Offer, Source};
use aecodec_proto::{Hash, PublicKey};
use aecodec_receiver::{Begin, Error, Inbox, InboxOptions};

/// Unmounted with the test.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let made =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        assert!(
            made.is_ok_and(|made| made.status.success()),
            "a small file system takes root, and leave to mount"
        );
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn offer(name: &str, bytes: &[u8]) -> Offer {
    let source = Source { bytes: 0, width: 1, height: 1, raw: 3, psnr: None };
    let parts = bytes.chunks(64 << 10).map(|part| part.len() as u32).collect();
    Offer {
        id: 0,
        name: name.into(),
        hash: Hash::of(bytes),
        parts,
        model: Hash([0; 32]),
        source,
        thumbnail: vec![],
    }
}

/// Writes all parts.
fn bring(inbox: &Inbox, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let Begin::Wanted(transfer) = inbox.begin(&PublicKey([1; 32]), &offer(name, bytes))? else {
        return Ok(());
    };
    for (part, bytes) in (0..).zip(bytes.chunks(64 << 10)) {
        transfer.write(part, 0, bytes)?;
        transfer.part_done(part)?;
    }
    transfer.complete().map(drop)
}

#[test]
#[ignore = "needs root, to mount a small file system"]
fn a_full_disk_refuses_and_recovers() {
    let disk = Mount::new("8m");
    let mut options = InboxOptions::default();
    options.out = disk.path().join("inbox");
    options.reserve = 1 << 20;
    let inbox = Inbox::open(options.clone()).unwrap();
    let (small, large, huge) = (vec![1; 1 << 20], vec![2; 5 << 20], vec![3; 9 << 20]);
    bring(&inbox, "small.aec", &small).unwrap();
    assert!(matches!(bring(&inbox, "huge.aec", &huge), Err(Error::Refused(_))));
    // Another program fills the disk while a picture arrives that fitted before.
    let Begin::Wanted(transfer) = inbox.begin(&PublicKey([1; 32]), &offer("large.aec", &large)).unwrap()
    else {
        panic!("it cannot be there yet")
    };
    let filler = disk.path().join("filler");
    let mut size = 8 << 20;
    while size > 0 && std::fs::write(&filler, vec![0; size]).is_err() {
        size -= 64 << 10;
    }
    let parts = || (0..).zip(large.chunks(64 << 10));
    let full = parts().find_map(|(part, bytes)| transfer.write(part, 0, bytes).err());
    assert!(matches!(full, Some(Error::Full(_))), "{full:?}");
    drop((transfer, inbox));
    // The journal opens and the rest arrives once there is room.
    std::fs::remove_file(&filler).unwrap();
    let inbox = Inbox::open(options).unwrap();
    bring(&inbox, "large.aec", &large).unwrap();
    assert_eq!(std::fs::read(disk.path().join("inbox/large.aec")).unwrap(), large);
    assert_eq!(std::fs::read(disk.path().join("inbox/small.aec")).unwrap(), small);
}
