//! The template of the page. Everything that is put into it is escaped, except what the template marks as `safe`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::{Error, Result};

const NAME: &str = "page.html";
const SOURCE: &str = include_str!("page.html");

/// The page with its blanks filled in.
pub(super) fn render(content: impl Serialize) -> Result<String> {
    let broken = |error: minijinja::Error| Error::Report(format!("{NAME}: {error}"));
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).build().map_err(broken)?);
    environment.add_template(NAME, SOURCE).map_err(broken)?;
    let template = environment.get_template(NAME).map_err(broken)?;
    template.render(Value::from(Serde(content))).map_err(broken)
}
