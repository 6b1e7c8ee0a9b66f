#!/usr/bin/env python3
"""Rate-distortion on a folder, bits by cross-entropy: of float weights, of the integer model, or of both.

    python evaluate.py --model models/fast.safetensors --data FOLDER [--points 11] [--json curve.json]
    python evaluate.py --integer models/fast.aem --data FOLDER [--model models/fast.safetensors]

With both, the JSON file holds the integer curve, and each line also says what integers cost.
"""

import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import aem
from data import list_images, load
from fixed import Q_MAX, Model
from net import PROFILES, Codec


@torch.no_grad()
def code(net: Codec, image: torch.Tensor, q: float) -> tuple[float, float]:
    """Bits per pixel and PSNR (8-bit RGB, rounded) of one picture, uint8 [H, W, 3]."""
    h, w, _ = image.shape
    x = image[None].float() / 255 - 0.5
    pad = (0, -w % 64, 0, -h % 64)
    x = F.pad(x.permute(0, 3, 1, 2), pad, mode="replicate").permute(0, 2, 3, 1)
    x_hat, y_bpp, z_bpp = net(x, torch.tensor([q]), noise=False)
    decoded = (x_hat[0, :h, :w] * 255 + 127.5).round().clamp(0, 255)
    mse = (decoded - image.float()).square().mean().item()
    scale = x.shape[1] * x.shape[2] / (h * w)
    return (y_bpp + z_bpp).item() * scale, 10 * math.log10(255**2 / max(mse, 1e-9))


@torch.no_grad()
def code_integer(model: Model, image: torch.Tensor, q: int) -> tuple[float, float]:
    """The same of the integer model, q as in the header."""
    decoded, y_bits, z_bits = model.run(image, q)
    mse = (decoded.double() - image.double()).square().mean().item()
    return (y_bits + z_bits) / (image.shape[0] * image.shape[1]), 10 * math.log10(255**2 / max(mse, 1e-9))


def curve(images: list[torch.Tensor], points: int, net: Codec | None, model: Model | None):
    """Mean (bits per pixel, PSNR) at evenly spread qualities; the integer model's where there is one."""
    out = []
    for i in range(points):
        part, rows = i / (points - 1), []
        if net:
            q = (net.shapes.knots - 1) * part
            rows.append(torch.tensor([code(net, im, q) for im in images]).mean(0))
        if model:
            q = round(Q_MAX * part)
            rows.append(torch.tensor([code_integer(model, im, q) for im in images]).mean(0))
        out.append(tuple(round(v, 4) for v in rows[-1].tolist()))
        line = f"q {100 * part:5.1f}  {out[-1][0]:.4f} bpp  {out[-1][1]:.3f} dB"
        if len(rows) == 2:
            (f_bpp, f_db), (i_bpp, i_db) = (r.tolist() for r in rows)
            line += f"  integer against float {100 * (i_bpp / f_bpp - 1):+.2f} % rate {i_db - f_db:+.3f} dB"
        print(line, flush=True)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--model", help="float weights (.safetensors)")
    ap.add_argument("--integer", help="integer model (.aem)")
    ap.add_argument("--data", required=True)
    ap.add_argument("--profile", default="fast", choices=PROFILES)
    ap.add_argument("--points", type=int, default=11)
    ap.add_argument("--limit", type=int, default=0, help="only this many pictures, evenly picked")
    ap.add_argument("--json")
    a = ap.parse_args()
    if not a.model and not a.integer:
        ap.error("one of --model and --integer is needed")
    net = model = None
    if a.model:
        net = Codec(PROFILES[a.profile]).eval()
        net.load_state_dict(load_file(a.model))
    if a.integer:
        model = aem.read(pathlib.Path(a.integer).read_bytes())
    paths = list_images(a.data)
    images = [load(p) for p in paths[:: -(-len(paths) // a.limit) if a.limit else 1]]
    points = curve(images, a.points, net, model)
    if a.json:
        json.dump(points, open(a.json, "w"))


if __name__ == "__main__":
    main()
