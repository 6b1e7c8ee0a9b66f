//! Contact sheets: one page in HTML with thumbnails of pictures, which needs no other file.

use std::path::Path;

use aecodec::resize::{Filter, resize};
use aecodec::{Limits, ModelRegistry, ReducedSize, files};
use data_encoding::BASE64;

use crate::Result;
use crate::view::small;

/// The longest side of a thumbnail in pixels.
const THUMBNAIL: u32 = 200;

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
body { font: 14px/1.4 sans-serif; margin: 24px; color: #222; background: #fff }
h1 { font-size: 18px; font-weight: 600 }
section { display: flex; flex-wrap: wrap; gap: 16px; padding: 16px 0; border-top: 1px solid #ddd }
figure { margin: 0; width: 200px }
img, .none { display: block; max-width: 200px; max-height: 200px }
.none { height: 100px; line-height: 100px; text-align: center; color: #777; background: #f2f2f2 }
figcaption { overflow-wrap: anywhere; font-size: 12px; padding-top: 4px }
</style>
"#;

/// Returns a page with the pictures of each group next to each other, each above its path and its caption. A picture that
/// cannot be read has a note in place of its thumbnail.
pub fn sheet(
    title: &str,
    groups: &[Vec<(&Path, String)>],
    models: &ModelRegistry,
    limits: &Limits,
) -> String {
    let title = escaped(title);
    let mut page = format!("{HEAD}<title>{title}</title></head><body>\n<h1>{title}</h1>\n");
    for group in groups {
        page += "<section>\n";
        for (path, caption) in group {
            let image = match thumbnail(path, models, limits) {
                Ok(jpeg) => {
                    format!(r#"<img alt="" src="data:image/jpeg;base64,{}">"#, BASE64.encode(&jpeg))
                }
                Err(_) => r#"<div class="none">cannot be read</div>"#.into(),
            };
            let (path, caption) = (escaped(&path.display().to_string()), escaped(caption));
            page += &format!("<figure>{image}<figcaption>{caption}<br>{path}</figcaption></figure>\n");
        }
        page += "</section>\n";
    }
    page + "</body></html>\n"
}

fn thumbnail(path: &Path, models: &ModelRegistry, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(aecodec::Error::Io)?;
    let picture = small(&bytes, models, ReducedSize::Longest(THUMBNAIL), limits)?;
    let mut picture = files::upright(&picture).into_owned();
    crate::view::put_on_white(&mut picture);
    let longest = picture.width.max(picture.height);
    if longest > THUMBNAIL {
        let side = |side: u32| ((u64::from(side) * u64::from(THUMBNAIL) / u64::from(longest)) as u32).max(1);
        picture = resize(&picture, (side(picture.width), side(picture.height)), Filter::Hamming)?;
    }
    let mut options = files::WriteOptions::default();
    options.jpeg_quality = 80;
    Ok(files::write(&picture, files::Format::Jpeg, &options)?.0)
}

/// Text in which no character has a meaning in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_inject_markup_and_missing_pictures_are_noted() {
        let group = vec![(Path::new("/no/<script>.png"), "a & b".to_owned())];
        let page = sheet("<b>", &[group], &ModelRegistry::embedded(), &Limits::default());
        assert!(page.contains("/no/&lt;script&gt;.png") && page.contains("a &amp; b"), "{page}");
        assert!(page.contains("cannot be read") && !page.contains("<script>") && !page.contains("<b>"));
    }
}
