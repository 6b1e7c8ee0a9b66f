"""The clips of the conformance set, for make.py. Each part yields (name, what the file exercises, bytes), and kinds of
error for an invalid file."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

import frames as f
from encoder import (
    ACTIVE, EXIF, STILL, XMP, Parts, alpha_rows, bytes_of_p, clip, frame_record, p_frame, record, records_of, sparse,
    typical, wild, zeros, zstd,
)
from png import png

I, P = 1, 2


def scene(width, height, channels, count):
    """Frames of a smooth background, over which a disc moves; a bright square appears in the last one."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width]
    still = [0.5 + 0.3 * np.sin((x * (c + 1) + y * 3) / 11.0) + rng.normal(0, 0.01, x.shape) for c in range(channels)]
    for i in range(count):
        disc = (x - width * (i + 1) / (count + 1)) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 5) ** 2
        frame = np.where(disc[:, :, None], 0.9 - 0.2 * np.arange(channels), np.dstack(still))
        if i == count - 1:
            frame[3:15, 5:17] = 1
        yield np.clip(frame * 255, 0, 255).astype(np.uint8)


def compressed(program, frames, *options):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "frames"), Path(folder, "out.aecs")
        source.mkdir()
        for i, frame in enumerate(frames):
            Path(source, f"{i:03}.png").write_bytes(png(frame))
        subprocess.run([program, "compress", source, "-o", target, "--no-motion", *options], check=True, stdout=subprocess.DEVNULL)
        return target.read_bytes()


def by_the_program(program):
    yield ("clip-rgb", "a clip of the program: an I-frame and P-frames",
           compressed(program, scene(50, 37, 3, 6), "--quality", "40", "--rate", "12.5"))
    yield ("clip-rgb-large", "several groups' worth of latents, at a higher quality",
           compressed(program, scene(199, 149, 3, 4), "--quality", "70", "--rate", "30000/1001"))
    yield ("clip-gray", "gray frames, and an I-frame in the middle",
           compressed(program, scene(75, 61, 1, 6), "--quality", "55", "--key-interval", "4", "--rate", "10"))
    whole = compressed(program, scene(90, 40, 3, 5), "--quality", "25", "--rate", "25")
    records = records_of(whole)
    yield "clip-cut", "the file ends within the last frame", whole[:-2]
    yield "clip-cut-length", "the file ends within the length of a frame", clip(*map(join, records[:2])) + b"\2\x80"
    yield ("clip-cut-checksum", "the file ends within the checksum of a frame",
           clip(*map(join, records[:1])) + b"\2\1\0\0")
    flipped = bytearray(whole)
    flipped[-len(join(records[-1])) - 1] ^= 1
    yield "clip-flipped", "the checksum of the last frame but one does not match", bytes(flipped)
    other = records_of(compressed(program, scene(33, 60, 1, 2), "--quality", "60"))
    yield ("clip-sizes", "two clips one after the other: size, colour and quality change at an I-frame",
           clip(*map(join, records[:2] + other)))


def join(fields):
    return frame_record(*fields)


class Drawn:
    """A clip of drawn frames: each becomes a record, and is known by its number."""

    def __init__(self, *args, **options):
        data = Parts(*args, **{"recorded": False, **options}).bytes()
        self.frames, self.records = [f.read_i(data)], [frame_record(I, data)]

    def p(self, reference, draw=typical, **options):
        frame, data = p_frame(self.frames[reference], draw, seed=len(self.frames), **options)
        self.frames.append(frame)
        self.records.append(frame_record(P, data))
        return self

    def i(self, *args, **options):
        other = Drawn(*args, **options)
        self.frames += other.frames
        self.records += other.records
        return self

    def bytes(self, **header):
        return clip(*self.records, **header)


def drawn():
    yield ("clip-key-reference", "P-frames whose reference is the last I-frame, and not the frame before",
           Drawn(40, 30, q=6400, seed=30).p(0, q=6400).p(0, q=6400).p(2, q=6400).p(0, q=6400).bytes())
    several = Drawn(50, 37, q=6400, seed=31)
    for i, q in enumerate((0, 800, 1601, 3200, 4001, 6399, 6400)):
        several.p(i, q=q)
    yield "clip-qualities", "another quality in every frame, with positions kept from others", several.bytes()
    yield ("clip-groups-64", "P-frames in groups of 64 pixels, smaller at the right and lower edge",
           Drawn(150, 75, sparse, seed=32).p(0, group=6).p(1, group=6).bytes())
    yield ("clip-group-log2", "groups of every size",
           Drawn(150, 20, sparse, gray=True, seed=33).p(0, group=6).p(1, group=7).p(2, group=14).bytes())
    yield ("clip-wild", "escapes of every length, and saturated latents",
           Drawn(48, 48, wild, q=6400, seed=34).p(0, wild, q=6400).p(1, wild, q=6400, activity=ACTIVE).bytes())
    yield ("clip-active", "every position is active in every frame, without any symbol",
           Drawn(33, 70, seed=35).p(0, zeros, activity=ACTIVE).p(1, zeros, activity=ACTIVE).bytes())
    yield ("clip-lanes-2", "passes of 16384 values and more, which go over all groups: two lanes",
           Drawn(288, 272, zeros, gray=True, q=4200, seed=36).p(0, sparse, q=4200, group=7, activity=ACTIVE).bytes())
    yield "clip-1x1", "one pixel", Drawn(1, 1, gray=True, seed=37).p(0, q=5000).p(1, activity=ACTIVE).bytes()
    still = Drawn(40, 30, seed=38).p(0, q=5000).p(1, activity=STILL).p(2, q=5000).p(0, activity=STILL)
    yield "clip-still", "P-frames that keep all latents of their references", still.bytes()
    lost = bytearray(still.records[2])
    lost[-1] ^= 1
    yield ("clip-still-lost", "a lost frame with the latents of the frame before: the one after it can be decoded",
           clip(*still.records[:2], bytes(lost), *still.records[3:]))
    fields = Drawn(30, 20, orientation=6, deep=True, metadata=zstd(record(2, EXIF) + record(3, XMP)), seed=39)
    yield "clip-i-frame-fields", "an I-frame with an orientation, metadata and a source of 16 bits", fields.p(
        0, q=5000).bytes()
    yield "clip-no-frames", "a header alone, and a rate that is not known", clip(rate=(0, 1))
    yield "clip-no-rate", "a rate that is not known", Drawn(16, 16, zeros).bytes(rate=(25, 0))


