"""P-frames and clips, for decode.py: sections 10 to 12 of docs/format.md, written from the document alone."""

import functools
import struct
import zlib

import numpy as np

import decode as d
from decode import Damage, Reader, Refused, rnd, sat
from exact import Binary, Slots
from hashing import blake3

PRIOR_SIGNATURE, CLIP_SIGNATURE = b"\x89AET\r\n\x1a\n", b"\x89AES\r\n\x1a\n"


class TemporalPrior:
    def __init__(self, plain):
        r = Reader(plain, "model")
        r.signature(PRIOR_SIGNATURE)
        r.expect("the version", r.u8(), 1)
        self.of = r.take(8)
        M, P, gated = d.load_model(self.of).M, r.u16(), r.u16()
        r.expect("good shapes", all(0 < v <= 2048 and v % 32 == 0 for v in (P, gated)), True)
        self.t_in, self.t0, self.t1 = d.Product(r, M + 32, P), d.Block(r, P, gated), d.Block(r, P, gated)
        self.context = d.Context(r, M, P, gated, 3)
        self.tables = [d.Table(r) for _ in range(52)]
        r.take(r.u32())
        r.expect("the end of the file", r.at, len(plain))


@functools.lru_cache(maxsize=None)
def priors():
    """The temporal priors of models/, by the models that they belong to."""
    paths = sorted(d.MODELS.glob("*/*.aet"))
    return {p.of: p for p in (TemporalPrior(d.plain_model(path.read_bytes(), PRIOR_SIGNATURE)) for path in paths)}


class Frame:
    """A decoded frame: its latents, from which others can be decoded, and its samples."""

    def __init__(self, model, y_hat, colour):
        self.model, self.y_hat, self.colour = model, y_hat, colour
        fields = struct.pack("<IIB", colour.shape[1], colour.shape[0], colour.shape[2])
        self.identity = blake3(fields + y_hat.astype("<i2").tobytes())[:4]


def read_i(data):
    stream = d.Stream(data)
    if stream.exact or stream.flags & d.ALPHA:
        raise Damage("an exact stream, or alpha")
    picture = d.Picture(stream)
    if picture.missing:
        raise Damage("a chunk is missing")
    return Frame(stream.model, picture.y_hat, picture.colour)


def read_p(data, references):
    """The P-frame in `data`, given the frames that may be its reference."""
    r = Reader(data, "frame")
    r.expect("the version", r.u8(), 1)
    q, group_log2, wanted, identity = r.u16(), r.u8(), r.take(4), r.take(4)
    r.expect("good fields", q <= 6400 and 6 <= group_log2 <= 14, True)
    parts = [r.take(length) for length in [d.leb128(r, 4) for _ in range(4)]] + [data[r.at:]]
    reference = next((frame for frame in references if frame and frame.identity == wanted), None)
    if reference is None:
        raise Damage("there is no reference")
    binary = Binary(parts[0], 4)
    activity = read_activity(binary, *reference.y_hat.shape[:2])
    if binary.at < len(parts[0]) or binary.spent():
        raise Damage("the activities end wrongly")
    frame = follow(reference, q, group_log2, activity, lambda k, *coded: d.decode_values(parts[k], *coded))
    r.expect("the identity", frame.identity, identity)
    return frame


def read_activity(binary, rows, columns):
    slots = Slots()
    a = [[0] * (columns + 2) for _ in range(rows + 1)]  # with zeros above and at the sides
    for y in range(1, rows + 1):
        for x in range(1, columns + 1):
            W, N, NW, NE = a[y][x - 1], a[y - 1][x], a[y - 1][x - 1], a[y - 1][x + 1]
            n = int(binary.with_slot(slots, (W > 0, N > 0, NW > 0, NE > 0)))
            while 0 < n < 7 and binary.with_slot(slots, (max(W, N), n)):
                n += 1
            a[y][x] = n
    return np.array(a)[1:, 1:-1]


def follow(reference, q, group_log2, activity, values):
    """The frame that follows a reference; values(1 + k, tables, splits, limit) gives the coded values of pass k."""
    if reference.model not in priors():
        raise Refused("unknown-model", "this model has no temporal prior")
    model, prior, ref = d.load_model(reference.model), priors()[reference.model], reference.y_hat
    size, groups, y_hat = (1 << group_log2) // 16, [], ref.copy()
    side = np.zeros((*activity.shape, 32), np.int32)
    side[:, :, :8] = 4096 * np.eye(8, dtype=np.int32)[activity]
    side[:, :, 8:16] = np.maximum(0, 4096 - abs((q * 28672 + 3200) // 6400 - 4096 * np.arange(8)))
    for top in range(0, activity.shape[0], size):
        for left in range(0, activity.shape[1], size):
            part = np.s_[top:top + size, left:left + size]
            x = prior.t_in.plain(np.concatenate([ref[part], side[part]], axis=2))
            groups.append((part, activity[part] > 0, prior.t1(prior.t0(x))))
    for k in range(4):
        predicted = []
        for part, active, x in groups:
            # Latents that are not known yet are still those of the reference, so that their change is 0.
            scale, mean, gate = prior.context(k, sat(y_hat[part] - ref[part]), x)
            mean = sat(mean + rnd(np.clip(gate, 0, 4096) * ref[part], 12))
            predicted.append([plane[active] for plane in (d.phases(*active.shape), scale, mean, y_hat[part])])
        phase, scale, mean, coded = (np.concatenate(planes) for planes in zip(*predicted))
        d.read_pass(model, prior.tables, q, k, phase, scale, mean, coded, functools.partial(values, 1 + k))
        for part, active, _ in groups:
            y_hat[part][active], coded = coded[:active.sum()], coded[active.sum():]
    height, width, channels = reference.colour.shape
    return Frame(reference.model, y_hat, d.colours(model, q, y_hat, height, width, channels == 1)[0])


class Clip:
    """A clip: its rate, its frames as (kind, frame or None if it is lost), and whether it ends where no record does."""

    def __init__(self, data):
        r = Reader(data, "truncated")
        r.signature(CLIP_SIGNATURE)
        version, flags = r.u8(), r.u8()
        self.rate, self.frames, self.cut = (r.u32(), r.u32()), [], False
        header, intra, before = data[:r.at], None, None
        for kind, wrong in (("version", version != 1), ("checksum", zlib.crc32(header) != r.u32()), ("invalid", flags)):
            if wrong:
                raise Refused(kind, "the header of a clip")
        while r.at < len(data):
            start = r.at
            try:
                kind, length = r.u8(), d.leb128(r)
                r.expect("a record that is allowed", kind in (1, 2) and length <= 1 << 28, True)
                fields, crc, body = data[start:r.at], r.u32(), r.take(length)
            except Refused:
                self.cut = True
                break
            try:
                if zlib.crc32(fields + body) != crc:
                    raise Damage("the checksum of a record")
                before = read_i(body) if kind == 1 else read_p(body, (before, intra))
                intra = before if kind == 1 else intra
                self.frames.append((" IP"[kind], before))
            except (Damage, Refused):
                self.frames.append((" IP"[kind], None))
