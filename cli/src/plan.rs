//! Chooses the output of each input before any work starts.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::failure::usage;
use crate::inputs::{Input, Inputs, Source};
use crate::output::Destination;
use crate::printable::printable;

/// The output of one input.
pub struct Planned {
    pub destination: Destination,
    /// Why the output does not have the usual name.
    pub notice: Option<String>,
}

/// Whether data goes to stdout, so that results have to go to stderr.
pub fn to_stdout(outputs: &[Planned]) -> bool {
    outputs.iter().any(|output| output.destination == Destination::Stdout)
}

/// One output for each input: `out` itself, or a path below it with the extension. Without `out`, the output is next to
/// the input.
pub fn outputs(inputs: &Inputs, out: Option<&Path>, extension: &str) -> Result<Vec<Planned>> {
    let Some(out) = out else { return next_to_inputs(inputs, extension) };
    let single = |destination| Ok(vec![Planned { destination, notice: None }]);
    if out.as_os_str() == "-" {
        if inputs.list.len() > 1 {
            return Err(usage("-o -: stdout takes only one output; give a folder for several inputs"));
        }
        return single(Destination::Stdout);
    }
    let folder = inputs.several || out.is_dir() || ends_with_separator(out);
    if !folder {
        return single(Destination::File(out.to_owned()));
    }
    if out.exists() && !out.is_dir() {
        return Err(usage(format!("-o {} is a file; give a folder for several inputs", printable(out))));
    }
    let places = places(&inputs.list, extension);
    let planned = inputs.list.iter().zip(places).map(|(input, (place, renamed))| Planned {
        notice: renamed.then(|| renaming(input, &place)),
        destination: Destination::File(out.join(place)),
    });
    Ok(planned.collect())
}

/// Outputs next to their inputs. The output of stdin goes to stdout.
fn next_to_inputs(inputs: &Inputs, extension: &str) -> Result<Vec<Planned>> {
    let mut files = Vec::new();
    for input in &inputs.list {
        match &input.source {
            Source::File(path) => {
                let below = input.frame.map_or_else(|| path.clone(), |frame| frame.numbered(path));
                files.push(Input { source: input.source.clone(), below, frame: input.frame });
            }
            Source::Stdin if inputs.list.len() > 1 => {
                return Err(usage(
                    "the output of '-' (stdin) has no default place among several inputs; give a folder with -o",
                ));
            }
            Source::Stdin if std::io::stdout().is_terminal() => {
                return Err(usage("the output would go to the terminal; give a file with -o"));
            }
            Source::Stdin => return Ok(vec![Planned { destination: Destination::Stdout, notice: None }]),
        }
    }
    let places = places(&files, extension).into_iter();
    Ok(places.map(|(place, _)| Planned { destination: Destination::File(place), notice: None }).collect())
}

/// A different path for each input, and whether its name differs from that of the input.
///
/// `a.png` becomes `a.aec`. If several inputs would get this path, `a.png` and `a.jpg` keep their extensions, pictures with
/// the same name from several folders get the name of their folder, and paths that still clash get a number.
fn places(inputs: &[Input], extension: &str) -> Vec<(PathBuf, bool)> {
    let mut places: Vec<PathBuf> = inputs.iter().map(|input| replaced(&input.below, extension)).collect();
    let mut renamed = vec![false; places.len()];
    for same in groups(&places) {
        let names: HashSet<String> = same.iter().map(|&i| key(&inputs[i].below)).collect();
        if names.len() == same.len() {
            for i in same {
                places[i] = appended(&inputs[i].below, extension);
            }
            continue;
        }
        let folders: HashSet<_> = same.iter().map(|&i| folder_name(&inputs[i])).collect();
        if folders.len() == 1 {
            continue;
        }
        let named = |suffix: Suffix| -> Vec<PathBuf> {
            same.iter().map(|&i| suffix(&in_folder(&inputs[i]), extension)).collect()
        };
        let count = |places: &[PathBuf]| places.iter().map(|place| key(place)).collect::<HashSet<_>>().len();
        let (short, long) = (named(replaced), named(appended));
        let chosen = if count(&short) < count(&long) { long } else { short };
        for (i, place) in same.into_iter().zip(chosen) {
            (places[i], renamed[i]) = (place, true);
        }
    }
    let wanted: HashSet<String> = places.iter().map(|place| key(place)).collect();
    let mut taken: HashSet<String> = HashSet::new();
    for (place, renamed) in places.iter_mut().zip(&mut renamed) {
        let mut number = 2;
        let mut other = place.clone();
        while taken.contains(&key(&other)) || (*place != other && wanted.contains(&key(&other))) {
            other = numbered(place, number);
            number += 1;
        }
        *renamed |= *place != other;
        *place = other;
        taken.insert(key(place));
    }
    places.into_iter().zip(renamed).collect()
}

