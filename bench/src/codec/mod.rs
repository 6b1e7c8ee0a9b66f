//! The codecs that are compared, and which of them can run on this machine.

mod aec;
mod avif;
mod external;
mod interface;
mod jpeg;
mod process;
mod scale;
pub mod table;
#[cfg(test)]
mod tests;
mod webp;

use std::path::Path;
use std::sync::Arc;

pub use aec::Aec;
pub use interface::{Codec, CodedFile, DecodedPicture};
pub use scale::QualityScale;
pub use webp::webp_for_page;

use crate::{Error, Result};
use avif::Avif;
use external::External;
use jpeg::Jpeg;
use webp::WebP;

/// The codecs that aecodec is compared with by default, if they are available.
const USUAL: [&str; 4] = ["jpeg", "webp", "avif", "jxl"];

/// The codecs that can run on this machine, and those that need a program first.
pub struct Available {
    /// The codecs that can run, built-in ones first.
    pub codecs: Vec<Arc<dyn Codec>>,
    /// The codecs that cannot run.
    pub missing: Vec<Missing>,
    /// The ids of the codecs in the user's table, whether they can run or not.
    pub own: Vec<String>,
}

/// A codec that cannot run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its id.
    pub id: String,
    /// What the user can do about it, such as ``install `cjxl` and `djxl` (macOS: brew install jpeg-xl)``.
    pub remedy: String,
}

/// Finds all codecs except aecodec: the built-in ones, those of the built-in table, and those of the user's [`table`],
/// which replace others with the same id.
///
/// # Errors
/// Returns [`Error::File`] if the table cannot be read, and [`Error::Table`] if it is not valid.
pub fn available(table: Option<&Path>) -> Result<Available> {
    let own = table.map(table::read).transpose()?.unwrap_or_default();
    let codecs: Vec<Arc<dyn Codec>> =
        vec![Arc::new(Jpeg::mozjpeg()), Arc::new(Jpeg::libjpeg()), Arc::new(WebP)];
    let mut found = Available { codecs, missing: Vec::new(), own: Vec::new() };
    for entry in table::built_in()? {
        found.add(entry);
    }
    // AVIF is also built in, for machines without its programs.
    if let Some(index) = found.missing.iter().position(|missing| missing.id == "avif") {
        found.missing.remove(index);
        found.codecs.push(Arc::new(Avif));
    }
    for entry in own {
        found.codecs.retain(|codec| codec.id() != entry.id);
        found.missing.retain(|missing| missing.id != entry.id);
        found.own.push(entry.id.clone());
        found.add(entry);
    }
    Ok(found)
}

/// The codecs with these ids, in this order and each once. If no ids are given, they are the default codecs that are
/// available, followed by those of the user's table.
///
/// # Errors
/// Returns [`Error::Codec`] if a name is unknown or its codec cannot run here. The message lists the codecs that can
/// run and says what to do.
pub fn select(names: &[String], available: &Available) -> Result<Vec<Arc<dyn Codec>>> {
    let find = |name: &str| available.codecs.iter().find(|codec| codec.id() == name).map(Arc::clone);
    let mut selected: Vec<Arc<dyn Codec>> = Vec::new();
    let mut wanted = names;
    if names.is_empty() {
        let others = USUAL.into_iter().filter(|name| available.own.iter().all(|own| own != name));
        selected.extend(others.filter_map(find));
        wanted = &available.own;
    }
    for name in wanted {
        let codec = find(name).ok_or_else(|| available.lacks(name))?;
        if selected.iter().all(|other| other.id() != name) {
            selected.push(codec);
        }
    }
    Ok(selected)
}

impl Available {
    fn add(&mut self, entry: table::CodecEntry) {
        let id = entry.id.clone();
        match External::find(entry) {
            Ok(codec) => self.codecs.push(Arc::new(codec)),
            Err(remedy) => self.missing.push(Missing { id, remedy }),
        }
    }

    fn lacks(&self, name: &str) -> Error {
        let ids: Vec<&str> = self.codecs.iter().map(|codec| codec.id()).collect();
        let there = format!("available codecs: {}", ids.join(", "));
        let others: Vec<&str> = self.missing.iter().map(|missing| missing.id.as_str()).collect();
        Error::codec(
            name,
            match self.missing.iter().find(|missing| missing.id == name) {
                Some(missing) => format!("it cannot run here: {}; {there}", missing.remedy),
                None if others.is_empty() => format!("no such codec; {there}"),
                None => format!("no such codec; {there}; not installed: {}", others.join(", ")),
            },
        )
    }
}
