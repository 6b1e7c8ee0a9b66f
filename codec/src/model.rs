//! The model file `.aem` (docs/format.md, section 8): shapes, integer weights, tables, card.

use crate::entropy::{Book, LazyBook, Table};
use crate::kernel::{PANEL, Packed, PackedTaps};
use crate::model_file::{Kind, MODEL, PLAIN};
use crate::net::{Block, Net, Shapes};
use crate::quality::{GainTable, Gains, Quality};
use crate::{Error, Figures, Result, model_file, threads};
#[cfg(feature = "embedded")]
use std::sync::{Arc, OnceLock};

/// A model that is built in.
#[cfg(feature = "embedded")]
struct BuiltIn {
    file: &'static [u8],
    loaded: OnceLock<Arc<Model>>,
}

#[cfg(feature = "embedded")]
static FAST: BuiltIn = BuiltIn { file: aecodec_model_fast::FILE, loaded: OnceLock::new() };
#[cfg(feature = "embedded")]
static BEST: BuiltIn = BuiltIn { file: aecodec_model_best::FILE, loaded: OnceLock::new() };

/// Number of Gaussian tables in a model.
const LEVELS: usize = 52;
/// The most bands of quality, each with its own tables: in memory a table is a thousand times larger than in its file.
const MAX_QUALITY_BANDS: usize = 64;
/// The most latents per position.
const MAX_LATENTS: usize = 2048;

/// What a model is made for. Its number is the byte in headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Profile {
    /// A model that the user has trained.
    Other = 0,
    /// Fast on a plain CPU.
    #[default]
    Fast = 1,
    /// Smallest files.
    Best = 2,
    /// Trained to look good: lost texture may be replaced by invented texture.
    Perceptual = 3,
}

impl From<Profile> for u8 {
    fn from(profile: Profile) -> Self {
        profile.raw()
    }
}

impl Profile {
    /// From the byte in headers; unknown values become [`Profile::Other`].
    pub fn from_raw(raw: u8) -> Self {
        match raw {
            1 => Self::Fast,
            2 => Self::Best,
            3 => Self::Perceptual,
            _ => Self::Other,
        }
    }

    /// The byte in headers.
    pub const fn raw(self) -> u8 {
        self as u8
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Fast => "fast",
            Self::Best => "best",
            Self::Perceptual => "perceptual",
        }
    }
}

#[cfg(feature = "embedded")]
fn built_in(profile: Profile) -> Option<&'static BuiltIn> {
    match profile {
        Profile::Fast => Some(&FAST),
        Profile::Best => Some(&BEST),
        Profile::Other | Profile::Perceptual => None,
    }
}

/// A trained model, ready to run.
#[derive(Debug)]
pub struct Model {
    id: [u8; 32],
    profile: Profile,
    card: String,
    figures: Figures,
    pub(crate) net: Net,
    pub(crate) skip_below: u8,
    #[cfg_attr(not(test), expect(dead_code, reason = "information for tools"))]
    pub(crate) y_fraction: u8,
    pub(crate) latents: Book,
    hyper: Vec<LazyBook>,
    gain_table: GainTable,
}

impl Model {
    /// Reads a model file, plain or packed.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a complete and consistent model file of a known version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bytes = &*model_file::unpack(bytes)?;
        let parse = || ModelReader::new(bytes).model();
        let (id, model) = threads::both(|| *blake3::hash(bytes).as_bytes(), parse);
        Ok(Self { id, ..model? })
    }

    /// Returns the built-in model of a profile. It is loaded once, then shared.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if this build has no model for the profile.
    #[cfg(feature = "embedded")]
    pub fn embedded(profile: Profile) -> Result<Arc<Self>> {
        let Some(BuiltIn { file, loaded }) = built_in(profile) else {
            let detail = format!("this build has no model `{}`", profile.name());
            return Err(Error::Invalid { what: "profile", detail });
        };
        if let Some(model) = loaded.get() {
            return Ok(Arc::clone(model));
        }
        let model = Self::parse(file)?;
        Ok(Arc::clone(loaded.get_or_init(|| Arc::new(model))))
    }

    /// Returns the packed file of a built-in model, or `None` if this build has no model for the profile.
    #[cfg(feature = "embedded")]
    pub fn embedded_bytes(profile: Profile) -> Option<&'static [u8]> {
        built_in(profile).map(|model| model.file)
    }

    /// BLAKE3 of the plain model file.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// The first bytes of [`Self::id`], which every stream holds.
    pub fn short_id(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.id;
        [a, b, c, d, e, f, g, h]
    }

    /// What the model is made for.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// What the model was trained on and how.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// Widths, parameters and arithmetic.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    pub(crate) fn gains(&self, quality: Quality) -> Gains {
        self.gain_table.at(quality)
    }

    /// The tables of the hyper-latents at a quality; the context is the channel.
    pub(crate) fn hyper_book(&self, quality: Quality) -> &Book {
        self.hyper[usize::from(quality.raw()) * self.hyper.len() / 6401].get()
    }
}

