//! Features: what is compared between two pictures.

/// A vector of length 1 in the Euclidean sense, whose angle to that of another picture says how similar the two are.
#[derive(Debug, Clone, PartialEq)]
pub struct Features(Vec<f32>);

impl Features {
    /// Number of values.
    pub const LENGTH: usize = 128;

    /// Scales values to a vector of length 1. Zeros stay zeros.
    pub(crate) fn normalised(mut values: Vec<f32>) -> Self {
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            values.iter_mut().for_each(|value| *value /= length);
        }
        Self(values)
    }

    /// The values, `[LENGTH]`.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between two vectors, -1 to 1.
    pub fn similarity(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The values in little-endian order, four bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// The features with these bytes, or `None` if their number is wrong or a value is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (values, rest) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let whole = rest.is_empty() && values.len() == Self::LENGTH && values.iter().all(|v| v.is_finite());
        whole.then_some(Self(values))
    }
}
