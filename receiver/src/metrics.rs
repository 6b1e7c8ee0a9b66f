//! Figures for Prometheus, behind `--metrics`.

#[cfg(feature = "services")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aecodec_proto::message::{FrameReport, StoredWhen};
#[cfg(feature = "services")]
use metrics::KeyName;
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
#[cfg(feature = "services")]
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::decode::Pool;
use crate::inbox::Inbox;
use crate::stored::Stored;
#[cfg(feature = "services")]
use crate::{Error, Result};

/// How often the gauges are read.
const INTERVAL: Duration = Duration::from_secs(2);
/// Bounds of the histogram of decode times, in seconds.
#[cfg(feature = "services")]
const SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Counts events. It is cheap to clone. The default counts nothing.
#[derive(Clone)]
pub struct Metrics {
    recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    pictures: Counter,
    known: Counter,
    bytes: Counter,
    source_bytes: Counter,
    wire_bytes: Counter,
    frames: Counter,
    frames_shown: Counter,
    frames_in_time: Counter,
    frame_bytes: Counter,
    saving: Gauge,
    partials: Gauge,
    active: Gauge,
    outstanding: Gauge,
    decode_queue: Gauge,
    decode_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            recorder: None,
            pictures: Counter::noop(),
            known: Counter::noop(),
            bytes: Counter::noop(),
            source_bytes: Counter::noop(),
            wire_bytes: Counter::noop(),
            frames: Counter::noop(),
            frames_shown: Counter::noop(),
            frames_in_time: Counter::noop(),
            frame_bytes: Counter::noop(),
            saving: Gauge::noop(),
            partials: Gauge::noop(),
            active: Gauge::noop(),
            outstanding: Gauge::noop(),
            decode_queue: Gauge::noop(),
            decode_seconds: Histogram::noop(),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("on", &self.recorder.is_some()).finish()
    }
}

#[cfg(feature = "services")]
impl Metrics {
    /// Serves the figures on `http://address/metrics`, without access control: choose an address that only the
    /// monitoring reaches. Call it inside a tokio runtime, which serves from then on.
    ///
    /// # Errors
    /// Returns [`Error::Metrics`] if the address is in use.
    pub fn serve(address: SocketAddr) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::Metrics(error.to_string());
        let builder = PrometheusBuilder::new().with_http_listener(address);
        let builder = builder.set_buckets(&SECONDS).map_err(|error| failed(&error))?;
        let (recorder, server) = builder.build().map_err(|error| failed(&error))?;
        tokio::spawn(server);
        Ok(Self::new(recorder))
    }

    /// Whether the figures are served.
    pub fn is_counting(&self) -> bool {
        self.recorder.is_some()
    }

    fn new(recorder: PrometheusRecorder) -> Self {
        let counter = |name: &'static str, help: &'static str| {
            recorder.describe_counter(KeyName::from(name), None, help.into());
            recorder.register_counter(&Key::from_static_name(name), &META)
        };
        let gauge = |name: &'static str, help: &'static str| {
            recorder.describe_gauge(KeyName::from(name), None, help.into());
            recorder.register_gauge(&Key::from_static_name(name), &META)
        };
        let pictures = counter("aecodec_pictures_total", "Pictures stored");
        let known = counter("aecodec_known_total", "Pictures that were offered and already there");
        let bytes = counter("aecodec_aec_bytes_total", "Bytes of the stored .aec files");
        let source_bytes =
            counter("aecodec_source_bytes_total", "Bytes of the files that they were made from");
        let wire_bytes = counter("aecodec_wire_bytes_total", "UDP payload bytes, both ways");
        let frames = counter("aecodec_frames_total", "Live frames reported on");
        let frames_shown = counter("aecodec_frames_shown_total", "Live frames shown");
        let frames_in_time = counter("aecodec_frames_in_time_total", "Live frames shown by their deadline");
        let frame_bytes = counter("aecodec_frame_bytes_total", "Bytes of live frames that arrived");
        let saving = gauge("aecodec_saving_ratio", "Share of the last picture's source bytes that was saved");
        let partials = gauge("aecodec_partials", "Unfinished pictures");
        let active = gauge("aecodec_transfers", "Unfinished pictures that a connection is sending");
        let outstanding = gauge("aecodec_outstanding_bytes", "Bytes that are missing from those pictures");
        let decode_queue =
            gauge("aecodec_decode_queue", "Pictures that wait to be decoded or are being decoded");
        let seconds = "aecodec_decode_seconds";
        recorder.describe_histogram(KeyName::from(seconds), None, "Seconds of decoding".into());
        recorder.describe_counter(REFUSED.into(), None, "Connections refused".into());
        recorder.describe_counter(DECLINED.into(), None, "Pictures not taken".into());
        let decode_seconds = recorder.register_histogram(&Key::from_static_name(seconds), &META);
        Self {
            pictures,
            known,
            bytes,
            source_bytes,
            wire_bytes,
            frames,
            frames_shown,
            frames_in_time,
            frame_bytes,
            saving,
            partials,
            active,
            outstanding,
            decode_queue,
            decode_seconds,
            recorder: Some(Arc::new(recorder)),
        }
    }
}

