//! The report needs no other files, is safe to open whatever the names of the pictures are, and is accessible.

mod sample;

use std::cell::Cell;
use std::fs;
use std::path::Path;

use aecodec::Color;
use aecodec_bench::report::{self, ReportPicture};
use aecodec_bench::{Results, Rgb};
use aecodec_tests::{Random, photo};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node};

/// The page as XML without the contents of its scripts and styles, and those contents.
fn parts(page: &str) -> (String, Vec<String>) {
    let mut rest = page.strip_prefix("<!doctype html>").expect("HTML");
    let mut markup = String::new();
    let mut code = Vec::new();
    while let Some(start) = ["<script", "<style"].iter().filter_map(|tag| rest.find(tag)).min() {
        let open = start + rest[start..].find('>').expect("the tag's end") + 1;
        let close = open + rest[open..].find("</").expect("the closing tag");
        markup.push_str(&rest[..open]);
        code.push(rest[open..close].to_owned());
        rest = &rest[close..];
    }
    markup.push_str(rest);
    (markup, code)
}

fn elements<'a>(document: &'a Document, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.tag_name().name() == name)
}

fn text(node: Node) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

#[test]
fn a_report_has_a_page_tables_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    sample::write(folder.path());
    for file in [
        "report.html",
        "results.json",
        "results.csv",
        "report.md",
        "plots/psnr_rgb.svg",
        "plots/psnr_ycbcr.svg",
        "plots/ms_ssim.svg",
        "plots/ssimulacra2.svg",
        "plots/rd.svg",
        "plots/encode.svg",
        "plots/decode.svg",
    ] {
        assert!(fs::metadata(folder.path().join(file)).is_ok_and(|file| file.len() > 0), "{file}");
    }
    let json = fs::read(folder.path().join("results.json")).unwrap();
    let read: Results = serde_json::from_slice(&json).unwrap();
    assert_eq!(read.pictures.len(), 2);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");

    // Writing it again replaces it.
    sample::write(folder.path());
}

#[test]
fn the_page_refers_to_nothing_outside_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let page = sample::write(folder.path());
    let (markup, code) = parts(&page);
    let document = Document::parse(&markup).unwrap();
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let value = attribute.value().trim();
        match attribute.name() {
            "src" | "href" => assert!(value.starts_with("data:") || value.starts_with('#'), "{value}"),
            "srcset" | "action" | "data" | "poster" | "background" | "style" => {
                panic!("{}", attribute.name())
            }
            name => {
                assert!(!name.starts_with("on"), "{name}");
                assert!(!value.contains("//"), "{name}={value}");
            }
        }
    }
    for code in code {
        for reference in
            ["http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("]
        {
            assert!(!code.contains(reference), "{reference}");
        }
    }
    let policy = elements(&document, "meta").find_map(|node| {
        node.attribute("http-equiv")
            .is_some_and(|v| v == "Content-Security-Policy")
            .then(|| node.attribute("content"))
    });
    assert!(policy.flatten().unwrap().starts_with("default-src 'none';"));
}

#[test]
fn names_cannot_break_out_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = sample::write(folder.path());
    assert!(!page.contains("<script>alert"));
    let (markup, code) = parts(&page);
    let document = Document::parse(&markup).unwrap();
    assert_eq!(elements(&document, "script").count(), 1);
    assert_eq!(code.len(), 2);
    assert!(code.iter().all(|code| !code.contains("alert")));
    // The names are shown unchanged.
    let headings: Vec<String> = elements(&document, "h3").map(text).collect();
    assert!(headings.iter().any(|heading| heading == sample::HOSTILE), "{headings:?}");
    assert!(
        elements(&document, "img").any(|image| image.attribute("alt").unwrap().contains(sample::HOSTILE))
    );
    assert!(elements(&document, "text").any(|label| text(label) == "a <b> & c"));
}

