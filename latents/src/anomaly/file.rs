//! The file of a detector (docs/anomaly.md): a signature, a version, a hash, and the fields in the encoding of postcard.

use super::detector::Detector;
use crate::{Error, Reader, Result};

const SIGNATURE: &[u8; 7] = b"aecano\n";
const VERSION: u8 = 1;
const HEAD: usize = SIGNATURE.len() + 1 + 32;
/// More bytes than any detector has; longer files are refused unread.
const LARGEST: usize = 1 << 28;

impl Detector {
    /// The bytes of the file.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if the detector is too large for a file, which takes a picture of more than 100 megapixels.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let body = postcard::to_stdvec(self).map_err(|_| Error::Damaged("it cannot be written"))?;
        if body.len() > LARGEST - HEAD {
            return Err(Error::Damaged("it is larger than 256 MiB"));
        }
        Ok([&SIGNATURE[..], &[VERSION], blake3::hash(&body).as_bytes(), &body].concat())
    }

    /// Reads a file, and checks that it is whole and that its parts fit together.
    ///
    /// # Errors
    /// Returns [`Error::Kind`], [`Error::Version`] or [`Error::Damaged`], and [`Error::Model`] if the latents that it was
    /// made from are not those of the reader.
    pub fn parse(bytes: &[u8], reader: &Reader) -> Result<Self> {
        let kind = Error::Kind { expected: "file of 'aecodec anomaly learn'" };
        let Some(rest) = bytes.strip_prefix(SIGNATURE) else { return Err(kind) };
        let (&found, rest) = rest.split_first().ok_or(Error::Damaged("it is cut short"))?;
        if found != VERSION {
            return Err(Error::Version { expected: VERSION, found });
        }
        let (hash, body) = rest.split_at_checked(32).ok_or(Error::Damaged("it is cut short"))?;
        if bytes.len() > LARGEST || blake3::hash(body).as_bytes() != hash {
            return Err(Error::Damaged("its hash is wrong"));
        }
        let (detector, rest) =
            postcard::take_from_bytes::<Self>(body).map_err(|_| Error::Damaged("a field cannot be read"))?;
        if !rest.is_empty() {
            return Err(Error::Damaged("it is too long"));
        }
        detector.check()?;
        if detector.model != reader.model() {
            return Err(Error::Model);
        }
        Ok(detector)
    }

    /// Checks that all lengths follow from each other and that all numbers are finite. The hash protects from accidents only.
    fn check(&self) -> Result<()> {
        let wrong = |what| Err(Error::Damaged(what));
        let Self { size, projection, gaussians, autoencoder, usual, calibration, .. } = self;
        let from = projection.from as usize;
        if !(1..=4096).contains(&from) || projection.mean.len() != from || projection.rows.len() % from != 0 {
            return wrong("the projection");
        }
        let channels = projection.to();
        let (by_latents, by_colors) = match size {
            None => ((1, 1), autoencoder.shape),
            Some((width, height)) => {
                ((height.div_ceil(16), width.div_ceil(16)), (height.div_ceil(8), width.div_ceil(8)))
            }
        };
        let places = gaussians.shape.0 as usize * gaussians.shape.1 as usize;
        if !(1..=64).contains(&channels)
            || gaussians.shape != by_latents
            || places == 0
            || Some(gaussians.means.len()) != places.checked_mul(channels)
            || Some(gaussians.whitening.len()) != places.checked_mul(channels * (channels + 1) / 2)
        {
            return wrong("the Gaussians");
        }
        let patches = autoencoder.shape.0 as usize * autoencoder.shape.1 as usize;
        if patches == 0
            || autoencoder.shape != by_colors
            || usual.len() != patches
            || Some(autoencoder.mean.len()) != patches.checked_mul(3)
            || autoencoder.components.len() % autoencoder.mean.len() != 0
            || autoencoder.components.len() / autoencoder.mean.len() > 64
        {
            return wrong("the autoencoder");
        }
        let lists = [
            projection.mean.as_slice(),
            &projection.rows,
            &gaussians.means,
            &gaussians.whitening,
            &autoencoder.mean,
            &autoencoder.components,
            usual,
            calibration.scores.as_flattened(),
        ];
        if calibration.scores.is_empty() || lists.iter().any(|list| list.iter().any(|v| !v.is_finite())) {
            return wrong("a number is not finite");
        }
        if usual.iter().any(|&v| v < 0.0) {
            return wrong("a usual error is below zero");
        }
        Ok(())
    }
}
