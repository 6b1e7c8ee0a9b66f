"""Exact streams, for decode.py: section 9 of docs/format.md, written from the document alone.

Numbers in brackets are sections of the document. A substream that is damaged raises ValueError.
"""

import bisect
import functools

import numpy as np

POINTS = (
    1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743,
    32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500,
    65514, 65523, 65528, 65531, 65533, 65534, 65535, 65535, 65535)
RATES = (128, 85, 64, 43, 28, 18, 12, 8)
BITS = (0, 10, 11, 14, 21, 28, 35, 42)
WIDE_BITS = (0, 17, 18, *range(21, 106, 7))
ENERGY = (1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 28, 34, 42, 52, 64, 80, 104, 140, 200, 300)
WORD = 0xFFFFFFFF


def clamp(v, low, high):
    return low if v < low else high if v > high else v


def divide(a, b):
    """Division that rounds towards 0."""
    return a // b if a >= 0 else -(-a // b)


def squash(x):
    i, w = x + 3072 >> 7, x + 3072 & 127
    return POINTS[i] * (128 - w) + POINTS[i + 1] * w + 64 >> 7


@functools.cache
def stretches():
    squashed = [squash(x) >> 4 for x in range(-3071, 3071)]
    return [bisect.bisect_left(squashed, v) - 3071 for v in range(4096)]


class Slots(dict):
    """Slots by any key; each is 2^15 at first."""

    def __missing__(self, key):
        return 1 << 15

    def learn(self, key, decision):
        a, n = self[key] >> 3, self[key] & 7
        a += ((8191 if decision else 0) - a) * RATES[n] + 128 >> 8
        self[key] = a << 3 | min(n + 1, 7)


class Binary:
    """The arithmetic decoder."""

    def __init__(self, data, allowed):
        self.data, self.at, self.allowed = data, 4, allowed
        self.low, self.high, self.code = 0, WORD, int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def read(self, p):
        span = self.high - self.low
        middle = self.low + (span >> 16) * p + ((span & 65535) * p >> 16)
        decision = self.code <= middle
        if decision:
            self.high = middle
        else:
            self.low = middle + 1
        while (self.low ^ self.high) >> 24 == 0:
            self.low, self.high = self.low << 8 & WORD, (self.high << 8 | 255) & WORD
            self.code = (self.code << 8 | (self.data[self.at] if self.at < len(self.data) else 0)) & WORD
            self.at += 1
        return decision

    def with_slot(self, slots, key):
        decision = self.read(clamp(slots[key], 64, 65472))
        slots.learn(key, decision)
        return decision

    def spent(self):
        return self.at - len(self.data) > self.allowed


class Mixer:
    def __init__(self, rate):
        self.rate, self.weights, self.rows, self.stretch = rate, {}, {}, stretches()

    def read(self, binary, slots, keys, chosen, row):
        weights = self.weights.setdefault(chosen, [27306] * 8)
        t = self.rows.setdefault(row, [squash(256 * clamp(i - 12, -11, 11)) for i in range(25)])
        inputs = [self.stretch[slots[key] >> 4] for key in keys] + [256]
        x = clamp(sum(w * v >> 8 for w, v in zip(weights, inputs)) >> 8, -3071, 3071)
        p, i, w = squash(x), x + 3072 >> 8, x + 3072 & 255
        decision = binary.read(clamp(p + (t[i] * (256 - w) + t[i + 1] * w >> 8) >> 1, 1, 65535))
        i += w >= 128
        t[i] += (65535 - t[i] >> 6) if decision else -(t[i] >> 6)
        error = ((65535 if decision else 0) - p) * self.rate >> 4
        weights[:] = [clamp(w + (v * error + 8192 >> 14), -(1 << 19), 1 << 19) for w, v in zip(weights, inputs)]
        for key in keys:
            slots.learn(key, decision)
        return decision