#[test]
fn the_page_can_be_read_without_seeing_it() {
    let folder = tempfile::tempdir().unwrap();
    let page = sample::write(folder.path());
    let (markup, _) = parts(&page);
    let document = Document::parse(&markup).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("lang"), Some("en"));

    let level = |node: &Node| match node.tag_name().name() {
        "h1" => Some(1),
        "h2" => Some(2),
        "h3" => Some(3),
        "h4" | "h5" | "h6" => panic!("a heading deeper than the page"),
        _ => None,
    };
    let levels: Vec<i32> = root.descendants().filter_map(|node| level(&node)).collect();
    assert_eq!(levels.iter().filter(|&&level| level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{levels:?}");

    assert_eq!(elements(&document, "img").count(), 8);
    assert!(elements(&document, "img").all(|image| image.attribute("alt").is_some_and(|alt| alt.len() > 5)));
    for table in elements(&document, "table") {
        let caption = table.first_element_child().expect("a caption");
        assert!(caption.has_tag_name("caption") && !text(caption).is_empty());
        assert!(
            table
                .descendants()
                .filter(|node| node.has_tag_name("th"))
                .all(|th| th.attribute("scope").is_some())
        );
    }
    for plot in elements(&document, "svg").filter(|svg| svg.attribute("aria-hidden").is_none()) {
        assert_eq!(plot.attribute("role"), Some("img"));
        let described = plot.attribute("aria-labelledby").unwrap();
        assert_eq!(described.split(' ').filter(|id| ids(&document, id) == 1).count(), 2, "{described}");
    }
    for control in elements(&document, "input").chain(elements(&document, "select")) {
        let labelled = control.attribute("aria-label").is_some()
            || control.ancestors().any(|node| node.has_tag_name("label") && !text(node).trim().is_empty());
        assert!(labelled, "{control:?}");
    }
    let links = elements(&document, "a").filter_map(|link| link.attribute("href"));
    for link in links {
        assert_eq!(ids(&document, link.strip_prefix('#').unwrap()), 1, "{link}");
    }
    let all: Vec<&str> = root.descendants().filter_map(|node| node.attribute("id")).collect();
    assert!(all.iter().all(|id| ids(&document, id) == 1));
}

fn ids(document: &Document, id: &str) -> usize {
    document.descendants().filter(|node| node.attribute("id") == Some(id)).count()
}

#[test]
fn browsers_get_the_bytes_of_codecs_that_they_know() {
    let folder = tempfile::tempdir().unwrap();
    let page = sample::write(folder.path());
    let (markup, _) = parts(&page);
    let document = Document::parse(&markup).unwrap();
    for index in 0..2 {
        let versions = sample::shown(index).unwrap();
        let (kind, bytes) = versions[3].native.as_ref().unwrap();
        let own = format!("data:{kind};base64,{}", STANDARD.encode(bytes));
        let image = elements(&document, "img").find(|image| image.attribute("src") == Some(&own)).unwrap();
        assert!(image.attribute("alt").unwrap().contains("WebP"));
    }
}

#[test]
fn plots_stand_alone() {
    let folder = tempfile::tempdir().unwrap();
    sample::write(folder.path());
    for entry in fs::read_dir(folder.path().join("plots")).unwrap() {
        let path = entry.unwrap().path();
        let plot = fs::read_to_string(&path).unwrap();
        let document = Document::parse(&plot).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let root = document.root_element();
        assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
        assert!(root.attribute("width").is_some() && root.attribute("viewBox").is_some());
        let marks = root.descendants().filter(|node| node.attribute("class") == Some("mark")).count();
        let expected =
            if path.ends_with("encode.svg") || path.ends_with("decode.svg") { 3 } else { 3 * sample::POINTS };
        assert_eq!(marks, expected, "{}", path.display());
        assert!(
            !plot.contains("href") && !plot.contains("url(") && !plot.contains("var("),
            "{}",
            path.display()
        );
    }
}

#[test]
fn large_pictures_and_many_of_them_keep_the_page_small() {
    // Noise is the worst case, as no codec makes it small.
    let (width, height) = (1200, 900);
    let mut random = Random::new(7);
    let mut large = Rgb::from(photo(width, height, Color::Rgb, 3));
    large.samples.iter_mut().for_each(|value| *value = value.wrapping_add(random.below(256) as u8));
    let mut results = sample::results();
    let one = results.pictures[0].clone();
    results.pictures = (0..12)
        .map(|i| {
            let mut picture = one.clone();
            (picture.name, picture.width, picture.height) = (format!("{i}.png"), large.width, large.height);
            picture
        })
        .collect();
    let called = Cell::new(0);
    let shown = |_| {
        called.set(called.get() + 1);
        let version = |codec| ReportPicture { codec, picture: large.clone(), native: None };
        Ok([None, Some(0)].map(version).into())
    };
    let folder = tempfile::tempdir().unwrap();
    report::write(&results, &shown, folder.path()).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.len() < 15_000_000, "{}", page.len());
    let (markup, _) = parts(&page);
    let document = Document::parse(&markup).unwrap();
    let exhibits = elements(&document, "details").count();
    assert!(exhibits > 0 && exhibits < 12, "{exhibits}");
    assert_eq!(called.get(), exhibits + 1, "only one picture is made that does not fit");
    assert!(page.contains(&format!("the last {} pictures of the table have no comparison", 12 - exhibits)));
    for image in elements(&document, "img") {
        let side = |name| image.attribute(name).unwrap().parse::<u32>().unwrap();
        assert!(side("width") * side("height") < 1 << 20, "a part at its own resolution");
    }
}

#[test]
fn an_error_of_a_picture_is_passed_on() {
    let fails = |_| Err(aecodec_bench::Error::Report("no such picture".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    assert!(report::write(&sample::results(), &fails, folder.path()).is_err());
    // The measurements are on the disk nevertheless.
    assert!(Path::new(&folder.path().join("results.csv")).exists());
}
