"""Turns float weights and calibrated ranges into the integer network.

Each tensor gets a power-of-two fraction such that its largest observed value, multiplied by the headroom,
fits in an activation. Each layer then gets the largest weights that fit in i16 and whose accumulator provably
cannot wrap, whatever the input.
"""

import dataclasses
import math

import torch

import fixed
import tables
from net import Block, Codec, Shapes

HEADROOM = 1.5  # the default
ROWS = 51  # rows of the quality tables
MAX_FRACTION = 14  # for tensors that are almost zero
SCALE_FRACTION = 7
PROFILE_IDS = {"fast": 1, "best": 2}


@dataclasses.dataclass
class Fit:
    """How a layer was quantised, for the export's report."""

    name: str
    fraction: int
    shift: int
    weight_bits: float
    margin: float  # 2^31 divided by the largest accumulator that any input can reach


class Quantiser:
    def __init__(self, net: torch.nn.Module, reach: dict[str, float], headroom: float = HEADROOM):
        self.weights = {k: v.double() for k, v in net.state_dict().items()}
        self.shapes, self.reach, self.headroom = getattr(net, "shapes", None), reach, headroom
        self.layers: dict[str, fixed.Product | fixed.Block] = {}
        self.report: list[Fit] = []

    def fraction(self, *names: str) -> int:
        """Returns the fraction bits of a tensor that has these names in the ranges."""
        largest = max(self.reach[n] for n in names) * self.headroom
        return int(math.floor(math.log2(fixed.LIMIT / max(largest, fixed.LIMIT / 2.0**MAX_FRACTION))))

    def product(self, name: str, f_in, f_out: int, limit: int = fixed.LIMIT, kind=fixed.Product,
                weight=None, bias=None):
        """Quantises one layer; f_in is the fraction of the input, or a list with one fraction for each input channel."""
        w = self.weights[name + ".weight"] if weight is None else weight
        b = self.weights[name + ".bias"] if bias is None else bias
        w = w.flatten(1) / 2.0 ** torch.as_tensor(f_in, dtype=torch.float64)
        for shift in range(30, -1, -1):
            scale = 2.0 ** (f_out + shift)
            wi, bi = (w * scale).round(), (b * scale).round()
            worst = (wi.abs().sum(1) * limit + bi.abs() + (1 << shift >> 1)).max().item()
            if wi.abs().max() <= 32767 and worst < 2**31:
                bits = math.log2(max(wi.abs().max().item(), 1)) + 1
                self.report.append(Fit(name, f_out, shift, bits, 2**31 / worst))
                return kind(wi, bi, shift, max(f_out, 0))
        raise ValueError(f"{name}: does not fit at shift 0: the largest weight is {wi.abs().max():.4g} of 32767, "
                         f"the largest accumulator {worst:.4g} of 2^31")

    def add(self, name: str, *args, **kw):
        self.layers[name] = self.product(name, *args, **kw)

    def stream(self, *blocks: str) -> int:
        """Returns the fraction of the residual stream of a stack of blocks."""
        return self.fraction(*(f"{b}{at}" for b in blocks for at in (".in", ".f1.in", ".out")))

    def block(self, name: str, f: int) -> int:
        """Quantises a block whose residual stream has the fraction f, and returns f."""
        a, d = self.fraction(f"{name}.dw.in"), self.fraction(f"{name}.p2.in")
        uv, h = self.fraction(f"{name}.f1.out"), self.fraction(f"{name}.f2.in")
        h = min(h, 2 * uv)
        self.layers[name] = fixed.Block(
            self.product(f"{name}.p1", f, a),
            self.product(f"{name}.dw", a, d, kind=fixed.Depthwise),
            self.product(f"{name}.p2", d, f),
            self.product(f"{name}.f1", f, uv),
            2 * uv - h,
            self.product(f"{name}.f2", h, f))
        return f

    def head(self, name: str, scale: str, mean: str, f_in: int, f_y: int):
        """Splits a float head into its two layers; the logarithm of sigma becomes binary."""
        m = self.shapes.m
        w, b = self.weights[name + ".weight"], self.weights[name + ".bias"]
        log2e = 1 / math.log(2)
        self.add(scale, f_in, SCALE_FRACTION, weight=w[:m] * log2e, bias=b[:m] * log2e)
        self.add(mean, f_in, f_y, weight=w[m:], bias=b[m:])


