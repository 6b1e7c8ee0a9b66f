#!/usr/bin/env python3
"""A second decoder of `.aec` streams and `.aecs` clips, written from docs/format.md alone.

It needs Python 3.9, numpy and zstandard. It exists to check the document and the other decoder, so it is plain and
slow. It follows the document from top to bottom, so that both can be read side by side; exact streams are in exact.py,
P-frames and clips in frames.py. Together they have at most 1000 lines, not counting blank ones, which check.py makes
sure of. The numbers in brackets are sections of docs/format.md.

    decode.py FILE.aec -o OUT.png     decode a stream
    decode.py FILE.aec --hash         print the BLAKE3 of the decoded samples (colour, then alpha)
    decode.py FILE.aecs -o FOLDER     decode a clip to FOLDER/000000.png and so on
    decode.py FILE.aecs --hash        print the kind of each frame and the BLAKE3 of its samples
"""

import argparse
import functools
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import zstandard

from exact import Exact
from hashing import blake3
from png import png

MODELS = Path(__file__).resolve().parents[2] / "models"


class Refused(Exception):
    """The stream or model is an error, not merely damaged. `kind` is one of the kinds of the manifest."""

    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Damage(Exception):
    """A chunk does not hold what it should, so it counts as missing."""


# ---- Arithmetic and layers [1, 2]. -----------------------------------------------------------------------------------
# An activation is held as i32 within -8191..=8191; numpy's i32 wraps, as it must.

def sat(v):
    return np.clip(v, -8191, 8191)


def rnd(v, shift):
    return v if shift == 0 else (v + np.int32(1 << (shift - 1))) >> np.int32(shift)


def shuffle(x, r):
    height, width, channels = x.shape
    inner = channels // (r * r)
    return x.reshape(height, width, r, r, inner).transpose(0, 2, 1, 3, 4).reshape(height * r, width * r, inner)


def neighbours(x):
    """The nine shifted planes of x in order (dy, dx), with zeros outside."""
    height, width, _ = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return [padded[dy:dy + height, dx:dx + width] for dy in range(3) for dx in range(3)]


class Product:
    def __init__(self, reader, inputs, outputs):
        reader.expect("K", reader.u16(), inputs)
        reader.expect("N", reader.u16(), outputs)
        self.shift = reader.shift()
        reader.u8()  # the fraction, which is information only
        self.bias = reader.array("<i4", outputs)
        self.weight = reader.array("<i2", outputs * inputs).reshape(outputs, inputs)

    @functools.cached_property
    def matrix(self):
        return self.weight.T.astype(np.float64)

    def accumulate(self, x):
        # A product of doubles is exact here: the sum of fewer than 2^16 products of 16-bit integers stays far below
        # 2^53. It is much faster than numpy's product of integers. The conversion to i32 then wraps.
        height, width, channels = x.shape
        acc = x.reshape(-1, channels).astype(np.float64) @ self.matrix
        acc = acc.astype(np.int64) + self.bias
        return acc.astype(np.int32).reshape(height, width, -1)

    def plain(self, x):
        return sat(rnd(self.accumulate(x), self.shift))

    def leaky(self, x):
        acc = self.accumulate(x)
        return sat(rnd(np.maximum(acc, acc >> 3), self.shift))

    def fine(self, x):
        """The outputs with up to 6 more fraction bits, and how many these are [3]."""
        bits = min(6, self.shift)
        half = np.int32(1 << self.shift >> 1)
        return sat((self.accumulate(x) + half) >> np.int32(self.shift - bits)), bits

    def residual(self, x, base):
        return sat(base + rnd(self.accumulate(x), self.shift))


class Depthwise:
    def __init__(self, reader, channels):
        reader.expect("C", reader.u16(), channels)
        self.shift = reader.shift()
        reader.u8()
        self.bias = reader.array("<i4", channels)
        self.weight = reader.array("<i2", 9 * channels).reshape(9, channels).astype(np.int32)

    def plain(self, x):
        acc = np.broadcast_to(self.bias, x.shape).astype(np.int32)
        for plane, weight in zip(neighbours(x), self.weight):
            acc = acc + plane * weight
        return sat(rnd(acc, self.shift))