#[cfg(all(test, feature = "embedded"))]
impl Model {
    /// The built-in model with an analysis that yields only zeros from the middle of the scale on.
    pub(crate) fn failing_on_high_qualities() -> Self {
        let mut model = Self::parse(FAST.file).expect("the built-in model");
        let half = model.gain_table.enc.len() / 2;
        model.gain_table.enc[half..].fill(0);
        model
    }
}

/// Reads fields in file order, and checks before each that enough bytes are left.
pub(crate) struct ModelReader<'a> {
    rest: &'a [u8],
    total: usize,
}

fn invalid(what: &'static str, detail: String) -> Error {
    Error::Invalid { what, detail }
}

impl<'a> ModelReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }
}

impl ModelReader<'_> {
    /// Checks the signature and the version of a plain file.
    pub fn begin(&mut self, kind: Kind) -> Result<()> {
        let Kind { signature, format } = kind;
        let found = self.rest[..self.rest.len().min(8)].to_vec();
        if found != signature {
            return Err(Error::Signature { format, found });
        }
        self.rest = &self.rest[8..];
        match self.u8()? {
            PLAIN => Ok(()),
            found => Err(Error::Version { format, found, expected: PLAIN }),
        }
    }

    /// The tables of the latents.
    pub fn latent_book(&mut self) -> Result<Book> {
        let tables = self.tables(LEVELS)?;
        let tables = tables.iter().map(|(offset, frequencies)| Table::new(*offset, frequencies));
        Book::gaussian(tables.collect::<Result<_>>()?)
    }

    /// The card, which is the last part of a file.
    pub fn card(&mut self) -> Result<String> {
        let length = self.numbers([1], u32::from_le_bytes)?[0];
        let card = String::from_utf8_lossy(self.bytes(length.into())?).into_owned();
        if !self.rest.is_empty() {
            return Err(invalid("model file", format!("{} bytes after its end", self.rest.len())));
        }
        Ok(card)
    }

    /// Everything except the identity, which is zero.
    fn model(mut self) -> Result<Model> {
        self.begin(MODEL)?;
        let profile = Profile::from_raw(self.u8()?);
        let [c, m, z, p, ne, nd, hidden_c, hidden_z, hidden_p, rows, quality_bands] = self.array_u16()?;
        let shapes = Shapes { c, m, z, p, ne, nd };
        let widths = [c, z, p, hidden_c, hidden_z, hidden_p];
        let fits = (1..=MAX_LATENTS).contains(&m)
            && m % (4 * PANEL) == 0
            && widths.iter().all(|&n| n > 0 && n % PANEL == 0)
            && z <= 256;
        if !fits || rows < 2 || !(1..=MAX_QUALITY_BANDS).contains(&quality_bands) {
            return Err(invalid(
                "model shapes",
                format!(
                    "{shapes:?}, gated {hidden_c} {hidden_z} {hidden_p}, {rows} rows, {quality_bands} quality bands"
                ),
            ));
        }
        let [skip_below, gain_shift, step_shift, z_shift, y_fraction] = [(); 5].map(|()| self.u8());
        let (skip_below, z_shift, y_fraction) = (skip_below?, shift(z_shift?)?, y_fraction?);
        let (gain_shift, step_shift) = (shift(gain_shift?)?, shift(step_shift?)?);
        let net = Net {
            shapes,
            e_in: self.product(192, c)?,
            e: (0..ne).map(|_| self.block(c, hidden_c)).collect::<Result<_>>()?,
            e_out: self.product(4 * c, m)?,
            he_in: self.product(m, z)?,
            he1: self.block(z, hidden_z)?,
            he_mid: self.product(4 * z, z)?,
            he2: self.block(z, hidden_z)?,
            he_out: self.product(4 * z, z)?,
            z_shift,
            hd_in: self.product(z, 4 * z)?,
            hd1: self.block(z, hidden_z)?,
            hd_mid: self.product(z, 4 * z)?,
            hd2: self.block(z, hidden_z)?,
            hd_out: self.product(z, p)?,
            hd3: self.block(p, hidden_p)?,
            scale0: self.product(p, m)?,
            mean0: self.product(p, m)?,
            ctx_in: [self.product(m + p, p)?, self.product(m + p, p)?, self.product(m + p, p)?],
            ctx: self.block(p, hidden_p)?,
            scale: self.product(p, m)?,
            mean: self.product(p, m)?,
            d_in: self.product(m, 4 * c)?,
            d: (0..nd).map(|_| self.block(c, hidden_c)).collect::<Result<_>>()?,
            d_out: self.product(9 * c, 192)?,
        };
        let gain_table = GainTable {
            enc: self.numbers([rows, c], u16::from_le_bytes)?,
            dec: self.numbers([rows, c], u16::from_le_bytes)?,
            step: self.numbers([rows, m], u16::from_le_bytes)?,
            log_gain: self.numbers([rows, m], i16::from_le_bytes)?,
            rows,
            gain_shift,
            step_shift,
        };
        let latents = self.latent_book()?;
        let hyper = (0..quality_bands).map(|_| LazyBook::new(self.tables(z)?)).collect::<Result<_>>()?;
        let card = self.card()?;
        let figures = Figures::of(shapes, [hidden_c, hidden_z, hidden_p]);
        Ok(Model {
            id: [0; 32],
            profile,
            card,
            figures,
            net,
            skip_below,
            y_fraction,
            latents,
            hyper,
            gain_table,
        })
    }

    /// The count is 64-bit, because the counts that 16-bit shapes announce may overflow a 32-bit `usize`.
    pub fn bytes(&mut self, count: u64) -> Result<&[u8]> {
        let whole = usize::try_from(count).ok();
        let Some((head, rest)) = whole.and_then(|count| self.rest.split_at_checked(count)) else {
            let missing = count - self.rest.len() as u64;
            return Err(Error::Truncated { what: "model file", offset: self.total as u64, missing });
        };
        self.rest = rest;
        Ok(head)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    pub fn array_u16<const N: usize>(&mut self) -> Result<[usize; N]> {
        let numbers = self.numbers([N], u16::from_le_bytes)?;
        Ok(std::array::from_fn(|i| usize::from(numbers[i])))
    }

    /// Little-endian numbers of `N` bytes, of an array with these sides.
    pub fn numbers<const N: usize, const D: usize, T>(
        &mut self,
        sides: [usize; D],
        read: fn([u8; N]) -> T,
    ) -> Result<Vec<T>> {
        let bytes = self.bytes(sides.iter().fold(N as u64, |all, &side| all.saturating_mul(side as u64)))?;
        Ok(bytes.as_chunks().0.iter().map(|&b| read(b)).collect())
    }

    pub fn product(&mut self, inputs: usize, outputs: usize) -> Result<Packed> {
        let [k, n] = self.array_u16()?;
        if (k, n) != (inputs, outputs) {
            return Err(invalid("model layer", format!("product of {k}x{n}, expected {inputs}x{outputs}")));
        }
        let shift = shift(self.u8()?)?;
        let _fraction = self.u8()?;
        let bias = self.numbers([n], i32::from_le_bytes)?;
        let weights = self.bytes((k * n) as u64 * 2)?;
        Ok(Packed::from_file(k, shift, &bias, weights.as_chunks().0))
    }

    fn taps(&mut self, channels: usize) -> Result<PackedTaps> {
        let [c] = self.array_u16()?;
        if c != channels {
            return Err(invalid("model layer", format!("depthwise of {c}, expected {channels}")));
        }
        let shift = shift(self.u8()?)?;
        let _fraction = self.u8()?;
        let bias = self.numbers([c], i32::from_le_bytes)?;
        Ok(PackedTaps::new(shift, &bias, &self.numbers([9, c], i16::from_le_bytes)?))
    }

    pub fn block(&mut self, c: usize, hidden: usize) -> Result<Block> {
        Ok(Block {
            p1: self.product(c, c)?,
            dw: self.taps(c)?,
            p2: self.product(c, c)?,
            f1: self.product(c, 2 * hidden)?,
            gate_shift: shift(self.u8()?)?,
            f2: self.product(hidden, c)?,
        })
    }

    /// Offset and frequencies of each table.
    fn tables(&mut self, count: usize) -> Result<Vec<(u8, Vec<u16>)>> {
        (0..count)
            .map(|_| {
                let offset = self.u8()?;
                let frequencies = self.numbers([2 * usize::from(offset) + 2], u16::from_le_bytes)?;
                Ok((offset, frequencies))
            })
            .collect()
    }
}

