"""Decodes every .aec file of a folder with Ray Data, and writes the mean colour of each to a CSV file.

    pip install aecodec numpy "ray[data]"
    python ray_folder.py FOLDER means.csv

On one machine Ray uses its cores; on a cluster, where each machine has the package installed, it uses all of them.
"""

import csv
import sys

import ray

import aecodec


def mean(row):
    """The mean colour of a file. One thread for each, because Ray runs as many at a time as there are cores."""
    array = aecodec.decode(row["bytes"], threads=1)
    colours = array.reshape(-1, array.shape[2] if array.ndim == 3 else 1)[:, :3]
    red, green, blue = ([*colours.mean(axis=0)] * 3)[:3]
    return {"path": row["path"], "red": float(red), "green": float(green), "blue": float(blue)}


def main(folder, output):
    """Writes one line for each file."""
    files = ray.data.read_binary_files(folder, include_paths=True, file_extensions=["aec"])
    with open(output, "w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "red", "green", "blue"])
        writer.writeheader()
        writer.writerows(sorted(files.map(mean).take_all(), key=lambda row: row["path"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
