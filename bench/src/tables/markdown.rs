//! The report in Markdown: conditions, codecs, savings, curves, speed and pictures.

use crate::Results;
use crate::metrics::Metric;
use crate::results::{Saving, Speed};
use crate::words::{NONE, percent};

/// The report in Markdown. `plots` lists the title and the path of each plot to include.
pub fn markdown(results: &Results, plots: &[(&str, &str)]) -> String {
    let mut parts = vec![head(results), conditions(results), codecs(results), savings(results)];
    parts.extend(plots.iter().map(|(title, path)| format!("![{}](<{path}>)\n", escaped(title))));
    parts.extend([curves(results), speed(results), pictures(results), METHOD.to_owned()]);
    parts.join("\n")
}

const METHOD: &str = "\
## How it is measured

* Every point is a real file. Its size includes all headers, and the picture that is decoded from it is compared with \
  the original.
* All codecs get the same upright 8-bit RGB pixels without alpha and metadata.
* Each codec is measured at several qualities of its own scale. A mean curve consists of the mean bits per pixel and \
  the mean of the metric over all pictures at each quality.
* BD-rate is the mean change of bits over the qualities that both curves reach, in percent. The logarithm of the rate \
  is interpolated by a monotone cubic. Negative numbers mean fewer bits. Curves that share less than 1 dB (5 points \
  of SSIMULACRA 2) are not compared.
* PSNR (RGB) is computed from the mean squared error over all samples. PSNR (YCbCr) weights Y, Cb and Cr by 6, 1 and 1. \
  MS-SSIM is the mean over red, green and blue, shown as \u{2212}10 log10(1 \u{2212} MS-SSIM) and averaged in \
  decibels. It needs sides of at least 161 pixels, and SSIMULACRA 2 needs at least 8.
* Times are on one thread. Codecs that run as separate programs are marked with an asterisk. Their times include \
  the start of the process and the reading and writing of files (PNG or PNM). Only for these is the memory known: it \
  is the peak resident size of the process.
* Published curves are means over the pictures of their publication. They are comparable only on the same pictures.
";

fn head(results: &Results) -> String {
    let megapixels = results.pictures.iter().map(|picture| picture.pixels()).sum::<u64>() as f64 / 1e6;
    let pictures = match results.pictures.len() {
        1 => "1 picture".to_owned(),
        count => format!("{count} pictures"),
    };
    format!("# Benchmarks\n\nMade by `aecodec bench` from {pictures} with {megapixels:.1} Mpixel in all.\n")
}

fn conditions(results: &Results) -> String {
    let conditions = &results.conditions;
    let rows = [
        ["aecodec".to_owned(), escaped(&conditions.version)],
        ["Date".to_owned(), escaped(&conditions.date)],
        ["Processor".to_owned(), format!("{}, {} cores", escaped(&conditions.processor), conditions.cores)],
        ["System".to_owned(), escaped(&conditions.system)],
        ["Pictures at the same time".to_owned(), conditions.at_once.to_string()],
    ];
    format!("## Conditions\n\n{}", table(["", ""].map(str::to_owned).into(), rows.map(Vec::from)))
}

fn codecs(results: &Results) -> String {
    let header = ["codec", "settings", "version"].map(str::to_owned).into();
    let rows = (0..results.codecs.len()).map(|codec| {
        let info = &results.codecs[codec];
        vec![marked(results, codec), escaped(&info.settings), escaped(&info.version)]
    });
    format!("## Codecs\n\n{}", table(header, rows))
}

