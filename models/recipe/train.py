#!/usr/bin/env python3
"""Trains a profile: one command, resumable, on a CPU, a GPU, or several (torchrun).

    python train.py --data PHOTOS --out run --minutes 120 [--init model.safetensors | --resume]
    torchrun --nproc-per-node 8 train.py --data PHOTOS --out run --minutes 120

Writes what run_files.py lists into OUT. Each process draws its own crops; their gradients are averaged.
See README.md for settings on a CPU and for several machines.
"""

import argparse
import contextlib
import math
import os
import time

import numpy as np
import torch
import torch.distributed as dist

import optim
import ssimulacra2
import weights
from data import Crops
from net import PROFILES, Codec
from run_files import RunFiles

# Trade-off at the ends of the quality axis: the loss is lambda * distortion + bits per pixel.
LAMBDA_MIN, LAMBDA_MAX = 3.28e-4, 0.384

# What distortion is: this much of the mean squared error in 8-bit units, and this much of SSIMULACRA 2's errors. Errors
# alone with a weight of 6.1 would be worth what squared error alone is, at every rate, so that quality means the same.
LOSSES = {"eye": (0.5, 3.05), "mse": (1.0, 0.0)}

# A sample's loss counts at most this much (photographs: 0.5 to 4). Noise can excite an untrained
# network without bound, and one such crop would then decide the whole batch's gradient.
LOSS_CAP = 6.0

# Steps in a row without a finite gradient after which the weights are taken for lost.
MOST_SKIPPED = 100


def lambda_at(q: torch.Tensor, knots: int) -> torch.Tensor:
    """Lambda at q in [0, knots - 1]: straight in the logarithm."""
    lo, hi = math.log(LAMBDA_MIN), math.log(LAMBDA_MAX)
    return torch.exp(lo + (hi - lo) * q / (knots - 1))


def loss_of(net: Codec, x: torch.Tensor, q: torch.Tensor, bf16: bool, kind: str = "eye"):
    """Loss to descend, and for the log [4]: mean loss before and after the cap, PSNR, bits per pixel.

    Each sample's loss is divided by 10 sqrt(lambda), so that no rate dominates the gradient.
    """
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
        x_hat, y_bpp, z_bpp = net(x, q)
    mse = (x_hat - x).square().mean((1, 2, 3)) * 255**2
    of_squares, of_errors = LOSSES[kind]
    distortion = of_squares * mse
    if of_errors:
        distortion = distortion + of_errors * ssimulacra2.errors(x + 0.5, x_hat + 0.5)
    lam = lambda_at(q, net.shapes.knots)
    each = (lam * distortion + y_bpp + z_bpp) / lam.sqrt() * 0.1
    loss = (each * (LOSS_CAP / each.detach()).clamp(max=1)).mean()
    psnr = 10 * torch.log10(255**2 / mse.detach())
    return loss, torch.stack([each.mean(), loss, psnr.mean(), (y_bpp + z_bpp).mean()]).detach()


def learning_rate(progress: float, step: int, a) -> float:
    """Linear warm-up, a plateau for the first `hold` of the run, then a cosine to 1 %."""
    fall = max(0.0, progress - a.hold) / (1 - a.hold)
    return a.lr * min(1, (step + 1) / max(1, a.warmup)) * (0.01 + 0.99 * (1 + math.cos(math.pi * fall)) / 2)


def arguments():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--data", required=True, help="folder of training photographs")
    ap.add_argument("--out", required=True, help="folder for checkpoints and logs; several machines must share it")
    ap.add_argument("--profile", default="fast", choices=PROFILES)
    ap.add_argument("--init", help="float weights to start from (.safetensors)")
    ap.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt, if it is there")
    length = ap.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, default=0, help="length of the whole run in time")
    length.add_argument("--steps", type=int, default=0, help="length of the whole run in steps")
    ap.add_argument("--stop-after", type=float, default=math.inf, help="leave after this many minutes; resume later")
    ap.add_argument("--loss", default="eye", choices=LOSSES,
                    help="eye: squared error and the errors of SSIMULACRA 2; mse: squared error alone, for the best PSNR")
    ap.add_argument("--optimizer", default="muon", choices=["adam", "muon"])
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--hold", type=float, default=0.3, help="share of the run before the rate falls")
    ap.add_argument("--warmup", type=int, default=200, help="steps in which the rate rises")
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
    for name, fits, wanted in (
        ("minutes", a.minutes > 0 or a.steps > 0, "or --steps above 0"),
        ("hold", 0 <= a.hold < 1, "from 0 to below 1"),
        ("ema", 0 <= a.ema < 1, "from 0 to below 1"),
        ("side", a.side > 0 and a.side % 64 == 0, "a multiple of 64"),
        ("batch", a.batch > 0, "above 0"),
        ("warmup", a.warmup >= 0, "0 or more"),
        ("log-every", a.log_every > 0, "above 0"),
    ):
        if not fits:
            ap.error(f"--{name}: {wanted}")
    return a


class Processes:
    """This process among those that torchrun started; alone without it."""

    def __init__(self, device: str):
        self.count, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.device = torch.device(device)
        if self.device.type == "cuda":
            if self.count > 1:
                self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            # The generator that is saved and restored is the current device's.
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


