//! The results of a benchmark, as `results.json` contains them.

use serde::{Deserialize, Serialize};

use crate::bd::bd_rate;
use crate::metrics::{Metric, Scores};

/// The results of a finished benchmark.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// The machine and the date.
    pub conditions: Conditions,
    /// The codecs. The first one is aecodec.
    pub codecs: Vec<CodecInfo>,
    /// The index of the codec that others are compared with in tables of BD-rate.
    pub reference: usize,
    /// The pictures, sorted by name.
    pub pictures: Vec<PictureResult>,
    /// Published curves, which are drawn over the measured ones.
    pub overlays: Vec<Overlay>,
}

/// The machine, the versions and the date.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conditions {
    /// The version of aecodec.
    pub version: String,
    /// The date of the measurement, such as `2026-11-21`.
    pub date: String,
    /// The name of the processor.
    pub processor: String,
    /// The number of available cores.
    pub cores: usize,
    /// The operating system and architecture.
    pub system: String,
    /// How many pictures were processed at the same time.
    pub at_once: usize,
}

/// One codec with its settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CodecInfo {
    /// The id, such as `avif`.
    pub id: String,
    /// The display name, such as `AVIF`.
    pub name: String,
    /// The settings in words.
    pub settings: String,
    /// The implementation and its version.
    pub version: String,
    /// Whether it runs as a separate program. If so, times include its start and the reading of files.
    pub external: bool,
}

/// The measurements of one picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PictureResult {
    /// The path of its file below the given folder.
    pub name: String,
    /// The number of columns.
    pub width: usize,
    /// The number of rows.
    pub height: usize,
    /// The size of its file.
    pub source_bytes: u64,
    /// The points of each codec, worst quality first.
    pub curves: Vec<Vec<Point>>,
    /// Each codec's largest file that does not exceed the common size, or `None` if even its smallest file does.
    pub equal: Vec<Option<Point>>,
    /// The common size of `equal`, in bytes.
    pub equal_bytes: u64,
}

/// The measurements of one picture coded once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The quality on the codec's own scale.
    pub quality: f64,
    /// The size of the coded file.
    pub bytes: u64,
    /// Bits per pixel.
    pub bpp: f64,
    /// The metrics of the decoded picture.
    #[serde(flatten)]
    pub scores: Scores,
    /// The time to encode on one thread.
    pub encode_seconds: f64,
    /// The time to decode on one thread.
    pub decode_seconds: f64,
    /// The peak resident memory while encoding, in bytes. It is known for external codecs only.
    pub encode_memory: Option<u64>,
    /// The peak resident memory while decoding, in bytes. It is known for external codecs only.
    pub decode_memory: Option<u64>,
}

/// A published curve of PSNR (RGB).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overlay {
    /// Its name in the file.
    pub name: String,
    /// (bits per pixel, dB), smallest first.
    pub points: Vec<(f64, f64)>,
}

/// The saving of a codec against another by one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saving {
    /// The change of bits between the mean curves of all pictures at equal quality, in percent. Negative means fewer
    /// bits.
    pub of_means: Option<f64>,
    /// The mean of the changes on each picture, in percent.
    pub mean: Option<f64>,
    /// The index of the picture with the worst result, and its change in percent.
    pub worst: Option<(usize, f64)>,
}

/// The speed of a codec over all its measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Megapixels encoded per second on one thread.
    pub encode: f64,
    /// Megapixels decoded per second on one thread.
    pub decode: f64,
    /// The encoder's peak memory in bytes, if known.
    pub encode_memory: Option<u64>,
    /// The decoder's peak memory in bytes, if known.
    pub decode_memory: Option<u64>,
}

/// The mean over all pictures at one of a codec's qualities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanPoint {
    /// The quality on the codec's own scale, if it is the same for all pictures.
    pub quality: Option<f64>,
    /// The mean of the bits per pixel.
    pub bpp: f64,
    /// The mean of each metric in the order of [`Metric::ALL`], or `None` if a picture has no value.
    pub values: [Option<f64>; Metric::ALL.len()],
}

impl Results {
    /// The points of a codec on one picture. The slice is empty if the picture or the codec does not exist.
    pub fn points(&self, picture: usize, codec: usize) -> &[Point] {
        let curves = self.pictures.get(picture).map_or(&[][..], |picture| &picture.curves);
        curves.get(codec).map_or(&[], Vec::as_slice)
    }

