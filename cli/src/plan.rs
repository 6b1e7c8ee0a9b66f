//! Which output each input gets, settled before any work begins.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::failure::usage;
use crate::inputs::Inputs;
use crate::output::Target;

/// One target for each input: `out` itself, or a place below it with the extension.
pub fn targets(inputs: &Inputs, out: &Path, extension: &str) -> Result<Vec<Target>> {
    if out.as_os_str() == "-" {
        if inputs.list.len() > 1 {
            return Err(usage("-o -: stdout takes one output; give a folder for several inputs"));
        }
        return Ok(vec![Target::Stdout]);
    }
    let folder = inputs.several || out.is_dir() || ends_with_separator(out);
    if !folder {
        return Ok(vec![Target::File(out.to_owned())]);
    }
    if out.exists() && !out.is_dir() {
        return Err(usage(format!("-o {}: is a file; give a folder for several inputs", out.display())));
    }
    let mut paths: Vec<PathBuf> = inputs.list.iter().map(|input| replaced(&input.below, extension)).collect();

    // a.png and a.jpg both want a.aec: those keep their suffix.
    for (i, _) in clashes(&paths) {
        paths[i] = appended(&inputs.list[i].below, extension);
    }
    if let Some(&(i, first)) = clashes(&paths).iter().find(|(i, first)| i != first) {
        return Err(usage(format!(
            "{} and {} would both become {}; give them in separate runs",
            inputs.list[first].name(),
            inputs.list[i].name(),
            out.join(&paths[i]).display(),
        )));
    }
    Ok(paths.into_iter().map(|path| Target::File(out.join(path))).collect())
}

/// The paths that occur more than once: index, and index of the first of the same name.
fn clashes(paths: &[PathBuf]) -> Vec<(usize, usize)> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, path) in paths.iter().enumerate() {
        // Some file systems do not tell upper from lower case.
        by_name.entry(path.to_string_lossy().to_lowercase()).or_default().push(i);
    }
    let mut all: Vec<(usize, usize)> = by_name
        .into_values()
        .filter(|same| same.len() > 1)
        .flat_map(|same| same.clone().into_iter().map(move |i| (i, same[0])))
        .collect();
    all.sort_unstable();
    all
}

/// `a.png` to `a.aec`; where `a.png.aec` is to become PNG, `a.png`.
fn replaced(path: &Path, extension: &str) -> PathBuf {
    let stem = path.with_extension("");
    let same = stem.extension().is_some_and(|inner| inner.eq_ignore_ascii_case(extension));
    if same && path.extension().is_some() { stem } else { path.with_extension(extension) }
}

/// `a.png` to `a.png.aec`.
fn appended(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::inputs::{Input, Source};

    fn planned(below: &[&str]) -> Result<Vec<String>> {
        let list = below
            .iter()
            .enumerate()
            .map(|(i, &name)| Input {
                source: Source::File(format!("{i}/{name}").into()),
                below: name.into(),
            })
            .collect();
        let targets = targets(&Inputs { list, several: true }, Path::new("no-such-folder"), "aec")?;
        Ok(targets.iter().map(|target| target.name().replace('\\', "/")).collect())
    }

    #[test]
    fn names_change_their_extension() {
        let names = planned(&["a.png", "sub/b.jpg", "stdin", "c.d.png"]).unwrap();
        let expected = ["a.aec", "sub/b.aec", "stdin.aec", "c.d.aec"];
        assert_eq!(names, expected.map(|name| format!("no-such-folder/{name}")));
        assert_eq!(replaced(Path::new("a.png.aec"), "png"), Path::new("a.png"));
    }

    #[test]
    fn names_that_clash_keep_their_suffix() {
        let names = planned(&["a.png", "A.jpg", "b.png"]).unwrap();
        assert_eq!(names, ["a.png.aec", "A.jpg.aec", "b.aec"].map(|name| format!("no-such-folder/{name}")));
    }

    #[test]
    fn the_same_name_twice_is_refused() {
        let error = planned(&["a.png", "a.png"]).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
        assert!(error.to_string().contains("0/a.png and 1/a.png"), "{error}");
    }
}
