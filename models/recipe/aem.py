"""Reads and writes model files, byte for byte as in docs/format.md, section 8."""

import struct

import numpy as np
import torch
import zstandard

import tables
from fixed import Block, Depthwise, Model, Product

SIGNATURE = b"\x89AEM\r\n\x1a\n"
VERSION, PACKED = 1, 2
QUALITY = (("enc", "c", "<u2"), ("dec", "c", "<u2"), ("step", "m", "<u2"), ("log_gain", "m", "<i2"))


def layer_names(ne: int, nd: int) -> list[tuple[str, bool]]:
    """Every layer in the file's order, and whether it is a block."""
    names = ["e_in", *(f"e.{i}" for i in range(ne)), "e_out", "he_in", "he1", "he_mid", "he2", "he_out"]
    names += ["hd_in", "hd1", "hd_mid", "hd2", "hd_out", "hd3", "scale0", "mean0"]
    names += ["ctx_in.0", "ctx_in.1", "ctx_in.2", "ctx", "scale", "mean"]
    names += ["d_in", *(f"d.{i}" for i in range(nd)), "d_out"]
    blocks = {"he1", "he2", "hd1", "hd2", "hd3", "ctx"}
    return [(n, n in blocks or n[:2] in ("e.", "d.")) for n in names]


def write(model: Model) -> bytes:
    out = [SIGNATURE, struct.pack("<2B", VERSION, model.profile)]
    out.append(struct.pack("<6H", model.c, model.m, model.z, model.p, model.ne, model.nd))
    out.append(struct.pack("<3H", *model.hidden))
    out.append(struct.pack("<2H", len(model.quality["enc"]), len(model.z_tables)))
    out.append(struct.pack("<5B", model.skip_below, model.gain_shift, model.step_shift,
                           model.z_shift, model.y_fraction))
    for name, is_block in layer_names(model.ne, model.nd):
        layer = model.layers[name]
        if is_block:
            out += [product_bytes(layer.p1), product_bytes(layer.dw), product_bytes(layer.p2)]
            out += [product_bytes(layer.f1), struct.pack("<B", layer.gate_shift), product_bytes(layer.f2)]
        else:
            out.append(product_bytes(layer))
    out += [whole(model.quality[name], kind) for name, _, kind in QUALITY]
    for table in [*model.gaussians, *(t for band in model.z_tables for t in band)]:
        out.append(struct.pack("<B", len(table) // 2 - 1) + whole(table, "<u2"))
    card = model.card.encode()
    return b"".join([*out, struct.pack("<I", len(card)), card])


def pack(plain: bytes) -> bytes:
    """The packed form: even and odd bytes compressed apart, for the high bytes of weights hold few values."""
    even, odd = (zstandard.compress(plain[i::2], 19) for i in (0, 1))
    return SIGNATURE + struct.pack("<B2I", PACKED, len(plain), len(even)) + even + odd


def unpack(data: bytes) -> bytes:
    """The plain form, whose BLAKE3 is the model's identity."""
    if data[:9] != SIGNATURE + bytes([PACKED]):
        return data
    length, size = struct.unpack_from("<2I", data, 9)
    frames, plain = data[17:], bytearray(length)
    plain[0::2], plain[1::2] = zstandard.decompress(frames[:size]), zstandard.decompress(frames[size:])
    return bytes(plain)


def product_bytes(layer: Product) -> bytes:
    n, k = layer.weight.shape
    if isinstance(layer, Depthwise):
        head, weight = struct.pack("<H", n), layer.weight.T
    else:
        head, weight = struct.pack("<2H", k, n), layer.weight
    head += struct.pack("<2B", layer.shift, layer.fraction)
    return head + whole(layer.bias, "<i4") + whole(weight, "<i2")


def whole(values, kind: str) -> bytes:
    """Whole numbers as little-endian bytes; a number that does not fit is an error."""
    values = np.asarray(values)
    packed = values.astype(kind)
    if not np.array_equal(packed, values):
        raise ValueError(f"a value does not fit {kind}: {values.min()}..{values.max()}")
    return packed.tobytes()


class Reader:
    def __init__(self, data: bytes):
        self.data, self.offset = data, 0

    def bytes(self, n: int) -> bytes:
        if self.offset + n > len(self.data):
            raise ValueError(f"the model file ends at {len(self.data)}, wanted {n} bytes at {self.offset}")
        self.offset += n
        return self.data[self.offset - n : self.offset]

    def unpack(self, form: str):
        values = struct.unpack("<" + form, self.bytes(struct.calcsize("<" + form)))
        return values if len(values) > 1 else values[0]

    def array(self, kind: str, *shape: int) -> torch.Tensor:
        raw = self.bytes(np.dtype(kind).itemsize * int(np.prod(shape)))
        return torch.from_numpy(np.frombuffer(raw, kind).astype(np.float64).reshape(shape))

    def product(self) -> Product:
        k, n, shift, fraction = self.unpack("2H2B")
        bias = self.array("<i4", n)
        return Product(self.array("<i2", n, k), bias, shift, fraction)

    def depthwise(self) -> Depthwise:
        c, shift, fraction = self.unpack("H2B")
        bias = self.array("<i4", c)
        return Depthwise(self.array("<i2", 9, c).T.contiguous(), bias, shift, fraction)

    def block(self) -> Block:
        p1, dw, p2, f1 = self.product(), self.depthwise(), self.product(), self.product()
        return Block(p1, dw, p2, f1, self.unpack("B"), self.product())

    def table(self) -> np.ndarray:
        table = self.array("<u2", 2 * self.unpack("B") + 2).numpy().astype(np.int64)
        if table.min() < 1 or table.sum() != tables.TOTAL:
            raise ValueError(f"a frequency table adds up to {table.sum()}, least entry {table.min()}")
        return table


def read(data: bytes) -> Model:
    r = Reader(unpack(data))
    if r.bytes(8) != SIGNATURE or r.unpack("B") != VERSION:
        raise ValueError("not a model file of version 1")
    profile = r.unpack("B")
    c, m, z, p, ne, nd = r.unpack("6H")
    hidden = r.unpack("3H")
    rows, bands = r.unpack("2H")
    skip_below, gain_shift, step_shift, z_shift, y_fraction = r.unpack("5B")
    layers = {n: r.block() if is_block else r.product() for n, is_block in layer_names(ne, nd)}
    width = {"c": c, "m": m}
    quality = {name: r.array(kind, rows, width[w]) for name, w, kind in QUALITY}
    gaussians = [r.table() for _ in range(tables.GAUSSIANS)]
    z_tables = [[r.table() for _ in range(z)] for _ in range(bands)]
    card = r.bytes(r.unpack("I")).decode()
    if r.offset != len(r.data):
        raise ValueError(f"{len(r.data) - r.offset} bytes follow the model")
    return Model(c, m, z, p, ne, nd, hidden, profile, skip_below, gain_shift, step_shift, z_shift,
                 y_fraction, layers, quality, gaussians, z_tables, card)