fn savings(results: &Results) -> String {
    let name = |codec: usize| results.codecs.get(codec).map_or(String::new(), |info| escaped(&info.name));
    let of_means = |codec: usize, against: usize| {
        Metric::ALL.map(|metric| percent(results.saving(codec, against, metric).of_means))
    };
    let mut out = String::from(
        "## Bits at equal quality\n\nBD-rate of the mean curves, for each metric. Negative numbers mean fewer bits. n/a means that \
         the curves share too small a range of quality.\n",
    );

    let others = (0..results.codecs.len()).filter(|&codec| codec != results.reference);
    let rows = others.map(|codec| [vec![name(codec)], of_means(codec, results.reference).into()].concat());
    let header = [vec!["codec".to_owned()], metric_names()].concat();
    out += &format!("\n### Against {}\n\n{}", name(results.reference), table(header, rows));

    let rows = (1..results.codecs.len()).map(|against| {
        let Saving { mean, worst, .. } = results.saving(0, against, Metric::PsnrRgb);
        let on = worst.map_or(String::new(), |(i, _)| format!(" ({})", escaped(&results.pictures[i].name)));
        let worst = percent(worst.map(|(_, change)| change)) + &on;
        [vec![name(against)], of_means(0, against).into(), vec![percent(mean), worst]].concat()
    });
    let overlays = results.overlays.iter().enumerate().map(|(i, overlay)| {
        let mut row = vec![NONE.to_owned(); Metric::ALL.len() + 3];
        row[0] = format!("{} (published)", escaped(&overlay.name));
        row[1] = percent(results.saving_against_overlay(0, i));
        row
    });
    let per_picture = ["mean of pictures, PSNR (RGB)", "worst picture, PSNR (RGB)"].map(str::to_owned);
    let header = [vec!["against".to_owned()], metric_names(), per_picture.into()].concat();
    out += &format!("\n### {} against each\n\n{}", name(0), table(header, rows.chain(overlays)));
    out
}

fn curves(results: &Results) -> String {
    let mut out = String::from("## Mean curves\n");
    for (codec, info) in results.codecs.iter().enumerate() {
        let header = [vec!["quality".to_owned(), "bits per pixel".to_owned()], titles()].concat();
        let rows = results.mean_points(codec).into_iter().map(|point| {
            let quality = point.quality.map_or(NONE.to_owned(), |quality| quality.to_string());
            let values = point.values.map(|value| value.map_or(NONE.to_owned(), |value| signed(value, 2)));
            [vec![quality, format!("{:.3}", point.bpp)], values.into()].concat()
        });
        out +=
            &format!("\n### {}, {}\n\n{}", escaped(&info.name), escaped(&info.settings), table(header, rows));
    }
    out
}

fn speed(results: &Results) -> String {
    let header = ["codec", "encode, Mpixel/s", "decode, Mpixel/s", "encode, MiB", "decode, MiB"];
    let rows = (0..results.codecs.len()).map(|codec| {
        let Speed { encode, decode, encode_memory, decode_memory } = results.speed(codec);
        let speeds = [encode, decode].map(|speed| format!("{speed:.2}"));
        let memory = [encode_memory, decode_memory]
            .map(|bytes| bytes.map_or(NONE.to_owned(), |bytes| bytes.div_ceil(1 << 20).to_string()));
        [vec![marked(results, codec)], speeds.into(), memory.into()].concat()
    });
    let table = table(header.map(str::to_owned).into(), rows);
    let note = "On one thread, over all pictures and qualities. The times of separate programs (\\*) include their start.\n";
    format!("## Speed and memory\n\n{note}\n{table}")
}

fn pictures(results: &Results) -> String {
    let others = || 1..results.codecs.len();
    let names = others().map(|codec| format!("against {}", escaped(&results.codecs[codec].name)));
    let header = ["picture", "size"].map(str::to_owned).into_iter().chain(names).collect();
    let rows = results.pictures_worst_first().into_iter().map(|index| {
        let picture = &results.pictures[index];
        let size = format!("{}x{}", picture.width, picture.height);
        let changes = others().map(|codec| percent(results.saving_on(index, 0, codec, Metric::PsnrRgb)));
        [escaped(&picture.name), size].into_iter().chain(changes).collect()
    });
    let note = "BD-rate of aecodec on each picture for PSNR (RGB), worst first.\n";
    format!("## Pictures\n\n{note}\n{}", table(header, rows))
}

fn table(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(header.len()));
    let rows = rows.into_iter().map(|row| line(&row));
    [line(&header), rule].into_iter().chain(rows).collect()
}

/// The titles without units, for columns of percentages.
fn metric_names() -> Vec<String> {
    titles().into_iter().map(|title| title.trim_end_matches(", dB").to_owned()).collect()
}

fn titles() -> Vec<String> {
    Metric::ALL.map(|metric| metric.title().to_owned()).into()
}