    /// The curve of a codec on one picture, as (bits per pixel, value of the metric). Points without a value are left
    /// out.
    pub fn curve(&self, picture: usize, codec: usize, metric: Metric) -> Vec<(f64, f64)> {
        let points = self.points(picture, codec).iter();
        points.filter_map(|point| Some((point.bpp, point.scores.of(metric)?))).collect()
    }

    /// The means over the pictures at each of the codec's qualities that all pictures have.
    ///
    /// MS-SSIM is averaged in decibels, as in the plots, because its plain mean hardly depends on the better pictures.
    pub fn mean_points(&self, codec: usize) -> Vec<MeanPoint> {
        let curves: Vec<&[Point]> = (0..self.pictures.len()).map(|i| self.points(i, codec)).collect();
        let steps = curves.iter().map(|curve| curve.len()).min().unwrap_or(0);
        let step = |step: usize| {
            let quality = curves[0][step].quality;
            MeanPoint {
                quality: curves.iter().all(|curve| curve[step].quality == quality).then_some(quality),
                bpp: mean(curves.iter().map(|curve| Some(curve[step].bpp))).unwrap_or(0.0),
                values: Metric::ALL
                    .map(|metric| mean(curves.iter().map(|curve| curve[step].scores.of(metric)))),
            }
        };
        (0..steps).map(step).collect()
    }

    /// The curve of [`Results::mean_points`] for one metric, as (bits per pixel, value). Qualities at which a picture
    /// has no value are left out.
    pub fn mean_curve(&self, codec: usize, metric: Metric) -> Vec<(f64, f64)> {
        let value = |point: MeanPoint| {
            let values = Metric::ALL.into_iter().zip(point.values);
            values.into_iter().find_map(|(of, value)| value.filter(|_| of == metric))
        };
        self.mean_points(codec).into_iter().filter_map(|point| Some((point.bpp, value(point)?))).collect()
    }

    /// The change of bits of a codec against another at equal quality on one picture, in percent (BD-rate).
    pub fn saving_on(&self, picture: usize, codec: usize, against: usize, metric: Metric) -> Option<f64> {
        let [ours, theirs] = [codec, against].map(|codec| self.curve(picture, codec, metric));
        bd_rate(&theirs, &ours, metric.least_overlap())
    }

    /// The saving of a codec against another at equal quality.
    pub fn saving(&self, codec: usize, against: usize, metric: Metric) -> Saving {
        let [ours, theirs] = [codec, against].map(|codec| self.mean_curve(codec, metric));
        let pictures = 0..self.pictures.len();
        let on = |picture| Some((picture, self.saving_on(picture, codec, against, metric)?));
        let changes: Vec<(usize, f64)> = pictures.filter_map(on).collect();
        Saving {
            of_means: bd_rate(&theirs, &ours, metric.least_overlap()),
            mean: mean(changes.iter().map(|&(_, change)| Some(change))),
            worst: changes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)),
        }
    }

    /// The change of bits of a codec's mean curve against a published one at equal PSNR (RGB), in percent.
    ///
    /// It is meaningful only if the published curve is a mean over the same pictures.
    pub fn saving_against_overlay(&self, codec: usize, overlay: usize) -> Option<f64> {
        let published = &self.overlays.get(overlay)?.points;
        let ours = self.mean_curve(codec, Metric::PsnrRgb);
        bd_rate(published, &ours, Metric::PsnrRgb.least_overlap())
    }

    /// The speed of a codec: the pixels of all its points divided by the time they took. It is 0 if nothing was
    /// measured.
    pub fn speed(&self, codec: usize) -> Speed {
        let measured = || {
            let pictures = self.pictures.iter().enumerate();
            pictures.flat_map(|(i, picture)| self.points(i, codec).iter().map(move |point| (picture, point)))
        };
        let pixels: f64 = measured().map(|(picture, _)| picture.pixels() as f64).sum();
        let rate = |seconds: f64| if seconds > 0.0 { pixels / seconds / 1e6 } else { 0.0 };
        Speed {
            encode: rate(measured().map(|(_, point)| point.encode_seconds).sum()),
            decode: rate(measured().map(|(_, point)| point.decode_seconds).sum()),
            encode_memory: measured().filter_map(|(_, point)| point.encode_memory).max(),
            decode_memory: measured().filter_map(|(_, point)| point.decode_memory).max(),
        }
    }

    /// The indices of the pictures, sorted by the change of aecodec's bits against the reference at equal PSNR (RGB),
    /// worst first. Pictures that cannot be compared come last.
    pub fn pictures_worst_first(&self) -> Vec<usize> {
        let change = |picture| self.saving_on(picture, 0, self.reference, Metric::PsnrRgb);
        let mut order: Vec<(usize, Option<f64>)> = (0..self.pictures.len()).map(|i| (i, change(i))).collect();
        let key = |change: Option<f64>| change.unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)));
        order.into_iter().map(|(picture, _)| picture).collect()
    }
}

