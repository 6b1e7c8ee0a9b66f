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
    """Draws random batches; a picture's chance grows with the square root of its area.

    The pixels of all pictures are one tensor, so that a batch is cut, flipped and turned by a
    single gather on the device.
    """

    def __init__(self, folder: str, device: str, min_side: int):
        images = [im for im in map(load, list_images(folder)) if min(im.shape[:2]) >= min_side]
        if not images:
            raise SystemExit(f"{folder}: no picture with both sides of {min_side} pixels or more")
        self.sizes = [tuple(im.shape[:2]) for im in images]
        areas = np.array([h * w for h, w in self.sizes])
        self.starts = np.cumsum(areas) - areas
        self.weight = np.sqrt(areas) / np.sqrt(areas).sum()
        self.pixels = torch.cat([im.flatten(0, 1) for im in images]).to(device)

    def __len__(self) -> int:
        return len(self.sizes)

    def megapixels(self) -> float:
        return len(self.pixels) / 1e6

    def batch(self, rng: np.random.Generator, count: int, side: int, gray=0.03, drawn=0.04):
        """float32 [count, side, side, 3] in [-0.5, 0.5]: flipped at random, a share of them turned
        gray, a share drawn (see graphics.py) instead of photographed."""
        places, grays, drawings = [], [], {}
        for n, i in enumerate(rng.choice(len(self), count, p=self.weight)):
            if rng.random() < drawn:
                drawings[n] = torch.from_numpy(graphics.draw(rng, side))
                places.append((0, 0, 0))
                grays.append(False)
                continue
            height, width = self.sizes[i]
            y = int(rng.integers(height - side + 1))
            x = int(rng.integers(width - side + 1))
            start, down, right = self.starts[i] + y * width + x, width, 1
            if rng.random() < 0.5:
                start, down = start + (side - 1) * down, -down
            if rng.random() < 0.5:
                start, right = start + (side - 1) * right, -right
            if rng.random() < 0.5:
                down, right = right, down
            places.append((start, down, right))
            grays.append(rng.random() < gray)
        device = self.pixels.device
        start, down, right = torch.tensor(places, device=device).T[:, :, None, None]
        at = torch.arange(side, device=device)
        out = self.pixels[start + down * at[:, None] + right * at].float()
        for n, one in enumerate(grays):
            if one:
                out[n] = out[n].mean(-1, keepdim=True).round()
        for n, drawing in drawings.items():
            out[n] = drawing.to(device)
        return out / 255 - 0.5
