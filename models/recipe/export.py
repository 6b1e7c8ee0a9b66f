#!/usr/bin/env python3
"""Exports float weights as the integer model file of docs/format.md.

    python export.py --model run/ema.safetensors --calibrate VAL --photos PHOTOS [--card card.txt]
        -o run/fast.aem [--float run/fast.safetensors] [--golden run/golden.safetensors]
"""

import argparse
import pathlib

import blake3
import torch
from safetensors.torch import save_file

import aem
import calibrate
import golden
import weights
from data import Crops, pictures
from equalise import equalise
from quantise import HEADROOM, quantise

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--model", required=True, help="float weights (.safetensors)")
    ap.add_argument("--calibrate", required=True, help="folder of pictures that set the fractions")
    ap.add_argument("--photos", required=True, help="folder of training photographs, for the tables")
    ap.add_argument("--card", help="file with a text about the training, kept in the model file: data, steps, date")
    ap.add_argument("-o", "--out", required=True)
    ap.add_argument("--float", help="also write the float weights, in the units of the integer model and in half precision")
    ap.add_argument("--golden", help="also write golden vectors (.safetensors)")
    ap.add_argument("--points", type=int, default=6, help="qualities at which ranges are measured, 2 or more")
    ap.add_argument("--bands", type=int, default=8, help="bands of quality with z tables of their own")
    ap.add_argument("--batches", type=int, default=75, help="batches of crops a band for the z tables")
    ap.add_argument("--crops", type=int, default=400, help="crops for the tables of the levels")
    ap.add_argument("--headroom", type=float, default=HEADROOM,
                    help="least room above the largest value seen; a little less can save a bit of precision, see README.md")
    ap.add_argument("--skip-below", type=int, default=8,
                    help="levels below this are not coded; 0 codes all, 8 saves 0.25 %% of the bits and leaves out most latents")
    a = ap.parse_args()

    if a.points < 2:
        ap.error("--points: 2 or more")
    # What could be wrong with the arguments shows before the minutes of counting.
    card = pathlib.Path(a.card).read_text() if a.card else ""
    for written in filter(None, (a.out, a.float, a.golden)):
        pathlib.Path(written).parent.mkdir(parents=True, exist_ok=True)
    crops = Crops(a.photos, "cpu", calibrate.Z_SIDE)
    profile, net = weights.load(a.model)
    images = [*pictures(a.calibrate), golden.picture(512, 512)]
    reach, latents = calibrate.ranges(net, images, a.points)
    equalise(net, latents)
    model, report = quantise(net, reach, profile, a.skip_below, a.headroom)
    model.z_tables = calibrate.z_tables(net, crops, a.bands, a.batches)
    model.gaussians = calibrate.y_tables(model, crops, a.crops)
    model.card = card

    plain = aem.write(model)
    data = aem.pack(plain)
    if aem.write(aem.read(data)) != plain:
        raise SystemExit("the model file does not survive reading")
    weights.write_whole(a.out, lambda part: part.write_bytes(data))
    print(f"{'layer':14}{'fraction':>9}{'shift':>6}{'weight bits':>12}{'margin':>8}")
    for fit in report:
        print(f"{fit.name:14}{fit.fraction:9}{fit.shift:6}{fit.weight_bits:12.1f}{fit.margin:8.2f}")
    print(f"y_fraction {model.y_fraction}  gain_shift {model.gain_shift}  step_shift {model.step_shift}  "
          f"z_shift {model.z_shift}  least overflow margin {min(f.margin for f in report):.2f}")
    print(f"{a.out}: {len(data)} bytes ({len(plain)} plain), identity {blake3.blake3(plain).hexdigest()}")
    if a.float:
        weights.save(a.float, net.state_dict(), half=True)
    if a.golden:
        weights.write_whole(a.golden, lambda part: save_file(golden.vectors(model, net), part))
        print(f"{a.golden}: {pathlib.Path(a.golden).stat().st_size} bytes")


if __name__ == "__main__":
    with torch.no_grad():
        main()
