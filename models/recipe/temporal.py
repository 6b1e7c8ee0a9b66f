"""The temporal prior in float: predicts the latents of a frame from those of its reference (docs/format.md, section 10).

Analysis and synthesis stay as they are, so that a frame without a reference is a picture like any other. Latents are those
of `Codec.analyse`, and symbols are chosen as the Rust encoder does: with an eye on the bits that they cost.
"""

import torch
import torch.nn.functional as F
from torch import nn

from net import LOG_SIGMA_MAX, LOG_SIGMA_MIN, PASS_QUARTER, Block, from_phases, gaussian_bits, to_phases

CLASSES = 8  # activities of a position
KNOTS = 8  # places on the quality scale
SIDE = 32  # inputs besides the latents: one of CLASSES, the nearness to each of KNOTS, zeros
LAMBDA = 0.2  # squared quantisation steps that one bit is worth
STRICTNESS = 2.0  # how much more than its bits a change has to be worth to be coded
SKIPPED = 2 ** ((7.5 - 26) / 8)  # smallest standard deviation that is coded: that of level 8


class Temporal(nn.Module):
    """Latents of a frame and of its reference, both [N, H, W, M], to rate, error and decoded latents."""

    def __init__(self, m: int = 384, p: int = 128, hidden: float = 1.5):
        super().__init__()
        self.m, self.p = m, p
        self.t_in = nn.Linear(m + SIDE, p)
        self.t1, self.t2 = Block(p, hidden), Block(p, hidden)
        self.head0 = nn.Linear(p, 3 * m)
        self.ctx_in = nn.ModuleList([nn.Linear(m + p, p) for _ in range(3)])
        self.ctx = Block(p, hidden)
        self.head = nn.Linear(p, 3 * m)
        for mod in self.modules():
            if isinstance(mod, (nn.Linear, nn.Conv2d)):
                nn.init.zeros_(mod.bias)
        with torch.no_grad():
            for head in (self.head0, self.head):
                head.weight.mul_(0.3)
                # At first little changes, and what is predicted is the reference.
                head.bias[:m] = -2
                head.bias[2 * m :] = 0.9

    def predict(self, feature: torch.Tensor, head: nn.Linear, k: int):
        """Log-sigma, mean and gate of pass k, each [4, N, H/2, W/2, M/4]."""
        quarter = self.m // 4
        w, b = head.weight.view(3, 4, quarter, -1), head.bias.view(3, 4, quarter)
        out = []
        for phase, f in enumerate(to_phases(feature)):
            i = PASS_QUARTER[k][phase]
            out.append(F.linear(f, w[:, i].flatten(0, 1), b[:, i].flatten()))
        return torch.stack(out).chunk(3, -1)

    def forward(self, y, reference, gain, classes, side, note=None):
        """gain [N, 1, 1, M], classes [N, H, W], side [N, H, W, SIDE]. Returns bits and squared error in steps, both
        [N, H, W], and the decoded latents. `note(sigma, symbol, active)` sees every pass."""
        quarter = self.m // 4
        prior = self.t2(self.t1(self.t_in(torch.cat([reference, side], -1))))
        cells, kept = (to_phases(t).unflatten(-1, (4, quarter)) for t in (y, reference))
        active = (to_phases(classes[..., None]) > 0).float()
        gains = gain.view(len(y), 1, 1, 4, quarter)
        change = torch.zeros_like(cells)
        bits, error = 0, 0
        for k in range(4):
            feature = prior
            if k > 0:
                feature = self.ctx(self.ctx_in[k - 1](torch.cat([from_phases(change.flatten(-2)), prior], -1)))
            log_sigma, mean, gate = self.predict(feature, self.head0 if k == 0 else self.head, k)
            target, before = (
                torch.stack([t[j, ..., i, :] for j, i in enumerate(PASS_QUARTER[k])]) for t in (cells, kept))
            g = torch.stack([gains[..., i, :] for i in PASS_QUARTER[k]])
            mean = mean + gate.clamp(0, 1) * before
            scaled = (target - mean) * g
            sigma = torch.exp((log_sigma + g.log()).clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX))
            symbol = chosen(scaled.detach(), sigma.detach())
            if note:
                note(sigma, symbol, active)
            # The rate of the symbols, with a gradient as if they were not rounded.
            rate = gaussian_bits(symbol + scaled - scaled.detach(), sigma) * active
            bits = bits + from_phases(rate.sum(-1, keepdim=True))[..., 0]
            error = error + from_phases(((scaled - symbol) ** 2 * active).sum(-1, keepdim=True))[..., 0]
            decoded = torch.where(active > 0, symbol / g + mean.detach() - before, 0.0)
            filled = torch.zeros_like(change)
            for j, i in enumerate(PASS_QUARTER[k]):
                filled[j, ..., i, :] = decoded[j]
            change = change + filled
        return bits, error, reference + from_phases(change.flatten(-2))


def chosen(scaled: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The nearest symbol, or the next one towards zero if the bits that it saves are worth more than what it loses."""
    symbol = scaled.round()
    lower = symbol - symbol.sign()
    saved = gaussian_bits(symbol, sigma) - gaussian_bits(lower, sigma)
    lost = (scaled - lower) ** 2 - (scaled - symbol) ** 2
    symbol = torch.where(lost < LAMBDA * saved, lower, symbol)
    return torch.where(sigma < SKIPPED, 0.0, symbol)


def activity(difference: torch.Tensor, strictness: float = STRICTNESS) -> torch.Tensor:
    """The class of each position from the difference to the reference in steps, [N, H, W, M]. It counts the octaves of
    the bits that the position would take; class 0 keeps the reference."""
    bits = (torch.log2(1 + 2.5 * difference.abs()) * 1.2 - 0.6).clamp_min(0).sum(-1)
    squares = difference**2
    gain = (squares - squares.clamp_max(0.1)).sum(-1)
    classes = 1 + torch.floor(torch.log2(bits.clamp_min(8) / 8)).clamp(0, CLASSES - 2)
    return torch.where(gain < strictness * LAMBDA * (bits + 4), 0, classes.long())


def side_input(classes: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """[N, H, W, SIDE] from classes [N, H, W] and q [N], the place between the knots."""
    near = (1 - (q[:, None] - torch.arange(float(KNOTS))).abs()).clamp_min(0)
    near = near[:, None, None, :].expand(*classes.shape, KNOTS)
    zeros = torch.zeros(*classes.shape, SIDE - CLASSES - KNOTS)
    return torch.cat([F.one_hot(classes, CLASSES).float(), near, zeros], -1)
