//! Holes and losses: how much of a picture a damaged file costs, and how well the rest hides it.

use aecodec::container::{self, ChunkKind, Header};
use aecodec::{
    Color, Concealment, Damage, Decoded, EncodeOptions, Limits, Picture, Protection, damaged_areas, psnr,
};
use aecodec_plot::{Axis, Ground, Look, Mark, Names, Plot, PlotArea, Series, Spread};
use aecodec_tests::{
    Random, decode, decode_with, encode_with, photo, quality, resealed, small_groups, toward,
};
use std::path::Path;

/// Bytes of a hole.
const HOLE: usize = 1000;
/// Pixels beyond a group that its damage may reach: nine 8x8 patches for the built-in models.
const REACH: u32 = 72;

/// What `aecodec compress --protect` uses.
fn protected(mut options: EncodeOptions) -> EncodeOptions {
    (options.protection, options.group_log2) = (Protection::Backup, 8);
    options
}

/// For each 8x8 patch, whether one of the damaged groups reaches it.
fn touched(header: &Header, damage: &[Damage]) -> Vec<bool> {
    let columns = header.width.div_ceil(8);
    let mut touched = vec![false; (columns * header.height.div_ceil(8)) as usize];
    for area in damaged_areas(header, damage) {
        let r = area.region;
        let end = |from: u32, length: u32, all: u32| (from + length + REACH).min(all).div_ceil(8);
        for y in r.y.saturating_sub(REACH) / 8..end(r.y, r.height, header.height) {
            for x in r.x.saturating_sub(REACH) / 8..end(r.x, r.width, header.width) {
                touched[(y * columns + x) as usize] = true;
            }
        }
    }
    touched
}

fn share(touched: &[bool]) -> f64 {
    touched.iter().filter(|&&touched| touched).count() as f64 / touched.len() as f64
}

/// Every pixel outside of what is touched is that of the intact file.
fn assert_rest_is_whole(found: &Decoded, whole: &Picture, touched: &[bool], what: &str) {
    let (width, channels) = (whole.width as usize, whole.color.channels());
    let rows = whole.samples.chunks_exact(width * channels);
    for (y, (a, b)) in rows.zip(found.picture.samples.chunks_exact(width * channels)).enumerate() {
        let patches = a.chunks(8 * channels).zip(b.chunks(8 * channels));
        for (x, (a, b)) in patches.enumerate() {
            assert!(a == b || touched[y / 8 * width.div_ceil(8) + x], "{what}: patch {x} in row {y}");
        }
    }
}

#[test]
fn a_hole_of_1000_bytes_in_a_protected_file_costs_at_most_a_quarter_of_the_picture() {
    let picture = photo(1920, 1280, Color::Rgb, 61);
    let bytes = encode_with(&picture, &protected(toward(quality(93.5)))).bytes;
    assert!((170_000..230_000).contains(&bytes.len()), "{} bytes", bytes.len());
    let whole = decode(&bytes);
    assert_eq!(whole.hash_matches, Some(true));
    let (mut worst, mut at) = (0.0, 0);
    // A small region is enough to know what is damaged, for holes all over the file.
    let header = container::read(&bytes, &Limits::default()).expect("a sound stream").header;
    for hole in (0..bytes.len() - HOLE).step_by(499).chain([bytes.len() - HOLE]) {
        let found = chunks_lost(&with_hole(&bytes, hole));
        let lost = share(&touched(&header, &found));
        if lost > worst {
            (worst, at) = (lost, hole);
        }
    }
    assert!(worst <= 0.25, "a hole at {at} costs {:.1} % of the picture", 100.0 * worst);
    println!("{} bytes: the worst hole is at {at} and costs {:.1} %", bytes.len(), 100.0 * worst);

    for hole in [0, 900, 3000, at, bytes.len() / 2, bytes.len() - HOLE] {
        let found = decode(&with_hole(&bytes, hole));
        let touched = touched(&header, &found.damage);
        assert!(share(&touched) <= 0.25, "hole at {hole}");
        assert_rest_is_whole(&found, &whole.picture, &touched, &format!("hole at {hole}"));
        assert!(found.damage.is_empty() || found.hash_matches.is_none());
    }
}

fn with_hole(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + HOLE].fill(0);
    bytes
}

/// What a decode of one pixel reports: all chunks whose checksums do not match.
fn chunks_lost(bytes: &[u8]) -> Vec<Damage> {
    let corner = aecodec::Region { x: 0, y: 0, width: 1, height: 1 };
    decode_with(bytes, |options| options.region = Some(corner)).damage
}

/// A stream of which some substreams are damaged.
fn without(bytes: &[u8], lost: impl Fn(ChunkKind) -> bool) -> Vec<u8> {
    let stream = container::read(bytes, &Limits::default()).expect("a sound stream");
    let mut damaged = bytes.to_vec();
    for chunk in stream.chunks.iter().filter(|chunk| lost(chunk.kind) && chunk.length > 0) {
        damaged[chunk.offset as usize] ^= 0xFF;
    }
    damaged
}

