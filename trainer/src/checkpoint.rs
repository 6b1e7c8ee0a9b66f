//! Checkpoint files: they hold the tensors of a run, and the rest of its state as JSON in the header.

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The key of the JSON in the header.
const STATE: &str = "state";

/// Tensors by name.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// Writes groups of tensors and a state. The file is replaced atomically.
pub(crate) fn write<S: Serialize>(path: &Path, groups: &[(&str, &Tensors)], state: &S) -> Result<()> {
    let refused = |detail: String| Error::Checkpoint { path: path.to_owned(), detail };
    let tensors: HashMap<String, Tensor> = groups
        .iter()
        .flat_map(|(group, tensors)| {
            tensors.iter().map(move |(name, t)| (format!("{group}/{name}"), t.clone()))
        })
        .collect();
    let state = serde_json::to_string(state).map_err(|e| refused(e.to_string()))?;
    let header = HashMap::from([(STATE.to_owned(), state)]);
    replace(path, |unfinished| {
        safetensors::serialize_to_file(tensors, Some(header), unfinished).map_err(|e| refused(e.to_string()))
    })
}

/// Writes a temporary file next to `path` and renames it to `path`. If that fails, for example because the disk is
/// full, the temporary file is removed and the old file stays.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let unfinished = path.with_extension("tmp");
    let written = write(&unfinished);
    let placed = written.and_then(|()| std::fs::rename(&unfinished, path).map_err(Error::file(path)));
    if placed.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    placed
}

/// Reads a file that [`write`] wrote.
pub(crate) fn read<S: DeserializeOwned>(
    path: &Path,
    device: &Device,
) -> Result<(HashMap<String, Tensors>, S)> {
    let refused = |detail| Error::Checkpoint { path: path.to_owned(), detail };
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    let state = state_of(&bytes).map_err(refused)?;
    let mut groups: HashMap<String, Tensors> = HashMap::new();
    for (name, tensor) in candle_core::safetensors::load_buffer(&bytes, device)? {
        let Some((group, name)) = name.split_once('/') else { continue };
        groups.entry(group.to_owned()).or_default().insert(name.to_owned(), tensor);
    }
    Ok((groups, state))
}

/// Reads only the state.
pub(crate) fn state<S: DeserializeOwned>(path: &Path) -> Result<S> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    state_of(&bytes).map_err(|detail| Error::Checkpoint { path: path.to_owned(), detail })
}

fn state_of<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let state = header.metadata().as_ref().and_then(|all| all.get(STATE));
    serde_json::from_str(state.ok_or("the file holds only weights and no state of a run")?)
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.safetensors");
        replace(&path, |to| std::fs::write(to, b"old").map_err(Error::file(to))).expect("written");
        let full = replace(&path, |to| {
            std::fs::write(to, b"half").map_err(Error::file(to))?;
            Err(Error::file(to)(std::io::ErrorKind::StorageFull.into()))
        });
        assert!(full.is_err());
        assert_eq!(std::fs::read(&path).expect("the old file"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
