#!/usr/bin/env python3
"""Trains a profile: one command, resumable, on a CPU, a GPU, or several (torchrun).

    python train.py --data PHOTOS --out run --minutes 120 [--init model.safetensors | --resume]
    torchrun --nproc-per-node 8 train.py --data PHOTOS --out run --minutes 120

Writes OUT/checkpoint.pt (weights, EMA, optimiser, generators) and OUT/ema.safetensors.
Each process draws its own crops; their gradients are averaged. See README.md for settings on a CPU.
"""

import argparse
import json
import math
import os
import pathlib
import time

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

import optim
from data import Crops
from net import PROFILES, Codec

# Trade-off at the ends of the quality axis: the loss is lambda * MSE (8-bit units) + bits per pixel.
LAMBDA_MIN, LAMBDA_MAX = 3.28e-4, 0.384

# A sample's loss counts at most this much (photographs: 0.5 to 4). Noise can excite an untrained
# network without bound, and one such crop would then decide the whole batch's gradient.
LOSS_CAP = 6.0


def lambda_at(q: torch.Tensor, knots: int) -> torch.Tensor:
    """Lambda at q in [0, knots - 1]: straight in the logarithm."""
    lo, hi = math.log(LAMBDA_MIN), math.log(LAMBDA_MAX)
    return torch.exp(lo + (hi - lo) * q / (knots - 1))


def loss_of(net: Codec, x: torch.Tensor, q: torch.Tensor, bf16: bool):
    """Loss to descend, and for the log [4]: mean loss before and after the cap, PSNR, bits per pixel.

    Each sample's loss is divided by sqrt(lambda), so that no rate dominates the gradient.
    """
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
        x_hat, y_bpp, z_bpp = net(x, q)
    mse = (x_hat - x).square().mean((1, 2, 3)) * 255**2
    lam = lambda_at(q, net.shapes.knots)
    each = (lam * mse + y_bpp + z_bpp) / lam.sqrt() * 0.1
    loss = (each * (LOSS_CAP / each.detach()).clamp(max=1)).mean()
    psnr = 10 * torch.log10(255**2 / mse.detach())
    return loss, torch.stack([each.mean(), loss, psnr.mean(), (y_bpp + z_bpp).mean()]).detach()


def learning_rate(progress: float, step: int, a) -> float:
    """Linear warm-up, a plateau for the first `hold` of the run, then a cosine to 1 %."""
    fall = max(0.0, progress - a.hold) / (1 - a.hold)
    return a.lr * min(1, (step + 1) / a.warmup) * (0.01 + 0.99 * (1 + math.cos(math.pi * fall)) / 2)


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--data", required=True, help="folder of training photographs")
    ap.add_argument("--out", required=True, help="folder for checkpoints and logs")
    ap.add_argument("--profile", default="fast", choices=PROFILES)
    ap.add_argument("--init", help="float weights to start from (.safetensors)")
    ap.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    ap.add_argument("--minutes", type=float, default=0, help="length of the whole run in time")
    ap.add_argument("--steps", type=int, default=0, help="length of the whole run in steps")
    ap.add_argument("--stop-after", type=float, default=math.inf, help="leave after this many minutes; resume later")
    ap.add_argument("--optimizer", default="muon", choices=["adam", "muon"])
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--hold", type=float, default=0.3, help="share of the run before the rate falls")
    ap.add_argument("--warmup", type=int, default=200)
    ap.add_argument("--batch", type=int, default=8, help="crops a step in each process")
    ap.add_argument("--side", type=int, default=256, help="crop side in pixels, a multiple of 64")
    ap.add_argument("--ema", type=float, default=0.999)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ap.add_argument("--float32", action="store_true", help="no bfloat16")
    ap.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True,
                    help="fuse operations with torch.compile (on a CPU a minute once, then a third less time a step)")
    ap.add_argument("--graphs", action="store_true", help="with --compile on a GPU: CUDA graphs, for small batches")
    ap.add_argument("--log-every", type=int, default=100, help="steps between lines of OUT/log.jsonl")
    ap.add_argument("--save-every", type=float, default=3, help="minutes between checkpoints")
    a = ap.parse_args()
    if not a.minutes and not a.steps:
        ap.error("one of --minutes and --steps is needed")
    return a