/// The more is lost, the worse the picture, and concealment is never worse than zeros. `docs/plots/lost.svg` shows it.
#[test]
fn quality_falls_with_the_share_of_lost_substreams() {
    let picture = photo(640, 512, Color::Rgb, 62);
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    let mut before = f64::INFINITY;
    println!("share lost   concealed   zeros   (PSNR in dB)");
    let mut curves = [Vec::new(), Vec::new()];
    for percent in [0, 1, 2, 5, 10, 20, 40, 80] {
        let random = &mut Random::new(7);
        // The same numbers for every share, so that a larger one loses more of the same substreams.
        let drawn: Vec<usize> = (0..5 * 80).map(|_| random.below(100)).collect();
        let number = |kind| match kind {
            ChunkKind::Hyper { group } => group as usize,
            ChunkKind::Pass { pass, group } => (80 * (1 + u32::from(pass)) + group) as usize,
            _ => usize::MAX,
        };
        let damaged = without(&bytes, |kind| drawn[number(kind)] < percent);
        let decibels = |concealment| {
            let found = decode_with(&damaged, |options| options.concealment = concealment);
            psnr(&picture.samples, &found.picture.samples).unwrap_or(f64::INFINITY)
        };
        let (concealed, zeros) = (decibels(Concealment::Neighbours), decibels(Concealment::Zeros));
        println!("{percent:8} %   {concealed:9.2}   {zeros:5.2}");
        assert!(
            concealed <= before && concealed >= zeros - 0.01,
            "{percent} %: {concealed} dB after {before} dB"
        );
        before = concealed;
        for (curve, psnr) in curves.iter_mut().zip([concealed, zeros]) {
            curve.push((f64::from(percent as u32), psnr));
        }
    }
    let drawn = plot_of_losses(curves);
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots/lost.svg");
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lost.svg");
    std::fs::write(&new, &drawn).expect("a writable folder");
    let same = std::fs::read_to_string(&shown).is_ok_and(|text| text == drawn);
    assert!(same, "{} is not {}", shown.display(), new.display());
}

/// PSNR over the share of lost substreams, with and without concealment.
fn plot_of_losses(curves: [Vec<(f64, f64)>; 2]) -> String {
    let along = |axis: fn(&(f64, f64)) -> f64| curves.iter().flatten().map(axis).collect::<Vec<_>>();
    let axis =
        |title, values: Vec<f64>| Axis::around(title, Spread::Linear, values.into_iter()).expect("values");
    let (x, y) = (axis("lost substreams, %", along(|p| p.0)), axis("PSNR, dB", along(|p| p.1)));
    let series =
        [("concealed", 0), ("zeros", 1)].into_iter().zip(curves).map(|((name, look), points)| Series {
            name: name.to_owned(),
            look: Look::Marked(look),
            points: points
                .into_iter()
                .map(|at| Mark { at, text: format!("{} %: {:.2} dB", at.0, at.1) })
                .collect(),
        });
    let plot = Plot {
        id: "lost".to_owned(),
        title: "PSNR over the share of lost substreams".to_owned(),
        description: "Two curves that fall. Concealment is better than zeros at every share, by 1.5 to 8 dB."
            .to_owned(),
        series: series.collect(),
        x,
        y,
        area: PlotArea::WIDE,
        names: Names::Column,
    };
    plot.svg(Ground::White)
}

/// A lost group continues its neighbours: it is nearer to the picture than what zeros decode to.
#[test]
fn a_lost_group_is_concealed_by_its_neighbours() {
    let picture = photo(640, 512, Color::Rgb, 63);
    let bytes = encode_with(&picture, &small_groups(quality(60.0))).bytes;
    let damaged = without(&bytes, |kind| matches!(kind, ChunkKind::Hyper { group } if group % 7 == 3));
    let [concealed, zeros] = [Concealment::Neighbours, Concealment::Zeros].map(|concealment| {
        let found = decode_with(&damaged, |options| options.concealment = concealment);
        psnr(&picture.samples, &found.picture.samples).expect("a damaged picture")
    });
    assert!(concealed > zeros + 2.0, "{concealed} dB, with zeros {zeros} dB");
    for threads in [2, 3, 8] {
        let one = decode(&damaged).picture;
        assert!(
            decode_with(&damaged, |options| options.threads = threads).picture == one,
            "{threads} threads"
        );
    }
}

#[test]
fn a_protected_stream_is_the_unprotected_one_and_its_backup() {
    let picture = photo(300, 200, Color::Gray, 64);
    let plain = encode_with(&picture, &small_groups(quality(50.0))).bytes;
    let mut options = small_groups(quality(50.0));
    options.protection = Protection::Backup;
    let protected = encode_with(&picture, &options).bytes;
    assert!(protected.starts_with(&plain));
    assert_eq!(decode(&protected).picture, decode(&plain).picture);
    // The backup of a stream whose header was changed afterwards does not fit it.
    let stale = [resealed(&plain, |head| head[10] = 3), protected[plain.len()..].to_vec()].concat();
    let found = container::read(&stale, &Limits::default()).expect("a sound header");
    assert!(found.trailing > 0 && !found.mended && found.header.orientation == 3);
    // A target in bytes counts the backup.
    options.target = aecodec::Target::Bytes(4000);
    let encoded = encode_with(&picture, &options);
    assert!(encoded.reached && encoded.bytes.len() <= 4000, "{} bytes", encoded.bytes.len());
}
