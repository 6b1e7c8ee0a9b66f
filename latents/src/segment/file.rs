//! The file of a head: safetensors, with what the head is in its metadata.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Var};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::head::{CLASSES, Head, Input, shapes};
use crate::{Error, Reader, Result};

const KIND: &str = "aecodec-segment-1";
/// More bytes than any head has.
const LARGEST: usize = 1 << 26;
/// The most channels of an input.
const CHANNELS: usize = 4096;

impl Head {
    /// The bytes of the file. `about` is stored with the weights, for people: what the head was trained on, and its licence.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] if a weight cannot be read back from its tensor.
    pub fn to_bytes(&self, about: &str) -> Result<Vec<u8>> {
        let mut bytes = BTreeMap::new();
        for (name, var) in &self.weights {
            let values = var.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            bytes.insert(
                name,
                (var.dims().to_vec(), values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()),
            );
        }
        let broken = |_| Error::Damaged("the weights cannot be written");
        let views = bytes
            .iter()
            .map(|(name, (shape, data))| {
                Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?))
            })
            .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(broken)?;
        let input = if self.input == Input::Latents { "latents" } else { "pixels" };
        let model: String = self.model.iter().map(|byte| format!("{byte:02x}")).collect();
        let metadata = HashMap::from([
            ("kind".to_owned(), KIND.to_owned()),
            ("input".to_owned(), input.to_owned()),
            ("classes".to_owned(), self.classes.to_string()),
            ("model".to_owned(), model),
            ("about".to_owned(), about.to_owned()),
        ]);
        safetensors::serialize(views, Some(metadata)).map_err(broken)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Returns [`Error::Kind`] or [`Error::Damaged`], and [`Error::Model`] if the latents that it was trained on are not
    /// those of the reader.
    pub fn parse(bytes: &[u8], reader: &Reader) -> Result<Self> {
        let kind = || Error::Kind { expected: "head of 'aecodec train --task segment'" };
        if bytes.len() > LARGEST {
            return Err(kind());
        }
        let (_, head) = SafeTensors::read_metadata(bytes).map_err(|_| kind())?;
        let about = head.metadata().as_ref().ok_or_else(kind)?;
        let field = |name: &str| about.get(name).map(String::as_str).unwrap_or_default();
        if field("kind") != KIND {
            return Err(kind());
        }
        let input = match field("input") {
            "latents" => Input::Latents,
            "pixels" => Input::Pixels,
            _ => return Err(Error::Damaged("its input")),
        };
        let classes = field("classes").parse().ok().filter(|classes| (1..=CLASSES).contains(classes));
        let classes = classes.ok_or(Error::Damaged("its number of classes"))?;
        let model: String = reader.model().iter().map(|byte| format!("{byte:02x}")).collect();
        if field("model") != model {
            return Err(Error::Model);
        }
        let tensors = SafeTensors::deserialize(bytes).map_err(|_| Error::Damaged("its tensors"))?;
        let mean = tensors.tensor("mean").map_err(|_| Error::Damaged("a weight is missing"))?;
        let channels = mean.shape().iter().product::<usize>();
        if !(1..=CHANNELS).contains(&channels) {
            return Err(Error::Damaged("its number of channels"));
        }
        let mut weights = BTreeMap::new();
        for (name, shape) in shapes(input, classes, channels) {
            let tensor = tensors.tensor(&name).map_err(|_| Error::Damaged("a weight is missing"))?;
            if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
                return Err(Error::Damaged("a weight has another shape"));
            }
            let values: Vec<f32> =
                tensor.data().as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
            if values.iter().any(|v| !v.is_finite())
                || name == "deviation" && values.iter().any(|&v| v <= 0.0)
            {
                return Err(Error::Damaged("a weight is not finite"));
            }
            weights.insert(name, Var::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(Self { input, classes, model: reader.model(), weights })
    }

    /// The label map of a picture file or an `.aec` file. A head on latents needs no synthesis.
    ///
    /// # Errors
    /// Returns the errors of [`Reader::read`].
    pub fn segment(&self, bytes: &[u8], reader: &Reader, limits: &aecodec::Limits) -> Result<super::Labels> {
        let (values, shape, size) = match self.input {
            Input::Latents => {
                let code = reader.read(bytes, limits)?;
                let channels = code.channels();
                let (rows, columns) = (code.latents.height, code.latents.width);
                (code.latents.y, (1, rows, columns, channels), (code.head.height, code.head.width))
            }
            Input::Pixels => {
                let picture = reader.picture(bytes, limits)?;
                let (values, rows, columns) = super::data::pixels(&picture);
                let side = super::head::PLACE;
                (values, (1, rows * side, columns * side, 3), (picture.height, picture.width))
            }
        };
        if self.weights.get("mean").map(|mean| mean.elem_count()) != Some(shape.3) {
            return Err(Error::Model);
        }
        let values: Vec<f32> = values.into_iter().map(f32::from).collect();
        let values = candle_core::Tensor::from_vec(values, shape, &Device::Cpu)?;
        self.labels(&values, (size.0 as usize, size.1 as usize))
    }
}
