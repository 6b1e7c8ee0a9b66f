//! Names that senders give to pictures: which are accepted, and which paths follow from them.

use std::path::{Path, PathBuf};

use aecodec_proto::name::{self, EXTENSION};

use crate::error::Refusal;

/// Extensions of decoded pictures.
const DECODED: [&str; 4] = ["png", "jpg", "webp", "ppm"];

/// A relative path below the inbox that cannot leave it, ending in `.aec`, `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(String);

impl Name {
    /// Accepts an offered name, or returns why it is refused.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        match name::check(name) {
            None => Ok(Self(name.to_string())),
            Some(why) => {
                let shown = name.chars().filter(|c| !c.is_control()).take(80).collect();
                Err(Refusal::Name { name: shown, why })
            }
        }
    }

    /// A name from the journal, which was checked before.
    pub fn trusted(name: String) -> Self {
        Self(name)
    }

    /// The name itself if `number` is 1, then `a-2.aec`, `a-3.aec` and so on.
    pub fn numbered(&self, number: u32) -> Self {
        if number < 2 { self.clone() } else { Self(format!("{}-{number}{EXTENSION}", self.stem())) }
    }

    /// The name without `.aec`.
    fn stem(&self) -> &str {
        &self.0[..self.0.len() - EXTENSION.len()]
    }

    /// As it was offered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Path of the picture.
    pub fn path(&self, out: &Path) -> PathBuf {
        out.join(&self.0)
    }

    /// Path of the decoded picture.
    pub fn decoded(&self, out: &Path, extension: &str) -> PathBuf {
        out.join(format!("{}.{extension}", self.stem()))
    }

    /// Path of the preview.
    pub fn preview(&self, out: &Path, extension: &str) -> PathBuf {
        out.join(format!("{}.preview.{extension}", self.stem()))
    }

    /// Paths of all possible previews.
    pub fn previews(&self, out: &Path) -> impl Iterator<Item = PathBuf> {
        DECODED.into_iter().map(move |extension| self.preview(out, extension))
    }

    /// The folders that the picture needs, the outermost first.
    pub fn folders(&self, out: &Path) -> impl Iterator<Item = PathBuf> {
        self.0.match_indices('/').map(move |(end, _)| out.join(&self.0[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn usual_names_are_taken() {
        for name in [
            "a.aec",
            "holiday/2026 05/IMG_1.aec",
            ".hidden.aec",
            "größe/猫.aec",
            "a..b.aec",
            "comet.aec",
            "con-tent/x.aec",
        ] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            ".aec",
            "a.png",
            "/a.aec",
            "../a.aec",
            "a/../b.aec",
            "a//b.aec",
            "a/./b.aec",
            "a\\b.aec",
            "c:a.aec",
            "a\0.aec",
            ".aecodec/a.aec",
            "x/.AECODEC/a.aec",
            "con.aec",
            "x/NUL.tar.aec",
            "lpt1.aec",
            "a?.aec",
            "a /b.aec",
            "a./b.aec",
            " a.aec",
            "a.aec/b.aec",
            "a/",
            "a\u{202e}gpj.aec",
            "a\n.aec",
        ] {
            assert!(matches!(Name::parse(name), Err(Refusal::Name { .. })), "{name:?}");
        }
        assert!(Name::parse(&format!("{}.aec", "x".repeat(197))).is_err());
        assert!(Name::parse(&format!("{}a.aec", "x/".repeat(40))).is_err());
        assert!(Name::parse(&format!("{}a.aec", format!("{}/", "x".repeat(150)).repeat(8))).is_err());
    }

    #[test]
    fn names_that_follow_from_one() {
        let name = Name::parse("sub/dir/a.b.aec").unwrap();
        assert_eq!(name.numbered(1), name);
        assert_eq!(name.numbered(3).as_str(), "sub/dir/a.b-3.aec");
        let out = Path::new("inbox");
        assert_eq!(name.decoded(out, "png"), out.join("sub/dir/a.b.png"));
        assert_eq!(name.preview(out, "jpg"), out.join("sub/dir/a.b.preview.jpg"));
        assert_eq!(name.folders(out).collect::<Vec<_>>(), [out.join("sub"), out.join("sub/dir")]);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_inside(name in "(\\PC|[./\\\\ ]|\\.\\.|aec){0,12}(\\.aec)?") {
            if let Ok(name) = Name::parse(&name) {
                let path = name.path(Path::new("inbox"));
                prop_assert!(path.starts_with("inbox"));
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(name.numbered(9).as_str().ends_with("-9.aec"));
            }
        }
    }
}