impl PictureResult {
    /// The number of pixels.
    pub fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

/// The mean, or `None` if there are no values or one is missing.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two codecs on two pictures. The first needs half the bits of the second on `a.png` and four fifths on `b.png`.
    pub(crate) fn sample() -> Results {
        let point = |quality: f64, pixels: u64, bpp: f64| Point {
            quality,
            bytes: (bpp * pixels as f64 / 8.0).round() as u64,
            bpp,
            scores: Scores {
                psnr_rgb: 26.0 + quality / 4.0,
                psnr_ycbcr: 28.0 + quality / 4.0,
                ms_ssim: Some(1.0 - 0.1 * 10f64.powf(-quality / 40.0)),
                ssimulacra2: Some(40.0 + quality),
            },
            encode_seconds: 0.5 * pixels as f64 / 1e6,
            decode_seconds: 0.125 * pixels as f64 / 1e6,
            encode_memory: None,
            decode_memory: None,
        };
        let curve = |pixels: u64, factor: f64| -> Vec<Point> {
            let bpp = |i: u32| 0.25 * factor * 2f64.powi(i as i32);
            (0..4).map(|i| point(10.0 * f64::from(i), pixels, bpp(i))).collect()
        };
        let picture = |name: &str, width: usize, height: usize, factors: [f64; 2]| {
            let curves: Vec<_> = factors.map(|factor| curve((width * height) as u64, factor)).into();
            let equal = curves.iter().map(|curve: &Vec<Point>| curve.first().copied()).collect();
            let (name, source_bytes) = (name.to_owned(), 1000);
            PictureResult { name, width, height, source_bytes, curves, equal, equal_bytes: 4000 }
        };
        let codec = |id: &str, name: &str, settings: &str, external| CodecInfo {
            id: id.to_owned(),
            name: name.to_owned(),
            settings: settings.to_owned(),
            version: format!("{id} 1.0"),
            external,
        };
        let conditions = Conditions {
            version: "0.1.0".to_owned(),
            date: "2026-11-21".to_owned(),
            processor: "A processor".to_owned(),
            cores: 2,
            system: "Linux, x86_64".to_owned(),
            at_once: 1,
        };
        Results {
            conditions,
            codecs: vec![
                codec("aecodec", "aecodec", "fast", false),
                codec("jpeg", "JPEG", "4:2:0, \"p|q\"", true),
            ],
            reference: 1,
            pictures: vec![picture("a.png", 1000, 500, [0.5, 1.0]), picture("b.png", 1000, 1000, [0.8, 1.0])],
            overlays: vec![Overlay {
                name: "VTM".to_owned(),
                points: (0..4).map(|i| (0.13 * 2f64.powi(i), 26.0 + 2.5 * f64::from(i))).collect(),
            }],
        }
    }

    fn assert_near(value: Option<f64>, expected: f64) {
        assert!(
            value.is_some_and(|value| (value - expected).abs() < 1e-9),
            "{value:?} instead of {expected}"
        );
    }

    #[test]
    fn a_mean_curve_is_the_mean_of_rate_and_of_quality_at_each_step() {
        let mut results = sample();
        results.pictures[1].curves[0][0].scores.psnr_rgb += 1.0;
        let curve = results.mean_curve(0, Metric::PsnrRgb);
        assert_eq!(curve.len(), 4);
        assert_near(Some(curve[0].0), 0.25 * 0.65);
        assert_near(Some(curve[0].1), 26.5);
        assert_near(Some(curve[3].0), 2.0 * 0.65);
        assert_near(Some(results.mean_curve(0, Metric::MsSsim)[3].1), 17.5);
        assert_eq!(results.mean_points(0)[3].quality, Some(30.0));
        results.pictures[0].curves[0][3].quality = 31.0;
        assert_eq!(results.mean_points(0)[3].quality, None);
    }

