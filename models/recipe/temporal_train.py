#!/usr/bin/env python3
"""Trains a temporal prior on sequences of latents, which `sequences.py` makes.

    python temporal_train.py --weights ../fast.safetensors --model ../fast/fast.aem --sequences SHARDS --out run
        --minutes 90 [--init run/temporal.safetensors]
"""

import argparse
import glob
import json
import pathlib
import time

import numpy as np
import torch

import aem
import weights
from net import Codec
from temporal import LAMBDA, STRICTNESS, Temporal, activity, side_input

FRAMES = 4  # of a sequence


class Sequences:
    """Shards of sequences: latents int16 [N, FRAMES, H, W, M], qualities [N, FRAMES], kinds [N]."""

    def __init__(self, files: list[str], codec: Codec, y_fraction: int, seed: int = 0):
        if not files:
            raise SystemExit("no sequences: make them with sequences.py")
        self.files, self.codec, self.unit = files, codec, 2.0**y_fraction
        self.rng, self.open, self.order = np.random.default_rng(seed), {}, []

    def shard(self, name: str) -> dict:
        if name not in self.open:
            self.open = {name: dict(np.load(name))}
        return self.open[name]

    def prepared(self, shard: dict, index) -> tuple:
        y = torch.from_numpy(shard["y"][index].astype(np.float32)) / self.unit
        q = torch.from_numpy(shard["q"][index]) / 100 * (self.codec.shapes.knots - 1)
        gain = self.codec.log_gain(self.codec.y_gain, q.flatten()).exp().detach().view(*q.shape, 1, 1, -1)
        return y, q, gain, torch.from_numpy(shard["k"][index].astype(np.int64)) == 1

    def drawn(self, count: int) -> tuple:
        """Random sequences; each shard is used up before the next one is read."""
        if not self.order:
            self.current = self.shard(self.files[self.rng.integers(len(self.files))])
            length = len(self.current["k"]) // count * count
            self.order = list(self.rng.permutation(length).reshape(-1, count))
        return self.prepared(self.current, self.order.pop())

    def batch(self, start: int, count: int) -> tuple:
        """The sequences from `start` on, in the order of the files."""
        length = len(self.shard(self.files[0])["k"])
        shard = self.shard(self.files[start // length % len(self.files)])
        return self.prepared(shard, np.arange(start % length, min(start % length + count, length)))


def run(net: Temporal, sequences: tuple, strictness: float, note=None):
    """Codes all frames after the first, each from what was decoded of the one before. Returns bits and squared error per
    position, and the share of positions that keep their reference."""
    y, q, gain, compensated = sequences
    # In a sequence with motion compensation, the frames 0 and 2 are the references of 1 and 3.
    pairs = compensated[:, None, None, None]
    first = torch.round(y[:, 0] * gain[:, 0]) / gain[:, 0]
    reference = torch.where(pairs, y[:, 0], first)
    bits = error = kept = count = 0
    for t in range(1, FRAMES):
        used = (~compensated | (t != 2)).float()[:, None, None]
        classes = activity((y[:, t] - reference) * gain[:, t], strictness)
        b, e, decoded = net(y[:, t], reference, gain[:, t], classes, side_input(classes, q[:, t]), note)
        bits, error = bits + (b * used).sum(), error + (e * used).sum()
        kept += ((classes == 0) * used).sum().item()
        count += used.sum().item() * classes[0].numel()
        reference = decoded.detach()
        if t == 2:
            reference = torch.where(pairs, y[:, 2], reference)
    return bits / count, error / count, kept / count


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--weights", required=True, help="float weights of the model (.safetensors)")
    ap.add_argument("--model", required=True, help="the model (.aem)")
    ap.add_argument("--sequences", required=True, help="folder of sequences; the first file is only measured")
    ap.add_argument("--out", required=True)
    ap.add_argument("--minutes", type=float, default=90)
    ap.add_argument("--init", help="weights to start from")
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    _, codec = weights.load(a.weights)
    fraction = aem.read(pathlib.Path(a.model).read_bytes()).y_fraction
    files = sorted(glob.glob(f"{a.sequences}/shard-*.npz"))
    held, data = Sequences(files[:1], codec, fraction), Sequences(files[1:], codec, fraction)
    net = Temporal(m=codec.shapes.m)
    if a.init:
        net.load_state_dict(weights.read(a.init))
    average = {k: v.clone() for k, v in net.state_dict().items()}
    net.forward = torch.compile(net.forward, dynamic=False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=a.lr, weight_decay=1e-3, betas=(0.9, 0.98))
    start, step = time.time(), 0
    while (gone := (time.time() - start) / 60 / a.minutes) < 1:
        # A plateau, then a fall to a fiftieth.
        optimiser.param_groups[0]["lr"] = a.lr * min(1, (step + 1) / 100) * min(1, 0.02 + (1 - gone) * 1.6)
        strictness = STRICTNESS * float(np.exp(data.rng.normal(0, 0.4)))
        bits, error, _ = run(net, data.drawn(a.batch), strictness)
        optimiser.zero_grad()
        (bits + error / LAMBDA).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 40.0)
        optimiser.step()
        step += 1
        with torch.no_grad():
            keep = min(0.998, step / (step + 20))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        if step % 250 == 0:
            weights.save(str(out / "temporal.safetensors"), average)
            with torch.no_grad():
                bits, error, kept = run(net, held.batch(0, 8 * a.batch), STRICTNESS)
            line = {"step": step, "minutes": round((time.time() - start) / 60, 1), "bits": round(bits.item(), 2),
                    "error": round(error.item(), 2), "kept": round(kept, 3)}
            with open(out / "temporal.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
    weights.save(str(out / "temporal.safetensors"), average)


if __name__ == "__main__":
    main()
