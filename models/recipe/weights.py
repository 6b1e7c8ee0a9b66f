"""Float weights on disk: which profile they are of, and files that are whole or not there."""

import os
import pathlib
from typing import Callable

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from net import PROFILES, Codec


def write_whole(path: str | pathlib.Path, write: Callable[[pathlib.Path], object]):
    """Lets `write` fill a file beside `path` and then renames it, so that a reader or a kill meets the old or the new one."""
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
    """Tensors as float32, whatever precision they were kept in."""
    try:
        return {k: v.float() for k, v in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise SystemExit(f"{path}: no float weights ({error})") from error


def save(path: str | pathlib.Path, weights: dict[str, torch.Tensor], half: bool = False):
    """In float32, or in half precision: half the size for 0.02 % of the bits."""
    kept = {k: (v.half() if half else v).contiguous().cpu() for k, v in weights.items()}
    write_whole(path, lambda part: save_file(kept, part))


def profile_of(path: str, weights: dict[str, torch.Tensor]) -> str:
    """The profile whose tensors have these names and shapes."""
    for name, shapes in PROFILES.items():
        with torch.device("meta"):
            expected = Codec(shapes).state_dict()
        if {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in weights.items()}:
            return name
    raise SystemExit(f"{path}: these weights are of none of the profiles {', '.join(PROFILES)}")


def load(path: str) -> tuple[str, Codec]:
    """Profile and network of a file of float weights."""
    weights = read(path)
    profile = profile_of(path, weights)
    net = Codec(PROFILES[profile]).eval()
    net.load_state_dict(weights)
    return profile, net
