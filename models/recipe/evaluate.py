#!/usr/bin/env python3
"""Measures rate and distortion on a folder, for float weights, the integer model, or both. Bits are cross-entropies.

    python evaluate.py --model ../fast.safetensors --data FOLDER [--points 11 | --qualities 4,25,70] [--json curve.json]
    python evaluate.py --integer ../fast/fast.aem --data FOLDER [--model ../fast.safetensors]

If both are given, the JSON file contains the curve of the integer model, and each line also shows the cost of integers.
The figures are means over the pictures: bits per pixel, PSNR in dB and, with --ms-ssim, the MS-SSIM.
"""

import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F

import aem
import weights
from data import pictures
from fixed import Q_MAX, Model
from net import Codec
from similarity import LEAST_SIDE, ms_ssim


@torch.no_grad()
def code(net: Codec, image: torch.Tensor, q: float, similar: bool = False) -> list[float]:
    """Returns bits per pixel and PSNR (8-bit RGB, rounded) of a picture, uint8 [H, W, 3], and MS-SSIM if `similar`."""
    h, w, _ = image.shape
    x = image[None].float() / 255 - 0.5
    pad = (0, -w % 64, 0, -h % 64)
    x = F.pad(x.permute(0, 3, 1, 2), pad, mode="replicate").permute(0, 2, 3, 1)
    x_hat, y_bpp, z_bpp = net(x, torch.tensor([q]), noise=False)
    decoded = (x_hat[0, :h, :w] * 255 + 127.5).round().clamp(0, 255)
    return figures(image, decoded, (y_bpp + z_bpp).item() * x.shape[1] * x.shape[2], similar)


@torch.no_grad()
def code_integer(model: Model, image: torch.Tensor, q: int, similar: bool = False) -> list[float]:
    """Returns the same figures for the integer model; q is that of the header."""
    decoded, y_bits, z_bits = model.run(image, q)
    return figures(image, decoded, y_bits + z_bits, similar)


def figures(image: torch.Tensor, decoded: torch.Tensor, bits: float, similar: bool) -> list[float]:
    mse = (decoded.double() - image.double()).square().mean().item()
    found = [bits / (image.shape[0] * image.shape[1]), 10 * math.log10(255**2 / max(mse, 1e-9))]
    return [*found, ms_ssim(decoded, image)] if similar else found


def curve(images: list[torch.Tensor], parts: list[float], net: Codec | None, model: Model | None,
          similar: bool = False) -> list[list[float]]:
    """Returns the mean figures at `parts` (0 to 1) of the range of qualities, of the integer model if there is one."""
    out = []
    for part in parts:
        rows = []
        if net:
            q = (net.shapes.knots - 1) * part
            rows.append(torch.tensor([code(net, im, q, similar) for im in images]).mean(0))
        if model:
            q = round(Q_MAX * part)
            rows.append(torch.tensor([code_integer(model, im, q, similar) for im in images]).mean(0))
        out.append([round(v, 4) for v in rows[-1].tolist()])
        line = f"q {100 * part:5.1f}  {out[-1][0]:.4f} bpp  {out[-1][1]:.3f} dB"
        line += f"  {out[-1][2]:.4f} MS-SSIM" if similar else ""
        if len(rows) == 2:
            (f_bpp, f_db), (i_bpp, i_db) = (r.tolist()[:2] for r in rows)
            line += f"  integer against float {100 * (i_bpp / f_bpp - 1):+.2f} % rate {i_db - f_db:+.3f} dB"
        print(line, flush=True)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--model", help="float weights (.safetensors)")
    ap.add_argument("--integer", help="integer model (.aem)")
    ap.add_argument("--data", required=True)
    ap.add_argument("--points", type=int, default=11, help="number of evenly spread qualities, at least 2")
    ap.add_argument("--qualities", help="qualities (0 to 100), separated by commas, instead of --points")
    ap.add_argument("--ms-ssim", action="store_true", help=f"measure MS-SSIM too, on sides of at least {LEAST_SIDE} pixels")
    ap.add_argument("--limit", type=int, default=0, help="use only this many pictures, evenly selected")
    ap.add_argument("--json")
    a = ap.parse_args()
    if not a.model and not a.integer:
        ap.error("give --model, --integer, or both")
    if a.points < 2:
        ap.error("--points must be at least 2")
    net = weights.load(a.model)[1] if a.model else None
    model = aem.read(pathlib.Path(a.integer).read_bytes()) if a.integer else None
    images = pictures(a.data, a.limit, LEAST_SIDE if a.ms_ssim else 1)
    parts = [i / (a.points - 1) for i in range(a.points)]
    if a.qualities:
        parts = [float(q) / 100 for q in a.qualities.split(",")]
    points = curve(images, parts, net, model, a.ms_ssim)
    if a.json:
        json.dump(points, open(a.json, "w"))


if __name__ == "__main__":
    main()
