//! The report: a page that opens from disk, plots for papers, and tables for programs.

mod embed;
mod figures;
mod page;
mod template;

pub use embed::ReportPicture;

use std::fs;
use std::io::Write;
use std::path::Path;

use aecodec_plot::Ground;
use embed::Gallery;
use figures::Direction;

use crate::metrics::Metric;
use crate::{Error, Result, Results, tables};

/// Writes `report.html`, `results.json`, `results.csv`, `report.md` and `plots/*.svg` into `folder`.
///
/// `shown` returns the versions of the picture with this index that the page compares: the original, and what the
/// codecs make of it at equal bytes. It is called for the worst picture first, until the page has no room for more.
///
/// # Errors
/// Returns the error of `shown`, and [`Error::File`] if a file cannot be written.
pub fn write(
    results: &Results,
    shown: &dyn Fn(usize) -> Result<Vec<ReportPicture>>,
    folder: &Path,
) -> Result<()> {
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).map_err(|source| Error::file(&plots, source))?;

    // The measurements are written first, so that they are kept even if the page fails.
    replace(&folder.join("results.json"), &tables::json(results)?)?;
    replace(&folder.join("results.csv"), &tables::csv(results)?)?;
    let mut drawn = Vec::new();
    for metric in Metric::ALL {
        let name = format!("plots/{}.svg", metric.key());
        let Some(plot) = figures::means(results, metric) else {
            // Otherwise the plot of an earlier report would remain.
            let _ = fs::remove_file(folder.join(name));
            continue;
        };
        replace(&folder.join(&name), &plot.svg(Ground::White))?;
        drawn.push((plot.title.clone(), name));
        if metric == Metric::PsnrRgb {
            replace(&plots.join("rd.svg"), &plot.svg(Ground::Preferred))?;
        }
    }
    for (work, name) in [(Direction::Encode, "plots/encode.svg"), (Direction::Decode, "plots/decode.svg")] {
        let Some(plot) = figures::speed(results, work) else { continue };
        replace(&folder.join(name), &plot.svg(Ground::White))?;
        drawn.push((plot.title, name.to_owned()));
    }
    let drawn: Vec<(&str, &str)> =
        drawn.iter().map(|(title, name)| (title.as_str(), name.as_str())).collect();
    replace(&folder.join("report.md"), &tables::markdown(results, &drawn))?;
    let gallery = Gallery::hang(&results.pictures_worst_first(), shown)?;
    replace(&folder.join("report.html"), &page::html(results, &gallery)?)
}

/// Writes a file atomically, so that readers see either the old or the new one.
fn replace(path: &Path, content: &str) -> Result<()> {
    let failed = |source| Error::file(path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    // By default only the owner can read a temporary file, but others should be able to read the report.
    let file = tempfile::Builder::new().prefix(".report-").make_in(folder, |path| fs::File::create_new(path));
    let mut file = file.map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
