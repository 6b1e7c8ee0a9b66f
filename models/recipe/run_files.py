"""The files of a training run, OUT. They are complete even if the run is killed, and suffice for the model's card.

    checkpoint.pt      weights, average, optimisers, generators; --resume continues from it
    ema.safetensors    the averaged weights, to evaluate and export
    log.jsonl          means over every `--log-every` steps
    starts.jsonl       one line per start: step, settings, versions, commit of the recipe
"""

import json
import pathlib
import platform
import subprocess
import time

import torch

import weights

# A checkpoint can only be resumed with the same FIXED settings. The TOLD settings may change, which is reported.
FIXED = ("profile", "optimizer")
TOLD = ("loss", "lr", "hold", "warmup", "batch", "side", "ema", "seed", "minutes", "steps", "float32")


class RunFiles:
    """The folder OUT of one run. Only the first process writes; all processes read the checkpoint."""

    def __init__(self, folder: str, writes: bool):
        self.folder, self.writes, self.log = pathlib.Path(folder), writes, None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.folder / "checkpoint.pt"

    def restore(self, resume: bool, settings: dict) -> dict | None:
        """Returns what `save` was given last, or None for a new run. Exits if the settings do not fit the checkpoint."""
        if not self.checkpoint.exists():
            if resume:
                self.say(f"no checkpoint in {self.folder}: starting a new run")
            return None
        if not resume:
            raise SystemExit(f"{self.checkpoint}: there is a run here already; continue it with --resume, or give another --out")
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=False)
        before = state["settings"]
        for name in FIXED:
            if before[name] != settings[name]:
                raise SystemExit(f"{self.checkpoint}: it was made with --{name} {before[name]}, not {settings[name]}")
        for name in TOLD:
            if (was := before.get(name)) != settings[name]:
                self.say(f"--{name} is {settings[name]} now, was {was}")
        self.say(f"continuing after step {state['step']}, {state['elapsed'] / 60:.1f} minutes")
        return state

    def begin(self, step: int, settings: dict, processes: int):
        """Opens the log after the last row before the checkpoint, and records the start."""
        if not self.writes:
            return
        path = self.folder / "log.jsonl"
        rows = path.read_text().splitlines(keepends=True) if path.exists() else []
        known = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        weights.write_whole(path, lambda part: part.write_text("".join(known)))
        self.log = open(path, "a")
        start = dict(step=step, processes=processes, settings=settings, commit=commit(), torch=torch.__version__,
                     machine=platform.machine(), threads=torch.get_num_threads(), date=time.strftime("%Y-%m-%d", time.gmtime()))
        if torch.cuda.is_available():
            start["gpu"] = torch.cuda.get_device_name()
        with open(self.folder / "starts.jsonl", "a") as starts:
            print(json.dumps(start), file=starts)

    def row(self, row: dict):
        if self.log:
            print(json.dumps(row), file=self.log, flush=True)
        self.say(*(f"{k} {v}" for k, v in row.items()))

    def save(self, state: dict):
        if self.writes:
            weights.write_whole(self.checkpoint, lambda part: torch.save(state, part))
            weights.save(self.folder / "ema.safetensors", state["ema"])

    def say(self, *words):
        if self.writes:
            print(*words, flush=True)

    def close(self):
        if self.log:
            self.log.close()


def commit() -> str | None:
    """Returns the commit of the recipe, with a plus if files differ from it."""
    git = ["git", "-C", str(pathlib.Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")
