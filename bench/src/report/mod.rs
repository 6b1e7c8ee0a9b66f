//! The report: one page that opens from disk, plots for papers, and tables for programs.

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
/// `shown` gives the pictures of the slider for the picture of this index: the original and what the codecs make of it
/// at equal bytes. It is called once for each picture that the page has room for, worst first.
///
/// # Errors
/// What `shown` says, and where a file cannot be written.
pub fn write(
    results: &Results,
    shown: &dyn Fn(usize) -> Result<Vec<ReportPicture>>,
    folder: &Path,
) -> Result<()> {
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).map_err(|source| Error::file(&plots, source))?;

    // The measurements first: they are worth keeping whatever becomes of the page.
    replace(&folder.join("results.json"), &tables::json(results)?)?;
    replace(&folder.join("results.csv"), &tables::csv(results)?)?;
    let mut drawn = Vec::new();
    for metric in Metric::ALL {
        let name = format!("plots/{}.svg", metric.key());
        let Some(plot) = figures::means(results, metric) else {
            // One of an earlier report would pass for this one's.
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

/// Writes a file in one step: readers see the old one or the new one.
fn replace(path: &Path, content: &str) -> Result<()> {
    let failed = |source| Error::file(path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file of its own is readable to nobody else; a report is to be shown around.
    let file = tempfile::Builder::new().prefix(".report-").make_in(folder, |path| fs::File::create_new(path));
    let mut file = file.map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
