//! Codecs that run as separate programs. They are described in a table, so that users can add their own.
//!
//! The table is a TOML file with one `[[codec]]` entry for each codec:
//!
//! ```toml
//! [[codec]]
//! id = "mine"
//! name = "My codec"
//! settings = "model large, on one thread"
//! encode = ["my-encoder", "--quality", "{quality}", "{in}", "{out}"]
//! decode = "python3 decode.py {in} {out}"
//! version = ["my-encoder", "--version"]
//! quality = { worst = 1, best = 8, step = 1 }
//! input = "png"
//! output = "ppm"
//! ```
//!
//! | Key | Meaning |
//! |---|---|
//! | `id` | The name on the command line and in files: lower-case letters, digits, `-`, `_` and `.` |
//! | `name` | The display name |
//! | `settings` | The settings in words; empty by default |
//! | `encode` | The command that encodes `{in}` at `{quality}` into `{out}` |
//! | `decode` | The command that decodes `{in}` into `{out}` |
//! | `version` | The command whose first line of output is the version. It must change if the codec changes, as results are cached for each version |
//! | `quality` | The usual range: `worst` gives the smallest files, `best` the largest, and `step` is the distance between two adjacent qualities. `worst` may be the larger number |
//! | `input` | The format that the encoder reads: `png` or `ppm`, 8-bit RGB |
//! | `output` | The format that the decoder writes: `png` or `ppm` |
//! | `extension` | The extension of coded files; `id` by default |
//! | `media_type` | The media type of coded files, if browsers can show them |
//! | `install` | Where to get the programs. This is shown if they are missing |
//!
//! A command is a list of words, or a string that is split at spaces and may contain quotes, as in a shell. It is not
//! run by a shell, so `|` and `$HOME` have no special meaning. A codec is available if the programs of its three
//! commands are installed. For comparable speeds, run the encoder and the decoder on one thread.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::QualityScale;
use crate::{Error, Result};

const BUILT_IN: &str = include_str!("external.toml");
/// The largest number of steps of a quality scale.
const MAX_STEPS: f64 = 1e6;

/// One codec of a table. Its commands have been checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodecEntry {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub settings: String,
    pub encode: CommandLine,
    pub decode: CommandLine,
    pub version: CommandLine,
    pub quality: QualityScale,
    pub input: InterchangeFormat,
    pub output: InterchangeFormat,
    pub extension: Option<String>,
    pub media_type: Option<String>,
    pub install: Option<String>,
}

/// A file format for uncompressed pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InterchangeFormat {
    Png,
    Ppm,
}

