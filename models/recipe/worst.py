#!/usr/bin/env python3
"""Finds the pictures for which a profile works worst: a table, and crops next to AVIF at equal bytes, for its card.

    python worst.py --binary ../../target/release/aecodec --profile fast --data FOLDER -o ../fast-worst.jpg

Bits and PSNR are measured on real files. The BD-rate is relative to AVIF as Pillow writes it, speed 6, 4:4:4.
"""

import argparse
import bisect
import io
import math
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageDraw

from data import paths_in, size_of

QUALITIES = (4, 17, 30, 43, 56, 69, 82, 95)
AVIF_QUALITIES = (12, 25, 38, 50, 62, 74, 86, 94)
CROP, MARGIN, CAPTION = 208, 6, 18
SHOWN_AT = 30  # quality of the crops


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the PSNR in dB of 8-bit RGB [H, W, 3]."""
    return 10 * math.log10(255**2 / max(1e-9, np.square(a.astype(float) - b).mean()))


def bd_rate(ours: list, theirs: list) -> float:
    """Returns how many percent more bits ours needs at equal PSNR; curves are lists of (bits, dB) (Bjontegaard 2001, cubic)."""
    low = max(min(d for _, d in c) for c in (ours, theirs))
    high = min(max(d for _, d in c) for c in (ours, theirs))
    means = []
    for c in (ours, theirs):
        bits, db = np.array(c, float).T
        area = np.polynomial.Polynomial.fit(db, np.log(bits), 3).integ()
        means.append((area(high) - area(low)) / (high - low))
    return 100 * math.expm1(means[0] - means[1])


def aecodec(a, path: pathlib.Path, quality: float) -> tuple[int, np.ndarray]:
    """Returns the bytes of the file and the decoded picture."""
    with tempfile.TemporaryDirectory() as folder:
        coded, back = f"{folder}/coded.aec", f"{folder}/back.png"
        for run in ((a.binary, "compress", str(path), "-o", coded, "--quality", str(quality), "--profile", a.profile),
                    (a.binary, "decompress", coded, "-o", back)):
            ended = subprocess.run(run, capture_output=True, text=True)
            if ended.returncode:
                raise SystemExit(f"{' '.join(run)}: failed with exit code {ended.returncode}\n{ended.stderr.strip()}")
        return pathlib.Path(coded).stat().st_size, np.asarray(Image.open(back).convert("RGB"))


def avif(picture: np.ndarray, quality: int) -> tuple[int, np.ndarray]:
    """Returns the same for AVIF as Pillow writes it."""
    coded = io.BytesIO()
    Image.fromarray(picture).save(coded, "AVIF", quality=quality, speed=6, subsampling="4:4:4")
    return len(coded.getvalue()), np.asarray(Image.open(coded).convert("RGB"))


def avif_of(picture: np.ndarray, size: int) -> tuple[int, np.ndarray]:
    """Returns AVIF at the lowest quality that takes at least `size` bytes, so that it is never smaller than ours."""
    quality = bisect.bisect_left(range(100), size, key=lambda q: avif(picture, q)[0])
    return avif(picture, quality)


def worst_place(picture: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int]:
    """Returns top and left of the crop in which our squared error exceeds theirs the most."""
    excess = (np.square(ours.astype(float) - picture) - np.square(theirs.astype(float) - picture)).sum(-1)
    total = np.pad(excess.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[CROP:, CROP:] - total[:-CROP, CROP:] - total[CROP:, :-CROP] + total[:-CROP, :-CROP]
    return np.unravel_index(sums.argmax(), sums.shape)


def row_of(a, path: pathlib.Path) -> Image.Image:
    """Draws the original, ours and AVIF at equal bytes side by side."""
    picture = np.asarray(Image.open(path).convert("RGB"))
    size, ours = aecodec(a, path, SHOWN_AT)
    their_size, theirs = avif_of(picture, size)
    y, x = worst_place(picture, ours, theirs)
    row = Image.new("RGB", (3 * CROP + 2 * MARGIN, CROP + CAPTION), "white")
    bpp, their_bpp = (8 * n / (picture.shape[0] * picture.shape[1]) for n in (size, their_size))
    captions = (path.stem, f"aecodec {a.profile}, {bpp:.3f} bpp", f"AVIF, {their_bpp:.3f} bpp")
    for i, (caption, image) in enumerate(zip(captions, (picture, ours, theirs))):
        left = i * (CROP + MARGIN)
        row.paste(Image.fromarray(image[y : y + CROP, x : x + CROP]), (left, CAPTION))
        ImageDraw.Draw(row).text((left, 3), caption, fill="black")
    return row


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--binary", required=True, help="the program aecodec")
    ap.add_argument("--profile", default="fast")
    ap.add_argument("--data", required=True, help=f"folder of test pictures whose sides have at least {CROP} pixels")
    ap.add_argument("--count", type=int, default=3, help="number of pictures on the sheet")
    ap.add_argument("-o", "--output", required=True, help="the sheet to write")
    a = ap.parse_args()

    found = []
    paths = paths_in(a.data)
    for path in paths:
        if min(size_of(path)) < CROP:
            raise SystemExit(f"{path}: a side is shorter than {CROP} pixels; leave the picture out")
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGB"))
        ours = [(n, psnr(picture, d)) for n, d in (aecodec(a, path, q) for q in QUALITIES)]
        theirs = [(n, psnr(picture, d)) for n, d in (avif(picture, q) for q in AVIF_QUALITIES)]
        found.append((bd_rate(ours, theirs), path))
    found.sort(reverse=True)
    for bd, path in found:
        print(f"| {path.stem} | {bd:+.1f} % |", flush=True)
    rows = [row_of(a, path) for _, path in found[: a.count]]
    sheet = Image.new("RGB", (rows[0].width, sum(r.height + MARGIN for r in rows) - MARGIN), "white")
    for i, row in enumerate(rows):
        sheet.paste(row, (0, i * (row.height + MARGIN)))
    sheet.save(a.output, quality=92, subsampling=0)


if __name__ == "__main__":
    main()
