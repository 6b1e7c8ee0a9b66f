//! What the decode of a region has to be.

use aecodec::{Picture, Region};

/// The pixels of a picture within a region, which lies inside it.
pub fn crop(picture: &Picture, region: Region) -> Picture {
    let take = |plane: &[u8], channels: usize| {
        let stride = picture.width as usize * channels;
        let columns = region.x as usize * channels..(region.x + region.width) as usize * channels;
        let rows = plane.chunks_exact(stride).skip(region.y as usize).take(region.height as usize);
        rows.flat_map(|row| &row[columns.clone()]).copied().collect::<Vec<u8>>()
    };
    Picture {
        width: region.width,
        height: region.height,
        samples: take(&picture.samples, picture.color.channels()),
        alpha: picture.alpha.as_ref().map(|alpha| take(alpha, 1)),
        ..picture.clone()
    }
}
