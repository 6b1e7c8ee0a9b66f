"""Generated crops of what photographs do not contain: text, flat shapes, stripes, checkerboards, noise, strong colours.

A network that was not trained on them produces activations far outside of its usual range.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = "the quick brown fox jumps over a lazy dog 0123456789 RATE distortion, (QUIC) & Latents!".split()


def draw(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws a crop, uint8 [side, side, 3]."""
    kind = rng.random()
    image = page(rng, side) if kind < 0.5 else pattern(rng, side)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(2, 60), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def recolour(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """Strong colours for a uint8 [H, W, 3] crop: more saturation, other hues, or flat patches of pure colours."""
    kind = rng.random()
    image = crop.astype(np.float32)
    if kind < 0.6:
        luma = (image @ LUMA)[..., None]
        image = luma + (image - luma) * rng.uniform(1, 4)
        if rng.random() < 0.5:
            image = image[..., rng.permutation(3)]
        image = image * rng.uniform(0.5, 1.5, 3).astype(np.float32) + rng.uniform(-40, 40, 3).astype(np.float32)
    elif kind < 0.8:
        image = image[..., rng.permutation(3)] * (rng.random(3) < 0.6)
    else:
        height, width, _ = image.shape
        for _ in range(rng.integers(1, 5)):
            top, bottom = np.sort(rng.integers(0, height + 1, 2))
            left, right = np.sort(rng.integers(0, width + 1, 2))
            image[top:bottom, left:right] = rng.choice([0.0, 255.0, 255.0, 128.0], 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def color(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draws a colour, which is black, white or gray half of the time."""
    c = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.repeat(rng.choice([0, 128, 255]), 3)
    return tuple(int(v) for v in c)


def page(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws shapes and lines of text."""
    image = Image.new("RGB", (side, side), color(rng))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 8)):
        box = sorted(int(v) for v in rng.integers(0, side, 2)), sorted(int(v) for v in rng.integers(0, side, 2))
        corners = [box[0][0], box[1][0], box[0][1], box[1][1]]
        (pen.rectangle if rng.random() < 0.6 else pen.ellipse)(corners, fill=color(rng))
    size = int(rng.integers(7, 40))
    font = ImageFont.load_default(size)
    ink = color(rng)
    for y in range(int(rng.integers(0, size)), side, int(size * rng.uniform(1.1, 2)) + 1):
        line = " ".join(rng.choice(WORDS, 24))
        pen.text((int(rng.integers(-40, 40)), y), line, fill=ink, font=font)
    return np.array(image)


def pattern(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws stripes, a checkerboard or blocky noise in two colours."""
    y, x = np.mgrid[:side, :side]
    period = int(2 ** rng.uniform(0, 5))
    kind = rng.integers(3)
    if kind == 0:
        mask = ((x * rng.integers(0, 3) + y * rng.integers(0, 3)) // period) % 2
    elif kind == 1:
        mask = (x // period + y // period) % 2
    else:
        mask = rng.integers(0, 2, (side // period + 1, side // period + 1))[y // period, x // period]
    a, b = np.array(color(rng)), np.array(color(rng))
    return np.where(mask[..., None] == 1, a, b).astype(np.uint8)
