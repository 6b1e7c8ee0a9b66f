//! `--effort`: searches for better latents for each picture.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use aecodec::{EncodeOptions, Encoded, Picture};
use aecodec_trainer::refine::{Effort, Refiner};
use anyhow::{Context as _, Result};

use crate::models::{self, ProfileName};
use crate::progress::Steps;

/// The option `--effort`.
#[derive(clap::Args)]
pub struct EffortArgs {
    /// Search for a smaller file, from 0 (no search) to 9 (minutes per megapixel)
    ///
    /// On two cores, one megapixel takes about 3 seconds with effort 1, 6 with 3, 17 with 5, 75 with 8 and 200 with 9. With
    /// --bpp, --size or --psnr it takes up to three times as long. docs/effort.md says what each level saves.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
    effort: u8,
}

/// Refines pictures one at a time, because each takes all threads and a gigabyte of memory.
pub struct Refinement {
    effort: Effort,
    turn: Mutex<Refiner>,
}

impl EffortArgs {
    pub fn effort(&self) -> u8 {
        self.effort
    }

    /// Prepares the search with this model, if an effort above 0 was given.
    pub fn refinement(&self, model: Option<&Path>, profile: ProfileName) -> Result<Option<Refinement>> {
        let Some(effort) = Effort::new(self.effort).filter(|effort| effort.value() > 0) else {
            return Ok(None);
        };
        let bytes = models::file_to_encode_with(model, profile)?;
        let refiner = Refiner::new(&bytes).context("--effort cannot be used with this model")?;
        Ok(Some(Refinement { effort, turn: Mutex::new(refiner) }))
    }
}

impl Refinement {
    /// Encodes a picture. The progress bar shows `name`.
    pub fn encode(&self, picture: &Picture, options: &EncodeOptions, name: &str) -> Result<Encoded> {
        let refiner = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = Steps::new(0);
        let encoded = refiner.encode(picture, options, self.effort, |progress| {
            bar.stand(progress.step, progress.steps, || {
                format!("{name}: {:.1} % of the bits", 100.0 * progress.share)
            });
        });
        bar.finish();
        Ok(encoded?)
    }
}
