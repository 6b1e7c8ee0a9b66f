#!/usr/bin/env python3
"""Checks the second decoder, decode.py, against lists of what it must find.

    check.py --manifest FILE.json    every file of a conformance set
    check.py --golden LIST FOLDER    the streams in FOLDER, against a list of name, file hash, sample hash
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

# Most products are so small that threads would only wait for each other. Numpy reads this when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from decode import DEEP, Refused, decode
from frames import Clip
from hashing import blake3

# A longer one would not be plain.
MOST_LINES = 1000


def report(picture):
    """What the manifest of the conformance set says about a picture."""
    stream = picture.stream
    found = {
        "result": "picture",
        "width": stream.width,
        "height": stream.height,
        "mode": picture.mode(),
        "orientation": stream.orientation,
        "source_bits": 16 if stream.flags & DEEP else 8,
        "quality": stream.q,
        "group_log2": stream.group_log2,
        "metadata": {name: blake3(block).hex() for name, block in sorted(picture.metadata.items())},
        "trailing": stream.trailing,
        "missing": sorted(picture.missing),
        "pixel_hash": picture.pixel_hash(),
        "hash": blake3(picture.samples()).hex(),
    }
    if stream.flags & DEEP and not stream.exact:
        found["hash_16"] = blake3(picture.samples_16()).hex()
    return found


def report_clip(clip):
    """What the manifest says about a clip."""
    def of_frame(kind, frame):
        if frame is None:
            return {"kind": kind, "hash": "lost"}
        height, width, channels = frame.colour.shape
        samples = {"mode": "gray" if channels == 1 else "rgb", "hash": blake3(frame.colour.tobytes()).hex()}
        return {"kind": kind, "width": width, "height": height, **samples}

    frames = [of_frame(kind, frame) for kind, frame in clip.frames]
    return {"result": "clip", "rate": list(clip.rate) if all(clip.rate) else None, "cut": clip.cut, "frames": frames}


def check_golden(path, folder):
    bad = 0
    for line in Path(path).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, file_hash, sample_hash = line.split()
        data = (Path(folder) / name).read_bytes()
        started = time.monotonic()
        picture = decode(data)
        fits = blake3(picture.samples()).hex() == sample_hash and blake3(data).hex() == file_hash
        bad += not fits
        print(f"{'ok' if fits else 'WRONG':5} {name} {time.monotonic() - started:.1f} s", flush=True)
    return bad


def check_manifest(path):
    """Checks the files of a manifest, which lie beside it; the number of those that differ."""
    bad = 0
    files = json.loads(Path(path).read_text())["files"]
    if not files:
        sys.exit(f"{path}: lists no files")
    for entry in files:
        started = time.monotonic()
        try:
            data = (Path(path).parent / entry["file"]).read_bytes()
            found = report_clip(Clip(data)) if entry["file"].endswith(".aecs") else report(decode(data))
        except Refused as error:
            found = {"result": "error"} if error.kind in entry.get("errors", ()) else {"result": str(error)}
        wrong = [f"{field}: {value}, expected {entry.get(field)}"
                 for field, value in found.items() if value != entry.get(field)]
        bad += bool(wrong)
        print(f"{'WRONG' if wrong else 'ok':5} {entry['file']} {time.monotonic() - started:.1f} s", *wrong, flush=True)
    return bad


def check_lines():
    """The number of lines of the decoder beyond the most that are allowed; blank lines do not count."""
    files = [Path(__file__).with_name(name) for name in ("decode.py", "exact.py", "frames.py")]
    lines = sum(bool(line.strip()) for file in files for line in file.read_text().splitlines())
    print(f"{'ok' if lines <= MOST_LINES else 'WRONG':5} the decoder has {lines} lines")
    return max(0, lines - MOST_LINES)


def main():
    parser = argparse.ArgumentParser(description="Checks the second decoder of .aec streams.")
    parser.add_argument("--manifest")
    parser.add_argument("--golden", nargs=2, metavar=("LIST", "FOLDER"))
    args = parser.parse_args()
    bad = check_lines()
    if args.golden:
        bad += check_golden(*args.golden)
    if args.manifest:
        bad += check_manifest(args.manifest)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
