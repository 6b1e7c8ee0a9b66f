"""Float weights on disk: their profile, and files that are written completely or not at all."""

import os
import pathlib
from typing import Callable

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from net import PROFILES, Codec


def write_whole(path: str | pathlib.Path, write: Callable[[pathlib.Path], object]):
    """Calls `write` with a temporary path and renames the file to `path`, so that a kill leaves the old or the new file."""
    path = pathlib.Path(path)
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: str | pathlib.Path) -> dict[str, torch.Tensor]:
    """Reads tensors as float32, whatever their precision in the file."""
    try:
        return {k: v.float() for k, v in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise SystemExit(f"{path}: not a file of float weights ({error})") from error


def save(path: str | pathlib.Path, weights: dict[str, torch.Tensor], half: bool = False):
    """Writes float32, or half precision, which halves the size and costs 0.02 % of the bits."""
    kept = {k: (v.half() if half else v).contiguous().cpu() for k, v in weights.items()}
    write_whole(path, lambda part: save_file(kept, part))


def profile_of(path: str, weights: dict[str, torch.Tensor]) -> str:
    """Returns the profile whose tensors have these names and shapes."""
    for name, shapes in PROFILES.items():
        with torch.device("meta"):
            expected = Codec(shapes).state_dict()
        if {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in weights.items()}:
            return name
    raise SystemExit(f"{path}: these weights fit none of the profiles {', '.join(PROFILES)}")


def load(path: str) -> tuple[str, Codec]:
    """Reads a file of float weights and returns its profile and network."""
    weights = read(path)
    profile = profile_of(path, weights)
    net = Codec(PROFILES[profile]).eval()
    net.load_state_dict(weights)
    return profile, net
