//! The map of a damaged picture: which pixels are hit, and what is left there.

use crate::container::{ChunkKind, Header, PASSES};
use crate::damage::Damage;
use crate::decode::Region;
use std::collections::BTreeMap;

/// A part of a picture that is damaged: a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedArea {
    /// Its pixels. Damage reaches beyond them by as much as the layers of the model see, 72 pixels for the built-in models.
    pub region: Region,
    /// How many of its four passes can be decoded; `None` if nothing of it can, because its hyper-latents are lost.
    pub passes: Option<u8>,
}

/// The map of a damaged picture: its damaged groups, in raster order. Damage of metadata or alpha is in no area.
pub fn damaged_areas(header: &Header, damage: &[Damage]) -> Vec<DamagedArea> {
    let mut groups = BTreeMap::new();
    for damage in damage {
        let (group, passes) = match damage.part {
            ChunkKind::Hyper { group } => (group, None),
            ChunkKind::Pass { pass, group } => (group, Some(pass.min(PASSES))),
            _ => continue,
        };
        // Nothing after the first lost substream of a group can be decoded, and `None` is below any number.
        groups
            .entry(group)
            .and_modify(|found: &mut Option<u8>| *found = passes.min(*found))
            .or_insert(passes);
    }
    let pixels = |from: u32, count: u32, all: u32| (16 * from, (16 * count).min(all - 16 * from));
    let area = |(group, passes)| {
        let rect = header.groups().rect(group);
        let ((x, width), (y, height)) =
            (pixels(rect.x, rect.w, header.width), pixels(rect.y, rect.h, header.height));
        DamagedArea { region: Region { x, y, width, height }, passes }
    };
    groups.into_iter().map(area).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::NO_PIXEL_HASH;
    use crate::damage::DamageCause;

    #[test]
    fn a_map_has_an_area_for_each_damaged_group() {
        let header = Header {
            gray: false,
            alpha: true,
            metadata: false,
            source_16bit: false,
            orientation: 1,
            profile: 1,
            width: 150,
            height: 70,
            quality: 0,
            group_log2: 6,
            model: [0; 8],
            pixel_hash: NO_PIXEL_HASH,
            exact: None,
            maximum: 255,
        };
        let damage = |part| Damage { part, cause: DamageCause::Checksum };
        let pass = |pass, group| damage(ChunkKind::Pass { pass, group });
        let all = [pass(2, 0), pass(1, 5), pass(3, 0), damage(ChunkKind::Hyper { group: 2 }), pass(0, 2)];
        let areas = damaged_areas(&header, &[all.to_vec(), vec![damage(ChunkKind::Alpha)]].concat());
        let area =
            |(x, y, width, height), passes| DamagedArea { region: Region { x, y, width, height }, passes };
        assert_eq!(
            areas,
            [area((0, 0, 64, 64), Some(2)), area((128, 0, 22, 64), None), area((128, 64, 22, 6), Some(1))]
        );
        assert_eq!(damaged_areas(&header, &[]), []);
    }
}
