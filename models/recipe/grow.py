#!/usr/bin/env python3
"""Makes weights for a larger profile from those of a smaller one. They compute the same function, with room to learn.

    python grow.py fast.safetensors --profile best -o start.safetensors

Old channels keep their weights and do not depend on new channels, whose factors into old channels are zero. New channels
have random features, and new blocks write nothing at first. This follows "Net2Net" (Chen et al. 2016), but with zeros
instead of copies, so that no two channels are equal. The numbers of latents and hyper-latents must be the same.
"""

import argparse

import torch

import weights
from net import PROFILES, Codec, Shapes

# The stacks of blocks, and the names of their depths.
STACKS = {"e": "ne", "d": "nd"}


def places(width: int, wider: int, copies: int = 1) -> torch.Tensor:
    """Returns where each of `copies` runs of `width` channels is when the runs are `wider`."""
    return (torch.arange(copies)[:, None] * wider + torch.arange(width)).flatten()


def block_positions(old: int, new: int) -> list[int]:
    """Returns the positions of the old blocks in the new stack: spread evenly, with the last block last."""
    return [(i + 1) * new // old - 1 for i in range(old)]


def grow(small: dict[str, torch.Tensor], old: Shapes, new: Shapes, seed: int) -> dict[str, torch.Tensor]:
    """Converts float weights of `old` shapes to weights of `new` shapes that compute the same."""
    if (old.m, old.z, old.hidden, old.knots) != (new.m, new.z, new.hidden, new.knots):
        raise SystemExit("both profiles must have the same latents, hyper-latents, expansion and knots")
    torch.manual_seed(seed)
    large = Codec(new).state_dict()

    stream_c, stream_p = places(old.c, new.c), places(old.p, new.p)
    four_c = places(old.c, new.c, 4)
    keep = lambda n: torch.arange(n)  # noqa: E731
    z, m = keep(old.z), keep(old.m)
    both = torch.cat([m, old.m + stream_p])
    # For each layer, where its old outputs and its old inputs are.
    layers = {
        "e_in": (stream_c, keep(192)), "e_out": (m, four_c),
        "hd_out": (stream_p, z), "head0": (keep(2 * old.m), stream_p), "head": (keep(2 * old.m), stream_p),
        **{f"ctx_in.{k}": (stream_p, both) for k in range(3)},
        "d_in": (four_c, m), "d_out": (keep(192), stream_c),
    }
    renamed = {}
    for stack, depth in STACKS.items():
        spread = block_positions(getattr(old, depth), getattr(new, depth))
        renamed |= {f"{stack}.{i}": f"{stack}.{at}" for i, at in enumerate(spread)}
        for i in range(getattr(new, depth)):  # new blocks write nothing
            if i not in spread:
                for name in ("p2", "f2"):
                    large[f"{stack}.{i}.{name}.weight"].zero_()
        for name in (f"{stack}.{i}" for i in range(getattr(old, depth))):
            layers |= block(name, stream_c, old.c, new.c, old.hidden)
    for name in ("hd3", "ctx"):
        layers |= block(name, stream_p, old.p, new.p, old.hidden)

    for key, value in small.items():
        layer, _, kind = key.rpartition(".")
        head = ".".join(layer.split(".")[:2]) if layer[:2] in ("e.", "d.") else layer
        target = large[key.replace(head, renamed[head], 1) if head in renamed else key]
        if key in ("enc_gain", "dec_gain"):
            target.zero_()
            target[:, stream_c] = value
        elif layer not in layers:
            target.copy_(value)
        else:
            rows, columns = layers[layer]
            if kind == "bias":
                target.zero_()
                target[rows] = value
            elif layer.endswith(".dw"):  # each channel separately
                target[rows] = value
            else:
                target[rows] = 0
                target[rows[:, None], columns] = value
    return large


def block(name: str, stream: torch.Tensor, old: int, new: int, expansion: float) -> dict:
    """Returns the rows and columns of the layers of a block of `old` channels within one of `new` channels."""
    hidden, wider = int(old * expansion), int(new * expansion)
    gated, inner = places(hidden, wider, 2), places(hidden, wider)
    return {f"{name}.p1": (stream, stream), f"{name}.dw": (stream, stream), f"{name}.p2": (stream, stream),
            f"{name}.f1": (gated, stream), f"{name}.f2": (stream, inner)}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("weights", help="float weights of the smaller profile (.safetensors)")
    ap.add_argument("--profile", default="best", choices=PROFILES)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("-o", "--out", required=True)
    a = ap.parse_args()
    small = weights.read(a.weights)
    found = weights.profile_of(a.weights, small)
    weights.save(a.out, grow(small, PROFILES[found], PROFILES[a.profile], a.seed))


if __name__ == "__main__":
    main()
