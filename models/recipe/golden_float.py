#!/usr/bin/env python3
"""Golden vectors of training and export: a tiny network's outputs, loss, gradients, optimiser steps, model file.

    python golden_float.py -o ../golden

The trainer in Rust must compute the same from the same weights, pictures, noise and counts.
"""

import argparse
import pathlib
from unittest import mock

import numpy as np
import torch
from safetensors.torch import save_file

import aem
import calibrate
import golden
import optim
import train
from data import Crops
from equalise import equalise
from net import Codec, Shapes
from quantise import quantise

SHAPES = Shapes(c=16, m=32, z=8, p=16, ne=1, nd=2, knots=3)
HEIGHT, WIDTH = 64, 128
Q = (0.6, 1.7)
# One parameter of each kind: square, wide and tall matrices for Muon; the rest for Adam.
STEPPED = ("e.0.p1.weight", "d.1.f2.weight", "head.weight", "e_in.weight", "d_out.weight", "y_gain", "z_prior.h")
STEPS, RATE = 3, 5e-3


def network(seed: int) -> Codec:
    """Draws random weights that are large enough to reach every branch, such as the bounds of gates and sigmas."""
    torch.manual_seed(seed)
    net = Codec(SHAPES)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.endswith("bias") or name.startswith("z_prior") or name in ("enc_gain", "dec_gain"):
                p += 0.2 * torch.randn_like(p)
            elif name.endswith("f1.weight"):
                p *= 4
            elif name == "d_out.weight":
                p *= 0.2
            elif name in ("head.weight", "head0.weight"):
                p[: SHAPES.m] *= 2
            elif name in ("e_in.weight", "he_out.weight"):
                p *= 3
        net.y_gain += 0.3 * torch.randn_like(net.y_gain) - 1.2
    return net


def vectors(seed: int = 0) -> dict[str, torch.Tensor]:
    net = network(seed)
    out = {f"weight.{k}": v.clone() for k, v in net.state_dict().items()}
    pictures = torch.stack([golden.picture(WIDTH, HEIGHT, seed=i) for i in range(len(Q))])
    x, q = pictures.float() / 255 - 0.5, torch.tensor(Q)
    out |= {"pictures": pictures, "q": q}

    # The network draws its noise in this order: z, then the four passes, [4, N, H/32, W/32, M/4] each.
    z = torch.rand(len(Q), HEIGHT // 64, WIDTH // 64, SHAPES.z)
    passes = torch.rand(4, 4, len(Q), HEIGHT // 32, WIDTH // 32, SHAPES.m // 4)
    out |= {"noise.z": z - 0.5, "noise.y": passes - 0.5}
    for kind in ("noisy", "rounded"):
        with torch.no_grad(), mock.patch("torch.rand_like", side_effect=[z, *passes]):
            x_hat, y_bpp, z_bpp = net(x, q, noise=kind == "noisy")
        out |= {f"{kind}.y_bpp": y_bpp, f"{kind}.z_bpp": z_bpp}
    with torch.no_grad():
        y = net.analyse(x, q)
        out |= {"x_hat": x_hat, "y": y, "z": net.hyper_analyse(y)}

    with mock.patch("torch.rand_like", side_effect=[z, *passes]):
        loss, figures = train.loss_of(net, x, q, bf16=False)
    loss.backward()
    out |= {"loss": loss.detach(), "figures": figures}
    out |= {f"gradient.{k}": p.grad.clone() for k, p in net.named_parameters()}
    out["norm"] = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)

    # Newton-Schulz in float32 here: bfloat16 differs between machines.
    with mock.patch("torch.Tensor.bfloat16", torch.Tensor.float):
        optimisers = optim.build(net, "muon", RATE)
        for _ in range(STEPS):
            for o in optimisers:
                o.step()
    return out | {f"stepped.{k}": net.get_parameter(k).detach() for k in STEPPED}


class Generated(Crops):
    """Crops of generated pictures, for the counts."""

    def __init__(self):
        pass

    def batch(self, rng: np.random.Generator, count: int, side: int) -> torch.Tensor:
        seeds = rng.integers(1 << 30, size=count)
        return torch.stack([golden.picture(side, side, seed=int(s)) for s in seeds]).float() / 255 - 0.5


@torch.no_grad()
def export_vectors(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """Returns what the export learns from pictures, and the model file that results."""
    net = network(0)
    reach, latents = calibrate.ranges(net, list(pictures), 3)
    out = {f"reach.{k}": torch.tensor(v) for k, v in reach.items()} | {"latents": latents}
    equalise(net, latents)
    model, _ = quantise(net, reach, skip_below=8)
    z_counts = calibrate.z_counts(net, Generated(), bands=2, batches=3, side=128)
    model.z_tables = [calibrate.z_codes(net, counts) for counts in z_counts]
    y_counts = calibrate.y_counts(model, Generated(), 4, side=128)
    model.gaussians = calibrate.y_codes(y_counts)
    model.card = "a tiny model"
    file = torch.frombuffer(bytearray(aem.write(model)), dtype=torch.uint8)
    counts = {"z_counts": z_counts, "y_counts": y_counts}
    return out | {k: torch.from_numpy(v.astype(np.int32)).to(torch.float32) for k, v in counts.items()} | {"aem": file}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("-o", "--out", required=True, help="folder for float.safetensors and export.safetensors")
    out = pathlib.Path(ap.parse_args().out)
    found = vectors()
    save_file({k: v.contiguous() for k, v in found.items()}, out / "float.safetensors")
    save_file(export_vectors(found["pictures"]), out / "export.safetensors")


if __name__ == "__main__":
    main()
