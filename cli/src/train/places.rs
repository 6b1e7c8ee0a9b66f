//! The files that a training run writes.

use std::path::{Path, PathBuf};

use aecodec_trainer::session::FinishedModel;
use anyhow::Result;

use crate::failure::usage;
use crate::output::{Destination, Existing, Origin};
use crate::printable::printable;

/// The paths of the model and of the files that are written with it.
pub(super) struct Places {
    pub(super) model: PathBuf,
    pub(super) weights: PathBuf,
    pub(super) curve: PathBuf,
    pub(super) card: PathBuf,
    pub(super) run: PathBuf,
}

impl Places {
    pub(super) fn of(output: &Path) -> Result<Self> {
        if output.extension().is_none_or(|extension| extension != "aem") {
            return Err(usage(format!(
                "-o {}: the name of a model ends in .aem, as in own.aem",
                printable(output)
            )));
        }
        let with = |extension| output.with_extension(extension);
        Ok(Self {
            model: output.to_owned(),
            weights: with("safetensors"),
            curve: with("svg"),
            card: with("md"),
            run: with("train"),
        })
    }

    /// The table of the runs of a search.
    pub(super) fn table(&self) -> PathBuf {
        self.model.with_extension("search.md")
    }

    /// Fails if one of the files may not be written.
    pub(super) fn check(&self, existing: Existing) -> Result<()> {
        let all = [&self.model, &self.weights, &self.curve, &self.card];
        all.into_iter().try_for_each(|path| Destination::File(path.clone()).check(existing))
    }

    /// Writes all files. The model is written last, so if it exists, the others do too.
    pub(super) fn write(&self, finished: &FinishedModel, existing: Existing) -> Result<()> {
        for (path, bytes) in [
            (&self.weights, &finished.weights[..]),
            (&self.curve, finished.curve.as_bytes()),
            (&self.card, finished.card.as_bytes()),
            (&self.model, &finished.model),
        ] {
            Destination::File(path.clone()).write(bytes, existing, &Origin::default())?;
        }
        Ok(())
    }
}