def quantise(net: Codec, reach: dict[str, float], profile: str = "", skip_below: int = 0,
             headroom: float = HEADROOM) -> tuple[fixed.Model, list[Fit]]:
    """Returns the integer model without its z tables, and how each layer was quantised."""
    s, qz = net.shapes, Quantiser(net, reach, headroom)
    e_blocks, d_blocks = [f"e.{i}" for i in range(s.ne)], [f"d.{i}" for i in range(s.nd)]
    f_y = qz.fraction("latents")

    # The input of the float network is p / 255 - 1/2, that of the integer network 2p - 255.
    f_first, f_e = qz.fraction("e_in.out"), qz.stream(*e_blocks)
    qz.add("e_in", 0, f_first, limit=255, weight=qz.weights["e_in.weight"] / 510)
    for name in e_blocks:
        qz.block(name, f_e)
    qz.add("e_out", f_e, f_y)

    f_he1, f_he2 = qz.stream("he1"), qz.stream("he2")
    qz.add("he_in", f_y, f_he1)
    qz.block("he1", f_he1)
    qz.add("he_mid", f_he1, f_he2)
    qz.block("he2", f_he2)
    f_z = qz.fraction("he_out.out")
    qz.add("he_out", f_he2, f_z)

    f_hd1, f_hd2, f_prior = qz.stream("hd1"), qz.stream("hd2"), qz.stream("hd3")
    qz.add("hd_in", 0, f_hd1, limit=tables.K_MAX)
    qz.block("hd1", f_hd1)
    qz.add("hd_mid", f_hd1, f_hd2)
    qz.block("hd2", f_hd2)
    qz.add("hd_out", f_hd2, f_prior)
    qz.block("hd3", f_prior)
    qz.head("head0", "scale0", "mean0", f_prior, f_y)

    f_ctx = qz.stream("ctx")
    for k in range(3):
        qz.add(f"ctx_in.{k}", [f_y] * s.m + [f_prior] * s.p, f_ctx)
    qz.block("ctx", f_ctx)
    qz.head("head", "scale", "mean", f_ctx, f_y)

    f_d, f_last = qz.stream(*d_blocks), qz.fraction("d_out.in")
    qz.add("d_in", f_y, f_d)
    for name in d_blocks:
        qz.block(name, f_d)
    # Output 0 stands for 127.5 in the float network and for 128 in the integer network.
    qz.add("d_out", f_last, 0, weight=qz.weights["d_out.weight"].permute(0, 2, 3, 1) * 255,
           bias=qz.weights["d_out.bias"] * 255 - 0.5)

    quality, gain_shift, step_shift = quality_tables(qz.weights, s, f_e - f_first, f_last - f_d, f_y)
    hidden = tuple(int(width * s.hidden) for width in (s.c, s.z, s.p))
    model = fixed.Model(s.c, s.m, s.z, s.p, s.ne, s.nd, hidden, PROFILE_IDS.get(profile, 0), skip_below,
                        gain_shift, step_shift, f_z, f_y, qz.layers, quality, tables.gaussian_tables(), [])
    return model, qz.report


def quality_tables(weights: dict, s: Shapes, enc_bits: int, dec_bits: int, f_y: int):
    """Returns rows evenly spread over q, as integers, with gain_shift and step_shift as large as u16 allows.

    enc_bits and dec_bits are what the gains add to the fractions of their tensors.
    """
    knot = torch.arange(ROWS, dtype=torch.float64) * (s.knots - 1) / (ROWS - 1)
    i = knot.floor().clamp(0, s.knots - 2).long()
    f = (knot - i)[:, None]
    enc, dec, gain = (weights[n][i] * (1 - f) + weights[n][i + 1] * f for n in ("enc_gain", "dec_gain", "y_gain"))
    enc, dec, step = enc.exp() * 2.0**enc_bits, dec.exp() * 2.0**dec_bits, (-gain).exp() * 2.0**f_y
    gain_shift = spare_bits(max(enc.max().item(), dec.max().item()))
    step_shift = spare_bits(step.max().item())
    rows = dict(enc=(enc * 2**gain_shift).round(), dec=(dec * 2**gain_shift).round(),
                step=(step * 2**step_shift).round().clamp_min(1), log_gain=(gain * 128 / math.log(2)).round())
    return rows, gain_shift, step_shift


def spare_bits(largest: float) -> int:
    """Returns the largest number of fraction bits with which a value still fits in u16."""
    bits = int(math.floor(math.log2(65535 / largest)))
    if bits < 0:
        raise ValueError(f"a quality table contains {largest:.4g}, which is above 65535")
    return min(bits, 30)
