"""A small encoder of `.aec` streams and `.aecs` clips that draws its symbols at random, for make.py.

It writes what the program seldom or never writes: wild symbols, every escape, damage, invalid fields.
"""

import random
import struct
import zlib

import numpy as np
import zstandard

import decode as d
import frames as f
from exact import Binary

IDENTITIES = {d.Model(plain).profile: identity for identity, plain in d.models().items()}
FAST, BEST = 1, 2


def encode_values(values, tables, splits):
    """The substream of these values: section 6 of docs/format.md, backwards."""
    if not values:
        return b""
    states = [1 << 16] * d.lanes(len(values))
    words = []

    def drain(x, limit):
        if x < limit:
            return x
        words.append(x & 0xFFFF)
        return x >> 16

    def raw(x, bits, count):
        return drain(x, 1 << (32 - count)) << count | bits if count else x

    def symbol(x, table, index):
        frequency = int(table.frequencies[index])
        start = int(table.frequencies[:index].sum())
        x = drain(x, frequency << 20)
        return (x // frequency << 12) + x % frequency + start

    for i in reversed(range(len(values))):
        value, table, k = values[i], tables[i], splits[i]
        x = states[i % len(states)]
        if k:
            x = raw(x, (value + (1 << (k - 1))) & ((1 << k) - 1), k)
            value = (value + (1 << (k - 1))) >> k
        if abs(value) <= table.offset:
            x = symbol(x, table, value + table.offset)
        else:
            rest = abs(value) - table.offset
            n = rest.bit_length() - 1
            x = raw(x, rest - (1 << n), n)
            x = raw(x, 0, 1)
            for _ in range(n):
                x = raw(x, 1, 1)
            x = raw(x, int(value < 0), 1)
            x = symbol(x, table, 2 * table.offset + 1)
        states[i % len(states)] = x
    return struct.pack(f"<{len(states)}I", *states) + struct.pack(f"<{len(words)}H", *reversed(words))


class Writer:
    """Stands in for the substreams of a group: draws the values and keeps their coded form."""

    def __init__(self, draw, rng):
        self.draw, self.rng, self.chunks = draw, rng, []

    def values(self, index, tables, splits, limit):
        values = [self.draw(self.rng, index, t, k, limit) for t, k in zip(tables, splits)]
        self.chunks.append(encode_values(values, tables, splits))
        return values


def zeros(_rng, _index, _table, _split, _limit):
    return 0


def typical(rng, _index, table, split, limit):
    """A value as likely as the table says, and a short escape in its place."""
    high = table.slots[rng.randrange(4096)][0]
    if high > table.offset:
        high = (table.offset + 1 + rng.randrange(3)) * rng.choice((-1, 1))
    value = (high << split) + (rng.randrange(1 << split) - (1 << split >> 1) if split else 0)
    return max(-limit, min(limit, value))


def wild(rng, index, table, split, limit):
    """Every fiftieth value is an escape of any length, up to the largest that there is."""
    if rng.randrange(50):
        return typical(rng, index, table, split, limit)
    return rng.choice((-1, 1)) * min(limit, (1 << rng.randrange(15)) + rng.randrange(3))


def sparse(rng, index, table, split, limit):
    """Zeros, with a typical value of the passes here and there."""
    return typical(rng, index, table, split, limit) if index and rng.randrange(200) == 0 else 0


def quiet(rng, index, table, split, limit):
    """Typical hyper-latents and nothing but zeros after them."""
    return typical(rng, index, table, split, limit) if index == 0 else 0


class Parts:
    """A stream taken apart: the fields, and a list of named chunks."""

    def __init__(self, width, height, draw=typical, *, seed=1, q=3200, group=10, gray=False, deep=False, alpha=None,
                 metadata=None, orientation=1, model=FAST, recorded=True):
        self.width, self.height, self.q, self.group = width, height, q, group
        self.flags = gray * d.GRAY | deep * d.DEEP
        self.flags |= (alpha is not None) * d.ALPHA | (metadata is not None) * d.METADATA
        self.version, self.orientation, self.profile = 1, orientation, model
        self.model, self.pixel_hash = IDENTITIES[model], bytes(4)
        self.chunks = [("metadata", metadata)] if metadata is not None else []
        self.chunks += [("alpha", alpha)] if alpha is not None else []
        self.chunks += self.substreams(draw, random.Random(seed))
        if recorded:
            self.pixel_hash = d.blake3(d.decode(self.bytes()).colour.tobytes())[:4]

    def substreams(self, draw, rng):
        model = d.load_model(self.model)
        rows, columns, side = -(-self.height // 16), -(-self.width // 16), (1 << self.group) // 16
        groups = []
        for top in range(0, rows, side):
            for left in range(0, columns, side):
                writer = Writer(draw, rng)
                d.decode_group(model, self.q, min(side, rows - top), min(side, columns - left), writer)
                groups.append(writer.chunks)
        names = ("z", "pass 0", "pass 1", "pass 2", "pass 3")
        return [(f"{name} of group {g}", chunks[i]) for i, name in enumerate(names) for g, chunks in enumerate(groups)]

    def edit(self, name, change):
        """Replaces a chunk; its checksum is made good."""
        names = [n for n, _ in self.chunks]
        at = names.index(name)
        self.chunks[at] = (name, change(self.chunks[at][1]))
        return self

    def head(self):
        fields = struct.pack("<8sBBBBIIHB", d.SIGNATURE, self.version, self.flags, self.orientation, self.profile,
                             self.width, self.height, self.q, self.group)
        return fields + self.model + self.pixel_hash

    def table(self):
        return b"".join(leb128(len(chunk)) + struct.pack("<I", zlib.crc32(chunk)) for _, chunk in self.chunks)

    def bytes(self):
        return seal(self.head() + self.table()) + b"".join(chunk for _, chunk in self.chunks)

    def end_of(self, name):
        """Where a chunk ends in the file."""
        names = [n for n, _ in self.chunks]
        chunks = self.chunks[:names.index(name) + 1]
        return len(self.head() + self.table()) + 4 + sum(len(chunk) for _, chunk in chunks)


def p_frame(reference, draw=typical, *, q=3200, group=8, seed=1, activity=None):
    """A P-frame and its bytes. Its activities are what the bytes `activity` decode to, or various ones."""
    rng = random.Random(seed)
    choices = [activity] if activity else [rng.randbytes(4096) for _ in range(30)]
    read = [activities(data, reference) for data in choices]
    classes, coded = max(read, key=lambda one: len(np.unique(one[0])))
    writer = Writer(draw, rng)
    frame = f.follow(reference, q, group, classes, writer.values)
    return frame, bytes_of_p(reference, frame, q, group, [coded, *writer.chunks])


def activities(data, reference):
    """The activities that some bytes decode to, and as many of the bytes as they take: all bytes decode to some."""
    binary = Binary(data, 0)
    classes = f.read_activity(binary, *reference.y_hat.shape[:2])
    return classes, data[:binary.at]


def bytes_of_p(reference, frame, q, group, parts, version=1):
    head = struct.pack("<BHB", version, q, group) + reference.identity + frame.identity
    return head + b"".join(leb128(len(part)) for part in parts[:4]) + b"".join(parts)


STILL, ACTIVE = b"\xff" * 4096, bytes(4096)


def clip(*records, rate=(25, 1), version=1, flags=0):
    head = struct.pack("<8sBBII", f.CLIP_SIGNATURE, version, flags, *rate)
    return seal(head) + b"".join(records)


def frame_record(kind, frame, length=None):
    """A record of a clip, with the length as it is or in another form."""
    fields = bytes([kind]) + (leb128(len(frame)) if length is None else length)
    return fields + struct.pack("<I", zlib.crc32(fields + frame)) + frame


def records_of(data):
    """The records of a clip that is whole, as (kind, frame)."""
    r, records = d.Reader(data, "clip"), []
    r.take(22)
    while r.at < len(data):
        kind, length, _ = r.u8(), d.leb128(r), r.u32()
        records.append((kind, r.take(length)))
    return records


def leb128(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def seal(data):
    return data + struct.pack("<I", zlib.crc32(data))


def zstd(data):
    return zstandard.ZstdCompressor(level=19, write_content_size=True).compress(data)


def frame_with_window(log2, data):
    """A zstd frame of one raw block that asks for a window of 2^log2 bytes."""
    return struct.pack("<IBB", 0xFD2FB528, 0, (log2 - 10) << 3) + (len(data) << 3 | 1).to_bytes(3, "little") + data


def record(kind, data):
    return struct.pack("<BI", kind, len(data)) + data


ICC = bytes(i * i // 8 & 255 for i in range(300))
EXIF = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def alpha_rows(width, height, filters, seed=3):
    """Filtered rows of alpha: any bytes are valid, so they are drawn at random from few."""
    rng = random.Random(seed)
    rows = b""
    for i in range(height):
        rows += bytes([filters[i % len(filters)]]) + bytes(rng.choice((0, 1, 255, 7, 128)) for _ in range(width))
    return rows