fn shift(value: u8) -> Result<u32> {
    match value {
        0..=30 => Ok(value.into()),
        _ => Err(invalid("model shift", format!("{value}, expected at most 30"))),
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_altered_model_is_refused() {
        let file = &*model_file::unpack(FAST.file).expect("the built-in model");
        for cut in [0, 7, 8, 9, 20, 36, 1000, file.len() / 2, file.len() - 1] {
            assert!(Model::parse(&file[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = file.to_vec();
        longer.push(0);
        assert!(matches!(Model::parse(&longer), Err(Error::Invalid { what: "model file", .. })));
        let mut other = file.to_vec();
        other[8] = 3;
        assert!(matches!(Model::parse(&other), Err(Error::Version { found: 3, .. })));
        for shape in 10..32 {
            let mut other = file.to_vec();
            other[shape] ^= 0x41;
            assert!(Model::parse(&other).is_err(), "shape byte {shape}");
        }
    }

    #[test]
    fn the_identity_is_the_hash_of_the_plain_file() {
        for profile in [Profile::Fast, Profile::Best] {
            let model = Model::embedded(profile).expect("the built-in model");
            let file = Model::embedded_bytes(profile).expect("its file");
            let plain = model_file::unpack(file).expect("a model file");
            assert_eq!((model.id(), model.profile()), (*blake3::hash(&plain).as_bytes(), profile));
        }
        assert!(Model::embedded(Profile::Other).is_err());
    }

    #[test]
    fn a_profile_is_its_byte_in_the_header() {
        for raw in 0..=255 {
            let profile = Profile::from_raw(raw);
            assert_eq!(profile.raw(), if raw < 4 { raw } else { 0 });
            assert_eq!((u8::from(profile), profile as u8), (profile.raw(), profile.raw()));
        }
        assert_eq!(Profile::Best as u8, 2);
    }

    /// Shapes whose products are beyond 32 bits, in files that hold nothing of them.
    #[test]
    fn shapes_that_no_memory_holds_are_cut_short_or_refused() {
        let widest = 65504_u16;
        for shapes in [
            [widest, 2048, 256, widest, u16::MAX, u16::MAX, widest, widest, widest, u16::MAX, 64],
            [32, 2048, 32, widest, 0, 0, 32, 32, widest, 2, 1],
            [192, 384, 96, 192, 4, 8, 384, 96, 288, u16::MAX, 64],
        ] {
            let mut file = FAST.file[..10].to_vec();
            file.extend(shapes.iter().flat_map(|shape| shape.to_le_bytes()));
            file.extend([0; 5]);
            file.extend([192_u16, shapes[0]].iter().flat_map(|side| side.to_le_bytes()));
            file.extend([0; 100]);
            assert!(Model::parse(&file).is_err(), "{shapes:?}");
        }
    }
}
