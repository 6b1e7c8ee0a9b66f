#!/usr/bin/env python3
"""Rate-distortion of float weights on a folder, bits by cross-entropy of the rounded latents.

    python evaluate.py --model models/fast.safetensors --data FOLDER [--points 11] [--json curve.json]
"""

import argparse
import json
import math

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from data import list_images, load
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


def curve(net: Codec, images: list[torch.Tensor], points: int) -> list[tuple[float, float]]:
    """Mean (bits per pixel, PSNR) at evenly spread qualities."""
    out = []
    for i in range(points):
        q = (net.shapes.knots - 1) * i / (points - 1)
        rows = torch.tensor([code(net, im, q) for im in images])
        out.append(tuple(round(v, 4) for v in rows.mean(0).tolist()))
        print(f"q {100 * i / (points - 1):5.1f}  {out[-1][0]:.4f} bpp  {out[-1][1]:.3f} dB", flush=True)
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--profile", default="fast", choices=PROFILES)
    ap.add_argument("--points", type=int, default=11)
    ap.add_argument("--limit", type=int, default=0)
    ap.add_argument("--json")
    a = ap.parse_args()
    net = Codec(PROFILES[a.profile]).eval()
    net.load_state_dict(load_file(a.model))
    paths = list_images(a.data)
    images = [load(p) for p in (paths[: a.limit] if a.limit else paths)]
    points = curve(net, images, a.points)
    if a.json:
        json.dump(points, open(a.json, "w"))


if __name__ == "__main__":
    main()
