"""Golden vectors: a small generated picture and every tensor that a decoder must reproduce."""

import numpy as np
import torch

from calibrate import to_float
from fixed import Model
from net import Codec

QUALITIES = (1280, 4480)
WIDTH, HEIGHT = 66, 70  # neither a multiple of 16; odd numbers of latents and 2x2 hyper-latents


def picture(width: int = WIDTH, height: int = HEIGHT, seed: int = 7) -> torch.Tensor:
    """Draws smooth colours, a texture, sharp edges and a little noise: uint8 [H, W, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    rgb = np.stack([60 + 150 * u, 200 - 120 * v * u, 90 + 100 * np.sin(3 * u + 2 * v)], -1)
    rgb += (30 * np.sin(0.9 * x + 0.5 * y) * (v > 0.5))[..., None] * [1, 0.8, 0.5]
    rgb[(u - 0.65) ** 2 + (v - 0.3) ** 2 < 0.04] = [230, 40, 50]
    rgb[(x + 2 * y) % 37 < 3] *= 0.3
    rgb += np.random.default_rng(seed).normal(0, 3, rgb.shape)
    return torch.from_numpy(rgb.round().clip(0, 255).astype(np.uint8))


@torch.no_grad()
def vectors(model: Model, net: Codec) -> dict[str, torch.Tensor]:
    """Returns named tensors: those of the integer network, and those of the float network for comparison."""
    image = picture()
    h, w, _ = image.shape
    out = {"picture": image}
    for q in QUALITIES:
        y = model.analyse(image, q)
        coded = model.code(y, q)
        decoded = model.synthesise(coded.y_hat, q)[:h, :w]
        found = dict(y=y.short(), z=coded.z.to(torch.int8), prior=coded.prior.short(), y_hat=coded.y_hat.short(),
                     decoded=decoded, bits=torch.tensor([coded.z_bits, coded.y_bits]))
        for k, one in enumerate(coded.passes):
            found |= {f"pass{k}.scale": one.scale.short(), f"pass{k}.mean": one.mean.short(),
                      f"pass{k}.level": one.level.byte(), f"pass{k}.symbol": one.symbol.short()}
        at = torch.tensor([q * (net.shapes.knots - 1) / 6400])
        # From the same decoded latents, because the float network pads differently and would choose other symbols.
        x_hat = net.synthesise(coded.y_hat[None].float() / 2**model.y_fraction, at)
        found["float_decoded"] = (x_hat[0, :h, :w] * 255 + 127.5).round().clamp(0, 255).byte()
        if q == QUALITIES[0]:
            found["float_y"] = net.analyse(to_float(image, 16), at)[0].half()
        out |= {f"q{q}.{name}": t.contiguous() for name, t in found.items()}
    return out