def damaged():
    good = Drawn(40, 30, seed=50)
    for reference in (0, 1, 0, 3):
        good.p(reference, q=5000)
    good.i(40, 30, seed=51).p(5, q=5000)
    for name, lost, about in (("p", 1, "a P-frame"), ("i", 0, "the first I-frame"), ("second-i", 5, "an I-frame")):
        other = bytearray(good.records[lost])
        other[-1] ^= 1
        yield (f"clip-lost-{name}", f"{about} is lost, and with it those that need it",
               clip(*good.records[:lost], bytes(other), *good.records[lost + 1:]))
    yield ("clip-unknown-reference", "the frame after a lost I-frame may have the I-frame before as its reference",
           clip(good.records[0], bytes(other), good.records[3], good.records[6], good.records[4]))
    kept = clip(*good.records[:2])
    frame = records_of(clip(good.records[2]))[0][1]
    ends = (
        ("kind-0", frame_record(0, frame), "kind 0"),
        ("kind-3", frame_record(3, frame), "kind 3"),
        ("length-long", frame_record(P, frame, length_of(frame, 4)), "a length that is not in its shortest form"),
        ("length-six-bytes", frame_record(P, frame, length_of(frame, 6)), "a length of six bytes"),
        ("length-largest", frame_record(P, frame, b"\x81\x80\x80\x80\x01"), "a length above 2^28"),
    )
    for name, data, about in ends:
        yield f"clip-{name}", f"{about} ends the file", kept + data + good.records[4]
    small = Drawn(32, 16, seed=53).p(0)
    yield "clip-refused-p", "P-frames that are refused although their checksums match", clip(
        small.records[0], *(frame_record(P, data) for data in refused(small.frames[0])), small.records[1])
    refused_i = (
        Parts(40, 30, zeros, alpha=zstd(alpha_rows(40, 30, (0,))), recorded=False).bytes(),
        Parts(40, 30, recorded=False).bytes()[:-1],
        Parts(40, 30, recorded=False).edit("pass 2 of group 0", lambda c: c + b"\0\0").bytes(),
        b"", b"\0",
        Path(__file__).with_name("exact-1x1.aec").read_bytes(),
        Path(__file__).with_name("error-version-3.aec").read_bytes(),
    )
    yield "clip-refused-i", "I-frames with alpha, cut, damaged, exact, empty and invalid", clip(
        good.records[0], *(frame_record(I, data) for data in refused_i), good.records[1])


def length_of(frame, count):
    """The length of a frame in a form of `count` bytes."""
    return bytes([len(frame) >> 7 * i & 127 | (128 if i < count - 1 else 0) for i in range(count)])


def refused(reference):
    """P-frames that a decoder refuses."""
    q, group = 6400, 6
    frame, data = p_frame(reference, q=q, group=group, seed=52, activity=ACTIVE)
    parts = split(data)
    for version in (0, 255):
        yield bytes_of_p(reference, frame, q, group, parts, version)
    for other_q, other_group in ((6401, 6), (6400, 5), (6400, 15)):
        yield bytes_of_p(reference, frame, other_q, other_group, parts)
    yield bytes_of_p(reference, reference, q, group, parts)
    yield bytes_of_p(frame, frame, q, group, parts)
    for i, part in enumerate(parts):
        # Four bytes of the activities may be missing, because they are zeros.
        for other in (part + b"\0\0", part[:-5] if i == 0 else part[:-1], b""):
            yield bytes_of_p(reference, frame, q, group, [*parts[:i], other, *parts[i + 1:]])
    still, kept = p_frame(reference, q=q, group=group, activity=STILL)
    yield bytes_of_p(reference, still, q, group, [*split(kept)[:4], b"\0\0\1\0"])
    yield data[:12] + length_of(parts[0], 2) + data[13:]
    yield data[:11]
    yield b""


def split(data):
    """The parts of a P-frame."""
    r = f.Reader(data, "frame")
    r.take(12)
    return [r.take(length) for length in [f.d.leb128(r) for _ in range(4)]] + [data[r.at:]]


def invalid():
    good = Drawn(16, 16, zeros).bytes()
    yield "error-clip-empty", "no bytes at all", b"", ["signature", "truncated"]
    yield "error-clip-signature", "the signature of a picture", good[:3] + b"C" + good[4:], ["signature"]
    for version in (0, 2):
        yield (f"error-clip-version-{version}", f"version {version} of clips",
               clip(version=version) + good[22:], ["version"])
    yield "error-clip-flags", "an unknown flag", clip(flags=1) + good[22:], ["invalid"]
    flipped = bytearray(good)
    flipped[12] ^= 1
    yield "error-clip-checksum", "the rate was changed after the checksum was made", bytes(flipped), ["checksum"]
    for end in (7, 9, 21):
        kinds = ["signature", "truncated"] if end < 8 else ["truncated"]
        yield f"error-clip-cut-{end}", f"the file ends after {end} bytes of its header", good[:end], kinds