    #[test]
    fn a_mean_never_leaves_a_picture_out() {
        let mut results = sample();
        results.pictures[0].curves[0][1].scores.ms_ssim = None;
        assert_eq!(results.mean_curve(0, Metric::MsSsim).len(), 3);
        assert_eq!(results.mean_curve(0, Metric::PsnrRgb).len(), 4);
        results.pictures[0].curves[0].pop();
        assert_eq!(results.mean_curve(0, Metric::PsnrRgb).len(), 3);
        results.pictures[0].curves.clear();
        assert_eq!(results.mean_curve(0, Metric::PsnrRgb), []);
    }

    #[test]
    fn savings_are_those_of_the_means_of_each_picture_and_of_the_worst() {
        let results = sample();
        for metric in Metric::ALL {
            let saving = results.saving(0, 1, metric);
            assert_near(saving.of_means, -35.0);
            assert_near(saving.mean, (-50.0 - 20.0) / 2.0);
            assert_eq!(saving.worst.map(|(picture, _)| picture), Some(1));
            assert_near(saving.worst.map(|(_, change)| change), -20.0);
        }
        assert_near(results.saving_on(0, 0, 1, Metric::PsnrRgb), -50.0);
        assert_near(results.saving_on(0, 1, 0, Metric::PsnrRgb), 100.0);
        assert_near(results.saving_against_overlay(0, 0), 25.0);
        assert_eq!(results.saving_against_overlay(0, 1), None);
    }

    #[test]
    fn pictures_without_an_answer_count_for_nobody() {
        let mut results = sample();
        for point in &mut results.pictures[1].curves[0] {
            point.scores.psnr_rgb += 40.0;
        }
        let saving = results.saving(0, 1, Metric::PsnrRgb);
        assert_near(saving.mean, -50.0);
        assert_eq!(saving.worst.map(|(picture, _)| picture), Some(0));
        results.pictures.clear();
        let saving = results.saving(0, 1, Metric::PsnrRgb);
        assert_eq!(saving, Saving { of_means: None, mean: None, worst: None });
    }

    #[test]
    fn curves_of_fewer_than_one_decibel_or_five_points_in_common_are_not_compared() {
        for (metric, shared) in [(Metric::PsnrRgb, 1.0), (Metric::MsSsim, 1.0), (Metric::Ssimulacra2, 5.0)] {
            for (gap, answer) in [(0.001, false), (-0.001, true)] {
                let mut results = sample();
                results.pictures.truncate(1);
                for point in &mut results.pictures[0].curves[0] {
                    let scores = &mut point.scores;
                    scores.psnr_rgb += 7.5 - shared + gap;
                    scores.ssimulacra2 = scores.ssimulacra2.map(|value| value + 30.0 - shared + gap);
                    let decibels = 7.5 - shared + gap;
                    scores.ms_ssim =
                        scores.ms_ssim.map(|value| 1.0 - (1.0 - value) * 10f64.powf(-decibels / 10.0));
                }
                assert_eq!(results.saving(0, 1, metric).of_means.is_some(), answer, "{metric:?} {gap}");
            }
        }
    }

    #[test]
    fn speed_weighs_pictures_by_their_pixels() {
        let mut results = sample();
        assert_eq!((results.speed(0).encode, results.speed(0).decode), (2.0, 8.0));
        for point in &mut results.pictures[0].curves[0] {
            point.encode_seconds = 1.25; // Four times 0.5 Mpixel in 5 s, and four times 1 Mpixel in 2 s.
        }
        assert_near(Some(results.speed(0).encode), 6.0 / 7.0);
        assert_eq!(results.speed(0).encode_memory, None);
        results.pictures[1].curves[0][2].encode_memory = Some(7);
        results.pictures[0].curves[0][1].encode_memory = Some(9);
        assert_eq!(results.speed(0).encode_memory, Some(9));
        assert_eq!(results.speed(5).encode, 0.0);
    }

    #[test]
    fn the_worst_picture_stands_first_and_those_without_an_answer_last() {
        let mut results = sample();
        assert_eq!(results.pictures_worst_first(), [1, 0]);
        let mut lost = results.pictures[1].clone();
        lost.curves[0].clear();
        results.pictures.insert(0, lost);
        assert_eq!(results.pictures_worst_first(), [2, 1, 0]);
    }
}
