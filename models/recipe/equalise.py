"""Evens out the ranges of the latent channels without changing what the network computes.

All latents share one fraction, and the range of a few of them (the mean colours) is ten times as large as that of the
others, which therefore have few bits. Powers of two are moved between the layers that write a latent and those that
read it, so the float network still gives the same picture.
"""

import math

import torch

from net import Codec

# The other channels keep twice the room of the largest one: drawings and text have larger latents than photographs.
ROOM = 2
MAX_BITS = 3


@torch.no_grad()
def equalise(net: Codec, latents: torch.Tensor):
    """Scales the latents in place, given the largest magnitude of each channel [M]."""
    bits = (latents.max() / (ROOM * latents.clamp_min(1e-9))).log2().floor().clamp(0, MAX_BITS)
    scale, log_scale, m = 2**bits, bits * math.log(2), net.shapes.m
    for layer in (net.e_out, net.head0, net.head):
        layer.weight[-m:] *= scale[:, None]
        layer.bias[-m:] *= scale
    for head in (net.head0, net.head):
        head.bias[:m] += log_scale
    net.y_gain -= log_scale
    for layer in (net.he_in, net.d_in, *net.ctx_in):
        layer.weight[:, :m] /= scale
