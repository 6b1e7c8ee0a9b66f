//! The available models, and the choice of the one that a stream was encoded with.

use crate::container::{Header, NO_MODEL};
use crate::decode::{decode, decode_exact, hex};
use crate::{DecodeOptions, Decoded, Error, Model, Profile, Result};
use std::sync::Arc;

/// Models to decode with: those that were added, then those that are built in.
#[derive(Debug, Clone, Default)]
pub struct ModelRegistry {
    /// Names and models.
    added: Vec<(String, Arc<Model>)>,
    embedded: Vec<Profile>,
}

impl ModelRegistry {
    /// A registry without any model.
    pub fn new() -> Self {
        Self::default()
    }

    /// The models that are built in. Each is loaded when it is first needed.
    #[cfg(feature = "embedded")]
    pub fn embedded() -> Self {
        Self { added: Vec::new(), embedded: vec![Profile::Fast, Profile::Best] }
    }

    /// Adds a model. Errors call it by `name`, which may be that of its file.
    pub fn add(&mut self, name: impl Into<String>, model: Arc<Model>) {
        self.added.push((name.into(), model));
    }

    /// Returns the model that a stream was encoded with. An exact stream needs none, and gets any of them.
    ///
    /// # Errors
    /// Returns [`Error::UnknownModel`], which names the available models, if none of them is the one.
    pub fn of(&self, header: &Header) -> Result<Arc<Model>> {
        self.find(header.model, Profile::from_raw(header.profile)).ok_or_else(|| {
            let named: Vec<_> =
                self.all().map(|(name, model)| format!("{name} ({})", hex(&model.short_id()))).collect();
            let loaded = if named.is_empty() { "none".into() } else { named.join(", ") };
            Error::UnknownModel { needed: hex(&header.model), loaded }
        })
    }

    /// Decodes a stream with the model that it was encoded with.
    ///
    /// ```
    /// # fn decode(bytes: &[u8]) -> aecodec::Result<aecodec::Picture> {
    /// let models = aecodec::ModelRegistry::embedded();
    /// let decoded = models.decode(bytes, &aecodec::DecodeOptions::default())?;
    /// # Ok(decoded.picture)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns [`Error::UnknownModel`] if none of the models is the one, and otherwise the errors of [`crate::decode`].
    pub fn decode(&self, bytes: &[u8], options: &DecodeOptions) -> Result<Decoded> {
        let header = Header::parse(bytes, &options.limits)?;
        match header.exact {
            Some(_) => decode_exact(bytes, options),
            None => decode(bytes, &*self.of(&header)?, options),
        }
    }

    /// Returns the model with this identity; [`NO_MODEL`] is that of any. Of the built-in models, that of the profile
    /// `likely` is tried first, so that
    /// the others are rarely loaded.
    pub fn find(&self, short_id: [u8; 8], likely: Profile) -> Option<Arc<Model>> {
        let (first, rest): (Vec<_>, Vec<_>) = self.embedded.iter().partition(|&&profile| profile == likely);
        let added = self.added.iter().map(|(_, model)| Arc::clone(model));
        added
            .chain(first.into_iter().chain(rest).filter_map(load))
            .find(|model| model.short_id() == short_id || short_id == NO_MODEL)
    }

    /// The names of all models, and the models. Built-in models that are not loaded yet are loaded.
    pub fn all(&self) -> impl Iterator<Item = (String, Arc<Model>)> {
        let embedded = self
            .embedded
            .iter()
            .filter_map(|&profile| Some((format!("{} in this build", profile.name()), load(profile)?)));
        self.added.iter().cloned().chain(embedded)
    }
}

#[cfg(feature = "embedded")]
fn load(profile: Profile) -> Option<Arc<Model>> {
    Model::embedded(profile).ok()
}

#[cfg(not(feature = "embedded"))]
fn load(_: Profile) -> Option<Arc<Model>> {
    None
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::{Color, EncodeOptions, Mode, Picture, encode};

    fn header(model: [u8; 8], profile: Profile) -> Header {
        Header {
            gray: true,
            alpha: false,
            metadata: false,
            source_16bit: false,
            orientation: 1,
            profile: profile.raw(),
            width: 8,
            height: 8,
            quality: 3200,
            group_log2: 10,
            model,
            pixel_hash: [0; 4],
            exact: None,
            maximum: 255,
        }
    }

    #[test]
    fn a_stream_gets_its_model_whatever_its_profile_says() {
        let best = Model::embedded(Profile::Best).expect("the built-in model");
        let registry = ModelRegistry::embedded();
        for profile in [Profile::Best, Profile::Fast, Profile::Other] {
            let found = registry.of(&header(best.short_id(), profile)).expect("a model");
            assert_eq!(found.id(), best.id());
        }
    }

    #[test]
    fn an_exact_stream_needs_no_model() {
        let samples = (0..40 * 30 * 3).map(|i| (i * i / 7) as u8).collect();
        let picture = Picture::new(40, 30, Color::Rgb, samples).expect("a picture");
        let model = Model::embedded(Profile::Fast).expect("the built-in model");
        let encoded = |mode: Mode| {
            let options = EncodeOptions { mode, ..EncodeOptions::default() };
            encode(&picture, &model, &options).expect("an encode").bytes
        };
        let options = DecodeOptions::default();
        let decoded = ModelRegistry::new().decode(&encoded(Mode::Exact { error: 0 }), &options);
        assert_eq!(decoded.expect("a stream").picture, picture);

        let learned = encoded(Mode::Learned);
        for refused in [ModelRegistry::new().decode(&learned, &options), decode_exact(&learned, &options)] {
            assert!(matches!(refused, Err(Error::UnknownModel { loaded, .. }) if loaded == "none"));
        }
    }

    #[test]
    fn an_unknown_model_is_refused_with_the_names_of_the_available_ones() {
        let loaded = |registry: &ModelRegistry| match registry.of(&header([7; 8], Profile::Best)) {
            Err(Error::UnknownModel { needed, loaded }) => {
                assert_eq!(needed, "0707070707070707");
                loaded
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(loaded(&ModelRegistry::new()), "none");
        let [fast, best] =
            [Profile::Fast, Profile::Best].map(|p| Model::embedded(p).expect("the built-in model"));
        let [of_fast, of_best] = [&fast, &best].map(|model| hex(&model.short_id()));
        let mut registry = ModelRegistry::embedded();
        registry.add("a.aem", best);
        assert_eq!(
            loaded(&registry),
            format!("a.aem ({of_best}), fast in this build ({of_fast}), best in this build ({of_best})")
        );
    }
}
