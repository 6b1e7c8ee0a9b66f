//! Decodes a stream only as far as its latents: entropy decoding without synthesis.

use std::sync::PoisonError;

use super::{Decoder, Keep, Work};
use crate::kernel::Isa;
use crate::latents::Latents;
use crate::memory;
use crate::picture::PictureInfo;
use crate::quality::Quality;
use crate::rect::Rect;
use crate::saturating::sum;
use crate::{Damage, DecodeOptions, Error, Model, Result};

/// The latents of a stream, as its decoder sees them before synthesis.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodedLatents {
    /// The latents, `[height, width, M]`. [`Latents::z`] is empty.
    pub latents: Latents,
    /// Bits that each place takes, `[height, width]`, according to the model's probabilities: its latents, and its share of the
    /// hyper-latents.
    pub bits: Vec<f32>,
    /// The quality of the stream.
    pub quality: Quality,
    /// The picture, without its samples.
    pub head: PictureInfo,
    /// The parts that are lost; empty for an intact stream. Latents of lost parts are predictions or zeros.
    pub damage: Vec<Damage>,
}

/// Decodes the latents of a learned stream, in about a third of the time of a full decode. They have the scale of those of
/// [`analyse`](crate::analyse), rounded by the quantisation of the stream. With fewer than four
/// [`passes`](DecodeOptions::passes), the others are the predictions of the context model.
///
/// # Errors
/// Returns the errors of [`decode`](crate::decode), and [`Error::Invalid`] if the stream is exact, because such a stream has
/// no latents, or if the options name a region.
pub fn decode_latents(bytes: &[u8], model: &Model, options: &DecodeOptions) -> Result<DecodedLatents> {
    let invalid = |what, detail: &str| Err(Error::Invalid { what, detail: detail.into() });
    if options.region.is_some() {
        return invalid("region", "latents are decoded for the whole picture");
    }
    let decoder = Decoder::open(bytes, Some(model), options, Keep::Reduced)?;
    let Work::Learned(plan) = &decoder.work else {
        return invalid("latents", "an exact stream has none");
    };
    let (shapes, grid) = (&plan.model.net.shapes, plan.grid);
    options.limits.check_bytes(sum([plan.needed, memory::of_latents(shapes, grid)]))?;
    let (isa, quality) = (Isa::chosen(), decoder.quality());
    let mut latents = Latents::new(grid, shapes);
    latents.z.clear();
    let support = Rect::new(0, 0, grid.height, grid.width);
    // Groups that hold nothing are walked like the others, because their latents are wanted too.
    let plan = plan.with_all_groups();
    let (outcome, ()) = decoder.outcome(|damage, _| {
        let gains = plan.model.gains(quality);
        decoder.walk(&plan, isa, &gains, &support, damage, |band| {
            latents.take(band);
            Ok(())
        })
    })?;
    let bits =
        plan.bits.map(|bits| bits.into_inner().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default();
    Ok(DecodedLatents { latents, bits, quality, head: decoder.head.clone(), damage: outcome.damage })
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::{
        Color, EncodeOptions, Mode, Picture, Profile, ReducedSize, Region, Target, decode, decode_reduced,
        encode, encode_latents,
    };

    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/../samples/{name}.aec", env!("CARGO_MANIFEST_DIR"))).expect("a sample")
    }

    fn fast() -> std::sync::Arc<Model> {
        Model::embedded(Profile::Fast).expect("the built-in model")
    }

    #[test]
    fn decoded_latents_are_those_that_the_decoder_synthesises() {
        for name in ["hills", "interior-gray"] {
            let (bytes, model) = (sample(name), fast());
            let found = decode_latents(&bytes, &model, &DecodeOptions::default()).expect("latents");
            let full = decode(&bytes, &model, &DecodeOptions::default()).expect("a decode").picture;
            assert!(found.damage.is_empty());
            // Nearly all of a file are latents.
            let bytes_of_places = found.bits.iter().sum::<f32>() / 8.0;
            let share = bytes_of_places / bytes.len() as f32;
            assert!((0.9..1.02).contains(&share), "{name}: {share}");
            assert_eq!((found.head.width, found.head.height), (full.width, full.height));
            let colors = found.latents.colors(&model, found.quality, &found.head).expect("a read-out");
            let small = decode_reduced(&bytes, &model, ReducedSize::Eighth, &DecodeOptions::default());
            assert_eq!(colors.samples, small.expect("a decode").picture.samples, "{name}");
        }
    }

    #[test]
    fn decoded_latents_encode_to_the_same_pixels() {
        let (bytes, model) = (sample("hills"), fast());
        let found = decode_latents(&bytes, &model, &DecodeOptions::default()).expect("latents");
        let full = decode(&bytes, &model, &DecodeOptions::default()).expect("a decode").picture;
        let options = EncodeOptions { target: Target::Quality(found.quality), ..EncodeOptions::default() };
        let again = encode_latents(&full, &found.latents, &model, &options).expect("an encode");
        assert!(again.psnr.expect("a PSNR") > 40.0, "{:?}", again.psnr);
    }

    #[test]
    fn blank_areas_have_latents_and_exact_streams_have_none() {
        let (model, mut options) = (fast(), EncodeOptions { group_log2: 6, ..EncodeOptions::default() });
        options.mode = Mode::Learned;
        let blank = Picture::new(640, 640, Color::Rgb, vec![200; 640 * 640 * 3]).expect("a picture");
        let bytes = encode(&blank, &model, &options).expect("an encode").bytes;
        let found = decode_latents(&bytes, &model, &DecodeOptions::default()).expect("latents");
        let colors = found.latents.colors(&model, found.quality, &found.head).expect("a read-out");
        assert!(colors.samples.iter().all(|sample| (190..=210).contains(sample)));

        options.mode = Mode::Exact { error: 0 };
        let exact = encode(&blank, &model, &options).expect("an encode").bytes;
        let refused = decode_latents(&exact, &model, &DecodeOptions::default());
        assert!(matches!(refused, Err(Error::Invalid { what: "latents", .. })));
        let region = Some(Region { x: 0, y: 0, width: 8, height: 8 });
        let refused = decode_latents(&bytes, &model, &DecodeOptions { region, ..DecodeOptions::default() });
        assert!(matches!(refused, Err(Error::Invalid { what: "region", .. })));
    }
}