class Processes:
    """This process among those that torchrun started; alone without it."""

    def __init__(self, device: str):
        self.count, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.device = torch.device(device)
        if self.device.type == "cuda" and self.count > 1:
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(self.device)
        if self.count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def first_says(self, value: float) -> float:
        """The first process's number, so that all follow one clock."""
        if self.count == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(said, 0)
        return said.item()

    def average(self, tensors: list[torch.Tensor]):
        """Replaces each tensor by its mean over the processes."""
        if self.count == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        parts = (flat / self.count).split([t.numel() for t in tensors])
        torch._foreach_copy_(tensors, [p.view_as(t) for p, t in zip(parts, tensors)])

    def gather(self, thing) -> list:
        """Every process's thing."""
        things = [thing] * self.count
        if self.count > 1:
            dist.all_gather_object(things, thing)
        return things


def main():
    a = arguments()
    processes = Processes(a.device)
    device, first = processes.device, processes.rank == 0
    torch.manual_seed(a.seed)
    net = Codec(PROFILES[a.profile]).to(device)
    if a.init:
        net.load_state_dict(load_file(a.init))
    rng = np.random.default_rng(a.seed)
    if not first:  # crops and noise of its own; the first process draws as a single one would
        rng = np.random.default_rng([a.seed, processes.rank])
        torch.manual_seed(a.seed * 1000 + processes.rank)
    noise = torch.cuda if device.type == "cuda" else torch.random
    weights = net.state_dict()
    ema = {k: v.clone() for k, v in weights.items()}
    optimisers = optim.build(net, a.optimizer, a.lr)
    step, elapsed, window = 0, 0.0, []

    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    if a.resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=False)
        net.load_state_dict(state["net"])
        for k, v in state["ema"].items():
            ema[k].copy_(v)
        for o, s in zip(optimisers, state["optimisers"]):
            o.load_state_dict(s)
        step, elapsed, window = state["step"], state["elapsed"], [w.to(device) for w in state["window"]]
        if len(state["generators"]) == processes.count:
            rng.bit_generator.state, noise_state = state["generators"][processes.rank]
            noise.set_rng_state(noise_state)

    crops = Crops(a.data, device, a.side)
    if first:
        print(f"{len(crops)} pictures, {crops.megapixels():.0f} megapixels, {processes.count} processes", flush=True)

    def save():
        generators = processes.gather((rng.bit_generator.state, noise.get_rng_state()))
        if not first:
            return
        state = dict(net=net.state_dict(), ema=ema, optimisers=[o.state_dict() for o in optimisers],
                     step=step, elapsed=elapsed, window=window, generators=generators)
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").rename(checkpoint)
        save_file({k: v.contiguous().cpu() for k, v in ema.items()}, out / "ema.safetensors")

    if not a.float32:  # layers outside of autocast keep float32 sums and results, of rounded factors
        torch.set_float32_matmul_precision("medium")
    descend = loss_of
    if a.compile:
        descend = torch.compile(loss_of, mode="reduce-overhead" if a.graphs else None)
    parameters = list(net.parameters())
    start, resumed, saved = time.time() - elapsed, elapsed, elapsed
    log = open(out / "log.jsonl", "a") if first else None
    while True:
        elapsed = processes.first_says(time.time() - start)
        progress = step / a.steps if a.steps else elapsed / (a.minutes * 60)
        if progress >= 1 or elapsed - resumed > a.stop_after * 60:
            break
        for o in optimisers:
            for group in o.param_groups:
                group["lr"] = learning_rate(progress, step, a)
        x = crops.batch(rng, a.batch, a.side)
        q = torch.from_numpy(rng.random(a.batch, dtype=np.float32)).to(device)
        loss, figures = descend(net, x, q * (net.shapes.knots - 1), not a.float32)
        for o in optimisers:
            o.zero_grad()
        loss.backward()
        processes.average([p.grad for p in parameters])
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        if torch.isfinite(norm):
            for o in optimisers:
                o.step()
        step += 1
        with torch.no_grad():
            decay = min(a.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(ema.values()), list(weights.values()), 1 - decay)
        window.append(figures.clone())
        if step % a.log_every == 0:
            mean = torch.stack(window).mean(0)
            window = []
            processes.average([mean])
            if first:
                row = dict(step=step, seconds=round(elapsed))
                row |= zip(("loss", "capped", "psnr", "bpp"), (round(v, 4) for v in mean.tolist()))
                print(json.dumps(row), file=log, flush=True)
                print(*(f"{k} {v}" for k, v in row.items()), flush=True)
        if elapsed - saved > a.save_every * 60:
            save()
            saved = elapsed
    save()
    if log:
        log.close()
    if processes.count > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
