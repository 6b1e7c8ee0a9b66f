#!/usr/bin/env python3
"""Exports a temporal prior as the integer file of docs/format.md, section 11.

    python temporal_export.py --prior run/temporal.pt --model ../fast/fast.aem --weights ../fast.safetensors
        --sequences SHARDS [--card card.txt] -o run/temporal.aet
"""

import argparse
import glob
import pathlib
import struct

import blake3
import numpy as np
import torch
import zstandard
from torch import nn

import aem
import calibrate
import tables
import weights
from net import Block
from quantise import Quantiser
from temporal import STRICTNESS, Temporal
from temporal_train import Sequences, run

SIGNATURE = b"\x89AET\r\n\x1a\n"
ONE_FRACTION = 12  # of the side inputs and the gates
LEVEL_ONE = 26


class Counts:
    """How often each table codes each value."""

    def __init__(self, skip_below: int):
        self.counts = np.zeros((tables.GAUSSIANS, 2 * tables.K_MAX + 1), np.int64)
        self.skip_below = skip_below

    def __call__(self, sigma: torch.Tensor, symbol: torch.Tensor, active: torch.Tensor):
        here = active.expand_as(sigma) > 0
        level = (8 * torch.log2(sigma[here]) + LEVEL_ONE).round().clamp(0, 107).long().numpy()
        table, value, _ = tables.split(level, symbol[here].long().numpy(), self.skip_below)
        np.add.at(self.counts, (table, value.clip(-tables.K_MAX, tables.K_MAX) + tables.K_MAX), 1)


def reach_of(net: Temporal, examples) -> dict[str, float]:
    """The largest magnitude of each layer's input and output; calls `examples` to run the network."""
    reach: dict[str, float] = {}

    def hook(name):
        def seen(module, inputs, output):
            for at, v in ((".in", inputs[0]), (".out", output)):
                reach[name + at] = max(reach.get(name + at, 0.0), v.abs().max().item())
        return seen

    handles = [mod.register_forward_hook(hook(name)) for name, mod in net.named_modules()
               if isinstance(mod, (nn.Linear, nn.Conv2d, Block))]
    examples()
    for handle in handles:
        handle.remove()
    return reach


def layers(net: Temporal, reach: dict[str, float], f_y: int, headroom: float) -> tuple[list, list]:
    """The layers in file order, and how each was quantised."""
    qz = Quantiser(net, reach, headroom)
    m, p = net.m, net.p
    f_t, f_ctx = qz.stream("t1", "t2"), qz.stream("ctx")
    out = [qz.product("t_in", [f_y] * m + [ONE_FRACTION] * (net.t_in.in_features - m), f_t)]

    def block(name, fraction):
        qz.block(name, fraction)
        return qz.layers[name]

    def heads(name, fraction):
        w, b = qz.weights[name + ".weight"], qz.weights[name + ".bias"]
        log2e = 1 / np.log(2)
        return [qz.product(f"{name}.scale", fraction, 7, weight=w[:m] * log2e, bias=b[:m] * log2e),
                qz.product(f"{name}.mean", fraction, f_y, weight=w[m : 2 * m], bias=b[m : 2 * m]),
                qz.product(f"{name}.gate", fraction, ONE_FRACTION, weight=w[2 * m :], bias=b[2 * m :])]

    out += [block("t1", f_t), block("t2", f_t), *heads("head0", f_t)]
    out += [qz.product(f"ctx_in.{k}", [f_y] * m + [f_t] * p, f_ctx) for k in range(3)]
    out += [block("ctx", f_ctx), *heads("head", f_ctx)]
    return out, qz.report


def plain(model_id: bytes, net: Temporal, found: list, codes: list, card: str) -> bytes:
    out = [SIGNATURE, b"\x01", model_id[:8], struct.pack("<2H", net.p, net.t1.f2.in_features)]
    for layer in found:
        if hasattr(layer, "p1"):
            out += [aem.product_bytes(layer.p1), aem.product_bytes(layer.dw), aem.product_bytes(layer.p2)]
            out += [aem.product_bytes(layer.f1), struct.pack("<B", layer.gate_shift), aem.product_bytes(layer.f2)]
        else:
            out.append(aem.product_bytes(layer))
    for table in codes:
        out.append(struct.pack("<B", len(table) // 2 - 1) + aem.whole(table, "<u2"))
    text = card.encode()
    return b"".join([*out, struct.pack("<I", len(text)), text])


def packed(data: bytes) -> bytes:
    even, odd = (zstandard.compress(data[i::2], 19) for i in (0, 1))
    return SIGNATURE + struct.pack("<B2I", 2, len(data), len(even)) + even + odd


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--prior", required=True, help="float weights (.safetensors)")
    ap.add_argument("--model", required=True, help="the model that it belongs to (.aem)")
    ap.add_argument("--weights", required=True, help="float weights of that model (.safetensors)")
    ap.add_argument("--sequences", required=True, help="folder of sequences, for the ranges and the tables")
    ap.add_argument("--card", help="file with a text about the training")
    ap.add_argument("-o", "--out", required=True)
    ap.add_argument("--count", type=int, default=400, help="sequences for the ranges and the tables")
    ap.add_argument("--headroom", type=float, default=2.0, help="least room above the largest value seen")
    a = ap.parse_args()

    card = pathlib.Path(a.card).read_text() if a.card else ""
    model_plain = aem.unpack(pathlib.Path(a.model).read_bytes())
    model = aem.read(model_plain)
    net = Temporal()
    net.load_state_dict(weights.read(a.prior))
    net.eval()
    _, codec = weights.load(a.weights)
    sequences = Sequences(sorted(glob.glob(f"{a.sequences}/shard-*.npz")), codec, model.y_fraction)
    counts = Counts(model.skip_below)

    def examples():
        for start in range(0, a.count, 8):
            run(net, sequences.batch(start, 8), STRICTNESS, counts)

    reach = reach_of(net, examples)
    found, report = layers(net, reach, model.y_fraction, a.headroom)
    data = plain(blake3.blake3(model_plain).digest(), net, found, calibrate.y_codes(counts.counts), card)
    weights.write_whole(a.out, lambda part: part.write_bytes(packed(data)))
    print(f"{'layer':14}{'fraction':>9}{'shift':>6}{'weight bits':>12}{'margin':>8}")
    for fit in report:
        print(f"{fit.name:14}{fit.fraction:9}{fit.shift:6}{fit.weight_bits:12.1f}{fit.margin:8.2f}")
    print(f"{a.out}: {pathlib.Path(a.out).stat().st_size} bytes ({len(data)} plain)")


if __name__ == "__main__":
    with torch.no_grad():
        main()
