#!/usr/bin/env python3
"""Fits the read-out of a model: the linear map from the latents of a position to the mean colours of its four patches.

It needs numpy and zstandard, and the program `aecodec`, which compresses the pictures. Thumbnails are made with the map
instead of the synthesis network (codec/src/readout.rs defines the file).

    readout.py models/fast/readout.bin PICTURE... --profile fast --program target/release/aecodec
"""

import argparse
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "conformance"))
import decode as decoder  # noqa: E402

KNOTS = np.array([0, 1600, 3200, 4800, 6400])
FRACTION = 4  # of the colours, in bits
# Neighbouring knots are held together, and all weights near zero, so that rare latents do not lead astray.
TOGETHER, SMALL = 0.2, 0.002


def latents_and_colours(path):
    """Latents [n, M], the mean colours [n, 12] of patches (row, column, channel) minus 128, model and quality."""
    stream = decoder.Stream(path.read_bytes())
    if stream.exact:
        return None
    model = decoder.load_model(stream.model)
    seen, synthesis = {}, decoder.synthesis

    def keep(model, quality, y_hat):
        seen.update(y=y_hat, rgb=synthesis(model, quality, y_hat))
        return seen["rgb"]

    decoder.synthesis = keep
    try:
        decoder.Picture(stream)
    finally:
        decoder.synthesis = synthesis
    height, width, channels = seen["y"].shape
    colours = seen["rgb"].reshape(height, 2, 8, width, 2, 8, 3).mean((2, 5)).transpose(0, 2, 1, 3, 4)
    return seen["y"].reshape(-1, channels), colours.reshape(-1, 12) - 128, stream.model, stream.q


def shares(quality):
    """The share of each knot at a quality."""
    return np.maximum(0, 1 - np.abs(quality - KNOTS) / 1600)


class Fit:
    """Sums of products, from which the map follows by least squares."""

    def __init__(self, latents):
        self.rows = latents + 1
        self.left = np.zeros((len(KNOTS), self.rows, len(KNOTS), self.rows))
        self.right = np.zeros((len(KNOTS), self.rows, 12))

    def add(self, latents, colours, quality):
        x = np.concatenate([latents, np.ones((len(latents), 1))], 1)
        square, product, share = x.T @ x, x.T @ colours, shares(quality)
        self.left += share[:, None, None, None] * share[None, None, :, None] * square[None, :, None, :]
        self.right += share[:, None, None] * product

    def solve(self):
        """The maps [knots, M + 1, 12]; the last row of each is the bias."""
        count, rows = len(KNOTS), self.rows
        left = self.left.copy()
        typical = sum(np.einsum("ii->i", left[k, :, k, :]) for k in range(count)) / count + 1
        for k in range(count):
            left[k, np.arange(rows), k, np.arange(rows)] += SMALL * typical
        for k in range(count - 1):
            for a, b, sign in ((k, k, 1), (k + 1, k + 1, 1), (k, k + 1, -1), (k + 1, k, -1)):
                left[a, np.arange(rows), b, np.arange(rows)] += sign * TOGETHER * typical
        flat = left.reshape(count * rows, count * rows)
        return np.linalg.solve(flat, self.right.reshape(count * rows, 12)).reshape(count, rows, 12)


def quantised(maps):
    """Shift, weights i16 and biases i32: the largest shift at which nothing overflows, whatever the latents are."""
    for shift in range(24, -1, -1):
        scaled = np.rint(maps * 2.0 ** (FRACTION + shift))
        weights, biases = scaled[:, :-1], scaled[:, -1]
        if np.abs(weights).max() <= 32767 and (np.abs(weights).sum(1) * 8191 + np.abs(biases)).max() < 2**31 - 2**24:
            return shift, weights.astype("<i2"), biases.astype("<i4")
    raise SystemExit("the weights are too large")


def decibels(a, b):
    return 10 * np.log10(255**2 / max(np.mean((np.clip(a, -128, 127) - b) ** 2), 1e-3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--program", default="aecodec")
    args = parser.parse_args()

    fit, held_out, identity = None, [], None
    with tempfile.TemporaryDirectory() as folder:
        coded = Path(folder) / "coded.aec"
        for i, picture in enumerate(args.pictures):
            quality = i * 61.8033 % 100
            subprocess.run(
                [args.program, "compress", picture, "-o", coded, "--force", "--profile", args.profile, "--mode", "learned",
                 "--quality", f"{quality:.2f}"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found = latents_and_colours(coded)
            if found is None:
                continue
            latents, colours, identity, q = found
            fit = fit or Fit(latents.shape[1])
            if i % 8 == 7:
                held_out.append((latents, colours, q))
            else:
                fit.add(latents, colours, q)
    maps = fit.solve()
    shift, weights, biases = quantised(maps)
    for latents, colours, q in held_out:
        each = np.concatenate([weights, biases[:, None]], 1) * 2.0 ** -(FRACTION + shift)
        x = np.concatenate([latents, np.ones((len(latents), 1))], 1)
        print(f"quality {q / 64:5.1f}  PSNR {decibels(x @ np.tensordot(shares(q), each, 1), colours):.1f} dB")
    with open(args.out, "wb") as file:
        file.write(identity + struct.pack("<HBB", weights.shape[1], len(KNOTS), shift))
        for weight, bias in zip(weights, biases):
            file.write(bias.tobytes() + np.ascontiguousarray(weight.T).tobytes())
    print(f"{args.out}: shift {shift}, largest weight {np.abs(weights.astype(int)).max()}")


if __name__ == "__main__":
    main()
