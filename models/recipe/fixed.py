"""The integer network: the reference of docs/format.md, sections 2 to 6.

Tensors are float64 [H, W, C] that contain integers. Sums of a few thousand products of i16 by i16 stay far below 2^53,
so float64 is exact; accumulators are then wrapped to 32 bits.
"""

import dataclasses

import torch
import torch.nn.functional as F

import tables
from net import PASS_QUARTER

LIMIT = 8191  # largest magnitude of an activation
R_LIMIT = 16383  # largest magnitude of a coded symbol
Q_MAX = 6400  # largest quality of the header, with 64 steps for each unit of the scale from 0 to 100
GROUP = 1024  # default side of a group in pixels
INVERSE_BITS = 24  # fraction bits of the encoder's reciprocal of the quantisation step


@dataclasses.dataclass
class Product:
    """A layer with weight [N, K] (depthwise: [C, 9]) and bias [N], which are integers in float64."""

    weight: torch.Tensor
    bias: torch.Tensor
    shift: int
    fraction: int

    def rows(self, first: int, last: int) -> "Product":
        """Returns the same layer with only some of its outputs."""
        return dataclasses.replace(self, weight=self.weight[first:last], bias=self.bias[first:last])

    def accumulate(self, x: torch.Tensor) -> torch.Tensor:
        return wrap(x @ self.weight.T + self.bias)

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        return sat(rnd(self.accumulate(x), self.shift))

    def leaky(self, x: torch.Tensor) -> torch.Tensor:
        acc = self.accumulate(x)
        return sat(rnd(torch.maximum(acc, (acc / 8).floor()), self.shift))

    def residual(self, x: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
        return sat(stream + rnd(self.accumulate(x), self.shift))


class Depthwise(Product):
    """A 3x3 convolution of each channel separately."""

    def accumulate(self, x: torch.Tensor) -> torch.Tensor:
        return wrap(sum(t * w for t, w in zip(taps(x), self.weight.T)) + self.bias)


@dataclasses.dataclass
class Block:
    p1: Product
    dw: Depthwise
    p2: Product
    f1: Product
    gate_shift: int
    f2: Product

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = self.p2.residual(self.dw.plain(self.p1.leaky(x)), x)
        u, v = self.f1.plain(x).chunk(2, -1)
        return self.f2.residual(sat(rnd(u.clamp_min(0) * v, self.gate_shift)), x)


@dataclasses.dataclass
class Pass:
    """What one pass codes at each position, [h, w, M/4] each."""

    scale: torch.Tensor
    mean: torch.Tensor
    level: torch.Tensor
    symbol: torch.Tensor


@dataclasses.dataclass
class Coded:
    """A coded group: hyper-latents, prior, the four passes, decoded latents, bits."""

    z: torch.Tensor
    prior: torch.Tensor
    passes: list[Pass]
    y_hat: torch.Tensor
    z_bits: float
    y_bits: float


@dataclasses.dataclass
class Model:
    """The contents of a model file (section 8); `hidden` are the gated widths of C, Z and P."""

    c: int
    m: int
    z: int
    p: int
    ne: int
    nd: int
    hidden: tuple[int, int, int]
    profile: int
    skip_below: int
    gain_shift: int
    step_shift: int
    z_shift: int
    y_fraction: int
    layers: dict[str, Product | Block]
    quality: dict[str, torch.Tensor]  # enc, dec, step, log_gain: [R, C or M]
    gaussians: list  # 52 frequency tables, numpy
    z_tables: list  # [band][channel] frequency tables
    card: str = ""

    def at(self, q: int) -> dict[str, torch.Tensor]:
        """Returns the four quality tables at q, 0..=6400 (section 4)."""
        u = q * (len(self.quality["enc"]) - 1)
        i = min(u // Q_MAX, len(self.quality["enc"]) - 2)
        w = u - Q_MAX * i
        return {k: ((t[i] * (Q_MAX - w) + t[i + 1] * w + Q_MAX // 2) / Q_MAX).floor()
                for k, t in self.quality.items()}

    def stack(self, name: str, x: torch.Tensor) -> torch.Tensor:
        for i in range(self.ne if name == "e" else self.nd):
            x = self.layers[f"{name}.{i}"](x)
        return x

    def analyse(self, image: torch.Tensor, q: int) -> torch.Tensor:
        """Computes y [ceil(H/16), ceil(W/16), M] of a picture, uint8 [H, W, 3]."""
        x = unshuffle(pad_edge(image.double(), 16) * 2 - 255, 8)
        x = sat(rnd(self.layers["e_in"].plain(x) * self.at(q)["enc"], self.gain_shift))
        return self.layers["e_out"].plain(unshuffle(self.stack("e", x), 2))

    def hyper_analyse(self, y: torch.Tensor) -> torch.Tensor:
        """Computes z of a group from its y."""
        run = self.layers
        x = unshuffle(run["he1"](run["he_in"].plain(pad_edge(y, 4))), 2)
        x = unshuffle(run["he2"](run["he_mid"].plain(x)), 2)
        return rnd(run["he_out"].plain(x), self.z_shift).clamp(-127, 127)

    def prior(self, z: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Computes the prior of a group of height x width latents from its z."""
        run = self.layers
        x = run["hd1"](shuffle(run["hd_in"].plain(z), 2))
        x = run["hd2"](shuffle(run["hd_mid"].plain(x), 2))
        return run["hd3"](run["hd_out"].plain(x)[:height, :width])

    def code(self, y: torch.Tensor, q: int) -> Coded:
        """Quantises y of a group and counts the bits as cross-entropy."""
        h, w, _ = y.shape
        z = self.hyper_analyse(y)
        prior = self.prior(z, h, w)
        z_tables = self.z_tables[q * len(self.z_tables) // (Q_MAX + 1)]
        z_bits = tables.z_bits(z.reshape(-1, self.z).long().numpy(), z_tables)

        t, quarter = self.at(q), self.m // 4
        inverse = 2 ** (self.step_shift + INVERSE_BITS) // t["step"].long()
        y_hat, passes = torch.zeros_like(y), []
        for k in range(4):
            feature = prior
            if k > 0:
                both = torch.cat([y_hat, prior], -1)
                feature = self.layers["ctx"](self.layers[f"ctx_in.{k - 1}"].plain(both))
            heads = [self.layers[n + ("0" if k == 0 else "")] for n in ("scale", "mean")]
            empty = [torch.zeros(h, w, quarter, dtype=y.dtype) for _ in range(4)]
            one = Pass(*empty)
            for phase, part in enumerate(PASS_QUARTER[k]):
                at = (slice(phase // 2, None, 2), slice(phase % 2, None, 2))
                first, last = part * quarter, (part + 1) * quarter
                scale, mean = (head.rows(first, last).plain(feature[at]) for head in heads)
                level = (rnd(scale + t["log_gain"][first:last], 4) + 26).clamp(0, 107)
                r = (y[at][..., first:last] - mean).long() * inverse[first:last]
                r = ((r + (1 << (INVERSE_BITS - 1))) >> INVERSE_BITS).clamp(-R_LIMIT, R_LIMIT)
                r = torch.where(level < self.skip_below, 0.0, r.double())
                step = t["step"][first:last]
                y_hat[at][..., first:last] = sat(mean + rnd(wrap(r * step), self.step_shift))
                one.scale[at], one.mean[at], one.level[at], one.symbol[at] = scale, mean, level, r
            passes.append(one)
        y_bits = sum(tables.symbol_bits(self.gaussians, p.level.long().numpy(),
                                        p.symbol.long().numpy(), self.skip_below) for p in passes)
        return Coded(z, prior, passes, y_hat, z_bits, y_bits)

    def synthesise(self, y_hat: torch.Tensor, q: int) -> torch.Tensor:
        """Computes the padded picture, uint8, from decoded latents."""
        x = self.stack("d", shuffle(self.layers["d_in"].plain(y_hat), 2))
        x = sat(rnd(x * self.at(q)["dec"], self.gain_shift))
        x = self.layers["d_out"].plain(torch.cat(taps(x), -1))
        return (shuffle(x, 8) + 128).clamp(0, 255).byte()

    def run(self, image: torch.Tensor, q: int, group: int = GROUP):
        """Codes a whole picture and returns the decoded picture, uint8 [H, W, 3], the bits of y and the bits of z."""
        y, side = self.analyse(image, q), group // 16
        y_hat, y_bits, z_bits = torch.empty_like(y), 0.0, 0.0
        for i in range(0, y.shape[0], side):
            for j in range(0, y.shape[1], side):
                coded = self.code(y[i : i + side, j : j + side].clone(), q)
                y_hat[i : i + side, j : j + side] = coded.y_hat
                y_bits, z_bits = y_bits + coded.y_bits, z_bits + coded.z_bits
        out = self.synthesise(y_hat, q)[: image.shape[0], : image.shape[1]]
        return out, y_bits, z_bits


def wrap(v: torch.Tensor) -> torch.Tensor:
    """Wraps to 32 bits in two's complement."""
    return v - 2.0**32 * ((v + 2.0**31) / 2.0**32).floor()


def rnd(v: torch.Tensor, s: int) -> torch.Tensor:
    """Shifts right with rounding."""
    return (wrap(v + 2.0 ** (s - 1)) / 2.0**s).floor() if s else v


def sat(v: torch.Tensor) -> torch.Tensor:
    return v.clamp(-LIMIT, LIMIT)


def taps(x: torch.Tensor) -> list[torch.Tensor]:
    """Returns the nine neighbours of each position, (dy, dx) row by row, with zeros outside the plane."""
    h, w, _ = x.shape
    x = F.pad(x, (0, 0, 1, 1, 1, 1))
    return [x[i : i + h, j : j + w] for i in range(3) for j in range(3)]


def pad_edge(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Pads [H, W, C] to multiples by repeating the last row and column."""
    h, w, _ = x.shape
    rows = torch.arange(h + -h % multiple).clamp_max(h - 1)
    columns = torch.arange(w + -w % multiple).clamp_max(w - 1)
    return x[rows][:, columns]


def unshuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """Rearranges [H, W, C] to [H/r, W/r, r*r*C], with channels in the order (row, column, channel)."""
    h, w, c = x.shape
    return x.reshape(h // r, r, w // r, r, c).transpose(1, 2).reshape(h // r, w // r, r * r * c)


def shuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """Inverts `unshuffle`."""
    h, w, c = x.shape
    x = x.reshape(h, w, r, r, c // (r * r)).transpose(1, 2)
    return x.reshape(h * r, w * r, c // (r * r))
