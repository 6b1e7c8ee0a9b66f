//! The figures as programs read them.

use aecodec_proto::figures::{Picture, Total, Wire};
use aecodec_proto::message::{Source, StoredWhen};
use serde_json::json;

fn picture(psnr: Option<f64>) -> Picture {
    Picture {
        name: "a.aec".into(),
        source: Source { bytes: 4000, width: 100, height: 80, raw: 8000, psnr },
        bytes: 1000,
        stored: StoredWhen::Now,
        wire: Some(Wire { bytes: 1100, packets: 3, lost: 1 }),
        first_preview: Some(40),
        last_byte: 1200,
    }
}

#[test]
fn a_picture_is_an_object_with_everything_derived() {
    let expected = json!({
        "name": "a.aec", "width": 100, "height": 80, "source_bytes": 4000, "raw_bytes": 8000, "bytes": 1000,
        "bpp": 1.0, "psnr": 36.5, "exact": false, "saved_of_source": 0.75, "saved_of_raw": 0.875,
        "stored": "now", "wire_bytes": 1100, "packets": 3, "lost_packets": 1, "first_preview_ms": 40,
        "last_byte_ms": 1200,
    });
    assert_eq!(serde_json::to_value(picture(Some(36.5))).unwrap(), expected);
}

#[test]
fn json_has_no_infinity() {
    let value = serde_json::to_value(picture(Some(f64::INFINITY))).unwrap();
    assert_eq!((&value["psnr"], &value["exact"]), (&json!(null), &json!(true)));
}

#[test]
fn a_run_is_an_object_with_its_means() {
    let mut total = Total::default();
    total.add(&picture(Some(30.0)));
    total.add(&picture(Some(40.0)));
    total.elapsed = 1000;
    total.wire = Wire { bytes: 2200, packets: 6, lost: 2 };
    let expected = json!({
        "pictures": 2, "before": 0, "skipped": 0, "failed": 0, "source_bytes": 8000, "raw_bytes": 16000,
        "bytes": 2000, "bpp": 1.0, "psnr": 35.0, "exact": 0, "saved_of_source": 0.75, "saved_of_raw": 0.875,
        "wire_bytes": 2200, "packets": 6, "lost_packets": 2, "first_preview_ms": 40.0, "last_byte_ms": 1200.0,
        "elapsed_ms": 1000, "goodput_bps": 16000.0,
    });
    assert_eq!(serde_json::to_value(&total).unwrap(), expected);
}
