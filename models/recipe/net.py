"""The network of the codec in float: analysis, hyper network, four-pass context model, synthesis.

Tensors are [N, H, W, C] throughout. Every heavy layer is a matrix product over channels or a 3x3
depthwise convolution, at 1/8 or 1/16 of the picture's size. The Rust decoder runs the same network
in integers (see fixed.py), so a change of structure here is a change of the format.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

# Order in which each phase of a 2x2 cell codes its four channel quarters: PASS_QUARTER[pass][phase].
# Phases run (0,0), (0,1), (1,0), (1,1). Every row and every column is a permutation, so each pass
# leaves every place of the picture with one more quarter of its latents.
PASS_QUARTER = ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 0, 3, 2))

LEAKY_SLOPE = 1 / 8
# Products of the gated units stay within this, as they do in integers. Photographs reach half of
# it; without the bound, noise squares itself from block to block until the floats overflow.
GATE_MAX = 16.0
# Natural logarithm of the smallest and largest standard deviation that the entropy model uses.
LOG_SIGMA_MIN, LOG_SIGMA_MAX = -2.3, 7.0


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Widths and depths of the network; stored in the model file."""

    c: int = 128  # channels at 1/8
    m: int = 384  # latents at 1/16
    z: int = 64  # hyper-latents at 1/64
    p: int = 192  # channels of the prior at 1/16
    ne: int = 6  # analysis blocks; more than synthesis blocks, since only encoders pay for them
    nd: int = 4  # synthesis blocks
    hidden: float = 1.5  # expansion of a block's gated unit
    knots: int = 8  # points on the quality axis at which gains are learned


PROFILES = {
    "fast": Shapes(),
    "best": Shapes(c=192, p=256, ne=8, nd=8),
}


def unshuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """[N, H, W, C] to [N, H/r, W/r, r*r*C]; channel order (row, column, channel)."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // r, r, w // r, r, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, h // r, w // r, r * r * c)


def shuffle(x: torch.Tensor, r: int) -> torch.Tensor:
    """Inverse of `unshuffle`."""
    n, h, w, c = x.shape
    c //= r * r
    x = x.reshape(n, h, w, r, r, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(n, h * r, w * r, c)


def to_phases(x: torch.Tensor) -> torch.Tensor:
    """[N, H, W, C] to [4, N, H/2, W/2, C]: one slice for each position of a 2x2 cell."""
    return torch.stack([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])


def from_phases(x: torch.Tensor) -> torch.Tensor:
    """Inverse of `to_phases`."""
    return shuffle(x.permute(1, 2, 3, 0, 4).flatten(3), 2)


@torch.library.custom_op("recipe::conv3x3", mutates_args=())
def conv3x3(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: int) -> torch.Tensor:
    """3x3 convolution of [N, H, W, C]. An operator of its own, lest the compiler picks NCHW for it."""
    y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=1, groups=groups)
    return y.permute(0, 2, 3, 1).contiguous()


@conv3x3.register_fake
def _(x, weight, bias, groups):
    return x.new_empty(*x.shape[:3], weight.shape[0])


@torch.library.custom_op("recipe::conv3x3_backward", mutates_args=())
def conv3x3_backward(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, groups: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    dx, dw, db = torch.ops.aten.convolution_backward(
        grad.permute(0, 3, 1, 2), x.permute(0, 3, 1, 2), weight, [len(weight)],
        [1, 1], [1, 1], [1, 1], False, [0, 0], groups, [True] * 3)
    return dx.permute(0, 2, 3, 1).contiguous(), dw.contiguous(), db


@conv3x3_backward.register_fake
def _(grad, x, weight, groups):
    return x.new_empty(x.shape), weight.new_empty(weight.shape), weight.new_empty(len(weight))


def keep_for_backward(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.groups = inputs[3]


def backward(ctx, grad):
    return *conv3x3_backward(grad.contiguous(), *ctx.saved_tensors, ctx.groups), None


conv3x3.register_autograd(backward, setup_context=keep_for_backward)


class Conv3x3(nn.Conv2d):
    """3x3 convolution of [N, H, W, C], under autocast in its type."""

    def __init__(self, c: int, n: int, groups: int = 1):
        super().__init__(c, n, 3, padding=1, groups=groups)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        device = x.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        return conv3x3(x.to(kind), self.weight.to(kind), self.bias.to(kind), self.groups)


class Block(nn.Module):
    """Residual unit: depthwise 3x3 between two products, then a gated (ReGLU) unit.

    The residual stream stays in float32 under autocast: eight bits of mantissa cap high rates.
    """

    def __init__(self, c: int, expansion: float):
        super().__init__()
        h = int(c * expansion)
        self.p1 = nn.Linear(c, c)
        self.dw = Conv3x3(c, c, groups=c)
        self.p2 = nn.Linear(c, c)
        self.f1 = nn.Linear(c, 2 * h)
        self.f2 = nn.Linear(h, c)
        with torch.no_grad():
            self.p2.weight.mul_(0.5)
            self.f2.weight.mul_(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.p1(x)
        x = x + self.p2(self.dw(torch.maximum(a, a * LEAKY_SLOPE)))
        u, v = self.f1(x).chunk(2, -1)
        return x + self.f2((F.relu(u) * v).clamp(-GATE_MAX, GATE_MAX))


class LowerBound(torch.autograd.Function):
    """max(x, bound) whose gradient still lets x rise from below the bound."""

    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return ((x >= ctx.bound) | (grad < 0)) * grad, None


def round_ste(x: torch.Tensor) -> torch.Tensor:
    """Rounds; the gradient passes as if it had not."""
    return x + (x.round() - x).detach()


class Factorized(nn.Module):
    """Learned density of each hyper-latent channel (Balle et al. 2018, section 6.1)."""

    def __init__(self, c: int):
        super().__init__()
        self.h = nn.Parameter(torch.full((4, c), 0.54))
        self.b = nn.Parameter(torch.zeros(4, c))
        self.a = nn.Parameter(torch.zeros(3, c))

    def cdf(self, x: torch.Tensor) -> torch.Tensor:
        for i in range(4):
            x = x * F.softplus(self.h[i]) + self.b[i]
            if i < 3:
                x = x + torch.tanh(x) * torch.tanh(self.a[i])
        return torch.sigmoid(x)

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        p = self.cdf(x + 0.5) - self.cdf(x - 0.5)
        return -torch.log2(LowerBound.apply(p, 1e-6))


def gaussian_bits(r: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Bits of the integer bin around r under a zero-mean normal of standard deviation sigma."""
    v, k = r.abs(), 2**-0.5 / sigma
    p = 0.5 * (torch.erfc((v - 0.5) * k) - torch.erfc((v + 0.5) * k))
    return -torch.log2(p.clamp_min(1e-9))


