#!/usr/bin/env python3
"""Times a training step: timing.py [--profile fast] [--loss eye] [--batch 8] [--side 256] [--steps 10] [--no-compile].

Prints the seconds of each part (gradients, and optimisers with averages) as the median of the steps after three that
are not counted. `cargo bench -p aecodec-trainer --bench engine` times the same step of `aecodec train`.
"""

import argparse
import statistics
import time

import torch

import optim
import train
from net import PROFILES, Codec


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--profile", default="fast", choices=PROFILES)
    ap.add_argument("--loss", default="eye", choices=train.LOSSES)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--side", type=int, default=256)
    ap.add_argument("--steps", type=int, default=10)
    ap.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    a = ap.parse_args()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("medium")
    net = Codec(PROFILES[a.profile])
    optimizers = optim.build(net, "muon", 1e-6)
    averages = [p.detach().clone() for p in net.parameters()]
    x = torch.rand(a.batch, a.side, a.side, 3) - 0.5
    q = torch.linspace(0, net.shapes.knots - 1, a.batch)
    loss_of = torch.compile(train.loss_of) if a.compile else train.loss_of

    seconds = []
    for _ in range(a.steps + 3):
        start = time.perf_counter()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss_of(net, x, q, True, a.loss)[0].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        middle = time.perf_counter()
        for optimizer in optimizers:
            optimizer.step()
        torch._foreach_lerp_(averages, [p.detach() for p in net.parameters()], 0.001)
        seconds.append((middle - start, time.perf_counter() - middle))
    gradients, update = (statistics.median(part) for part in zip(*seconds[3:]))
    print(f"{a.profile}, {a.loss}, {a.batch} crops of {a.side}, {torch.get_num_threads()} threads: "
          f"{gradients + update:.3f} s a step ({gradients:.3f} s gradients, {update:.3f} s optimisers)")


if __name__ == "__main__":
    main()