/// The sets of inputs whose paths are the same.
fn groups(places: &[PathBuf]) -> Vec<Vec<usize>> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, place) in places.iter().enumerate() {
        by_name.entry(key(place)).or_default().push(i);
    }
    by_name.into_values().filter(|same| same.len() > 1).collect()
}

/// The path in lower case, because some file systems ignore case.
fn key(path: &Path) -> String {
    printable(path).to_lowercase()
}

/// A way to give a name its extension.
type Suffix = fn(&Path, &str) -> PathBuf;

/// Adds the name of the folder: `sub/a.png` in the folder `2023` becomes `sub/2023-a.png`.
fn in_folder(input: &Input) -> PathBuf {
    let Some(mut name) = folder_name(input) else { return input.below.clone() };
    name.push("-");
    name.push(input.below.file_name().unwrap_or_default());
    input.below.with_file_name(name)
}

/// The name of the folder that was given and contains the input.
fn folder_name(input: &Input) -> Option<OsString> {
    let Source::File(path) = &input.source else { return None };
    let folder = path.ancestors().nth(input.below.components().count())?;
    let name = |folder: &Path| folder.file_name().map(OsString::from);
    name(folder).or_else(|| {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        name(&here.canonicalize().ok()?)
    })
}

fn renaming(input: &Input, place: &Path) -> String {
    format!(
        "another input is also called {}, so the output is called {}",
        printable(&input.below),
        printable(place)
    )
}

/// `a.png` to `a.aec`, and `a.png.aec` to `a.png` if the extension is `png`.
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

/// `a.aec` to `a-2.aec`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn ends_with_separator(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths for inputs, each of which is given as a folder and a path below it.
    fn planned(inputs: &[(&str, &str)]) -> Vec<String> {
        let list: Vec<_> = inputs
            .iter()
            .map(|(folder, below)| Input {
                source: Source::File(Path::new(folder).join(below)),
                below: below.into(),
                frame: None,
            })
            .collect();
        let places = places(&list, "aec").into_iter();
        places.map(|(place, _)| printable(&place).replace(std::path::MAIN_SEPARATOR, "/")).collect()
    }

    #[test]
    fn names_change_their_extension() {
        let names = planned(&[("x", "a.png"), ("x", "sub/b.jpg"), ("x", "stdin"), ("x", "c.d.png")]);
        assert_eq!(names, ["a.aec", "sub/b.aec", "stdin.aec", "c.d.aec"]);
        assert_eq!(replaced(Path::new("a.png.aec"), "png"), Path::new("a.png"));
    }

    #[test]
    fn names_that_clash_keep_their_suffix() {
        let names = planned(&[("x", "a.png"), ("x", "A.jpg"), ("x", "b.png")]);
        assert_eq!(names, ["a.png.aec", "A.jpg.aec", "b.aec"]);
    }

    #[test]
    fn the_same_name_in_several_folders_gets_the_folders_name() {
        let names = planned(&[("x/2023", "IMG_1.png"), ("x/2024", "IMG_1.png"), ("x/2024", "IMG_2.png")]);
        assert_eq!(names, ["2023-IMG_1.aec", "2024-IMG_1.aec", "IMG_2.aec"]);
        let names = planned(&[("x", "sub/a.png"), ("y", "sub/a.png"), ("y", "sub/a.jpg")]);
        assert_eq!(names, ["sub/x-a.png.aec", "sub/y-a.png.aec", "sub/y-a.jpg.aec"]);
    }

    #[test]
    fn what_clashes_still_gets_a_number() {
        let names = planned(&[("x/card", "a.png"), ("y/card", "a.png"), ("z/other", "a.png")]);
        assert_eq!(names, ["card-a.aec", "card-a-2.aec", "other-a.aec"]);
        let names = planned(&[("x/card", "a.png"), ("y/card", "a.png"), ("y/card", "a-2.png")]);
        assert_eq!(names, ["a.aec", "a-3.aec", "a-2.aec"]);
    }
}
