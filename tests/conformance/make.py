#!/usr/bin/env python3
"""Makes the conformance set anew: the .aec and .aecs files of this folder, and manifest.json.

    make.py --binary PATH/TO/aecodec            all files
    make.py --clips --binary PATH/TO/aecodec    the clips alone; the other files and their entries stay as they are

Some files are compressed by the program. The others are written by the small encoder of encoder.py, which draws symbols
at random, because they hold what the program seldom or never writes: wild symbols, every escape, damage, invalid
fields. What a file must decode to is decided by decode.py; the test of the other decoder checks the same manifest.
"""

import argparse
import json
import os
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

# Most products are so small that threads would only wait for each other. Numpy reads this when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import clips
import decode as d
from check import report, report_clip
from encoder import (
    BEST, EXIF, FAST, ICC, XMP, Parts, alpha_rows, frame_with_window, quiet, record, seal, sparse, wild, zeros, zstd,
)
from frames import Clip
from png import png

HERE = Path(__file__).resolve().parent
MANIFEST = HERE / "manifest.json"


# ---- Pictures for the program. ---------------------------------------------------------------------------------------

def picture(width, height, channels, depth=8):
    """A smooth picture with an edge and some noise."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        plane = 0.5 + 0.4 * np.sin((x * (c + 1) + y * 2) / 9.0)
        plane = np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2, 1 - plane, plane)
        planes.append(plane + rng.normal(0, 0.01, plane.shape))
    most = (1 << depth) - 1
    return np.clip(np.dstack(planes) * most, 0, most).astype(">u2" if depth == 16 else np.uint8)


EXIF_TURNED = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
METADATA_OF_PNG = (
    (b"iCCP", b"profile\0\0" + zlib.compress(ICC)),
    (b"eXIf", EXIF_TURNED),
    (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
)


def compressed(program, samples, *options, extra=()):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.aec")
        source.write_bytes(png(samples, extra))
        if not {"--lossless", "--max-error"}.intersection(options):
            options += ("--mode", "learned")
        subprocess.run([program, "compress", source, "-o", target, *options], check=True, stdout=subprocess.DEVNULL)
        return target.read_bytes()


# ---- The set. --------------------------------------------------------------------------------------------------------
# Each part yields (name, what the file exercises, bytes), and kinds of error for an invalid file.

def by_the_program(program):
    for name, channels in (("gray", 1), ("gray-alpha", 2), ("rgb", 3), ("rgb-alpha", 4)):
        for profile in ("fast", "best"):
            yield (f"program-{name}-{profile}", f"{name} picture, model {profile}, compressed by the program",
                   compressed(program, picture(50, 37, channels), "--profile", profile))
    for side in (1, 15, 16, 17, 65):
        yield (f"program-{side}x{side}", "a size beside a multiple of 16, or the least",
               compressed(program, picture(side, side, 3)))
    yield "program-1x70", "one column", compressed(program, picture(1, 70, 3))
    yield "program-70x1", "one row", compressed(program, picture(70, 1, 1))
    for quality in ("0", "0.02", "33.33", "99.98", "100"):
        yield (f"program-q{quality}", "an end of the quality scale, or a quality between two rows of the tables",
               compressed(program, picture(33, 31, 3), "--quality", quality))
    yield ("program-metadata", "ICC, EXIF with an orientation and XMP; the samples stay as stored",
           compressed(program, picture(20, 30, 3), extra=METADATA_OF_PNG))
    yield "program-16-bit", "the flag for a source of 16 bits per sample", compressed(program, picture(20, 30, 3, 16))
    yield ("program-two-groups", "groups of 1024 pixels; the second has one column of latents",
           compressed(program, picture(1030, 9, 1), "--quality", "20"))
    yield "program-effort", "a file of the encoder's search", compressed(program, picture(40, 40, 3), "--effort", "3")


def exact(program):
    """Exact streams of the program, and what damage leaves of them."""
    def flat(width, height, channels):
        rng = np.random.default_rng(width * height)
        blocks = rng.choice([0, 40, 255], (height // 6 + 1, width // 6 + 1, channels))
        return np.kron(blocks, np.ones((6, 6, 1), int))[:height, :width].astype(np.uint8)

    def noisy_blocks(width, height):
        pixels = flat(width, height, 3)
        pixels[height // 2:, width // 2:] = picture(width, height, 3)[height // 2:, width // 2:]
        return pixels

    for name, channels in (("gray", 1), ("gray-alpha", 2), ("rgb", 3), ("rgb-alpha", 4)):
        yield (f"exact-photograph-{name}", f"an exact stream: {name}, predicted samples",
               compressed(program, picture(41, 23, channels), "--lossless"))
        yield (f"exact-palette-{name}", f"an exact stream: {name}, few colours",
               compressed(program, flat(50, 31, channels), "--lossless"))
    graphic = compressed(program, noisy_blocks(40, 30), "--lossless")
    yield "exact-graphics", "an exact stream: pixels that equal others, and predicted samples", graphic
    noise = np.random.default_rng(5).integers(0, 256, (20, 20, 3), np.uint8)
    yield "exact-noise", "an exact stream: stored samples", compressed(program, noise, "--lossless")
    for error in ("1", "5", "255"):
        yield (f"exact-error-{error}", f"samples within {error}",
               compressed(program, picture(37, 21, 4), "--max-error", error))
    yield "exact-1x1", "an exact stream of one pixel", compressed(program, picture(1, 1, 1), "--lossless")
    yield ("exact-metadata", "an exact stream with ICC, EXIF and XMP",
           compressed(program, picture(9, 8, 3), "--lossless", extra=METADATA_OF_PNG))
    yield ("exact-two-groups", "an exact stream of two groups",
           compressed(program, flat(1030, 3, 1), "--lossless"))
    for name, channels in (("gray", 1), ("gray-alpha", 2), ("rgb", 3), ("rgb-alpha", 4)):
        yield (f"exact-16-bit-{name}", f"an exact stream of 16 bits per sample: {name}",
               compressed(program, picture(31, 22, channels, 16), "--lossless"))
    twelve = picture(40, 20, 3, 16) >> 4
    deep = compressed(program, (twelve << 4 | twelve >> 8).astype(">u2"), "--lossless", extra=((b"sBIT", b"\x0c" * 3),))
    yield "exact-12-bit", "an exact stream of 12 bits per sample", deep
    yield "exact-12-bit-cut", "the same, cut in its only group", deep[:-len(deep) // 3]
    wide = np.random.default_rng(6).integers(0, 1 << 16, (11, 13, 3)).astype(">u2")
    yield ("exact-16-bit-noise", "an exact stream: stored samples of 16 bits", compressed(program, wide, "--lossless"))
    yield ("exact-16-bit-error", "samples of 16 bits within 300",
           compressed(program, picture(29, 21, 4, 16), "--max-error", "300"))
    yield ("exact-code-points", "code points of colour in the metadata: BT.2020 and PQ",
           compressed(program, picture(9, 8, 3, 16), "--lossless", extra=((b"cICP", b"\x09\x10\0\1"),)))
    for field, at, value in (("largest-sample", 23, 100), ("error", 20, 5000), ("model", 30, 1)):
        other = bytearray(deep[:35])
        struct.pack_into("<H" if at < 30 else "B", other, at, value)
        size = 4 + next(i for i, byte in enumerate(deep[35:], 1) if byte < 128)
        data = seal(bytes(other) + deep[35:35 + size]) + deep[39 + size:]
        yield f"error-exact-{field}", f"{field} of an exact stream is out of range", data, ["invalid"]
    for part in (4, 2):
        yield f"exact-cut-{part}", "an exact stream that is cut in its only group", graphic[:-len(graphic) // part]
    flipped = bytearray(graphic)
    flipped[-1] ^= 1
    yield "exact-flipped", "the checksum of a group of an exact stream does not match", bytes(flipped)


def drawn():
    for model, name in ((FAST, "fast"), (BEST, "best")):
        for q in (0, 800, 801, 1601, 2401, 3200, 3201, 4001, 4801, 5600, 5601, 6399, 6400):
            yield (f"symbols-{name}-q{q}", "symbols as likely as the tables say; every band of z, rows of the tables",
                   Parts(33, 20, q=q, seed=q, model=model).bytes())
        yield (f"wild-{name}", "escapes of every length up to 16383; saturated latents and samples",
               Parts(64, 64, wild, q=6400, seed=7, model=model).bytes())
        yield (f"wild-low-{name}", "escapes where most levels are low",
               Parts(64, 64, wild, q=0, seed=8, model=model).bytes())
    yield "wild-gray", "the sum of the clamped channels of a gray picture", Parts(
        40, 40, wild, q=6000, gray=True, seed=9).bytes()
    yield "zeros", "every symbol is 0", Parts(40, 24, zeros).bytes()
    yield "groups-64", "3 x 2 groups of 64 pixels, smaller at the right and lower edge", Parts(
        130, 70, group=6, seed=10).bytes()
    yield "groups-128-gray-alpha", "gray with alpha, in groups of 128 pixels that are higher than the picture", Parts(
        140, 20, group=7, gray=True, alpha=zstd(alpha_rows(140, 20, (0, 4))), seed=11).bytes()
    yield "group-log2-14", "the largest groups", Parts(30, 30, group=14, seed=12).bytes()
    yield "lanes-2", "passes of 16384 values and more: two lanes", Parts(224, 208, sparse, q=6400, seed=13).bytes()
    yield "lanes-4", "passes of 65536 values and more: four lanes", Parts(432, 432, sparse, q=6400, seed=14).bytes()
    largest = Parts(848, 848, sparse, q=6400, seed=15, gray=True, recorded=False)
    yield ("lanes-8", "a pass of 262144 values and more: eight lanes; the file ends after it, to be small",
           largest.bytes()[:largest.end_of("pass 0 of group 0")])
    for kind, name in enumerate(("none", "sub", "up", "average", "paeth")):
        rows = alpha_rows(19, 17, (kind,))
        yield f"alpha-{name}", f"PNG's filter {kind} in every row of alpha", Parts(
            19, 17, zeros, alpha=zstd(rows)).bytes()
    yield "alpha-all-filters", "every filter of alpha in turn", Parts(
        19, 17, zeros, alpha=zstd(alpha_rows(19, 17, (3, 1, 4, 2, 0)))).bytes()
    for turn in range(1, 9):
        yield f"orientation-{turn}", "the orientation is kept and not applied", Parts(
            20, 10, zeros, orientation=turn).bytes()
    some = {"icc": record(1, ICC), "exif": record(2, EXIF), "xmp": record(3, XMP)}
    for name, data in some.items():
        yield f"metadata-{name}", f"{name} alone", Parts(8, 8, zeros, metadata=zstd(data)).bytes()
    yield "metadata-cicp", "code points of colour", Parts(
        8, 8, zeros, metadata=zstd(record(4, b"\x09\x12\0\1"))).bytes()
    yield "metadata-none", "metadata without records", Parts(8, 8, zeros, metadata=zstd(b"")).bytes()
    yield "metadata-empty-record", "a record of 0 bytes", Parts(8, 8, zeros, metadata=zstd(record(3, b""))).bytes()
    unknown = record(0, b"zero") + some["xmp"] + record(200, b"?") + record(200, b"again") + some["icc"]
    yield "metadata-unknown", "unknown kinds are skipped, even twice; the order is free", Parts(
        8, 8, zeros, metadata=zstd(unknown)).bytes()
    yield "metadata-window", "a zstd window of 128 MiB, the largest", Parts(
        8, 8, zeros, metadata=frame_with_window(27, some["xmp"])).bytes()
    everything = Parts(70, 66, group=6, deep=True, gray=True, orientation=5, metadata=zstd(b"".join(some.values())),
                       alpha=zstd(alpha_rows(70, 66, (0, 1, 2, 3, 4))), model=BEST, seed=16)
    yield "everything", "all flags, an orientation, metadata, alpha, four groups, model best", everything.bytes()
    other = Parts(20, 10, zeros)
    other.profile = 255
    yield "profile-255", "the profile is for information only, and any value is allowed", other.bytes()
    yield "hash-none", "no pixel hash is recorded", Parts(20, 10, recorded=False).bytes()
    wrong = Parts(20, 10)
    wrong.pixel_hash = b"\1\2\3\4"
    yield "hash-wrong", "the recorded pixel hash is another", wrong.bytes()
    yield "trailing", "bytes after the last chunk", Parts(20, 10).bytes() + b"more"


def damaged():
    def fresh():
        return Parts(70, 34, group=6, seed=20, alpha=zstd(alpha_rows(70, 34, (4, 2))), metadata=zstd(record(3, XMP)))

    whole = fresh()
    for name, _ in whole.chunks:
        label = name.replace(" of group ", "-g").replace(" ", "-")
        yield f"cut-after-{label}", f"the file ends after {name}", whole.bytes()[:whole.end_of(name)]
        data = bytearray(whole.bytes())
        data[whole.end_of(name) - 1] ^= 1
        yield f"flipped-{label}", f"the checksum of {name} does not match", bytes(data)
    table_end = len(whole.head() + whole.table()) + 4
    yield "cut-after-table", "the file ends after the table", whole.bytes()[:table_end]
    yield "cut-in-pass-2", "the file ends within a pass", whole.bytes()[:whole.end_of("pass 2 of group 0") - 1]
    yield "cut-before-empty", "an empty substream is present beyond the end of the file", empty_at_the_end()

    def state(value):
        return lambda chunk: struct.pack("<I", value) + chunk[4:]

    edits = (
        ("rans-extra-word", "pass 1 of group 0", lambda c: c + b"\0\0", "a word that nothing takes"),
        ("rans-half-word", "pass 1 of group 0", lambda c: c + b"\0", "half a word"),
        ("rans-short", "pass 1 of group 1", lambda c: c[:-2], "a word too few"),
        ("rans-no-state", "pass 0 of group 1", lambda c: c[:3], "fewer bytes than the states"),
        ("rans-empty", "z of group 1", lambda c: b"", "no bytes for values"),
        ("rans-low-state", "pass 3 of group 0", state(65535), "a state below 2^16"),
        ("rans-wrong-end", "pass 3 of group 1", state(0x12345678), "a state that ends elsewhere"),
        ("alpha-unknown-filter", "alpha", lambda c: zstd(alpha_rows(70, 34, (4, 5))), "filter 5"),
        ("alpha-short", "alpha", lambda c: zstd(alpha_rows(70, 34, (4,))[:-1]), "one byte of alpha too few"),
        ("alpha-long", "alpha", lambda c: zstd(alpha_rows(70, 34, (4,)) + b"\0"), "one byte of alpha too many"),
        ("alpha-after-frame", "alpha", lambda c: c + b"\0", "a byte after the zstd frame"),
        ("alpha-two-frames", "alpha", lambda c: zstd(alpha_rows(70, 17, (4,))) * 2, "two zstd frames"),
        ("alpha-no-frame", "alpha", lambda c: b"", "no zstd frame"),
        ("metadata-cut-frame", "metadata", lambda c: c[:-1], "a zstd frame that is cut"),
        ("metadata-cut-record", "metadata", lambda c: zstd(record(3, XMP)[:-1]), "a record that is cut"),
        ("metadata-cut-length", "metadata", lambda c: zstd(b"\3\1\0"), "a length that is cut"),
        ("metadata-twice", "metadata", lambda c: zstd(record(3, XMP) * 2), "a kind that occurs twice"),
        ("metadata-cicp", "metadata", lambda c: zstd(record(4, b"\x09\x12\0")), "code points of three bytes"),
        ("metadata-wide", "metadata", lambda c: frame_with_window(28, record(3, XMP)), "a zstd window of 256 MiB"),
    )
    for name, chunk, change, about in edits:
        yield f"bad-{name}", f"{about}, in {chunk}, whose checksum is right", fresh().edit(chunk, change).bytes()
    yield "bad-z-128", "a hyper-latent of 128", Parts(
        16, 16, once(0, 128), recorded=False).bytes()
    yield "good-z-127", "hyper-latents of -127", Parts(16, 16, once(0, -127)).bytes()
    yield "bad-symbol-16384", "an escaped symbol of 16384", Parts(16, 16, once(1, 16384), q=6000, recorded=False).bytes()
    yield "good-symbol-16383", "an escaped symbol of -16383", Parts(16, 16, once(1, -16383), q=6000).bytes()
    yield "bad-escape-16", "an escape of sixteen ones", Parts(
        16, 16, once(2, 1 << 17), q=6000, recorded=False).bytes()


def once(index, value):
    """Draws zeros, but for the first value of one substream."""
    seen = set()

    def draw(_rng, at, _table, _split, _limit):
        first = at == index and at not in seen
        seen.add(at)
        return value if first else 0

    return draw


def empty_at_the_end():
    """A stream whose last passes code nothing, cut where the last chunk with bytes begins."""
    for seed in range(200):
        parts = Parts(16, 16, quiet, q=0, seed=seed, recorded=False)
        if not parts.chunks[-1][1] and any(chunk for _, chunk in parts.chunks[1:]):
            full = [i for i, (_, chunk) in enumerate(parts.chunks) if chunk]
            return parts.bytes()[:parts.end_of(parts.chunks[full[-1] - 1][0])]
    raise SystemExit("no stream with an empty last pass was found")


def invalid():
    def fresh(**fields):
        parts = Parts(20, 10, zeros, recorded=False)
        for field, value in fields.items():
            setattr(parts, field, value)
        return parts

    good = fresh().bytes()
    head, table = fresh().head(), fresh().table()
    rest = good[len(head + table) + 4:]
    yield "error-empty", "no bytes at all", b"", ["signature", "truncated"]
    yield "error-signature", "another first byte", b"\x88" + good[1:], ["signature"]
    yield "error-signature-text", "line ends that were changed", good.replace(b"\r\n", b"\n", 1), ["signature"]
    yield "error-aem", "the signature of a model", good[:3] + b"M" + good[4:], ["signature"]
    for version in (0, 3, 255):
        yield f"error-version-{version}", f"version {version}", fresh(version=version).bytes(), ["version"]
    for bit in (16, 32, 64, 128):
        yield f"error-flag-{bit}", f"the unknown flag {bit}", fresh(flags=bit).bytes(), ["invalid"]
    for field, values in (
        ("orientation", (0, 9)),
        ("width", (0,)),
        ("height", (0,)),
        ("q", (6401, 65535)),
        ("group", (0, 5, 15, 255)),
    ):
        for value in values:
            yield f"error-{field}-{value}", f"{field} is {value}", fresh(**{field: value}).bytes(), ["invalid"]
    yield "error-size-largest", "the largest sides that the fields can hold", fresh(
        width=2**32 - 1, height=2**32 - 1).bytes(), ["limit", "truncated"]
    yield "error-size-wide", "groups for which the table has no entries", fresh(
        width=2**25, height=16, group=6).bytes(), ["limit", "truncated"]
    yield "error-model", "a model that nobody has", fresh(model=b"\0" * 8).bytes(), ["unknown-model"]
    for end in (1, 7, 8, 9, 20, 34, 35, 36, 40, len(head + table), len(head + table) + 3):
        yield f"error-cut-{end}", f"the file ends after {end} bytes of header and table", good[:end], ["truncated"]
    flipped = bytearray(good)
    flipped[32] ^= 1
    yield "error-checksum-field", "a field was changed after the checksum was made", bytes(flipped), ["checksum"]
    flipped = bytearray(good)
    flipped[37] ^= 1
    yield "error-checksum-table", "an entry of the table was changed", bytes(flipped), ["checksum"]
    flipped = bytearray(good)
    flipped[len(head + table)] ^= 1
    yield "error-checksum", "the checksum of the header was changed", bytes(flipped), ["checksum"]
    length, entry = table[:1], table[1:]
    for name, other in (("long", bytes([length[0] | 128]) + b"\0"), ("six-bytes", b"\x80" * 5 + b"\1")):
        data = seal(head + other + entry) + rest
        yield f"error-leb128-{name}", "a length that is not in its shortest form, or too long", data, ["invalid"]
    yield "error-flag-without-chunk", "the flag for alpha without an entry in the table", fresh(
        flags=d.ALPHA).bytes(), ["checksum", "truncated", "invalid"]


def main():
    parser = argparse.ArgumentParser(description="Makes the conformance set anew.")
    parser.add_argument("--binary", required=True, help="the program aecodec, which compresses some of the files")
    parser.add_argument("--clips", action="store_true", help="make only the clips anew")
    args = parser.parse_args()
    program = Path(args.binary).resolve()
    entries, sources = [], []
    if args.clips:
        entries = [entry for entry in json.loads(MANIFEST.read_text())["files"] if not entry["file"].endswith(".aecs")]
    else:
        sources = [by_the_program(program), exact(program), drawn(), damaged(), invalid()]
    for old in HERE.glob("*.aecs" if args.clips else "*.aec*"):
        old.unlink()
    for source in sources:
        entries += made(source, ".aec", lambda data: report(d.decode(data)))
    for source in (clips.by_the_program(program), clips.drawn(), clips.damaged(), clips.invalid()):
        entries += made(source, ".aecs", lambda data: report_clip(Clip(data)))
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    MANIFEST.write_text(f'{{"version": 1, "files": [\n{lines}\n]}}\n')
    print(f"{len(entries)} files, {sum((HERE / entry['file']).stat().st_size for entry in entries)} bytes")


def made(source, extension, describe):
    """Writes the files of a part of the set; their entries of the manifest.

    Prints the kinds of a clip's frames, and a dash for each that is lost.
    """
    for name, about, data, *errors in source:
        (HERE / (name + extension)).write_bytes(data)
        found = {"result": "error", "errors": errors[0]} if errors else describe(data)
        kinds = ["-" if frame["hash"] == "lost" else frame["kind"] for frame in found.get("frames", ())]
        print(f"{len(data):7} {name + extension} {''.join(kinds)}", flush=True)
        yield {"file": name + extension, "about": about} | found


if __name__ == "__main__":
    main()