class Differences:
    def __init__(self, binary, bits=BITS):
        self.binary, self.slots, self.low, self.mixer, self.bits = binary, Slots(), Slots(), Mixer(6), bits

    def read(self, contexts, e, below, above):
        def node(n):
            keys = [(j, context, n) for j, context in enumerate(contexts)]
            return self.mixer.read(self.binary, self.slots, keys, 8 * n + e // 3, 24 * n + e)

        if below + above == 0 or node(0):
            return 0
        negative = above == 0 if below == 0 or above == 0 else node(1)
        most, b, v = below if negative else above, 0, 1
        while b < most.bit_length() - 1 and node(2 + b):
            b += 1
        for i in reversed(range(b)):
            bit = node(self.bits[b] + v - 1) if b - 1 - i < 3 else self.binary.with_slot(self.low, (b, i))
            v = 2 * v + bit
        return -min(v, most) if negative else min(v, most)


class Rows:
    """Three rows with four more columns at either end; a column is counted from the first of these."""

    def __init__(self, width, first):
        self.c, self.n, self.nn = ([first] * (width + 8) for _ in range(3))

    def begin(self):
        self.c[-4:] = self.c[-5:-4] * 4
        self.c, self.n, self.nn = self.nn, self.c, self.n
        self.c[:4] = self.n[4:5] * 4

    def put(self, x, y, value):
        self.c[x] = value
        if y == 0:
            self.n[x:x + 5] = self.nn[x:x + 5] = [value] * 5


def kind(v):
    m = abs(v)
    c = m if m < 2 else 2 if m < 4 else 3 if m < 7 else 4 if m < 13 else 5 if m < 25 else 6
    return 6 - c if v < 0 else 6 + c


class Channel:
    def __init__(self, binary, width, k, M, S):
        self.M, self.S = M, S
        self.rows, self.differences = Rows(width, (M + 1) // 2), Differences(binary, WIDE_BITS if M > 255 else BITS)
        self.errors, self.before = [0] * (width + 8), [0] * (width + 8)
        self.a, self.b, self.u = {}, {}, [0] * 27
        for j, w in ((2, -3 << 18), (3, 1 << 18)) if k == 0 else ((2, -1 << 19), (13, 27 << 15), (15, 27 << 14)):
            self.u[j] = w

    def begin(self):
        self.rows.begin()
        self.errors, self.before = self.before, self.errors


def read_sample(channels, k, x, y, step):
    own, M, S = channels[k], channels[k].M, channels[k].S
    c, n, nn = own.rows.c, own.rows.n, own.rows.nn
    W, WW, N, NW, NE, NN = c[x - 1], c[x - 2], n[x], n[x - 1], n[x + 1], nn[x]
    ref = W + N + 1 >> 1
    tap = [v - ref for v in (W, WW, NW, NE, NN, n[x - 2], n[x + 2], nn[x - 1], nn[x + 1], c[x - 3], nn[x + 2],
                             nn[x - 2], n[x + 3])]
    for other in channels[max(0, k - 2):k][::-1]:
        oc, on = other.rows.c, other.rows.n
        middle = oc[x - 1] + on[x] + 1 >> 1
        tap += [v - middle for v in (oc[x], oc[x - 1], on[x - 1], on[x + 1], oc[x - 2], other.rows.nn[x], on[x + 2])]
    P = clamp(16 * ref + (sum((u >> 8) * t for u, t in zip(own.u, tap)) >> 8), 0, 16 * M)
    eW, eN, eNW, eNE, eWW = own.errors[x - 1], own.before[x], own.before[x - 1], own.before[x + 1], own.errors[x - 2]
    oA, oB = (channels[k - j].errors[x] if k >= j else 0 for j in (1, 2))
    act = abs(W - WW) + abs(W - NW) + abs(N - NW) + abs(N - NE) + abs(N - NN) + abs(NE - nn[x + 1])
    edges = (2 * W - WW, 2 * N - NN, W + N - NW, W + NE >> 1)
    if k:
        oc, on, fc, fn = channels[k - 1].rows.c, channels[k - 1].rows.n, channels[0].rows.c, channels[0].rows.n
        act += 2 * (abs(oc[x] - oc[x - 1]) + abs(oc[x] - on[x]))
        edges = (W + oc[x] - oc[x - 1], N + oc[x] - on[x], W + N + 2 * fc[x] - fc[x - 1] - fn[x] >> 1,
                 W + N - NW + fc[x] - fc[x - 1] - fn[x] + fn[x - 1])
    s = 2 * (abs(eW) + abs(eN)) + abs(eNW) + abs(eNE) + abs(eWW) + act // 8
    if k:
        s = (2 * s + 5 * abs(oA) + 2 * abs(oB)) // 3
    e = sum(bound <= s >> S for bound in ENERGY)
    q = min(e // 5, 3)

    def pair(a, b):
        return (13 * kind(divide(a, 1 << S)) + kind(divide(b, 1 << S))) * 4 + q

    above = [v > P >> 4 for v in (W, N, NW, NE, WW, NN, 2 * W - WW, 2 * N - NN)]
    places = (own.a, (*above, q)), (own.b, pair(oA, eW))
    Q = clamp(P + (sum(table.get(place, 0) for table, place in places) >> 9), 0, 16 * M)
    p, h = Q + 8 >> 4, step // 2
    contexts = (16 * e + (Q >> S & 15), pair(edges[0] - p, edges[1] - p), pair(W - p, N - p),
                pair(edges[2] - p, edges[3] - p), pair(eW, eN), 8 * (64 * p // (M + 1)) + e // 3, pair(NE - p, W + N - NW - p))
    d = own.differences.read(contexts, e, (p + h) // step, (M - p + h) // step)
    sample = clamp(p + d * step, 0, M)
    f = 16 * sample - P
    for table, place in places:
        table[place] = table.get(place, 0) + (256 * f - table.get(place, 0) >> 6)
    m = divide(f * 256000, (32 << 2 * S) + sum(t * t for t in tap))
    for j, t in enumerate(tap):
        own.u[j] = clamp(own.u[j] + (m * t + 128 >> 8), -1 << 23, 1 << 23)
    own.errors[x] = sample - p
    own.rows.put(x, y, sample)
    return sample


def digest(values, seed):
    h = seed
    for v in values:
        h = (h ^ v) * 0x9E3779B1 & WORD
        h = (h << 15 | h >> 17) & WORD
    return (h ^ h >> 15) * 0x85EBCA77 & WORD


class Candidates:
    """Pixels that equal others."""

    def __init__(self, binary, width, pixels):
        self.binary, self.rows, self.mixer, self.slots = binary, Rows(width, 0), Mixer(20), Slots()
        self.mask = (1 << clamp(pixels.bit_length(), 10, 18)) - 1
        self.checks, self.far, self.near, self.places, self.kept = {}, {}, {}, {}, {}
        self.past, self.distance, self.length, self.predicted = [], 0, 0, None
        self.across, self.down, self.run = 0, {}, 0

    def read(self, x):
        c, n, nn = self.rows.c, self.rows.n, self.rows.nn
        v = [c[x - 1], n[x], n[x - 1], n[x + 1], c[x - 2], nn[x], nn[x + 1], n[x + 2], nn[x - 1], n[x - 2], c[x - 3],
             nn[x + 2]]
        hashes = [digest(v[:count], 1 + i) for i, count in enumerate((2, 4, 6, 9, 12))]
        hashes.append(digest((v[0], v[1], min(self.across, 255), min(self.down.get(x, 0), 255)), 6))
        self.hashes, places = hashes, [h & self.mask for h in hashes]
        at = len(self.past)
        if self.length == 0:
            self.distance = self.kept.get(x) or at - self.places.get(places[4], at)
        self.predicted = self.past[at - self.distance] if self.distance else None
        far, near = (table[place][1] if table.get(place, (None,))[0] == h else None
                     for table, place, h in ((self.far, places[4], hashes[4]), (self.near, places[0], hashes[0])))
        listed = [self.predicted if self.length >= 16 else None, v[0] if far is None else far, self.predicted, v[0],
                  v[1], near, v[2], v[3]]
        state = 0 if self.predicted is None else 1 + min((self.length + 1).bit_length() - 1, 4)
        equal = (v[a] == v[b] for a, b in ((0, 1), (0, 2), (1, 2), (1, 3), (0, 4), (1, 5), (3, 7), (2, 9)))
        pattern = (*equal, min((self.run + 1).bit_length() - 1, 7), state, far == self.predicted)
        for i, h in enumerate(hashes):
            if self.checks.get((i, places[i])) != h >> 16 | 1:
                self.checks[i, places[i]] = h >> 16 | 1
                for c in range(7):
                    self.slots.pop((i, places[i], c), None)
        tried = 0
        for i, candidate in enumerate(listed):
            if candidate is None or candidate in listed[:i]:
                continue
            keys = [(j, place, tried) for j, place in enumerate(places)] + [(6, pattern, tried)]
            chosen = 8 * tried + state
            if self.mixer.read(self.binary, self.slots, keys, chosen, chosen):
                self.run = self.run + 1 if tried == 0 else 0
                return candidate
            tried += 1
        self.run = 0
        return None

    def learn(self, x, y, pixel):
        held, far, near = self.predicted == pixel, self.hashes[4], self.hashes[0]
        self.across = self.across + 1 if pixel == self.rows.c[x - 1] else 0
        self.down[x] = self.down.get(x, 0) + 1 if pixel == self.rows.n[x] else 0
        self.length, self.kept[x] = (self.length + 1, self.distance) if held else (0, 0)
        self.far[far & self.mask], self.near[near & self.mask] = (far, pixel), (near, pixel)
        self.places[far & self.mask] = len(self.past)
        self.past.append(pixel)
        self.rows.put(x, y, pixel)


class Exact:
    """A group of an exact stream: its samples [height, width, channels], and how many of its rows are known."""

    def __init__(self, data, whole, shape, steps, M=255):
        kind = np.dtype("<u2" if M > 255 else "u1")
        self.out, self.steps, self.known = np.zeros(shape, kind), steps, 0
        (self.height, self.width, count), rest = shape, data[1:]
        if whole and not data or data and data[0] > (3 if M == 255 else 1):
            raise ValueError("an unknown mode")
        if data and data[0] == 0:
            row = self.width * count * kind.itemsize
            if whole and len(rest) != self.out.nbytes:
                raise ValueError("another number of samples")
            self.known = min(len(rest) // row, self.height)
            known = np.frombuffer(rest[:self.known * row], kind)
            if np.any(known > M):
                raise ValueError("a sample above the largest value")
            self.out[:self.known] = known.reshape(self.known, self.width, count)
            return
        palette = None
        if data and data[0] == 3:
            colours = rest[0] + 1 if rest else 1
            palette = [tuple(rest[1 + i * count:1 + (i + 1) * count]) for i in range(colours)]
            if len(rest) < 1 + colours * count:
                if whole:
                    raise ValueError("a palette that is cut")
                return
            rest = rest[1 + colours * count:]
        if not data or M > 255 and not rest and not whole:
            return
        scale = 0
        if M > 255:
            if not rest or rest[0] > 12:
                raise ValueError("a scale that is out of range")
            scale, rest = rest[0], rest[1:]
        binary = Binary(rest, 4 if whole else 0)
        self.channels = [Channel(binary, self.width, k, M, scale) for k in range(count)]
        self.indices = Differences(binary)
        self.candidates = Candidates(binary, self.width, self.height * self.width) if data[0] > 1 else None
        self.rests, self.same, self.binary = {}, Slots(), binary
        self.walk(palette)
        if whole and (self.known < self.height or binary.at < len(rest)):
            raise ValueError("the substream ends wrongly")

    def walk(self, palette):
        for y in range(self.height):
            for rows in [*self.channels, *([self.candidates.rows] if self.candidates else [])]:
                rows.begin()
            for x in range(self.width):
                self.out[y, x] = (self.samples if self.candidates is None else self.pixel if palette is None else
                                  functools.partial(self.index, palette))(x + 4, y)
            if self.binary.spent():
                return
            self.known = y + 1

    def samples(self, x, y, start=0):
        return [read_sample(self.channels, k, x, y, self.steps[k]) for k in range(start, len(self.channels))]

    def pixel(self, x, y):
        count = len(self.channels)
        found, first = self.candidates.read(x), None
        if found is None:
            first = read_sample(self.channels, 0, x, y, self.steps[0])
            if count > 1 and first in self.rests and self.binary.with_slot(self.same, first):
                found = self.rests[first]
        if found is None:
            pixel = [first, *self.samples(x, y, 1)]
            found = int.from_bytes(bytes(pixel), "big")
        else:
            pixel = list(found.to_bytes(count, "big"))
            for k in range(0 if first is None else 1, count):
                self.channels[k].rows.put(x, y, pixel[k])
                self.channels[k].errors[x] = 0
        self.rests[pixel[0]] = found
        self.candidates.learn(x, y, found)
        return pixel

    def index(self, palette, x, y):
        c, n = self.candidates.rows.c, self.candidates.rows.n
        W, WW, N, NW, NE, NN = c[x - 1], c[x - 2], n[x], n[x - 1], n[x + 1], self.candidates.rows.nn[x]
        found = self.candidates.read(x)
        if found is None:
            def mix(*v):
                return (v[0] * 65536 + v[1] * 256 + v[2]) * 0x9E3779B1 % (1 << 32) >> 20

            contexts = ((kind(N - W) * 13 + kind(NW - W)) * 13 + kind(NE - W), W, mix(0, W, N), mix(W, N, NW),
                        mix(W, N, NE), mix(W, WW, N), mix(N, NN, W))
            found = W + self.indices.read(contexts, 0, W, len(palette) - 1 - W)
        self.candidates.learn(x, y, found)
        return palette[found]
