#!/usr/bin/env python3
"""Checks what packaging/install installs for desktops: MIME types, thumbnailer and icon.

    desktop.py PROGRAM

It needs update-mime-database and gio (Debian: shared-mime-info, libglib2.0-bin).
"""

import os
import shlex
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent


def kind(path, environment):
    """The MIME type of a file, for programs of GNOME."""
    command = ["gio", "info", "-a", "standard::content-type", path]
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return text.split("standard::content-type:")[1].split()[0]


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        environment = os.environ | {"DESTDIR": str(folder), "PREFIX": "/usr"}
        subprocess.run([ROOT / "packaging" / "install", program], env=environment, check=True)
        share = folder / "usr" / "share"
        subprocess.run(["update-mime-database", share / "mime"], check=True)
        environment = os.environ | {"XDG_DATA_HOME": str(share), "PATH": f"{folder}/usr/bin:{os.environ['PATH']}"}

        sample = ROOT / "samples" / "hills.aec"
        nameless = folder / "nameless"
        nameless.write_bytes(sample.read_bytes())
        for path, expected in ((sample, "image/x-aec"), (nameless, "image/x-aec"),
                               (ROOT / "models" / "fast" / "fast.aem", "application/x-aem")):
            found = kind(path, environment)
            assert found == expected, f"{path.name} has the type {found}, expected {expected}"

        lines = (share / "thumbnailers" / "aecodec.thumbnailer").read_text().splitlines()
        command = next(line.removeprefix("Exec=") for line in lines if line.startswith("Exec="))
        out = folder / "thumbnail"
        places = {"%i": str(nameless), "%o": str(out), "%s": "128"}
        command = [places.get(word, word) for word in shlex.split(command)]
        for _ in range(2):  # file managers make the empty output before they call the thumbnailer
            subprocess.run(command, env=environment, check=True, capture_output=True)
        width, height = struct.unpack(">II", out.read_bytes()[16:24])
        assert max(width, height) == 128, f"the thumbnail has {width} x {height} pixels"
        ElementTree.parse(share / "icons" / "hicolor" / "scalable" / "mimetypes" / "image-x-aec.svg")
    print("MIME types, thumbnailer and icon work")


main()
