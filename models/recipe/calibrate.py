"""What the export learns from pictures: the range of every tensor, and the counts of z and y."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import tables
from data import Crops
from fixed import Q_MAX, Model
from net import PASS_QUARTER, Block, Codec

Z_SIDE = 384  # side in pixels of the crops in which z is counted


@torch.no_grad()
def ranges(net: Codec, images: list[torch.Tensor], points: int) -> tuple[dict[str, float], torch.Tensor]:
    """Returns the largest magnitude of each layer's input (`name.in`) and output (`name.out`) over all qualities.

    The second value is the largest magnitude of each channel of the latents, encoded, predicted and decoded: [M].
    """
    reach: dict[str, float] = {}
    latents = torch.zeros(net.shapes.m)

    def note(name: str, v: torch.Tensor):
        reach[name] = max(reach.get(name, 0.0), v.abs().max().item())

    def note_latents(y: torch.Tensor, first: int = 0):
        seen = latents[first : first + y.shape[-1]]
        torch.maximum(seen, y.abs().flatten(0, -2).amax(0), out=seen)

    def hook(name: str):
        def seen(module, inputs, output):
            note(name + ".in", inputs[0])
            note(name + ".out", output)
            if name == "e_out":
                note_latents(output)
            elif name == "d_in":
                note_latents(inputs[0])
        return seen

    handles = [mod.register_forward_hook(hook(name)) for name, mod in net.named_modules()
               if isinstance(mod, (nn.Linear, nn.Conv2d, Block))]
    predict = net.predict

    def traced(feature, head, k):
        log_sigma, mean = predict(feature, head, k)
        for one, part in zip(mean, PASS_QUARTER[k]):
            note_latents(one, part * net.shapes.m // 4)
        return log_sigma, mean

    net.predict = traced
    try:
        for image in images:
            x = to_float(image)
            for i in range(points):
                net(x, torch.tensor([(net.shapes.knots - 1) * i / (points - 1)]), noise=False)
    finally:
        del net.predict
        for h in handles:
            h.remove()
    return reach | {"latents": latents.max().item()}, latents


def to_float(image: torch.Tensor, multiple: int = 64) -> torch.Tensor:
    """Converts uint8 [H, W, 3] to the input of the float network, padded by repeating its edge."""
    h, w, _ = image.shape
    x = (image[None].float() / 255 - 0.5).permute(0, 3, 1, 2)
    return F.pad(x, (0, -w % multiple, 0, -h % multiple), mode="replicate").permute(0, 2, 3, 1)


def z_tables(net: Codec, crops: Crops, bands: int, batches: int, **drawn) -> list[list[np.ndarray]]:
    """Returns one frequency table for each (quality band, channel), from counts of z in training crops."""
    return [z_codes(net, counts) for counts in z_counts(net, crops, bands, batches, **drawn)]


@torch.no_grad()
def z_counts(net: Codec, crops: Crops, bands: int, batches: int, batch: int = 4, side: int = Z_SIDE,
             seed: int = 0) -> np.ndarray:
    """Counts how often each value of z occurs: [bands, Z, 2 K_MAX + 1].

    The float network computes z, because only one value in a thousand differs from that of the integer network.
    """
    width, last = net.shapes.z, net.shapes.knots - 1
    rng = np.random.default_rng(seed)
    counts = np.zeros((bands, width, 2 * tables.K_MAX + 1), np.int64)
    for band in range(bands):
        for _ in range(batches):
            q = torch.from_numpy((band + rng.random(batch)) / bands * last).float()
            y = net.analyse(crops.batch(rng, batch, side), q)
            z = net.hyper_analyse(y).round().clamp(-tables.K_MAX, tables.K_MAX).long().reshape(-1, width)
            for c in range(width):
                counts[band, c] += np.bincount(z[:, c] + tables.K_MAX, minlength=2 * tables.K_MAX + 1)
    return counts


@torch.no_grad()
def z_codes(net: Codec, counts: np.ndarray, faith: float = 16) -> list[np.ndarray]:
    """Returns the tables of a quality band. The learned density counts like `faith` further values, so that rare
    values keep a plausible share."""
    grid = torch.arange(-tables.K_MAX - 0.5, tables.K_MAX + 1)[:, None].expand(-1, net.shapes.z)
    learned = net.z_prior.cdf(grid.double()).diff(dim=0).clamp_min(1e-9).T.numpy()
    mixed = counts + faith * learned / learned.sum(1, keepdims=True)
    return [tables.best_table(c / c.sum()) for c in mixed]


def y_tables(model: Model, crops: Crops, count: int, **drawn) -> list[np.ndarray]:
    """Returns the tables of the levels, from counts of the integer model's symbols in training crops."""
    return y_codes(y_counts(model, crops, count, **drawn))


def y_counts(model: Model, crops: Crops, count: int, side: int = 256, seed: int = 0) -> np.ndarray:
    """Counts how often each table codes each value: [GAUSSIANS, 2 K_MAX + 1]."""
    rng, reach = np.random.default_rng(seed), tables.K_MAX
    counts = np.zeros((tables.GAUSSIANS, 2 * reach + 1), np.int64)
    for _ in range(count):
        image = (crops.batch(rng, 1, side)[0] * 255 + 127.5).round().byte()
        q = int(rng.integers(Q_MAX + 1))
        for one in model.code(model.analyse(image, q), q).passes:
            level, symbol = one.level.long().numpy(), one.symbol.long().numpy()
            table, value, _ = tables.split(level, symbol, model.skip_below)
            np.add.at(counts, (table, value.clip(-reach, reach) + reach), 1)
    return counts


def y_codes(counts: np.ndarray, faith: float = 500) -> list[np.ndarray]:
    """Returns the tables of the levels. The symbols of a level are slightly narrower or wider than the normal
    distribution that the network was trained with, and have longer tails. The normal distribution counts like `faith`
    further values."""
    counts = (counts + counts[:, ::-1]) / 2
    normals = [tables.normal(tables.sigma(level)) for level in range(tables.GAUSSIANS)]
    mixed = [c + faith * normal for c, normal in zip(counts, normals)]
    return [tables.best_table(m / m.sum()) for m in mixed]
