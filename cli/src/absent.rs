//! The commands and options that this build lacks. Help and errors name them, with the command that builds them in.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A part of the program that a feature builds in, with its commands and options.
struct Part {
    built_in: bool,
    feature: &'static str,
    commands: &'static [&'static str],
    options: &'static [&'static str],
}

const PARTS: [Part; 8] = [
    Part {
        built_in: cfg!(feature = "network"),
        feature: "network",
        commands: &["send", "receive", "peers"],
        options: &[],
    },
    Part {
        built_in: cfg!(feature = "bench"),
        feature: "full",
        commands: &["bench", "compare"],
        options: &[],
    },
    Part { built_in: cfg!(feature = "train"), feature: "full", commands: &["train", "sample"], options: &[] },
    Part {
        built_in: cfg!(feature = "search"),
        feature: "full",
        commands: &["index", "search", "duplicates"],
        options: &[],
    },
    Part {
        built_in: cfg!(feature = "latents"),
        feature: "full",
        commands: &["anomaly", "segment", "latents"],
        options: &["--only-unusual"],
    },
    Part {
        built_in: cfg!(feature = "services"),
        feature: "full",
        commands: &[],
        options: &["--store", "--notify", "--metrics", "--web"],
    },
    Part {
        built_in: cfg!(feature = "live"),
        feature: "live",
        commands: &[],
        options: &["--stdin", "--live"],
    },
    Part { built_in: cfg!(feature = "refine"), feature: "full", commands: &[], options: &["--effort"] },
];

/// A line of help about what this build lacks, if it lacks anything.
pub fn note() -> Option<String> {
    noted(&PARTS)
}

/// An error message, if the command line was refused because this build lacks a part of the program.
pub fn explain(error: &clap::Error) -> Option<String> {
    explained(&PARTS, error)
}

fn noted(parts: &[Part]) -> Option<String> {
    let absent = parts.iter().filter(|part| !part.built_in);
    let names: Vec<&str> = absent.flat_map(Part::names).collect();
    // The feature `full` contains all parts.
    let how = build("full");
    (!names.is_empty())
        .then(|| format!("Not in this build: {}. To build them in, run: {how}", names.join(", ")))
}

fn explained(parts: &[Part], error: &clap::Error) -> Option<String> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(name)) = error.get(kind) else { return None };
    let mut absent = parts.iter().filter(|part| !part.built_in);
    let part = absent.find(|part| part.names().any(|known| known == name))?;
    Some(format!("this build has no {name}; to build it in, run: {}", build(part.feature)))
}

impl Part {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.commands.iter().chain(self.options).copied()
    }
}

fn build(feature: &str) -> String {
    format!("cargo install --path cli --locked --features {feature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: [Part; 2] = [
        Part { built_in: false, feature: "full", commands: &["paint"], options: &["--varnish"] },
        Part { built_in: true, feature: "full", commands: &["draw"], options: &[] },
    ];

    fn refusal(args: &[&str]) -> Option<String> {
        let draw = clap::Command::new("draw").arg(clap::Arg::new("in"));
        let program = clap::Command::new("aecodec").subcommand_required(true).subcommand(draw);
        let error = program.try_get_matches_from([&["aecodec"], args].concat()).unwrap_err();
        explained(&ABSENT, &error)
    }

    #[test]
    fn what_is_absent_is_named_with_the_command_that_builds_it() {
        for args in
            [&["paint", "a.png", "--json"][..], &["draw", "a", "--varnish", "5"], &["draw", "--varnish=5"]]
        {
            let text = refusal(args).unwrap();
            assert!(text.contains("this build has no ") && text.contains("--features full"), "{text}");
        }
        assert_eq!(refusal(&["carve"]), None);
        assert_eq!(refusal(&["draw", "--frame"]), None);
    }

    #[test]
    fn help_names_what_is_absent_and_nothing_else() {
        let note = noted(&ABSENT).unwrap();
        assert!(note.contains("paint, --varnish") && !note.contains("draw"), "{note}");
        assert_eq!(noted(&ABSENT[1..]), None);
    }
}
