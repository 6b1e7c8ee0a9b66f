//! The templates of pages and plots; whatever is put into them is escaped unless a template says `safe`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use crate::{Error, Result};

const TEMPLATES: [(&str, &str); 2] =
    [("page.html", include_str!("page.html")), ("plot.svg", include_str!("plot.svg"))];

/// The template of this name with its blanks filled in.
pub(super) fn render(name: &str, content: impl Serialize) -> Result<String> {
    let broken = |error: minijinja::Error| Error::Report(format!("{name}: {error}"));
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).build().map_err(broken)?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).map_err(broken)?;
    }
    let template = environment.get_template(name).map_err(broken)?;
    template.render(Value::from(Serde(content))).map_err(broken)
}
