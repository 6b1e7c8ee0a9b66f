"""Training crops: every picture stays in memory (on the device) as uint8, crops are cut at random."""

import contextlib
import pathlib

import numpy as np
import torch
from PIL import Image

import graphics

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".ppm"}


def list_images(folder: str) -> list[pathlib.Path]:
    """Picture files below a folder, sorted by name."""
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)


@contextlib.contextmanager
def opened(path: pathlib.Path):
    """A picture whose pixels are not read yet; what goes wrong with it names the file."""
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SystemExit(f"{path}: cannot be read as a picture ({error})") from error


def size_of(path: pathlib.Path) -> tuple[int, int]:
    """Height and width, from the file's head."""
    with opened(path) as image:
        return image.size[::-1]


def load(path: pathlib.Path) -> torch.Tensor:
    """One picture as uint8 [H, W, 3]."""
    with opened(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB")))


def paths_in(folder: str, limit: int = 0) -> list[pathlib.Path]:
    """The pictures of a folder, or `limit` of them, evenly picked; stops if there are none."""
    if not pathlib.Path(folder).is_dir():
        raise SystemExit(f"{folder}: no such folder")
    paths = list_images(folder)
    if not paths:
        raise SystemExit(f"{folder}: no pictures ({', '.join(sorted(SUFFIXES))})")
    return paths[:: -(-len(paths) // limit) if limit else 1]


def pictures(folder: str, limit: int = 0, least_side: int = 1) -> list[torch.Tensor]:
    """The same, loaded; stops at one with a side below `least_side`."""
    paths = paths_in(folder, limit)
    images = [load(p) for p in paths]
    for path, image in zip(paths, images):
        if min(image.shape[:2]) < least_side:
            raise SystemExit(f"{path}: a side is shorter than {least_side} pixels")
    return images


class Crops:
    """Draws random batches; a picture's chance grows with the square root of its area.

    The pixels of all pictures are one tensor, so that a batch is cut, flipped and turned by a
    single gather on the device.
    """

    def __init__(self, folder: str, device: str, min_side: int):
        sizes = {path: size_of(path) for path in paths_in(folder)}
        sizes = {path: size for path, size in sizes.items() if min(size) >= min_side}
        if not sizes:
            raise SystemExit(f"{folder}: no picture with both sides of {min_side} pixels or more")
        self.sizes = list(sizes.values())
        areas = np.array([h * w for h, w in self.sizes])
        self.starts = np.cumsum(areas) - areas
        self.weight = np.sqrt(areas) / np.sqrt(areas).sum()
        self.pixels = torch.empty(areas.sum(), 3, dtype=torch.uint8, device=device)
        for path, start, area in zip(sizes, self.starts, areas):
            self.pixels[start : start + area] = load(path).flatten(0, 1).to(device)

    def __len__(self) -> int:
        return len(self.sizes)

    def megapixels(self) -> float:
        return len(self.pixels) / 1e6

    def batch(self, rng: np.random.Generator, count: int, side: int, gray=0.03, drawn=0.06, strong=0.06):
        """float32 [count, side, side, 3] in [-0.5, 0.5]: flipped at random, a share of them turned
        gray, a share given strong colours, a share drawn (see graphics.py) instead of photographed."""
        places, grays, drawings, recoloured = [], [], {}, []
        for n, i in enumerate(rng.choice(len(self), count, p=self.weight)):
            if rng.random() < drawn:
                drawing = graphics.draw(rng, side)
                if rng.random() < 0.2:
                    drawing = graphics.recolour(rng, drawing)
                drawings[n] = torch.from_numpy(drawing)
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
            if not grays[-1] and rng.random() < strong:
                recoloured.append(n)
        device = self.pixels.device
        start, down, right = torch.tensor(places, device=device).T[:, :, None, None]
        at = torch.arange(side, device=device)
        out = self.pixels[start + down * at[:, None] + right * at].float()
        for n, one in enumerate(grays):
            if one:
                out[n] = out[n].mean(-1, keepdim=True).round()
        for n in recoloured:
            out[n] = torch.from_numpy(graphics.recolour(rng, out[n].byte().cpu().numpy())).to(device)
        for n, drawing in drawings.items():
            out[n] = drawing.to(device)
        return out / 255 - 0.5