class Run:
    """A model in training: all that a checkpoint holds."""

    def __init__(self, a, processes: Processes):
        self.a, self.processes = a, processes
        self.step, self.elapsed, self.window, self.skipped = 0, 0.0, [], 0
        torch.manual_seed(a.seed)
        self.net = Codec(PROFILES[a.profile]).to(processes.device)
        self.weights = self.net.state_dict()
        self.ema = {k: v.clone() for k, v in self.weights.items()}
        self.optimisers = optim.build(self.net, a.optimizer, a.lr)
        self.rng = np.random.default_rng(a.seed)
        if processes.rank:  # crops and noise of its own; the first process draws as a single one would
            self.draw_anew(processes.rank)

    def draw_anew(self, *place: int):
        """Crops and noise that belong to this place, in place of those that follow from the seed alone."""
        sequence = np.random.SeedSequence([self.a.seed, *place])
        self.rng = np.random.default_rng(sequence)
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))

    def start_from(self, path: str):
        """Takes float weights of the same profile."""
        start = weights.read(path)
        if (found := weights.profile_of(path, start)) != self.a.profile:
            raise SystemExit(f"{path}: weights of the profile {found}, not {self.a.profile}")
        self.net.load_state_dict(start)
        for k, v in self.weights.items():
            self.ema[k].copy_(v)

    def noise(self):
        return torch.cuda if self.processes.device.type == "cuda" else torch.random

    def state(self) -> dict:
        generators = self.processes.gather((self.rng.bit_generator.state, self.noise().get_rng_state()))
        return dict(net=self.net.state_dict(), ema=self.ema, optimisers=[o.state_dict() for o in self.optimisers],
                    step=self.step, elapsed=self.elapsed, window=self.window, generators=generators,
                    device=self.processes.device.type, settings=vars(self.a))

    def restore(self, state: dict):
        self.net.load_state_dict(state["net"])
        for k, v in state["ema"].items():
            self.ema[k].copy_(v)
        for o, s in zip(self.optimisers, state["optimisers"]):
            o.load_state_dict(s)
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.window = [w.to(self.processes.device) for w in state["window"]]
        if len(state["generators"]) == self.processes.count and state["device"] == self.processes.device.type:
            self.rng.bit_generator.state, noise = state["generators"][self.processes.rank]
            self.noise().set_rng_state(noise)
        else:  # of other processes or devices: from the seed alone, the first crops would come again
            self.draw_anew(self.processes.rank, self.step)

    def agrees(self) -> bool:
        """Whether all processes stand at the same step with the same weights."""
        total = sum(v.double().sum().item() for v in self.weights.values())
        return len(set(self.processes.gather((self.step, total)))) == 1

    def descend(self, loss_of, crops: Crops, progress: float):
        """One step: crops, gradients, optimisers, average."""
        a = self.a
        for o in self.optimisers:
            for group in o.param_groups:
                group["lr"] = learning_rate(progress, self.step, a)
        x = crops.batch(self.rng, a.batch, a.side)
        q = torch.from_numpy(self.rng.random(a.batch, dtype=np.float32)).to(self.processes.device)
        loss, figures = loss_of(self.net, x, q * (self.net.shapes.knots - 1), not a.float32, a.loss)
        for o in self.optimisers:
            o.zero_grad()
        loss.backward()
        parameters = list(self.net.parameters())
        self.processes.average([p.grad for p in parameters])
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        if torch.isfinite(norm):
            self.skipped = 0
            self.window.append(figures.clone())
            for o in self.optimisers:
                o.step()
        else:
            self.skipped += 1
            if self.skipped == MOST_SKIPPED:
                raise SystemExit(f"no finite gradient in {MOST_SKIPPED} steps up to {self.step}: take an earlier "
                                 "checkpoint, or a lower --lr")
        self.step += 1
        with torch.no_grad():
            decay = min(a.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(list(self.ema.values()), list(self.weights.values()), 1 - decay)

    def row(self) -> dict:
        """The next line of the log: means over the steps since the last."""
        mean = torch.stack(self.window).mean(0) if self.window else torch.full((4,), math.nan)
        row = dict(step=self.step, seconds=round(self.elapsed))
        missing = self.a.log_every - len(self.window)
        self.window = []
        mean = mean.to(self.processes.device)
        self.processes.average([mean])
        row |= zip(("loss", "capped", "psnr", "bpp"), (round(v, 4) for v in mean.tolist()))
        return row | ({"skipped": missing} if missing > 0 else {})


def repeat(run: Run, files: RunFiles, crops: Crops, descend):
    """Steps until the run's length or `--stop-after`, with its log and checkpoints."""
    a = run.a
    start, resumed, saved = time.time() - run.elapsed, run.elapsed, run.elapsed
    while True:
        run.elapsed = run.processes.first_says(time.time() - start)
        progress = run.step / a.steps if a.steps else run.elapsed / (a.minutes * 60)
        if progress >= 1 or run.elapsed - resumed > a.stop_after * 60:
            break
        run.descend(descend, crops, progress)
        if run.step % a.log_every == 0:
            files.row(run.row())
        if run.elapsed - saved > a.save_every * 60:
            files.save(run.state())
            saved = run.elapsed
    files.save(run.state())


def main():
    a = arguments()
    processes = Processes(a.device)
    files = RunFiles(a.out, writes=processes.rank == 0)
    run = Run(a, processes)
    if state := files.restore(a.resume, vars(a)):
        run.restore(state)
    elif a.init:
        run.start_from(a.init)
    if not run.agrees():
        raise SystemExit("the processes begin with different weights: --out must be one shared folder, and --init the same file")
    crops = Crops(a.data, processes.device, a.side)
    files.say(f"{len(crops)} pictures, {crops.megapixels():.0f} megapixels, {processes.count} processes")
    files.begin(run.step, vars(a), processes.count)

    if not a.float32:  # layers outside of autocast keep float32 sums and results, of rounded factors
        torch.set_float32_matmul_precision("medium")
    descend = loss_of
    if a.compile:
        descend = torch.compile(loss_of, mode="reduce-overhead" if a.graphs else None)
    with contextlib.closing(files):
        repeat(run, files, crops, descend)
    if processes.count > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
