//! `aecodec send --only-unusual`: sends unusual pictures in full, and previews of the others.

use std::path::PathBuf;
use std::sync::Arc;

use aecodec::{Limits, ModelRegistry};
use aecodec_latents::Reader;
use aecodec_latents::anomaly::{Detector, Thresholds};
use aecodec_proto::Hash;
use aecodec_sender::{Screen, Share};
use anyhow::Result;

use crate::{anomaly, models};

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Send unusual pictures in full, and of the others a preview of at most 256x256 pixels. FILE was made by 'aecodec anomaly learn'
    #[arg(long, value_name = "FILE.ano")]
    only_unusual: Option<PathBuf>,
    /// With --only-unusual, the share of usual pictures that may be called unusual
    #[arg(long, value_name = "RATE", default_value_t = 0.05, requires = "only_unusual")]
    false_alarms: f32,
}

impl Args {
    /// The screen that was asked for.
    pub fn screen(&self, model: Option<&PathBuf>) -> Result<Option<Arc<dyn Screen>>> {
        let Some(path) = &self.only_unusual else { return Ok(None) };
        let reader =
            Reader::new(models::to_decode_with(model.map(std::slice::from_ref).unwrap_or_default())?)?;
        let (detector, limits) = anomaly::open(path, self.false_alarms, &reader)?;
        let identity = Hash::of(&[&detector.to_bytes()?[..], &self.false_alarms.to_le_bytes()].concat());
        Ok(Some(Arc::new(Unusual { reader, detector, limits, identity })))
    }
}

/// Tells unusual pictures from usual ones.
#[derive(Debug)]
struct Unusual {
    reader: Reader,
    detector: Detector,
    limits: Thresholds,
    identity: Hash,
}

impl Screen for Unusual {
    fn identity(&self) -> Hash {
        self.identity
    }

    fn look(&self, bytes: &[u8], limits: &Limits) -> Result<Share, String> {
        let scored = self.reader.read(bytes, limits).and_then(|code| self.detector.score(&code));
        let above = scored.map_err(|error| error.to_string())?.against(self.limits);
        Ok(if above > 1.0 { Share::Full } else { Share::Preview })
    }

    fn models(&self) -> &ModelRegistry {
        self.reader.models()
    }
}