class Codec(nn.Module):
    """Pictures [N, H, W, 3] in [-0.5, 0.5], H and W multiples of 64, to reconstruction and rate."""

    def __init__(self, shapes: Shapes = PROFILES["fast"]):
        super().__init__()
        self.shapes = s = shapes
        c, m, z, p, e = s.c, s.m, s.z, s.p, s.hidden

        def stack(n, width):
            return nn.Sequential(*[Block(width, e) for _ in range(n)])

        self.e_in = nn.Linear(192, c)
        self.e = stack(s.ne, c)
        self.e_out = nn.Linear(4 * c, m)

        self.he_in = nn.Linear(m, z)
        self.he1 = Block(z, e)
        self.he_mid = nn.Linear(4 * z, z)
        self.he2 = Block(z, e)
        self.he_out = nn.Linear(4 * z, z)

        self.hd_in = nn.Linear(z, 4 * z)
        self.hd1 = Block(z, e)
        self.hd_mid = nn.Linear(z, 4 * z)
        self.hd2 = Block(z, e)
        self.hd_out = nn.Linear(z, p)
        self.hd3 = Block(p, e)
        self.head0 = nn.Linear(p, 2 * m)

        self.ctx_in = nn.ModuleList([nn.Linear(m + p, p) for _ in range(3)])
        self.ctx = Block(p, e)
        self.head = nn.Linear(p, 2 * m)

        self.d_in = nn.Linear(m, 4 * c)
        self.d = stack(s.nd, c)
        # 3x3, so that neighbouring 8x8 patches overlap: painted alone, they show as a grid.
        self.d_out = Conv3x3(c, 192)

        self.z_prior = Factorized(z)
        self.enc_gain = nn.Parameter(torch.zeros(s.knots, c))  # logarithms, one row a knot
        self.dec_gain = nn.Parameter(torch.zeros(s.knots, c))
        base = torch.linspace(math.log(3.2), math.log(70), s.knots)[:, None]
        self.y_gain = nn.Parameter(base.repeat(1, m))
        for mod in self.modules():
            if isinstance(mod, (nn.Linear, nn.Conv2d)):
                nn.init.zeros_(mod.bias)

    def log_gain(self, table: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Rows of a gain table at q [N] in [0, knots - 1], linear between knots: [N, 1, 1, C]."""
        knots = torch.arange(self.shapes.knots, device=q.device)
        near = (1 - (q[:, None] - knots).abs()).clamp_min(0)
        return (near[:, :, None] * table).sum(1)[:, None, None, :]

    def analyse(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Picture to latents y before their gain, [N, H/16, W/16, M]."""
        t = self.e(full(self.e_in, unshuffle(x, 8)) * self.log_gain(self.enc_gain, q).exp())
        return full(self.e_out, unshuffle(t, 2))

    def hyper_analyse(self, y: torch.Tensor) -> torch.Tensor:
        """Latents to hyper-latents z before rounding, [N, H/64, W/64, Z]."""
        t = unshuffle(self.he1(self.he_in(y)), 2)
        t = unshuffle(self.he2(self.he_mid(t)), 2)
        return self.he_out(t).float()

    def prior(self, z: torch.Tensor) -> torch.Tensor:
        """Rounded hyper-latents to the prior's features, [N, H/16, W/16, P]."""
        t = self.hd1(shuffle(self.hd_in(z), 2))
        t = self.hd2(shuffle(self.hd_mid(t), 2))
        return self.hd3(self.hd_out(t)).float()

    def predict(self, feature: torch.Tensor, head: nn.Linear, k: int):
        """Log-sigma and mean of pass k, each [4, N, H/32, W/32, M/4]: only what the pass codes."""
        quarter = self.shapes.m // 4
        w = head.weight.view(2, 4, quarter, -1)
        b = head.bias.view(2, 4, quarter)
        out = []
        for phase, f in enumerate(to_phases(feature)):
            i = PASS_QUARTER[k][phase]
            out.append(F.linear(f, w[:, i].flatten(0, 1), b[:, i].flatten()))
        return torch.stack(out).float().chunk(2, -1)

    def synthesise(self, y_hat: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Decoded latents (gain removed) to the picture."""
        t = self.d(shuffle(full(self.d_in, y_hat), 2))
        t = t * self.log_gain(self.dec_gain, q).exp()
        return shuffle(self.d_out(t).float(), 8)

    def forward(self, x: torch.Tensor, q: torch.Tensor, noise: bool = True):
        """Returns the reconstruction and bits per pixel of y and of z, each [N].

        With `noise` the rate is that of latents with uniform noise (a smooth proxy for training),
        without it that of the rounded latents.
        """
        n, height, width, _ = x.shape
        y = self.analyse(x, q)
        z = self.hyper_analyse(y)
        z_hat = round_ste(z)
        z_bits = self.z_prior.bits(z + torch.rand_like(z) - 0.5 if noise else z_hat).sum((1, 2, 3))
        prior = self.prior(z_hat)

        quarter = self.shapes.m // 4
        log_gain = self.log_gain(self.y_gain, q)
        gains = log_gain.view(n, 1, 1, 4, quarter)
        cells = to_phases(y).unflatten(-1, (4, quarter))
        known = torch.zeros_like(cells)
        y_bits = 0
        for k in range(4):
            if k == 0:
                log_sigma, mean = self.predict(prior, self.head0, 0)
            else:
                seen = from_phases(known.flatten(-2))
                feature = self.ctx(self.ctx_in[k - 1](torch.cat([seen, prior], -1)))
                log_sigma, mean = self.predict(feature, self.head, k)
            target = torch.stack([cells[j, ..., i, :] for j, i in enumerate(PASS_QUARTER[k])])
            lg = torch.stack([gains[..., i, :] for i in PASS_QUARTER[k]])
            g = lg.exp()
            r = (target - mean) * g
            r_hat = round_ste(r)
            sigma = torch.exp((log_sigma + lg).clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX))
            bits = gaussian_bits(r + torch.rand_like(r) - 0.5 if noise else r_hat, sigma)
            y_bits = y_bits + bits.sum((0, 2, 3, 4))
            decoded = r_hat / g + mean
            filled = torch.zeros_like(known)
            for j, i in enumerate(PASS_QUARTER[k]):
                filled[j, ..., i, :] = decoded[j]
            known = known + filled
        x_hat = self.synthesise(from_phases(known.flatten(-2)), q)
        return x_hat, y_bits / (height * width), z_bits / (height * width)


def full(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """Runs a layer in float32 even under autocast."""
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())