/// A command: a program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CommandText")]
pub(super) struct CommandLine(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a command: a string or a list of strings")]
enum CommandText {
    Line(String),
    List(Vec<String>),
}

impl TryFrom<CommandText> for CommandLine {
    type Error = &'static str;

    fn try_from(command: CommandText) -> std::result::Result<Self, Self::Error> {
        let words = match command {
            CommandText::Line(line) => shlex::split(&line).ok_or("a quote is not closed")?,
            CommandText::List(words) => words,
        };
        if words.first().is_none_or(String::is_empty) {
            return Err("the command names no program");
        }
        Ok(Self(words))
    }
}

impl CommandLine {
    /// The program.
    pub fn program(&self) -> &str {
        &self.0[0]
    }

    /// The arguments, with the values filled in for the names in braces.
    pub fn arguments(&self, places: &[(&str, &str)]) -> Vec<String> {
        let fill = |word: &String| {
            places
                .iter()
                .fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
        };
        self.0[1..].iter().map(fill).collect()
    }

    /// Checks that the arguments contain each of these names in braces, and no other.
    fn check(&self, places: &[&str]) -> std::result::Result<(), String> {
        let found: Vec<&str> = self.0[1..].iter().flat_map(|word| named(word)).collect();
        if let Some(missing) = places.iter().find(|place| !found.contains(place)) {
            return Err(format!("`{{{missing}}}` is missing from the arguments"));
        }
        match found.iter().find(|place| !places.contains(place)) {
            Some(unknown) => Err(format!("`{{{unknown}}}` has no meaning here")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// The names in braces within a word. Other braces are passed on to the program.
fn named(word: &str) -> impl Iterator<Item = &str> {
    let inside = word.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    inside
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase()))
}

/// The codecs of the built-in table.
///
/// # Errors
/// Returns [`Error::Table`] if the table is not valid, which a test rules out.
pub(super) fn built_in() -> Result<Vec<CodecEntry>> {
    parse("the built-in table", BUILT_IN)
}

/// The codecs of a user's table.
///
/// # Errors
/// Returns [`Error::File`] if the table cannot be read, and [`Error::Table`] if it is not valid.
pub(super) fn read(path: &Path) -> Result<Vec<CodecEntry>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    parse(&path.display().to_string(), &text)
}

fn parse(file: &str, text: &str) -> Result<Vec<CodecEntry>> {
    let error = |detail: String| Error::Table { file: file.to_owned(), detail };
    let table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| error(e.to_string().trim_end().to_owned()))?;
    if let Some(key) = table.keys().find(|&key| key != "codec") {
        return Err(error(format!("unknown key `{key}`; expected [[codec]]")));
    }
    let Some(toml::Value::Array(codecs)) = table.get("codec") else {
        return Err(error("the file has no [[codec]]".to_owned()));
    };
    let mut ids = HashSet::new();
    let entry = |(index, value): (usize, &toml::Value)| {
        let id = value.get("id").and_then(toml::Value::as_str);
        let codec = id.map_or_else(|| format!("codec number {}", index + 1), |id| format!("codec `{id}`"));
        let entry = CodecEntry::deserialize(value.clone()).map_err(|e| one_line(&e));
        let entry = entry.and_then(|entry| entry.check().map(|()| entry));
        let entry = entry.map_err(|detail| error(format!("{codec}: {detail}")))?;
        if !ids.insert(entry.id.clone()) {
            return Err(error(format!("{codec}: this `id` is used twice")));
        }
        Ok(entry)
    };
    codecs.iter().enumerate().map(entry).collect()
}

/// The message on one line together with its key, which is on a separate line.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

impl CodecEntry {
    /// The programs that the codec needs, each once.
    pub fn programs(&self) -> Vec<&str> {
        let mut programs: Vec<&str> = Vec::new();
        for words in [&self.encode, &self.decode, &self.version] {
            if !programs.contains(&words.program()) {
                programs.push(words.program());
            }
        }
        programs
    }

    fn check(&self) -> std::result::Result<(), String> {
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c);
        if self.id.is_empty() || !self.id.bytes().all(is_plain) {
            return Err("`id` may only contain lower-case letters, digits, `-`, `_` and `.`".to_owned());
        }
        let at = |key: &'static str| move |detail| format!("`{key}`: {detail}");
        self.encode.check(&["in", "out", "quality"]).map_err(at("encode"))?;
        self.decode.check(&["in", "out"]).map_err(at("decode"))?;
        self.version.check(&[]).map_err(at("version"))?;
        let QualityScale { worst, best, step } = self.quality;
        let steps = (best - worst).abs() / step;
        // The condition is false for NaN.
        if !(step > 0.0 && (1.0..=MAX_STEPS).contains(&steps)) {
            let detail = format!(
                "worst {worst}, best {best}, step {step}; the step must be above 0 and fit between worst and best"
            );
            return Err(at("quality")(detail));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = r#"
        [[codec]]
        id = "mine"
        name = "My codec"
        encode = ["enc", "--quality={quality}", "{in}", "{out}"]
        decode = "dec '{in}' {out}"
        version = "enc --version"
        quality = { worst = 60, best = 10, step = 0.5 }
        input = "png"
        output = "ppm"
    "#;

    fn refusal(text: &str) -> String {
        parse("codecs.toml", text).expect_err("a refusal").to_string()
    }

    #[test]
    fn an_entry_is_read_and_its_places_are_filled() {
        let entries = parse("codecs.toml", MINE).expect("a sound table");
        let entry = &entries[0];
        assert_eq!(
            (entry.id.as_str(), entry.settings.as_str(), entry.input),
            ("mine", "", InterchangeFormat::Png)
        );
        assert_eq!(entry.programs(), ["enc", "dec"]);
        let words = entry.encode.arguments(&[("in", "a b"), ("out", "c"), ("quality", "7.5")]);
        assert_eq!(words, ["--quality=7.5", "a b", "c"]);
        assert_eq!(entry.decode.arguments(&[("in", "a b"), ("out", "c")]), ["a b", "c"]);
        assert_eq!(entry.quality.steps(), 100);
    }

    #[test]
    fn the_example_of_the_documentation_is_sound() {
        let lines = include_str!("table.rs").lines().skip_while(|line| !line.ends_with("```toml")).skip(1);
        let lines = lines.take_while(|line| !line.ends_with("```")).map(|line| &line[3..]);
        let entries = parse("codecs.toml", &lines.collect::<Vec<_>>().join("\n")).expect("a sound table");
        assert_eq!(entries[0].decode.arguments(&[("in", "a"), ("out", "b")]), ["decode.py", "a", "b"]);
    }

    #[test]
    fn the_built_in_table_is_sound() {
        let ids: Vec<String> = built_in().expect("a sound table").into_iter().map(|entry| entry.id).collect();
        assert_eq!(ids, ["avif", "jxl"]);
    }

    #[test]
    fn an_error_names_file_codec_and_key() {
        let replaced = |from: &str, to: &str| {
            assert!(MINE.contains(from));
            refusal(&MINE.replace(from, to))
        };
        for (error, key) in [
            (replaced("name =", "nam ="), "nam"),
            (replaced("name = \"My codec\"", ""), "name"),
            (replaced("\"My codec\"", "3"), "name"),
            (replaced("\"mine\"", "\"mine\"\nspeed = 6"), "speed"),
            (replaced("[\"enc\", ", "[3, "), "encode"),
            (replaced("--quality={quality}", "--quality"), "{quality}"),
            (replaced("{in}\", \"", "{inn}\", \"{in}\", \""), "{inn}"),
            (replaced("{out}\"]", "out\"]"), "{out}"),
            (replaced("'{in}'", "{in}'"), "decode"),
            (replaced("'{in}'", "{in} {quality}"), "{quality}"),
            (replaced("\"enc --version\"", "\"\""), "version"),
            (replaced("step = 0.5", "step = 0"), "quality"),
            (replaced("step = 0.5", "step = nan"), "quality"),
            (replaced("step = 0.5", "step = 80"), "quality"),
            (replaced("best = 10", "best = 60"), "quality"),
            (replaced("best = 10, ", ""), "best"),
            (replaced("best = 10", "best = 10, middle = 30"), "middle"),
            (replaced("\"png\"", "\"gif\""), "input"),
        ] {
            assert!(error.starts_with("codecs.toml: codec `mine`: "), "{error}");
            assert!(error.contains(key) && !error.contains('\n'), "{key} in {error}");
        }
        assert!(replaced("\"mine\"", "\"My Codec\"").contains("`id`"));
        assert!(replaced("id = \"mine\"", "").starts_with("codecs.toml: codec number 1: "));
        assert!(refusal(&format!("{MINE}{MINE}")).contains("twice"));
        assert!(refusal("").contains("[[codec]]") && refusal("codex = 1").contains("codex"));
        assert!(refusal("[[codec]").contains("line 1"));
    }
}