class Block:
    def __init__(self, reader, channels, gated):
        self.gated = gated
        self.p1 = Product(reader, channels, channels)
        self.dw = Depthwise(reader, channels)
        self.p2 = Product(reader, channels, channels)
        self.f1 = Product(reader, channels, 2 * gated)
        self.gate_shift = reader.shift()
        self.f2 = Product(reader, gated, channels)

    def __call__(self, x):
        x = self.p2.residual(self.dw.plain(self.p1.leaky(x)), x)
        uv = self.f1.plain(x)
        u, v = uv[:, :, :self.gated], uv[:, :, self.gated:]
        return self.f2.residual(sat(rnd(np.maximum(u, 0) * v, self.gate_shift)), x)


# ---- The model file [8]. ---------------------------------------------------------------------------------------------

MODEL_SIGNATURE = b"\x89AEM\r\n\x1a\n"


class Reader:
    def __init__(self, data, kind):
        self.data, self.at, self.kind = data, 0, kind

    def signature(self, wanted):
        if not self.data or not wanted.startswith(self.data[:8]):
            raise Refused("signature", f"the file does not begin with {wanted}")
        self.take(8)

    def take(self, count):
        if self.at + count > len(self.data):
            raise Refused(self.kind, "it ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def shift(self):
        shift = self.u8()
        self.expect("a shift within 0..=30", 0 <= shift <= 30, True)
        return shift

    def array(self, kind, count):
        return np.frombuffer(self.take(np.dtype(kind).itemsize * count), kind)

    def expect(self, what, found, wanted):
        if found != wanted:
            raise Refused(self.kind, f"{what} is {found}, not {wanted}")


def one_frame(data):
    """What the one zstd frame in `data` holds. Raises Damage unless it is whole and nothing follows it."""
    try:
        decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        out = decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise Damage(f"zstd: {error}") from error
    if not decoder.eof or decoder.unused_data:
        raise Damage("not exactly one zstd frame")
    return out


def plain_model(data, signature):
    """The plain file of a plain or packed model file, or of a temporal prior."""
    reader = Reader(data, "model")
    reader.signature(signature)
    if reader.u8() != 2:
        return data
    length, first = reader.u32(), reader.u32()
    reader.expect("a length of at most 2^28", length <= 1 << 28, True)
    plain = bytearray(length)
    try:
        plain[0::2] = one_frame(reader.take(first))
        plain[1::2] = one_frame(data[reader.at:])
    except (Damage, ValueError) as error:
        raise Refused("model", error) from error
    return bytes(plain)


class Table:
    """One frequency table [6], spread over its 4096 slots."""

    def __init__(self, reader):
        self.offset = reader.u8()
        reader.expect("an offset of at most 127", self.offset <= 127, True)
        self.frequencies = reader.array("<u2", 2 * self.offset + 2).astype(np.int64)
        reader.expect("the least frequency above 0", bool((self.frequencies >= 1).all()), True)
        reader.expect("the sum of the frequencies", int(self.frequencies.sum()), 4096)

    @functools.cached_property
    def slots(self):
        f = self.frequencies
        start = np.cumsum(f) - f
        symbols = np.repeat(np.arange(len(f)), f)
        rest = np.arange(4096) - start[symbols]
        return list(zip((symbols - self.offset).tolist(), f[symbols].tolist(), rest.tolist()))


class Context:
    """The layers of the four passes: those for scale and mean [3], and in a temporal prior one for the gate [11]."""

    def __init__(self, r, M, P, gated, heads):
        self.first = [Product(r, P, M) for _ in range(heads)]
        self.ctx_in = [Product(r, M + P, P) for _ in range(3)]
        self.ctx = Block(r, P, gated)
        self.others = [Product(r, P, M) for _ in range(heads)]

    def __call__(self, k, known, prior):
        f = prior if k == 0 else self.ctx(self.ctx_in[k - 1].plain(np.concatenate([known, prior], axis=2)))
        return [head.plain(f) for head in (self.others if k else self.first)]


class Model:
    def __init__(self, plain):
        r = Reader(plain, "model")
        r.signature(MODEL_SIGNATURE)
        r.expect("the version", r.u8(), 1)
        self.profile = r.u8()
        C, self.M, self.Z, P, ne, nd = (r.u16() for _ in range(6))
        hc, hz, hp = (r.u16() for _ in range(3))
        self.rows, self.bands = r.u16(), r.u16()
        self.skip_below = r.u8()
        self.gain_shift, self.step_shift, self.z_shift = r.shift(), r.shift(), r.shift()
        r.u8()  # y_fraction
        M, Z = self.M, self.Z
        good = M % 128 == 0 and 0 < M <= 2048 and 0 < Z <= 256 and self.rows >= 2 and 1 <= self.bands <= 64
        r.expect("good shapes", good and all(v > 0 and v % 32 == 0 for v in (C, Z, P, hc, hz, hp)), True)
        # The layers of the analysis are read only to come past them.
        Product(r, 192, C), [Block(r, C, hc) for _ in range(ne)], Product(r, 4 * C, M)
        for inputs in (M, 4 * Z):
            Product(r, inputs, Z), Block(r, Z, hz)
        Product(r, 4 * Z, Z)
        self.hd_in, self.hd1 = Product(r, Z, 4 * Z), Block(r, Z, hz)
        self.hd_mid, self.hd2 = Product(r, Z, 4 * Z), Block(r, Z, hz)
        self.hd_out, self.hd3 = Product(r, Z, P), Block(r, P, hp)
        self.context = Context(r, M, P, hp, 2)
        self.d_in, self.d, self.d_out = Product(r, M, 4 * C), [Block(r, C, hc) for _ in range(nd)], Product(r, 9 * C, 192)
        self.enc, self.dec, self.step, self.log_gain = (
            r.array(kind, self.rows * width).reshape(self.rows, width)
            for kind, width in (("<u2", C), ("<u2", C), ("<u2", M), ("<i2", M)))
        self.tables = [Table(r) for _ in range(52)]
        self.z_tables = [[Table(r) for _ in range(Z)] for _ in range(self.bands)]
        r.take(r.u32())
        r.expect("the end of the file", r.at, len(plain))

    def at_quality(self, table, q):
        """One quality table at quality q [4]."""
        u = q * (self.rows - 1)
        i = min(u // 6400, self.rows - 2)
        w = u - 6400 * i
        low, high = table[i].astype(np.int64), table[i + 1].astype(np.int64)
        return ((low * (6400 - w) + high * w + 3200) // 6400).astype(np.int32)


@functools.lru_cache(maxsize=None)
def models():
    """The models of models/, by the first 8 bytes of their identities."""
    files = (plain_model(path.read_bytes(), MODEL_SIGNATURE) for path in sorted(MODELS.glob("*/*.aem")))
    return {blake3(plain)[:8]: plain for plain in files}


@functools.lru_cache(maxsize=None)
def load_model(identity):
    if identity not in models():
        raise Refused("unknown-model", f"no model {identity.hex()} in {MODELS}")
    return Model(models()[identity])


# ---- Entropy decoding [6]. -------------------------------------------------------------------------------------------

def lanes(count):
    return 1 if count < 16384 else 2 if count < 65536 else 4 if count < 262144 else 8


def decode_values(data, tables, splits, limit):
    """The values of one substream, given the table and the number of split bits of each value."""
    count = len(tables)
    if count == 0:
        if data:
            raise Damage("a substream without values is not empty")
        return []
    width = lanes(count)
    if len(data) < 4 * width or len(data) % 2:
        raise Damage("no room for the states, or half a word")
    states = list(struct.unpack_from(f"<{width}I", data))
    if min(states) < 1 << 16:
        raise Damage("a state below 2^16")
    words = np.frombuffer(data, "<u2", offset=4 * width).tolist()
    values = []
    at = 0

    def refill(x):
        nonlocal at
        if x < 65536:
            x, at = x << 16 | words[at], at + 1
        return x

    def raw(x, bits):
        return x & ((1 << bits) - 1), refill(x >> bits)

    try:
        for i in range(count):
            lane, table, k = i % width, tables[i], splits[i]
            value, frequency, rest = table.slots[states[lane] & 4095]
            x = refill(frequency * (states[lane] >> 12) + rest)
            escaped = value > table.offset
            if escaped:
                negative, x = raw(x, 1)
                bit, x = raw(x, 1)
                n = 0
                while bit:
                    n += 1
                    if n > 15:
                        raise Damage("an escape of more than 15 ones")
                    bit, x = raw(x, 1)
                low, x = raw(x, n)
                value = (1 << n | low) + table.offset
                value = -value if negative else value
            if k:
                low, x = raw(x, k)
                value = (value << k) + low - (1 << (k - 1))
            if escaped and abs(value) > limit:
                raise Damage("a value out of range")
            states[lane] = x
            values.append(value)
    except IndexError as error:
        raise Damage("the words end early") from error
    if at != len(words) or any(x != 1 << 16 for x in states):
        raise Damage("the substream ends wrongly")
    return values


# ---- Latents and synthesis [3, 5]. -----------------------------------------------------------------------------------

QUARTERS = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [1, 0, 3, 2]]


class Substreams:
    """The substreams of one group: z and the four passes, None for a missing chunk. After the first missing one all
    others count as missing; `missing` names only those that are missing themselves."""

    def __init__(self, chunks, group, missing):
        self.chunks, self.lost, self.missing = chunks, False, missing
        self.names = [f"{name} of group {group}" for name in ("z", "pass 0", "pass 1", "pass 2", "pass 3")]

    def values(self, index, tables, splits, limit):
        chunk = self.chunks[index]
        try:
            if chunk is None:
                raise Damage("the chunk is missing")
            if not self.lost:
                return decode_values(chunk, tables, splits, limit)
        except Damage:
            self.lost = True
            self.missing.append(self.names[index])
        return [0] * len(tables)


def decode_group(model, q, height, width, substreams):
    """The latents of one group."""
    hz, wz = -(-height // 4), -(-width // 4)
    band = q * model.bands // 6401
    tables = model.z_tables[band] * (hz * wz)
    z = np.array(substreams.values(0, tables, [0] * len(tables), 127), np.int32).reshape(hz, wz, model.Z)

    x = model.hd1(shuffle(model.hd_in.plain(z), 2))
    x = model.hd2(shuffle(model.hd_mid.plain(x), 2))
    prior = model.hd3(model.hd_out.plain(x)[:height, :width])

    phase = phases(height, width)
    y_hat = np.zeros((height, width, model.M), np.int32)
    for k in range(4):
        scale, mean = model.context(k, y_hat, prior)
        read_pass(model, model.tables, q, k, phase, scale, mean, y_hat, functools.partial(substreams.values, 1 + k))
    return y_hat


def phases(height, width):
    return 2 * (np.arange(height)[:, None] & 1) + (np.arange(width)[None, :] & 1)


def read_pass(model, gaussian, q, k, phase, scale, mean, y_hat, values):
    """Sets the latents that pass k codes at positions of these phases; scale, mean and y_hat are [.., M]."""
    quarter = model.M // 4
    channel = np.array(QUARTERS[k])[phase][..., None] * quarter + np.arange(quarter)
    log_gain, step = (model.at_quality(table, q)[channel] for table in (model.log_gain, model.step))
    level = np.clip(rnd(np.take_along_axis(scale, channel, -1) + log_gain, 4) + 26, 0, 107)
    coded = level >= model.skip_below
    of_coded = level[coded]
    split = np.where(of_coded >= 52, 1 + (of_coded - 52) // 8, 0)
    table = np.where(of_coded >= 52, 44 + (of_coded - 52) % 8, of_coded)
    r = np.zeros(level.shape, np.int32)
    r[coded] = values([gaussian[t] for t in table.tolist()], split.tolist(), 16383)
    value = sat(np.take_along_axis(mean, channel, -1) + rnd(r * step, model.step_shift))
    np.put_along_axis(y_hat, channel, value, -1)


def synthesis(model, q, y_hat):
    """The samples with 6 more bits."""
    x = shuffle(model.d_in.plain(y_hat), 2)
    for block in model.d:
        x = block(x)
    x = np.concatenate(neighbours(sat(rnd(x * model.at_quality(model.dec, q), model.gain_shift))), axis=2)
    out, bits = model.d_out.fine(x)
    return shuffle((np.clip(out + (128 << bits), 0, (256 << bits) - 1) << (6 - bits)) + (1 << (6 - bits) >> 1), 8)


def colours(model, q, y_hat, height, width, gray):
    """The samples of 8 bits and those of 16."""
    t = synthesis(model, q, y_hat)[:height, :width]
    if gray:
        weights = np.array([[1], [2], [1]], np.int32)
        samples, wide = ((t >> 6) @ weights + 2) >> 2, ((2 * (t @ weights) - 252) * 257 + 256) >> 9
    else:
        samples, wide = t >> 6, ((2 * t - 63) * 257 + 64) >> 7
    return samples.astype(np.uint8), np.clip(wide, 0, 65535).astype("<u2")


# ---- The container [7]. ----------------------------------------------------------------------------------------------

SIGNATURE = b"\x89AEC\r\n\x1a\n"
GRAY, ALPHA, METADATA, DEEP = 1, 2, 4, 8
MOST_PIXELS = 1 << 30  # a limit of this decoder, not of the format


def leb128(reader, most=5):
    value = 0
    for i in range(most):
        byte = reader.u8()
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            if i and byte == 0:
                raise Refused("invalid", "a length is not in its shortest form")
            return value
    raise Refused("invalid", f"a length of more than {most} bytes")


class Stream:
    """A parsed stream: its header, and its chunks, None for those that are missing."""

    def __init__(self, data):
        r = Reader(data, "truncated")
        r.signature(SIGNATURE)
        version = r.u8()
        if version not in (1, 2):
            raise Refused("version", f"version {version}")
        self.exact = version == 2
        self.flags, self.orientation, self.profile = r.u8(), r.u8(), r.u8()
        self.width, self.height, self.q, self.group_log2 = r.u32(), r.u32(), r.u16(), r.u8()
        self.model, self.pixel_hash = r.take(8), r.take(4)
        self.error, self.q = (self.q, 0) if self.exact else (0, self.q)
        self.most = self.exact and int.from_bytes(self.model[:2], "little") or 255
        self.check_fields()
        self.rows, self.columns = -(-self.height // 16), -(-self.width // 16)
        self.side = (1 << self.group_log2) // 16
        down, across = -(-self.rows // self.side), -(-self.columns // self.side)
        has_alpha = self.flags & ALPHA and not self.exact
        entries = bool(self.flags & METADATA) + bool(has_alpha) + (1 if self.exact else 5) * down * across
        if 5 * entries > len(data):
            raise Refused("truncated", "the table cannot fit")
        self.groups = [(i, j) for i in range(down) for j in range(across)]
        table = [(leb128(r), r.u32()) for _ in range(entries)]
        crc = zlib.crc32(data[:r.at])
        if r.u32() != crc:
            raise Refused("checksum", "the header's checksum is wrong")
        chunks, self.held = [], []
        at = r.at
        for length, crc in table:
            chunk = data[at:at + length]
            at += length
            self.held.append(chunk if len(chunk) < length else None)
            chunks.append(chunk if len(chunk) == length and zlib.crc32(chunk) == crc else None)
        self.trailing = max(0, len(data) - at)
        self.metadata = chunks.pop(0) if self.flags & METADATA else None
        self.alpha = chunks.pop(0) if has_alpha else None
        count = len(self.groups)
        self.held = self.held[-count:]
        self.substreams = chunks if self.exact else [chunks[g::count] for g in range(count)]

    def check_fields(self):
        for name, good in (
            ("flags", self.flags < 16),
            ("orientation", 1 <= self.orientation <= 8),
            ("width", self.width >= 1),
            ("height", self.height >= 1),
            ("quality", self.q <= 6400),
            ("error", self.error <= self.most),
            ("largest sample", self.most >= 255),
            ("profile and model of an exact stream", not self.exact or not self.profile and not any(self.model[2:])),
            ("group_log2", 6 <= self.group_log2 <= 14),
        ):
            if not good:
                raise Refused("invalid", f"{name} is out of range")
        if self.width * self.height > MOST_PIXELS:
            raise Refused("limit", f"{self.width} x {self.height} pixels")


FILTERS = (  # what is added to a sample, given those to its left, above it, and above to the left
    lambda a, b, c: 0,
    lambda a, b, c: a,
    lambda a, b, c: b,
    lambda a, b, c: (a + b) // 2,
    lambda a, b, c: min((a, b, c), key=lambda v: abs(a + b - c - v)),
)


def unfilter(data, width, height):
    """The rows of alpha: PNG's filters at one byte per pixel."""
    if len(data) != height * (width + 1):
        raise Damage("the alpha has another length")
    rows = [bytes(width)]
    for start in range(0, len(data), width + 1):
        if data[start] >= len(FILTERS):
            raise Damage("an unknown filter")
        predict, row, a, c = FILTERS[data[start]], bytearray(), 0, 0
        for value, b in zip(data[start + 1:start + 1 + width], rows[-1]):
            a, c = value + predict(a, b, c) & 255, b
            row.append(a)
        rows.append(row)
    return np.array([list(row) for row in rows[1:]], np.uint8)


METADATA_KINDS = {1: "icc", 2: "exif", 3: "xmp", 4: "cicp"}


def read_metadata(data):
    """The records of the metadata chunk, by the names of their kinds; unknown kinds are skipped."""
    r = Reader(data, "metadata")
    records = {}
    try:
        while r.at < len(data):
            kind = r.u8()
            value = r.take(r.u32())
            name = METADATA_KINDS.get(kind)
            if name in records:
                raise Damage(f"a second record of kind {kind}")
            if name == "cicp" and len(value) != 4:
                raise Damage("code points of another length")
            if name:
                records[name] = value
    except Refused as error:
        raise Damage(str(error)) from error
    return records


class Picture:
    """What a stream decodes to. `missing` names the chunks that are missing, with the group of a substream."""

    def __init__(self, stream):
        self.stream, self.missing, self.wide = stream, [], None
        self.metadata, self.alpha = {}, None
        if stream.flags & METADATA:
            self.metadata = self.part("metadata", stream.metadata, lambda d: read_metadata(one_frame(d)), {})
        if stream.exact:
            self.exact(stream)
            return
        if stream.flags & ALPHA:
            opaque = np.full((stream.height, stream.width), 255, np.uint8)
            self.alpha = self.part(
                "alpha", stream.alpha, lambda d: unfilter(one_frame(d), stream.width, stream.height), opaque)
        model = load_model(stream.model)
        y_hat = np.zeros((stream.rows, stream.columns, model.M), np.int32)
        for index, (i, j) in enumerate(stream.groups):
            group = y_hat[i * stream.side:, j * stream.side:][:stream.side, :stream.side]
            substreams = Substreams(stream.substreams[index], index, self.missing)
            group[:] = decode_group(model, stream.q, *group.shape[:2], substreams)
        self.colour, self.wide = colours(model, stream.q, y_hat, stream.height, stream.width, stream.flags & GRAY)
        self.model, self.y_hat = model, y_hat

    def exact(self, stream):
        alpha, colours = bool(stream.flags & ALPHA), 1 if stream.flags & GRAY else 3
        kind, most = "<u2" if stream.most > 255 else np.uint8, stream.most
        planes = np.full((stream.height, stream.width, alpha + colours), (most + 1) // 2, kind)
        planes[:, :, :alpha] = most
        steps = [1] * alpha + [2 * stream.error + 1] * colours
        for index, (i, j) in enumerate(stream.groups):
            part = planes[16 * i * stream.side:, 16 * j * stream.side:][:16 * stream.side, :16 * stream.side]
            data, held = stream.substreams[index], stream.held[index]
            try:
                if data is None and held is None:
                    raise Damage("the chunk is missing")
                group = Exact(held if data is None else data, data is not None, part.shape, steps, most)
                part[:group.known] = group.out[:group.known]
                if data is None:
                    raise Damage("the chunk is cut")
            except (Damage, ValueError):
                self.missing.append(f"samples of group {index}")
        self.alpha = planes[:, :, 0] if alpha else None
        self.colour = planes[:, :, alpha:] if colours == 1 else planes[:, :, [alpha + 1, alpha, alpha + 2]]

    def part(self, name, data, read, otherwise):
        try:
            if data is not None:
                return read(data)
        except Damage:
            pass
        self.missing.append(name)
        return otherwise

    def mode(self):
        return ("gray" if self.stream.flags & GRAY else "rgb") + ("+alpha" if self.alpha is not None else "")

    def samples(self):
        return self.colour.tobytes() + (b"" if self.alpha is None else self.alpha.tobytes())

    def samples_16(self):
        """The samples of 16 bits of a learned stream whose source had more than 8."""
        alpha = b"" if self.alpha is None else (self.alpha.astype("<u2") * 257).tobytes()
        return self.wide.tobytes() + alpha

    def pixel_hash(self):
        """Whether the recorded pixel hash fits: "match", "mismatch", or "none" if there is nothing to compare."""
        if self.stream.pixel_hash == bytes(4) or self.missing:
            return "none"
        found = blake3(self.colour.tobytes())[:4]
        found = b"\0\0\0\1" if found == bytes(4) else found
        return "match" if self.stream.pixel_hash == found else "mismatch"


def decode(data):
    return Picture(Stream(data))


# ---- The program. ----------------------------------------------------------------------------------------------------

def write_png(path, picture):
    planes = picture.colour if picture.alpha is None else np.dstack([picture.colour, picture.alpha])
    if planes.dtype.itemsize == 2:
        planes = (planes.astype(np.uint64) * 65535 // picture.stream.most).astype(">u2")
    Path(path).write_bytes(png(planes))


def clip(args):
    from frames import Clip  # which needs this module

    found = Clip(Path(args.file).read_bytes())
    for i, (kind, frame) in enumerate(found.frames):
        if args.hash:
            print(i, kind, blake3(frame.colour.tobytes()).hex() if frame else "lost")
        if args.output and frame:
            Path(args.output, f"{i:06}.png").write_bytes(png(frame.colour))
    if found.cut:
        print(f"{args.file}: it does not end with a complete frame", file=sys.stderr)


def picture(args):
    found = decode(Path(args.file).read_bytes())
    for name in found.missing:
        print(f"{args.file}: missing: {name}", file=sys.stderr)
    if found.pixel_hash() == "mismatch":
        print(f"{args.file}: the pixel hash differs", file=sys.stderr)
    if args.hash:
        print(blake3(found.samples()).hex())
    if args.output:
        write_png(args.output, found)


def main():
    parser = argparse.ArgumentParser(description="A second decoder of .aec streams and .aecs clips, for conformance.")
    parser.add_argument("file")
    parser.add_argument("-o", "--output", help="a PNG file, or a folder that exists for the frames of a clip")
    parser.add_argument("--hash", action="store_true", help="print the BLAKE3 of the samples")
    args = parser.parse_args()
    try:
        (clip if args.file.endswith(".aecs") else picture)(args)
    except Refused as error:
        sys.exit(f"{args.file}: {error}")


if __name__ == "__main__":
    import decode as module  # this one by the name that frames.py uses

    module.main()
