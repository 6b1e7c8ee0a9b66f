#!/usr/bin/env python3
"""Trains a profile: one command, resumable, on a CPU or a GPU.

    python train.py --data PHOTOS --out run --minutes 120 [--init model.safetensors | --resume]

Writes OUT/checkpoint.pt (weights, EMA, optimiser, generators) and OUT/ema.safetensors.
Beside other work on a CPU set OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
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
    """Loss to descend, and for the log: mean loss before the cap, PSNR and bits per pixel of a batch.

    Each sample's loss is divided by sqrt(lambda), so that no rate dominates the gradient.
    """
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
        x_hat, y_bpp, z_bpp = net(x, q)
    mse = (x_hat - x).square().mean((1, 2, 3)) * 255**2
    lam = lambda_at(q, net.shapes.knots)
    each = (lam * mse + y_bpp + z_bpp) / lam.sqrt() * 0.1
    loss = (each * (LOSS_CAP / each.detach()).clamp(max=1)).mean()
    psnr = 10 * torch.log10(255**2 / mse.detach())
    return loss, each.detach().mean(), psnr.mean(), (y_bpp + z_bpp).detach().mean()


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
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--side", type=int, default=256, help="crop side in pixels, a multiple of 64")
    ap.add_argument("--ema", type=float, default=0.999)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ap.add_argument("--float32", action="store_true", help="no bfloat16 autocast")
    ap.add_argument("--save-every", type=float, default=3, help="minutes between checkpoints")
    a = ap.parse_args()
    if not a.minutes and not a.steps:
        ap.error("one of --minutes and --steps is needed")
    return a


def main():
    a = arguments()
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    rng = np.random.default_rng(a.seed)
    net = Codec(PROFILES[a.profile]).to(a.device)
    if a.init:
        net.load_state_dict(load_file(a.init))
    ema = {k: v.clone() for k, v in net.state_dict().items()}
    optimisers = optim.build(net, a.optimizer, a.lr)
    step, elapsed = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if a.resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=a.device, weights_only=False)
        net.load_state_dict(state["net"])
        ema = state["ema"]
        for o, s in zip(optimisers, state["optimisers"]):
            o.load_state_dict(s)
        step, elapsed = state["step"], state["elapsed"]
        rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"].cpu())

    crops = Crops(a.data, a.device, a.side)
    print(f"{len(crops.images)} pictures, {crops.megapixels():.0f} megapixels", flush=True)

    def save():
        state = dict(net=net.state_dict(), ema=ema, optimisers=[o.state_dict() for o in optimisers],
                     step=step, elapsed=elapsed, rng=rng.bit_generator.state,
                     torch_rng=torch.get_rng_state())
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").rename(checkpoint)
        save_file({k: v.contiguous().cpu() for k, v in ema.items()}, out / "ema.safetensors")

    start, began, saved, window = time.time() - elapsed, time.time(), time.time(), []
    log = open(out / "log.jsonl", "a")
    while True:
        elapsed = time.time() - start
        progress = step / a.steps if a.steps else elapsed / (a.minutes * 60)
        if progress >= 1 or time.time() - began > a.stop_after * 60:
            break
        for o in optimisers:
            for group in o.param_groups:
                group["lr"] = learning_rate(progress, step, a)
        x = crops.batch(rng, a.batch, a.side)
        q = torch.from_numpy(rng.random(a.batch, dtype=np.float32)).to(a.device)
        q = q * (net.shapes.knots - 1)
        loss, uncapped, psnr, bpp = loss_of(net, x, q, not a.float32)
        for o in optimisers:
            o.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        if torch.isfinite(norm):
            for o in optimisers:
                o.step()
        step += 1
        with torch.no_grad():
            decay = min(a.ema, (1 + step) / (10 + step))
            for k, v in net.state_dict().items():
                ema[k].lerp_(v, 1 - decay)
        window.append(torch.stack([uncapped, psnr, bpp]))
        if step % 100 == 0:
            mean = [round(v, 4) for v in torch.stack(window).mean(0).tolist()]
            window = []
            row = dict(step=step, seconds=round(elapsed), loss=mean[0], psnr=mean[1], bpp=mean[2])
            print(json.dumps(row), file=log, flush=True)
            print(*(f"{k} {v}" for k, v in row.items()), flush=True)
        if time.time() - saved > a.save_every * 60:
            save()
            saved = time.time()
    save()


if __name__ == "__main__":
    main()
