"""Training crops: every picture stays in memory (on the device) as uint8, crops are cut at random."""

import pathlib

import numpy as np
import torch
from PIL import Image

import graphics

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".ppm"}


def list_images(folder: str) -> list[pathlib.Path]:
    """Picture files below a folder, sorted by name."""
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)


def load(path: pathlib.Path) -> torch.Tensor:
    """One picture as uint8 [H, W, 3]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB")))


class Crops:
    """Draws random batches; a picture's chance grows with the square root of its area."""

    def __init__(self, folder: str, device: str, min_side: int):
        images = [load(p) for p in list_images(folder)]
        self.images = [i.to(device) for i in images if min(i.shape[:2]) >= min_side]
        if not self.images:
            raise SystemExit(f"{folder}: no picture with both sides of {min_side} pixels or more")
        weight = np.sqrt([i.shape[0] * i.shape[1] for i in self.images])
        self.weight = weight / weight.sum()

    def megapixels(self) -> float:
        return sum(i.shape[0] * i.shape[1] for i in self.images) / 1e6

    def batch(self, rng: np.random.Generator, count: int, side: int, gray=0.03, drawn=0.04):
        """float32 [count, side, side, 3] in [-0.5, 0.5]: flipped at random, a share of them turned
        gray, a share drawn (see graphics.py) instead of photographed."""
        out = []
        for i in rng.choice(len(self.images), count, p=self.weight):
            if rng.random() < drawn:
                crop = torch.from_numpy(graphics.draw(rng, side)).to(self.images[0].device)
                out.append(crop.float())
                continue
            im = self.images[i]
            y = int(rng.integers(im.shape[0] - side + 1))
            x = int(rng.integers(im.shape[1] - side + 1))
            crop = im[y : y + side, x : x + side].float()
            flips = [axis for axis in (0, 1) if rng.random() < 0.5]
            crop = crop.flip(flips) if flips else crop
            if rng.random() < 0.5:
                crop = crop.transpose(0, 1)
            if rng.random() < gray:
                crop = crop.mean(-1, keepdim=True).round().expand(-1, -1, 3)
            out.append(crop)
        return torch.stack(out) / 255 - 0.5
