//! Some seconds of `tests/soak.py`: senders and a receiver under kills, full disks, clock jumps and new addresses.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

#[test]
#[ignore = "heavy: half a minute of faults; needs python3"]
fn nothing_is_lost_doubled_or_mixed_up_under_faults() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/soak.py");
    let output = Command::new("python3")
        .arg(script)
        .args(["--program", env!("CARGO_BIN_EXE_aecodec"), "--seconds", "20"])
        .output()
        .expect("python3");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}
