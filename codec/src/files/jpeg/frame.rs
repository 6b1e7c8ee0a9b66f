//! The frame of a JPEG: its components and their blocks.

/// The frame header.
pub struct Frame {
    pub progressive: bool,
    pub components: Vec<Component>,
    /// Units of several components, across and down.
    pub units: (u64, u64),
}

/// A component of the picture.
pub struct Component {
    pub id: u8,
    /// Blocks of a unit, across and down.
    pub sampling: (u64, u64),
    /// Blocks that cover the picture, across and down.
    pub blocks: (u64, u64),
    /// For progressive frames: which coefficients of each block are set, and the last bit of them that was sent.
    pub set: Vec<u64>,
    pub sent: [Option<u8>; 64],
}

impl Frame {
    /// Parses the payload of the header; `None` if no decoder accepts it.
    pub fn parse(payload: &[u8], progressive: bool) -> Option<Self> {
        let [_, h1, h0, w1, w0, count, rest @ ..] = payload else { return None };
        let (height, width) = (u64::from(*h1) << 8 | u64::from(*h0), u64::from(*w1) << 8 | u64::from(*w0));
        let (fields, _) = rest.as_chunks::<3>();
        let fields = fields.get(..usize::from(*count))?;
        let sampling = |field: &[u8; 3]| (u64::from(field[1] >> 4), u64::from(field[1] & 15));
        let sound = |(h, v): (u64, u64)| (1..=4).contains(&h) && (1..=4).contains(&v);
        if width == 0 || height == 0 || !(1..=4).contains(count) || !fields.iter().map(sampling).all(sound) {
            return None;
        }
        let across = fields.iter().map(|field| sampling(field).0).max()?;
        let down = fields.iter().map(|field| sampling(field).1).max()?;
        let component = |field: &[u8; 3]| {
            let (h, v) = sampling(field);
            let blocks = ((width * h).div_ceil(across * 8), (height * v).div_ceil(down * 8));
            Component { id: field[0], sampling: (h, v), blocks, set: Vec::new(), sent: [None; 64] }
        };
        let units = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        Some(Self { progressive, components: fields.iter().map(component).collect(), units })
    }

    /// Number of blocks of all components, without padding at the edges.
    pub fn blocks(&self) -> u64 {
        self.components.iter().map(|component| component.blocks.0 * component.blocks.1).sum()
    }

    /// Allocates the state that progressive scans refine.
    pub fn prepare(&mut self) {
        for component in &mut self.components {
            let (h, v) = component.sampling;
            component.set = vec![0; (self.units.0 * h * self.units.1 * v) as usize];
        }
    }

    /// Whether every scan was present.
    pub fn is_whole(&self) -> bool {
        let coefficients = |component: &Component| {
            if self.progressive {
                component.sent.iter().all(|&bit| bit == Some(0))
            } else {
                component.sent[0].is_some()
            }
        };
        self.components.iter().all(coefficients)
    }
}