/// A codec's name, with an asterisk if it runs as a separate program.
fn marked(results: &Results, codec: usize) -> String {
    let info = &results.codecs[codec];
    format!("{}{}", escaped(&info.name), if info.external { " \\*" } else { "" })
}

/// A number with a minus sign in place of a hyphen, and without a sign before 0.
fn signed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    if value < 0.0 && !zero { format!("\u{2212}{text}") } else { text }
}

/// Escapes text so that Markdown shows it unchanged in one cell of a table.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '<' | '&' | '*' | '`' | '[' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    /// The cells of the first row that starts with `name`, below the heading.
    fn row<'a>(document: &'a str, heading: &str, name: &str) -> Vec<&'a str> {
        let (_, below) = document.split_once(&format!("{heading}\n")).expect(heading);
        let row = below.lines().find(|line| line.starts_with(&format!("| {name} |"))).expect(name);
        row.trim_matches('|').split(" | ").map(str::trim).collect()
    }

    #[test]
    fn the_document_gives_savings_in_both_directions() {
        let text = markdown(&sample(), &[]);
        let ours = [
            "aecodec",
            "\u{2212}35.0\u{a0}%",
            "\u{2212}35.0\u{a0}%",
            "\u{2212}35.0\u{a0}%",
            "\u{2212}35.0\u{a0}%",
        ];
        assert_eq!(row(&text, "### Against JPEG", "aecodec"), ours);
        let each = row(&text, "### aecodec against each", "JPEG");
        assert_eq!(each[1..], [&ours[1..], &["\u{2212}35.0\u{a0}%", "\u{2212}20.0\u{a0}% (b.png)"]].concat());
        let published = row(&text, "### aecodec against each", "VTM (published)");
        assert_eq!(published[1..3], ["+25.0\u{a0}%", "n/a"]);
    }

    #[test]
    fn the_document_names_conditions_settings_speed_and_plots() {
        let mut results = sample();
        results.pictures[0].curves[1][0].encode_memory = Some(5 << 20);
        let text = markdown(&results, &[("Rate and PSNR", "plots/psnr rgb.svg")]);
        assert!(text.contains("2 pictures with 1.5 Mpixel"));
        assert_eq!(row(&text, "## Conditions", "Processor")[1], "A processor, 2 cores");
        assert!(text.contains("| JPEG \\* | 4:2:0, \"p\\|q\" | jpeg 1.0 |"));
        assert_eq!(row(&text, "### aecodec, fast", "30")[1..3], ["1.300", "33.50"]);
        assert_eq!(row(&text, "## Speed and memory", "JPEG \\*")[1..], ["2.00", "8.00", "5", "n/a"]);
        assert_eq!(row(&text, "## Speed and memory", "aecodec")[1..], ["2.00", "8.00", "n/a", "n/a"]);
        assert!(text.contains("![Rate and PSNR](<plots/psnr rgb.svg>)"));
    }

    #[test]
    fn the_document_lists_the_worst_picture_first() {
        let text = markdown(&sample(), &[]);
        assert_eq!(row(&text, "## Pictures", "b.png")[1..], ["1000x1000", "\u{2212}20.0\u{a0}%"]);
        let (_, table) = text.split_once("## Pictures").unwrap();
        assert!(table.find("b.png") < table.find("a.png"));
    }

    #[test]
    fn every_table_of_the_document_has_as_many_cells_in_each_row() {
        let mut results = sample();
        results.pictures[0].name = "a|b\\|c\n<i>.png".to_owned();
        results.codecs[1].name = "JPEG | mozjpeg".to_owned();
        let text = markdown(&results, &[]);
        let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        let mut before: Option<usize> = None;
        for line in text.lines() {
            let count = line.starts_with('|').then(|| cells(line));
            assert!(before.is_none() || count.is_none() || before == count, "{line}");
            before = count;
        }
    }

    #[test]
    fn results_without_pictures_make_a_document_without_numbers() {
        let mut results = sample();
        results.pictures.clear();
        let text = markdown(&results, &[]);
        assert_eq!(row(&text, "### Against JPEG", "aecodec")[1..], ["n/a"; 4]);
        assert!(!text.contains("NaN"));
    }
}