impl Metrics {
    /// A picture was stored, or was already there; `wire` UDP payload bytes were sent and received for it.
    pub fn arrived(&self, stored: &Stored, when: StoredWhen, wire: u64) {
        self.wire_bytes.increment(wire);
        if when == StoredWhen::Before {
            return self.known.increment(1);
        }
        self.pictures.increment(1);
        self.bytes.increment(stored.bytes);
        self.source_bytes.increment(stored.source.bytes);
        self.saving.set(1.0 - stored.bytes as f64 / stored.source.bytes.max(1) as f64);
    }

    /// What became of a live frame.
    pub fn frame(&self, shown: &FrameReport) {
        self.frames.increment(1);
        self.frame_bytes.increment(shown.bytes.into());
        self.frames_shown.increment(shown.passes.is_some().into());
        self.frames_in_time.increment((shown.passes.is_some() && shown.lateness <= 0).into());
    }

    /// A connection was refused. The reason is one of a few fixed words.
    pub fn refused(&self, reason: &'static str) {
        self.count(REFUSED, reason);
    }

    /// A picture was not taken. The reason is one of a few fixed words, as from [`crate::Refusal::kind`].
    pub fn declined(&self, reason: &'static str) {
        self.count(DECLINED, reason);
    }

    fn count(&self, name: &'static str, reason: &'static str) {
        if let Some(recorder) = &self.recorder {
            let key = Key::from_parts(name, vec![Label::from_static_parts("reason", reason)]);
            recorder.register_counter(&key, &META).increment(1);
        }
    }

    /// A picture was decoded.
    pub fn decoded(&self, took: Duration) {
        self.decode_seconds.record(took.as_secs_f64());
    }

    /// Reads the gauges regularly, until this future is dropped.
    pub async fn watch(&self, inbox: Inbox, pool: Option<Pool>) {
        loop {
            self.load(&inbox, pool.as_ref());
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn load(&self, inbox: &Inbox, pool: Option<&Pool>) {
        let load = inbox.load();
        self.partials.set(load.partials as f64);
        self.active.set(load.active as f64);
        self.outstanding.set(load.outstanding as f64);
        self.decode_queue.set(pool.map_or(0, Pool::waiting) as f64);
    }
}

const REFUSED: &str = "aecodec_refused_total";
const DECLINED: &str = "aecodec_declined_total";
static META: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

#[cfg(all(test, feature = "services"))]
mod tests {
    use super::*;
    use crate::inbox::tests::{inbox_with, store_one};

    #[test]
    fn what_happens_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox_with(&dir, |_| ());
        let recorder = PrometheusBuilder::new().set_buckets(&SECONDS).unwrap().build_recorder();
        let page = recorder.handle();
        let metrics = Metrics::new(recorder);
        let stored = store_one(&inbox, "a.aec", 1, 25);
        metrics.arrived(&stored, StoredWhen::Now, 40);
        metrics.arrived(&stored, StoredWhen::Before, 2);
        let shown = FrameReport { seq: 1, passes: Some(2), bytes: 7, lateness: 3, decode: 0, rate: 0 };
        metrics.frame(&shown);
        metrics.frame(&FrameReport { lateness: 0, ..shown });
        metrics.frame(&FrameReport { passes: None, ..shown });
        metrics.refused("name");
        metrics.refused("name");
        metrics.declined("parts");
        metrics.decoded(Duration::from_millis(30));
        metrics.load(&inbox, None);
        let text = page.render();
        for line in [
            "aecodec_pictures_total 1",
            "aecodec_aec_bytes_total 25",
            "aecodec_source_bytes_total 100",
            "aecodec_known_total 1",
            "aecodec_wire_bytes_total 42",
            "aecodec_frames_total 3",
            "aecodec_frames_shown_total 2",
            "aecodec_frames_in_time_total 1",
            "aecodec_frame_bytes_total 21",
            "aecodec_saving_ratio 0.75",
            "aecodec_refused_total{reason=\"name\"} 2",
            "aecodec_declined_total{reason=\"parts\"} 1",
            "aecodec_decode_seconds_bucket{le=\"0.025\"} 0",
            "aecodec_decode_seconds_bucket{le=\"0.05\"} 1",
            "aecodec_partials 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Without a server, nothing is counted, and nothing fails.
        Metrics::default().refused("name");
    }
}
